"""Futures sampled around predictions: what they score beside one future and others, and how sure they say it is."""

from __future__ import annotations

from functools import partial

from worldprobe.findings.facts import Summary
from worldprobe.findings.score import VerdictKind
from worldprobe.findings.sections.futures import FuturesRow
from worldprobe.findings.wording import SPEAKS
from worldprobe.intervals import Score
from worldprobe.report.charts.futures import futures_panels
from worldprobe.report.table import (
    Block,
    Cell,
    Column,
    Figure,
    Paragraph,
    Section,
    Table,
    cell,
    in_groups,
    score_cell,
)

_TITLE = "Several futures, and how sure they are"
_MEANS = (
    "A future is the prediction plus the errors of a whole window of another group, scaled by how large errors are "
    "expected to be here and there, from what is known before the future is seen (what is predicted to change, "
    "what moved, the neighbourhood). Energy score: how far futures are off on average, less half of how far they "
    "lie apart; of one future how far it is off. Less is better, and who is wrong about how sure it is pays for "
    "it. One width: the same errors, not scaled. Noise: independent numbers of the same size. Of tokens lengths "
    "are root mean squares over a token's numbers; of places distances in % of a frame. Which tokens change is "
    "known only afterwards, and they are those of larger errors: radii are calibrated for all tokens, and hold "
    "fewer of these."
)
_CURVE = "The size of the error found by the size expected, eighths from the surest to the least sure."
_BRIEF: dict[VerdictKind, str] = {"above": "better", "not-shown": "not shown", "below": "worse"}


def futures(summary: Summary) -> Section | None:
    """Scores of several futures by horizon, their calibration, and the curve."""
    found = summary.futures
    if found is None:
        return None
    ridge = any("ridge" in row.energies for row in found.rows)
    heads = {
        "one future": "point", "futures": "dressed", "one width": "constant", "noise": "noise",
        "around copy-last": "copy-last", **({"around a ridge": "ridge"} if ridge else {}),
    }  # fmt: skip
    energies: list[Column[FuturesRow]] = [
        Column("Of what", _what, short="of", brief=lambda row: row.of),
        Column("Ahead", lambda row: str(row.horizon), right=True, short="h"),
        *(
            Column(head, partial(_energy, key=key), right=True, short=head.removeprefix("around a ").removeprefix(
                "around "), value_only=key != "dressed")
            for head, key in heads.items()
        ),
        Column("n", lambda row: in_groups(row.n, row.n_groups), right=True),
        Column("Verdict", lambda row: cell(row.verdict, kind="verdict", tone=row.kind), short="than beside",
               brief=lambda row: _BRIEF.get(row.kind, "–")),
    ]  # fmt: skip
    sure: list[Column[FuturesRow]] = [
        Column("Of what", _what, short="of", brief=lambda row: row.of),
        Column("Ahead", lambda row: str(row.horizon), right=True, short="h"),
        Column("Within the 50 % radius", lambda row: score_cell(row.within[0]), right=True),
        Column("Within the 90 % radius", lambda row: score_cell(row.within[1]), right=True, short="in 90 %"),
        Column("That radius", lambda row: _length(row, row.radius), right=True, short="radius", value_only=True),
        Column("Off, as expected", lambda row: _length(row, row.spread), right=True),
        Column("Off where surest", lambda row: _length(row, row.surest), right=True, short="surest",
               value_only=True),
        Column("Off where least sure", lambda row: _length(row, row.unsure), right=True, short="least sure",
               value_only=True),
        Column("Nearest of 8", lambda row: _length(row, row.nearest and row.nearest[0]), right=True),
        Column("Nearest of 8, noise", lambda row: _length(row, row.nearest and row.nearest[1]), right=True),
    ]  # fmt: skip
    blocks: list[Block] = [
        Paragraph(" ".join(filter(None, (found.opening, found.headline)))),
        Table(f"{_TITLE}: energy score, 95 % intervals", energies, found.rows, look="num scores"),
        Table("How sure: radii and errors, 95 % intervals", sure, found.rows, look="num scores"),
        Figure("futures", _CURVE, futures_panels(found), look=" two"),
        Paragraph(f"{_MEANS} {SPEAKS}", "rule", lead="How to read it."),
        *(Paragraph(one, "small", lead="Protocol:") for one in found.protocols),
    ]
    return Section("futures", _TITLE, blocks, short="Futures", chapter="future", heading=_TITLE)


def _what(row: FuturesRow) -> Cell:
    return cell((row.name, "strong"), (", % of a frame" if row.of == "xy" else "", "soft"))


def _energy(row: FuturesRow, key: str) -> Cell:
    return _length(row, row.energies.get(key), strong=key == "dressed")


def _length(row: FuturesRow, score: Score | None, *, strong: bool = False) -> Cell:
    return score_cell(score, digits=1 if row.of == "xy" else 3, strong=strong)
