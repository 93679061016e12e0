"""Where the marks of an opening line's small drawing lie: what was found above the best control, on one axis."""

from __future__ import annotations

from dataclasses import dataclass

from worldprobe.findings.answer import Answer
from worldprobe.findings.wording import count, with_interval
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


def strip(one: Answer) -> Strip:
    """From 0 to 1, further down (to -0.5) where something lies there; decibels from 0 to 40."""
    low, high = (0.0, 40.0) if one.about == "decoder" else (0.0, 1.0)
    seen = [v for s in (one.score, one.floor) for v in (s.value, s.low) if v is not None]
    if one.about != "decoder" and min(seen, default=0.0) < 0:
        low = -0.5

    place = Axis(low, high).place(_MARGIN, WIDTH - _MARGIN)

    def dot(style: str, y: float, score: Score) -> StripDot | None:
        if score.value is None:
            return None
        ends = score.interval
        return StripDot(
            style, y, place(score.value), place(ends[0]) if ends else None, place(ends[1]) if ends else None
        )

    dots = [dot("probe", 8, one.score), dot("control", 18, one.floor)]
    return Strip(
        dots=tuple(each for each in dots if each),
        nought=place(0.0) if low < 0 else None,
        ends=(f"{low:g}".replace("-", "\N{MINUS SIGN}"), f"{high:g}"),
        title=_said(one),
    )


def _said(one: Answer) -> str:
    """The same in words, for whoever points at it or has it read out."""
    if one.score.value is None:
        return f"{one.subject}: {one.verdict}"
    floor = f"; {one.against} {with_interval(one.floor, one.digits)}" if one.floor.value is not None else ""
    sure = f"n = {one.n:,} in {count(one.groups, one.unit)}"
    return f"{one.subject}: {one.metric} {with_interval(one.score, one.digits)}{floor}; {sure}"
