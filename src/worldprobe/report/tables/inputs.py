"""What motion and order add: native clips beside other kinds of input."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from worldprobe.findings.facts import Summary
from worldprobe.findings.sections.inputs import InputCell, InputRow, several_probes
from worldprobe.findings.wording import METRICS, NONE, difference, number, property_name, with_interval
from worldprobe.report.table import (
    BREAK,
    Block,
    Cell,
    Column,
    Paragraph,
    Part,
    Section,
    Table,
    cell,
    in_groups,
    named_cell,
    score_cell,
    score_parts,
    score_values,
    sorted_cell,
)


def inputs(summary: Summary) -> Section | None:
    """A line a reading: the score from each kind of input, and what native clips have more."""
    found = summary.inputs
    if found is None:
        return None
    columns: list[Column[InputRow]] = [
        Column("Property", _property, short="task", brief=lambda row: row.task),
        Column("Features", lambda row: row.features, short="feat."),
        Column("Probe", lambda row: row.probe, short="probe" if several_probes(found.rows) else None),
        Column(
            "native", lambda row: score_cell(row.native, strong=True), right=True, short="native",
            brief=lambda row: with_interval(row.native),
        ),
        *(
            Column(
                name, partial(_cell, input=name), right=True, short=name, brief=partial(_brief, input=name)
            )
            for name in found.others
        ),
        Column("n", lambda row: in_groups(row.n_test, row.n_groups), right=True),
    ]  # fmt: skip
    title = "What do motion and order add?"
    table = Table(f"{title} Under each score: native less it", columns, found.rows, caption=found.conclusion)
    note = "Under each score: that from native clips less it, paired by group. In brackets: 95 % intervals."
    blocks: list[Block] = [
        Paragraph(found.conclusion), table, Paragraph(note, "soft"),
        Paragraph(found.rule, "rule", lead="What is compared."),
    ]  # fmt: skip
    return Section("inputs", title, blocks, short="Order", chapter="probes", heading=title)


def _property(row: InputRow) -> Cell:
    return named_cell(property_name(row.task), METRICS[row.metric], kind="name")


def _of(row: InputRow, input: str) -> InputCell | None:
    return next((one for one in row.others if one.input == input), None)


def _cell(row: InputRow, input: str) -> Cell:
    one = _of(row, input)
    if one is None:
        return cell(NONE)
    gain: Part = (f"native less it {difference(one.gain)}", "soft")
    values = (*score_values(one.score), *score_values(one.gain, " native less it"))
    return replace(sorted_cell(one.score.value, *score_parts(one.score), BREAK, gain), values=values)


def _brief(row: InputRow, input: str) -> str:
    one = _of(row, input)
    if one is None:
        return NONE
    return f"{number(one.score.value)}\n{difference(one.gain)}"
