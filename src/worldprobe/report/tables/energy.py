"""Energy of actions: a line a kind of action, and the curve over multiples of the true one."""

from __future__ import annotations

from worldprobe.findings.facts import Summary
from worldprobe.findings.sections.energy import EnergyRow
from worldprobe.findings.wording import NONE, with_interval
from worldprobe.intervals import Score
from worldprobe.report.charts.energy import energy_panels
from worldprobe.report.table import Block, Cell, Column, Figure, Paragraph, Section, Table, cell, score_cell

_TITLE = "Energy of actions"
_NOTE = (
    "Energy: the L1 distance between the frame that came and the one that an action would lead to, as the "
    "predictor tells it. A planner takes the action of the least. “True one lower in”: the share of transitions in "
    "which the true action's is lower; 0.5 is chance. In brackets: 95 % intervals, groups resampled."
)
_BARS = "Energy above the true action's, by its multiple: 0 is none, 1 the true one. Bars: 95 % intervals, paired."


def energy(summary: Summary) -> Section | None:
    """A line a kind of action, beside the untrained twin; and the curve."""
    found = summary.energy
    if found is None:
        return None
    columns: list[Column[EnergyRow]] = [
        Column("Action", lambda row: row.name, short="action"),
        Column("Energy", lambda row: _cell(row.energy), right=True, brief=lambda row: _brief(row.energy)),
        Column("Above the true one's", lambda row: _cell(row.excess), right=True, short="above",
               brief=lambda row: _brief(row.excess)),
        Column("True one lower in", lambda row: _cell(row.lower, strong=True), right=True, short="true lower",
               brief=lambda row: _brief(row.lower)),
    ]  # fmt: skip
    if any(row.twin for row in found.rows):
        columns += [
            Column("Twin: above", lambda row: _cell(row.twin_excess), right=True, short="r-init above",
                   brief=lambda row: _brief(row.twin_excess)),
            Column("Twin: true one lower in", lambda row: _cell(row.twin), right=True, short="r-init lower",
                   brief=lambda row: _brief(row.twin)),
        ]  # fmt: skip
    blocks: list[Block] = [
        Paragraph(found.headline),
        Table(_TITLE, columns, found.rows, look="num"),
        Figure("energy", _BARS, energy_panels(found)),
        Paragraph(f"{found.protocol}; {found.n:,} transitions of {found.n_groups:,} groups.", "soft"),
        Paragraph(_NOTE, "soft"),
    ]
    return Section("energy", _TITLE, blocks, short="Energy", chapter="future", heading=_TITLE)


def _cell(score: Score | None, *, strong: bool = False) -> Cell:
    return cell(NONE) if score is None else score_cell(score, digits=3, strong=strong)


def _brief(score: Score | None) -> Cell:
    return cell(NONE if score is None else with_interval(score, 3))
