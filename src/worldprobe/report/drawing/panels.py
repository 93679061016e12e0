"""Charts of scores against what grows (block, data, horizon), in values: drawn as SVG in the page, and as PNG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from worldprobe.findings.wording import METRICS, count, number, property_name, with_interval
from worldprobe.intervals import Score
from worldprobe.report.drawing.axes import Axis
from worldprobe.results import Metric

Places = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Point:
    """A measured score at ``x``; ``said`` is what a reader who points at it reads, ``mark`` stands above it."""

    x: float
    score: Score
    said: str
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """Scores that belong together.

    Attributes:
        look: which of the palette's colours and markers.
        law: what was fitted through the points, (x, value); ``further`` goes on from it, beyond the data.
        joined: whether a line goes from point to point.
    """

    name: str
    look: int
    points: tuple[Point, ...]
    strong: bool = False
    joined: bool = True
    law: Places = ()
    further: Places = ()


@dataclass(frozen=True, slots=True)
class Band:
    """The intervals of a control along the axis, (x, low, high); ``kind`` names its colour."""

    name: str
    kind: str
    ends: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart. ``level`` is where nothing is known: what a constant or copying scores."""

    title: str
    metric: str
    x_name: str
    across: Axis
    x_ticks: tuple[tuple[float, str], ...]
    up: Axis
    lines: tuple[Line, ...]
    bands: tuple[Band, ...] = ()
    level: float | None = None
    note: str = ""


def measured(scores: Sequence[tuple[float, Score, str]]) -> tuple[Point, ...]:
    """Points of those that have a value."""
    return tuple(Point(x, score, said) for x, score, said in scores if score.value is not None)


def head(task: str, metric: Metric) -> tuple[str, str]:
    """A panel's title and its metric."""
    return property_name(task), METRICS[metric]


def said(name: str, where: str, score: Score, n: str, digits: int = 3) -> str:
    """``z, block 3: 0.412 [0.380, 0.444]; n = 1,600 in 200 groups``."""
    return f"{name}, {where}: {with_interval(score, digits)}{'; ' if n else ''}{n}"


def in_groups(n: float, groups: int, unit: str = "group") -> str:
    return f"n = {n:,.0f} in {count(groups, unit)}"


def in_words(panels: Sequence[Panel]) -> str:
    """Write panels as text: of each line its first value and its last, for whoever does not see them."""
    return "; ".join(
        f"{panel.title}, {panel.metric} by {panel.x_name}: " + ", ".join(filter(None, map(_ends, panel.lines)))
        for panel in panels
        if any(line.points for line in panel.lines)
    )


def _ends(line: Line) -> str:
    ends = [line.points[0], line.points[-1]] if len(line.points) > 1 else line.points
    values = [f"{number(point.score.value, 2)} at {point.x:g}" for point in ends]
    return f"{line.name} {' and '.join(values)}" if values else ""
