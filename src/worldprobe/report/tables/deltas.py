"""Whether motion lives in the differences of embeddings."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from worldprobe.controls import CONTROLS
from worldprobe.findings.facts import Summary
from worldprobe.findings.sections.deltas import PLACES, DeltaCell, DeltaRow
from worldprobe.findings.wording import METRICS, NONE, number, property_name, with_interval
from worldprobe.report.table import (
    BREAK,
    Block,
    Cell,
    Column,
    Paragraph,
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


def deltas(summary: Summary) -> Section | None:
    """A line a reading, each score over its best control."""
    found = summary.deltas
    if found is None:
        return None
    columns: list[Column[DeltaRow]] = [
        Column("Property", _property, short="task", brief=lambda row: row.task),
        Column("Input", lambda row: row.input, short="input"),
        Column("Probe", lambda row: row.probe, short="probe"),
        *(
            Column(
                kind, partial(_cell, features=kind), right=True, short=kind,
                brief=partial(_brief, features=kind),
            )
            for kind in found.features
        ),
        Column("delta − z", lambda row: score_cell(row.gain, sign=True), right=True, short="delta − z"),
        Column("Where it is", lambda row: PLACES[row.place], short="where it is", fold=True),
        Column("n", lambda row: in_groups(row.n_test, row.n_groups), right=True),
    ]  # fmt: skip
    title = "Does motion live in the deltas?"
    table = Table(f"{title} Under each score: its best control", columns, found.rows, caption=found.conclusion)
    note = (
        "Under each score: the best control. Bold: above every control. In brackets: 95 % intervals. delta: the "
        "embedding less the one before it, which is the tubelet before in the same clip, or the still before in "
        "the same shot."
    )
    blocks: list[Block] = [
        Paragraph(found.conclusion), table, Paragraph(note, "soft"),
        Paragraph(found.rule, "rule", lead="How the place is judged."),
    ]  # fmt: skip
    return Section("deltas", title, blocks, short="Deltas", chapter="probes", heading=title)


def _property(row: DeltaRow) -> Cell:
    return named_cell(property_name(row.task), METRICS[row.metric], kind="name")


def _of(row: DeltaRow, features: str) -> DeltaCell | None:
    return next((one for one in row.cells if one.features == features), None)


def _cell(row: DeltaRow, features: str) -> Cell:
    one = _of(row, features)
    if one is None:
        return cell(NONE)
    floor = (BREAK, (f"{one.best_control} {with_interval(one.floor)}", "soft")) if one.best_control else ()
    values = (*score_values(one.score), (" control", one.best_control), *score_values(one.floor, " control score"))
    return replace(sorted_cell(one.score.value, *score_parts(one.score, strong=one.above), *floor), values=values)


def _brief(row: DeltaRow, features: str) -> str:
    one = _of(row, features)
    if one is None:
        return NONE
    name = CONTROLS[one.best_control].short if one.best_control else ""
    return f"{with_interval(one.score)}\n{name} {number(one.floor.value)}".strip()
