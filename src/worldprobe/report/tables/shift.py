"""Does the read-out survive a factor's new values: a line a reading, and one for each value."""

from __future__ import annotations

from worldprobe.findings.facts import Summary
from worldprobe.findings.sections.shift import ShiftRow
from worldprobe.findings.wording import METRICS, NONE, difference, with_interval
from worldprobe.report.table import Block, Column, Paragraph, Section, Table, in_groups, score_cell


def shift(summary: Summary) -> Section | None:
    """A line a reading: on values held out, as usual, the difference, and controls held out."""
    found = summary.shift
    if found is None:
        return None
    inputs = {row.input for row in found.rows}
    columns: list[Column[ShiftRow]] = [
        Column("Property", lambda row: row.task, short="property", row_head=True),
        Column("Read from", lambda row: f"{row.features}, {row.probe}", short="from"),
        Column("Held out", lambda row: row.value or f"each {found.factor}", short="held out"),
    ]
    if len(inputs) > 1:
        columns.append(Column("Input", lambda row: row.input, short="input"))
    columns += [
        Column(
            "Score held out", lambda row: score_cell(row.held, strong=True), right=True, short="score",
            brief=lambda row: with_interval(row.held),
        ),
        Column(
            "As usual", lambda row: score_cell(row.usual), right=True, short="usual",
            brief=lambda row: with_interval(row.usual),
        ),
        Column(
            "Difference", lambda row: score_cell(row.difference, sign=True), right=True, short="difference",
            brief=lambda row: difference(row.difference),
        ),
        Column("Controls held out", _others, short=None),
        Column("Survives?", lambda row: row.survives or NONE, short="survives"),
        Column("n", lambda row: in_groups(row.n_test, row.n_groups), right=True, short=None),
        Column("Trained on", lambda row: f"{row.n_train:,}", right=True, short=None),
        Column("Metric", lambda row: METRICS[row.metric], short=None),
    ]  # fmt: skip
    title = f"Does the read-out survive another {found.factor}?"
    brief = [row for row in found.rows if not row.value]
    blocks: list[Block] = [
        Table(title, columns, found.rows, look="num", brief_rows=brief),
        Paragraph(found.note, "rule"),
    ]
    return Section("shift", title, blocks, short="Shift", chapter="probes", heading=title)


def _others(row: ShiftRow) -> str:
    return "; ".join(f"{name} {with_interval(one)}" for name, one in row.controls.items()) or NONE
