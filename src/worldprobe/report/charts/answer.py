"""The small drawing of an opening line: what was found above the best control, on one axis."""

from __future__ import annotations

from collections.abc import Sequence

from worldprobe.findings.answer import Answer
from worldprobe.findings.wording import ERRORS, METRICS, number, with_interval
from worldprobe.report.drawing.axes import FLOOR, Axis
from worldprobe.report.drawing.dots import Dots, Entry, Group
from worldprobe.report.drawing.panels import in_groups
from worldprobe.report.drawing.strips import Strip, strip

_LONGEST = 28  # letters of a name beside an axis


def answer_strip(one: Answer) -> Strip:
    """From 0 to 1, further down (to -0.5) where something lies there; decibels from 0 to 40."""
    low, high = (0.0, 40.0) if one.about == "decoder" else (0.0, 1.0)
    seen = [v for s in (one.score, one.floor) for v in (s.value, s.low) if v is not None]
    if one.about != "decoder" and min(seen, default=0.0) < 0:
        low = -0.5
    return strip(one.score, one.floor, Axis(low, high), _said(one))


def answer_dots(answers: Sequence[Answer]) -> Dots | None:
    """One chart of all properties: each score, and the best control on its line. None where no property was scored.

    Those whose score is an error, of which less is better, stand in the table alone.
    """
    errors = [METRICS[metric] for metric in ERRORS]
    shown = [one for one in answers if one.about == "property" and one.metric not in errors]
    values = [v for one in shown for s in (one.score, one.floor) for v in (s.value, s.low) if v is not None]
    if not values:
        return None
    entries = tuple(
        Entry(
            one.subject[:_LONGEST], "probe", one.score, number(one.score.value), _said(one),
            Entry(one.against, "control", one.floor, "", _said(one)) if one.floor.value is not None else None,
        )
        for one in shown
    )  # fmt: skip
    metrics = " or ".join(dict.fromkeys(one.metric for one in shown))
    low = 0.0 if min(values) >= 0 else max(FLOOR, -0.25 if min(values) >= -0.25 else FLOOR)
    return Dots("Each property and its best control", metrics, Axis(low, 1.0), (Group("", entries),))


def _said(one: Answer) -> str:
    """The same in words, for whoever points at it or has it read out."""
    if one.score.value is None:
        return f"{one.subject}: {one.verdict}"
    floor = f"; {one.against} {with_interval(one.floor, one.digits)}" if one.floor.value is not None else ""
    n = in_groups(one.n, one.groups, one.unit)
    return f"{one.subject}: {one.metric} {with_interval(one.score, one.digits)}{floor}; {n}"
