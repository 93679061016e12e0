"""What is read of the scene from predicted futures: a line a task, kind of features and horizon."""

from __future__ import annotations

from functools import partial

from worldprobe.findings.facts import Summary
from worldprobe.findings.score import VerdictKind
from worldprobe.findings.sections.readouts import METRIC_NAMES, ReadoutRow, Readouts
from worldprobe.findings.wording import SPEAKS, count
from worldprobe.report.charts.readouts import readout_panels
from worldprobe.report.table import (
    Block,
    Cell,
    Column,
    Figure,
    Paragraph,
    Section,
    Table,
    cell,
    score_cell,
)
from worldprobe.results import READOUT_ERRORS

_TITLE = "What is read from predicted futures"
_MEANS = (
    "A probe is fitted to true futures of other groups and applied to predicted ones. Distance: from the place "
    "that is read to the true one, across and down in shares of its width and height. True future: the ceiling, "
    "and what the probe itself gets wrong. Corrected: predicted tokens through one linear map a horizon to true "
    "ones, fitted on other groups: what it adds is there, but displaced. Copy-last: the context's last tokens "
    "again, through one linear map. Ridge: each cell's future tokens as a linear function of its last two. "
    "Carried on: the context's own labels, places at the speed of their last two tubelets, all else as it was; who "
    "tracks objects has them without an encoder. Constant: the training groups' mean or commonest class."
)
_BRIEF: dict[VerdictKind, str] = {"above": "better", "not-shown": "not shown", "below": "worse"}
_BARS = "By the features that true futures are read from best. Bars: 95 % intervals, groups resampled."


def readouts(summary: Summary) -> Section | None:
    """Places, sizes, classes by horizon, beside the true future and what knows nothing."""
    found = summary.readouts
    if found is None:
        return None
    blocks: list[Block] = [
        Paragraph(" ".join(filter(None, (found.opening, found.headline)))),
        Table(
            f"{_TITLE}, 95 % intervals",
            _columns(found),
            found.shown,
            look="num scores",
        ),
        Figure("readouts", _BARS, readout_panels(found), look=" two"),
        Paragraph(f"{_MEANS} {SPEAKS}", "rule", lead="How to read it."),
        Paragraph(f"{found.protocol}; {_windows(found)}", "small", lead="Protocol:"),
    ]
    return Section("readouts", _TITLE, blocks, short="Read-outs", chapter="future", heading=_TITLE)


def _windows(found: Readouts) -> str:
    """Of how many windows in how many groups, by task where they differ."""
    counts = {row.task: f"{row.n:,} in {count(row.n_groups, 'group')}" for row in found.shown}
    if len(set(counts.values())) == 1:
        return f"windows: {next(iter(counts.values()))}"
    return "windows: " + ", ".join(f"{task} {number}" for task, number in counts.items())


def _columns(found: Readouts) -> list[Column[ReadoutRow]]:
    twin = any(row.twin for row in found.rows)
    named = {
        "true future": "truth", "predicted": "joint", "rolling": "rolling", "corrected": "corrected",
        "ridge": "ridge", "copy-last": "copy-last", "carried on": "constant-velocity", "constant": "mean",
    }  # fmt: skip
    if not any("corrected" in row.scores for row in found.rows):  # a run of an older version
        del named["corrected"]
    scores: list[Column[ReadoutRow]] = [
        Column(head, partial(_score, key=key), right=True, short=key, value_only=key != "joint")
        for head, key in named.items()
    ]
    return [
        Column("What", _what, short="what", brief=lambda row: row.task),
        Column("Ahead", lambda row: str(row.horizon), right=True, short="h"),
        *scores,
        *([Column("untrained", _twin, right=True, short="untr.", value_only=True)] if twin else []),
        Column(
            "Verdict",
            lambda row: cell(row.verdict, kind="verdict", tone=row.kind),
            short="than guesses",
            brief=lambda row: _BRIEF.get(row.kind, "–"),
        ),
    ]


def _what(row: ReadoutRow) -> Cell:
    return cell((row.name, "strong"), (f" {row.features}, {METRIC_NAMES[row.metric]}", "soft"))


def _score(row: ReadoutRow, key: str) -> Cell:
    return score_cell(row.scores.get(key), strong=row.mode == key, digits=_digits(row))


def _twin(row: ReadoutRow) -> Cell:
    return score_cell(row.twin, digits=_digits(row))


def _digits(row: ReadoutRow) -> int:
    return 1 if row.metric in READOUT_ERRORS else 2
