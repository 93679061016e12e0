"""Where the marks of a small drawing lie: a score above that of the best control, on one axis."""

from __future__ import annotations

from dataclasses import dataclass

from worldprobe.findings.wording import MINUS
from worldprobe.intervals import Score
from worldprobe.report.drawing.axes import Axis

WIDTH, HEIGHT, _MARGIN = 160, 26, 7


@dataclass(frozen=True, slots=True)
class StripDot:
    """One score in px; an end that lies beyond the axis is drawn at it."""

    style: str
    y: float
    x: float
    x_low: float | None
    x_high: float | None


@dataclass(frozen=True, slots=True)
class Strip:
    """``nought`` is where 0 lies; ``ends`` are the axis' ends as text."""

    dots: tuple[StripDot, ...]
    nought: float | None
    ends: tuple[str, str]
    title: str
    width: int = WIDTH
    height: int = HEIGHT


def strip(score: Score, floor: Score, axis: Axis, title: str) -> Strip:
    """A score above that of the best control."""
    place = axis.place(_MARGIN, WIDTH - _MARGIN)

    def dot(style: str, y: float, score: Score) -> StripDot | None:
        if score.value is None:
            return None
        ends = score.interval
        return StripDot(
            style, y, place(score.value), place(ends[0]) if ends else None, place(ends[1]) if ends else None
        )

    dots = [dot("probe", 8, score), dot("control", 18, floor)]
    return Strip(
        dots=tuple(each for each in dots if each),
        nought=place(0.0) if axis.low < 0 else None,
        ends=(f"{axis.low:g}".replace("-", MINUS), f"{axis.high:g}"),
        title=title,
    )
