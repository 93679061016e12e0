"""Differences between runs, with their intervals on one axis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from worldprobe.findings.comparison import ComparedScore, Comparison, Reading, difference
from worldprobe.findings.wording import METRICS, count, interval, property_name, signed
from worldprobe.report.drawing.axes import around

_WIDTH, _LEFT, _RIGHT, _STEP, _TOP = 660, 250, 150, 22, 10


@dataclass(frozen=True, slots=True)
class Bar:
    """A difference in px of the drawing: its dot and interval; ``x`` is None where it could not be had."""

    y: float
    label: str
    title: str
    said: str
    standing: str
    x: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Forest:
    """Differences of one run to the first; ``zero`` is where no difference lies, ``ticks`` are (x, text)."""

    name: str
    width: int
    height: float
    left: int
    zero: float
    ticks: tuple[tuple[float, str], ...]
    bars: tuple[Bar, ...]


def forests(comparison: Comparison) -> list[Forest]:
    """A drawing of the differences of each further run, all on one axis that has 0 in it."""
    ends = [
        end
        for one in comparison.readings
        for cell in one.cells[1:]
        for end in (cell.difference.low, cell.difference.high, cell.difference.value)
        if end is not None
    ]
    span = around([0.0, *ends], margin=0.04)
    place = span.place(_LEFT, _WIDTH - _RIGHT)
    ticks = tuple((place(value), signed(value)) for value in span.ticks)
    return [
        Forest(
            name=run.name,
            width=_WIDTH,
            height=_TOP + _STEP * len(comparison.readings) + 26,
            left=_LEFT,
            zero=place(0.0),
            ticks=ticks,
            bars=tuple(
                _bar(comparison, one, one.cells[index], _TOP + _STEP * (row + 0.5), place)
                for row, one in enumerate(comparison.readings)
            ),
        )
        for index, run in enumerate(comparison.runs)
        if index
    ]


def _bar(
    comparison: Comparison, reading: Reading, cell: ComparedScore, y: float, place: Callable[[float], float]
) -> Bar:
    ends, value = cell.difference.interval, cell.difference.value
    name = f"{property_name(reading.task)}, {comparison.label(reading)}"
    return Bar(
        y=y,
        label=name,
        title=f"{name}: {METRICS[reading.metric]} {difference(cell)}, {reading.n:,} moments in "
        f"{count(reading.n_groups, 'group')}",
        said=f"{signed(cell.difference.value)} {interval(cell.difference)}".strip(),
        standing=cell.standing.replace(" ", "-"),
        x=None if value is None else place(value),
        low=place(ends[0]) if ends else None,
        high=place(ends[1]) if ends else None,
    )
