"""Differences between runs, with their intervals on one axis."""

from __future__ import annotations

from worldprobe.findings.comparison import ComparedScore, Comparison, Reading, difference
from worldprobe.findings.wording import METRICS, count, interval, property_name, signed
from worldprobe.report.drawing.axes import around
from worldprobe.report.drawing.dots import Dots, Entry, Group


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
