"""Differences between runs, with their intervals on one axis; and scores against what they cost."""

from __future__ import annotations

from dataclasses import replace

from worldprobe.findings.comparison import ComparedScore, Comparison, Reading, difference
from worldprobe.findings.wording import METRICS, count, interval, number, property_name, signed
from worldprobe.report.drawing import panels
from worldprobe.report.drawing.axes import Axis, around, axis
from worldprobe.report.drawing.dots import Dots, Entry, Group

FIGURE = "score_by_cost"
_LOOKS = 7  # that a chart has


def forests(comparison: Comparison) -> list[Dots]:
    """A chart of the differences of each further run, all on one axis that has 0 in it."""
    ends = [
        end
        for one in comparison.readings
        for cell in one.cells[1:]
        for end in (cell.difference.low, cell.difference.high, cell.difference.value)
        if end is not None
    ]
    first, *others = comparison.runs
    span = around([0.0, *ends], margin=0.04)
    return [
        Dots(
            title=f"{run.name} less {first.name}",
            metric="difference",
            axis=span,
            groups=(Group("", tuple(_entry(comparison, one, one.cells[at]) for one in comparison.readings), 0.0),),
            signed=True,
        )
        for at, run in enumerate(others, start=1)
    ]


def _entry(comparison: Comparison, reading: Reading, cell: ComparedScore) -> Entry:
    name = f"{property_name(reading.task)}, {comparison.label(reading)}"
    n = f"{reading.n:,} moments in {count(reading.n_groups, 'group')}"
    return Entry(
        label=name,
        style=cell.standing.replace(" ", "-"),
        score=cell.difference,
        value=f"{signed(cell.difference.value)} {interval(cell.difference)}".strip(),
        tooltip=f"{name}: {METRICS[reading.metric]} {difference(cell)}, {n}",
    )


def cost_panels(comparison: Comparison) -> list[panels.Panel]:
    """A chart a reading: each run's score against its operations a clip; none where fewer than two tell them."""
    flop = {at: run.cost.flop for at, run in enumerate(comparison.runs) if run.cost and run.cost.flop}
    if len(flop) < 2:
        return []
    across = Axis(0.6 * min(flop.values()) / 1e9, 1.6 * max(flop.values()) / 1e9, log=True)
    return [_cost_panel(comparison, one, flop, across) for one in comparison.readings]


def _cost_panel(comparison: Comparison, reading: Reading, flop: dict[int, float], across: Axis) -> panels.Panel:
    lines, without = [], []
    many = len(comparison.runs) > _LOOKS
    for at, (run, cell) in enumerate(zip(comparison.runs, reading.cells, strict=True)):
        if at not in flop:
            none = run.cost is not None and run.cost.parameters == 0
            without.append(f"{run.name} {number(cell.score.value)} ({'no network' if none else 'not recorded'})")
            continue
        gflop = flop[at] / 1e9
        said = panels.said(
            run.name, f"{gflop:,.1f} GFLOP", cell.score, panels.in_groups(reading.n, reading.n_groups)
        )
        points = panels.measured([(gflop, cell.score, said)])
        marked = tuple(replace(point, mark=str(at + 1)) for point in points) if many else points
        name = f"{at + 1}: {run.name}" if many else run.name
        lines.append(panels.Line(name, at % _LOOKS, marked, joined=False))
    return panels.Panel(
        title=f"{property_name(reading.task)}, {comparison.label(reading)}",
        metric=METRICS[reading.metric],
        x_name="GFLOP a clip",
        across=across,
        x_ticks=tuple((value, f"{value:,g}") for value in across.ticks),
        up=axis(reading.metric, [cell.score for cell in reading.cells]),
        lines=tuple(lines),
        level=0.0 if reading.metric == "r2" else None,
        note=f"Not in the picture: {'; '.join(without)}." if without else "",
    )
