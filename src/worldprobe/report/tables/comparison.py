"""Runs side by side: their encoders, their scores, and what else differs."""

from __future__ import annotations

from functools import partial

from worldprobe.findings.comparison import ComparedRun, ComparedScore, Comparison, Differing, Reading, difference
from worldprobe.findings.wording import METRICS, property_name
from worldprobe.report.charts.comparison import forests
from worldprobe.report.table import (
    BREAK,
    Block,
    Bullets,
    Cell,
    Column,
    Heading,
    Paragraph,
    Table,
    Template,
    in_groups,
    score_parts,
)


def comparison_blocks(comparison: Comparison) -> list[Block]:
    """All that stands beneath the title."""
    first = comparison.runs[0].name
    blocks: list[Block] = [
        Paragraph(
            f"Differences to {first}, paired by group: {comparison.split} split, {comparison.groups}. "
            f"{comparison.by_chance}"
        ),
        *(Paragraph(warning, "alarm") for warning in comparison.warnings),
        _encoders(comparison),
        Heading(f"What each has over {first}", forms=("html",)),
        Template("dots", {"charts": forests(comparison), "legend": "differences"}),
        Heading("The scores"),
        scores(comparison),
        Paragraph(comparison.rule, "soft"),
    ]
    if comparison.differing:
        columns: list[Column[Differing]] = [
            Column("", lambda one: one.name),
            *(Column(run.name, partial(_value, at=at)) for at, run in enumerate(comparison.runs)),
        ]
        note = "As the runs' own records have it. Any of these may be behind a difference."
        table = Table("What else differs", columns, comparison.differing, look="still", forms=("html", "markdown"))
        blocks += [Heading("What else differs"), Paragraph(note, "soft"), table]
    if comparison.notes:
        blocks += [Heading("Left out"), Bullets(comparison.notes)]
    return blocks


def _encoders(comparison: Comparison) -> Table[ComparedRun]:
    columns: list[Column[ComparedRun]] = [
        Column("Run", lambda run: run.name),
        Column("Encoder", lambda run: run.encoder),
        Column("Revision", lambda run: run.revision),
        Column("Weights", lambda run: run.status),
    ]
    return Table("Runs", columns, comparison.runs, look="still", forms=("html", "markdown"))


def scores(comparison: Comparison) -> Table[Reading]:
    """Of each run the score, and beneath it what it has over the first run's."""
    columns: list[Column[Reading]] = [
        Column("Task", lambda one: property_name(one.task), short="task", brief=lambda one: one.task),
        Column("Features", comparison.label, short="features"),
        Column("Metric", lambda one: METRICS[one.metric], short=""),
        *(
            Column(
                run.name, partial(_cell, at=at), fold=True,
                short=run.name + ("" if run.status == "trained" else f"\n({run.status})"),
            )
            for at, run in enumerate(comparison.runs)
        ),
        Column("Moments", lambda one: in_groups(one.n, one.n_groups), right=True),
    ]  # fmt: skip
    title = f"Differences to {comparison.runs[0].name}, paired by group: {comparison.split} split, 95 % intervals"
    caption = f"{comparison.groups}. {comparison.by_chance}"
    return Table(title, columns, comparison.readings, caption=caption, look="")


def _cell(reading: Reading, at: int) -> Cell:
    one: ComparedScore = reading.cells[at]
    over = [] if one.standing == "base" else [BREAK, (difference(one), "over")]
    kind = "" if one.standing == "base" else one.standing.replace(" ", "-")
    return Cell((*score_parts(one.score), *over), one.score.value, kind, tone=one.standing, sortable=True)


def _value(one: Differing, at: int) -> str:
    return one.values[at]
