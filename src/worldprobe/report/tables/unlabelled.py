"""What features are like without labels: a line a measure."""

from __future__ import annotations

from functools import partial

from worldprobe.findings.facts import Summary
from worldprobe.findings.sections.unlabelled import UnlabelledRow
from worldprobe.findings.wording import NONE, with_interval
from worldprobe.report.table import Block, Cell, Column, Paragraph, Section, Table, cell, score_cell


def unlabelled(summary: Summary) -> Section | None:
    """A line an input and measure: the encoder's, and the untrained twin's."""
    found = summary.unlabelled
    if found is None:
        return None
    inputs = {row.input for row in found.rows}
    columns: list[Column[UnlabelledRow]] = [Column("Measure", lambda row: row.measure, short="measure")]
    if len(inputs) > 1:
        columns.append(Column("Input", lambda row: row.input, short="input"))
    columns += [
        Column(
            summary.encoder.name, lambda row: score_cell(row.score, strong=True), right=True, short="score",
            brief=lambda row: with_interval(row.score),
        ),
        Column("random-init", _twin, right=True, short="r-init", brief=partial(_twin, brief=True)),
        Column("n", lambda row: f"{row.n:,} tubelets of {row.n_videos:,} videos", right=True),
    ]  # fmt: skip
    width = f"Features of {found.rows[0].tap}, {found.rows[0].width:,} wide. "
    title = "What the features are like, without labels"
    blocks: list[Block] = [Table(title, columns, found.rows, look="num"), Paragraph(width + found.note, "soft")]
    return Section("unlabelled", title, blocks, short="Features", chapter="probes", heading=title)


def _twin(row: UnlabelledRow, *, brief: bool = False) -> Cell:
    if row.twin is None:
        return cell(NONE)
    return cell(with_interval(row.twin)) if brief else score_cell(row.twin)
