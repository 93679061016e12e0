"""The small drawing of an opening line: what was found above the best control, on one axis."""

from __future__ import annotations

from worldprobe.findings.answer import Answer
from worldprobe.findings.wording import with_interval
from worldprobe.report.drawing.axes import Axis
from worldprobe.report.drawing.panels import in_groups
from worldprobe.report.drawing.strips import Strip, strip


def answer_strip(one: Answer) -> Strip:
    """From 0 to 1, further down (to -0.5) where something lies there; decibels from 0 to 40."""
    low, high = (0.0, 40.0) if one.about == "decoder" else (0.0, 1.0)
    seen = [v for s in (one.score, one.floor) for v in (s.value, s.low) if v is not None]
    if one.about != "decoder" and min(seen, default=0.0) < 0:
        low = -0.5
    return strip(one.score, one.floor, Axis(low, high), _said(one))


def _said(one: Answer) -> str:
    """The same in words, for whoever points at it or has it read out."""
    if one.score.value is None:
        return f"{one.subject}: {one.verdict}"
    floor = f"; {one.against} {with_interval(one.floor, one.digits)}" if one.floor.value is not None else ""
    n = in_groups(one.n, one.groups, one.unit)
    return f"{one.subject}: {one.metric} {with_interval(one.score, one.digits)}{floor}; {n}"
