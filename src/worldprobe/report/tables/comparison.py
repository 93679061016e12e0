"""Runs side by side: their encoders, what these take and see, their scores, and what else differs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from worldprobe.findings.comparison import ComparedRun, ComparedScore, Comparison, Differing, Reading, difference
from worldprobe.findings.wording import METRICS, count, property_name
from worldprobe.report.charts.comparison import FIGURE, cost_panels, forests
from worldprobe.report.table import (
    BREAK,
    Block,
    Bullets,
    Cell,
    Column,
    Figure,
    Heading,
    Paragraph,
    Row,
    Table,
    Template,
    in_groups,
    score_parts,
    sorted_cell,
)

_NOT_RECORDED = "not recorded"
_COSTS = (
    "GFLOP: operations of a clip's products, multiplications and additions counted apart, to the end of the last "
    "block. Clips/s: of the run's own encoding, films read and embeddings written with it, of the clips that were "
    "encoded. Bytes: of the tokens of a clip at one block, as stored."
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
        *_taken(comparison),
        Heading(f"What each has over {first}", forms=("html",)),
        Template("dots", {"charts": forests(comparison), "legend": "differences"}),
        *(block for one in properties(comparison) for block in (Heading(one.title), one)),
        *_against_cost(comparison),
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


def _taken(comparison: Comparison) -> list[Block]:
    """What each encoder takes and sees, where some run recorded it."""
    if not any(run.cost or run.sight for run in comparison.runs):
        return []
    return [
        Heading("What each takes and sees"),
        *(Paragraph(one) for one in comparison.unlike),
        costs(comparison),
        Paragraph(_COSTS, "soft"),
    ]


def costs(comparison: Comparison) -> Table[ComparedRun]:
    """Of each run what its encoder takes, and what of a film it sees."""
    columns: list[Column[ComparedRun]] = [
        Column("Run", lambda run: run.name, short="run", fold=True),
        *_cost_columns(lambda run: run),
        Column("Gets", lambda run: _sight(run, "px"), short="gets", right=True),
        Column("Of a frame", lambda run: _sight(run, "part"), short="of a frame", fold=True),
        Column("A clip", lambda run: _sight(run, "clip")),
        Column("Tokens", lambda run: _sight(run, "tokens"), short="tokens", right=True),
        Column("Numbers", lambda run: _sight(run, "numbers")),
        Column("Timed on", _timed),
    ]
    return Table("What each takes and sees", columns, comparison.runs, look="num")


def _cost_columns(of: Callable[[Row], ComparedRun]) -> list[Column[Row]]:
    """What a run takes, of rows that are ``of`` a run."""
    return [
        Column("Parameters", lambda row: _parameters(of(row)), short="params", right=True),
        Column("GFLOP a clip", lambda row: _gflop(of(row)), short="GFLOP", right=True),
        Column("Clips/s", lambda row: _speed(of(row)), short="clips/s", right=True),
        Column("Bytes a clip", lambda row: _bytes(of(row)), short="bytes", right=True),
    ]


def properties(comparison: Comparison) -> list[Table[tuple[int, ComparedRun]]]:
    """For each kind of features a table: a row a run, with what it takes and its score of each property."""
    kinds: dict[str, list[Reading]] = {}
    for one in comparison.readings:
        kinds.setdefault(comparison.label(one), []).append(one)
    return [
        Table(
            f"Encoders by properties, from {kind}",
            [
                Column("Run", lambda row: row[1].name, short="run", fold=True),
                Column("Weights", lambda row: row[1].status),
                *(replace(one, short=None) for one in _cost_columns(_run_of)),  # a terminal has them beneath
                *(
                    Column(
                        f"{property_name(one.task)} ({METRICS[one.metric]})", partial(_of_reading, reading=one),
                        short=f"{one.task}\n({METRICS[one.metric]})", fold=True,
                    )
                    for one in readings
                ),
            ],
            list(enumerate(comparison.runs)),
            caption=f"{comparison.groups}. {comparison.by_chance}",
            look="",
        )
        for kind, readings in kinds.items()
    ]  # fmt: skip


def _run_of(row: tuple[int, ComparedRun]) -> ComparedRun:
    return row[1]


def _of_reading(row: tuple[int, ComparedRun], *, reading: Reading) -> Cell:
    """A run's score, what it has over the first run's, and what its own controls leave of it."""
    found, verdict = _cell(reading, row[0]), reading.cells[row[0]].verdict
    return replace(found, parts=(*found.parts, BREAK, (verdict, "soft"))) if verdict else found


def _against_cost(comparison: Comparison) -> list[Block]:
    """Scores against operations."""
    panels = cost_panels(comparison)
    if not panels:
        return []
    caption = "Scores against the operations of a clip: higher, and further left, is better."
    return [Heading("Score against cost"), Figure(FIGURE, caption, panels)]


def _figures(value: float) -> str:
    """Three figures, or all before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}"


def _parameters(run: ComparedRun) -> Cell:
    found = run.cost.parameters if run.cost else None
    if found is None:
        return sorted_cell(None, _NOT_RECORDED)
    return sorted_cell(found, "none" if not found else f"{_figures(found / 1e6)} M")


def _gflop(run: ComparedRun) -> Cell:
    found = run.cost.flop if run.cost else None
    if run.cost and run.cost.parameters == 0 and found is None:
        return sorted_cell(0, "none")
    return sorted_cell(found, _NOT_RECORDED if found is None else _figures(found / 1e9))


def _speed(run: ComparedRun) -> Cell:
    found = run.cost.clips_per_second if run.cost else None
    return sorted_cell(found, _NOT_RECORDED if found is None else _figures(found))


def _bytes(run: ComparedRun) -> Cell:
    found = run.cost.bytes if run.cost else None
    return sorted_cell(found, _NOT_RECORDED if found is None else f"{found / 1e3:,.0f} kB")


def _timed(run: ComparedRun) -> str:
    if run.cost is None or run.cost.clips_per_second is None:
        return _NOT_RECORDED
    return f"{count(run.cost.clips, 'clip')}, {run.cost.device} {run.cost.machine}".strip()


def _sight(run: ComparedRun, what: str) -> str:
    one = run.sight
    if one is None:
        return _NOT_RECORDED
    if what == "px":
        return f"{one.width} × {one.height} px"
    if what == "clip":
        apart = f", {one.stride} apart" if one.stride > 1 else ", one frame repeated" if not one.stride else ""
        return f"{count(one.frames, 'frame')}{apart}"
    if what == "tokens":
        return " × ".join(map(str, one.grid))
    return one.part if what == "part" else one.numbers


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
