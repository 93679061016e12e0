"""Where each mark of a dot-and-interval chart lies; the HTML template and matplotlib draw them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from worldprobe.controls import CONTROLS
from worldprobe.findings.facts import Summary
from worldprobe.findings.original import Original, step_name
from worldprobe.findings.rows import Row
from worldprobe.findings.verdicts import chance
from worldprobe.findings.wording import METRICS, count, number, property_name, with_interval
from worldprobe.intervals import Score
from worldprobe.report.drawing.axes import Axis, axis

WIDTH = 360
LEFT, RIGHT, TOP, STEP, HEADING, BOTTOM = 96, 48, 8, 19, 24, 26
_STEPS_LEFT = 118  # the waterfall's steps have longer names than probes and controls


@dataclass(frozen=True, slots=True)
class Mark:
    """One score in px of the drawing; ``x`` is None where there is no score."""

    y: float
    label: str
    style: str
    missing: str
    x: float | None
    x_low: float | None
    x_high: float | None
    clipped: bool
    value: str
    title: str


@dataclass(frozen=True, slots=True)
class Chart:
    """One panel: ``headings`` are (y, text), ``ticks`` (x, text), ``chances`` (x, y top, y bottom)."""

    title: str
    metric: str
    width: int
    height: float
    left: int
    bottom: float
    headings: tuple[tuple[float, str], ...]
    ticks: tuple[tuple[float, str], ...]
    chances: tuple[tuple[float, float, float], ...]
    marks: tuple[Mark, ...]
    clipped: bool


Entry = tuple[str, str, Score]
"""Label, style ("probe", "control", "leaky") and score of one mark."""


def beside_controls(summary: Summary) -> list[Chart]:
    """A panel a task: each probe with its controls beneath it."""
    return [
        _chart(summary, rows, [[("probe", "probe", row.main.score), *_controls(row)] for row in rows])
        for rows in summary.tasks.values()
    ]


def leaks(summary: Summary) -> list[Chart]:
    """A panel a task: the sound score above that of the random split; only where both were run."""
    panels = []
    for rows in summary.tasks.values():
        both = [(row, row.main.random) for row in rows if row.main.random is not None]
        if any(row.main.leak is not None for row, _ in both):
            entries: list[list[Entry]] = [
                [(row.split, "probe", row.main.score), ("random", "leaky", random)] for row, random in both
            ]
            panels.append(_chart(summary, [row for row, _ in both], entries))
    return panels


def falls(original: Original) -> list[Chart]:
    """A panel a task: each step of the waterfall, the score and the best control of the step on one line."""
    panels = []
    for fall in original.falls:
        span = axis(fall.metric, [score for step in fall.steps for score in (step.score, step.floor)])
        x = span.place(_STEPS_LEFT, WIDTH - RIGHT)
        marks = []
        for place, step in enumerate(fall.steps):
            y = TOP + HEADING / 2 + STEP * (place + 1)
            at = (y, x, span)
            if step.best_control:
                control = f"best control, {step.best_control}: {with_interval(step.floor, 3)}"
                marks.append(_mark(at, "", "control", step.floor, "", control))
            name = step_name(step)
            said = f"{name}: {with_interval(step.score, 3)}, {step.split} split"
            marks.append(_mark(at, name, "probe", step.score, number(step.score.value), said))
        bottom = TOP + HEADING / 2 + STEP * (len(fall.steps) + 1)
        panels.append(
            Chart(
                title=property_name(fall.task),
                metric=METRICS[fall.metric],
                width=WIDTH,
                height=bottom + BOTTOM,
                left=_STEPS_LEFT,
                bottom=bottom,
                headings=(),
                ticks=tuple((x(t), number(t, 2 if t % 0.5 else 1)) for t in span.ticks),
                chances=(),
                marks=tuple(marks),
                clipped=any(mark.clipped for mark in marks),
            )
        )
    return panels


def _mark(
    at: tuple[float, Callable[[float], float], Axis], label: str, style: str, score: Score, value: str, title: str
) -> Mark:
    """A score's mark; ``at``: its height, from values to places, and the axis."""
    y, place, span = at
    ends = score.interval
    return Mark(
        y=y,
        label=label,
        style=style,
        missing="" if score.value is not None else score.note or "not measured",
        x=None if score.value is None else place(score.value),
        x_low=place(ends[0]) if ends else None,
        x_high=place(ends[1]) if ends else None,
        clipped=score.value is not None and score.value < span.low,
        value=value,
        title=title,
    )


def _controls(row: Row) -> list[Entry]:
    """The controls, or none where there is no score of any kind to draw."""
    if row.main.score.value is None and not any(s.value is not None for s in row.main.controls.values()):
        return []
    absent = Score(value=None, note="not run")
    return [(c, "control", row.main.controls.get(c, absent)) for c in CONTROLS]


def _chart(summary: Summary, rows: Sequence[Row], entries: Sequence[Sequence[Entry]]) -> Chart:
    metric = rows[0].main.metric
    span = axis(metric, [score for group in entries for _, _, score in group])
    x = span.place(LEFT, WIDTH - RIGHT)
    headings, chances, marks = [], [], []
    y = float(TOP)
    for row, group in zip(rows, entries, strict=True):
        headings.append((y + 14, summary.label(row)))
        y += HEADING
        constant = chance(row.main)
        if constant is not None:
            chances.append((x(constant), y - 4, y + STEP * len(group) - 4))
        for label, style, score in group:
            at = (y + STEP / 2 - 4, x, span)
            marks.append(_mark(at, label, style, score, number(score.value), _tooltip(row, label, score)))
            y += STEP
        y += 6
    return Chart(
        title=property_name(rows[0].task),
        metric=METRICS[metric],
        width=WIDTH,
        height=y + BOTTOM,
        left=LEFT,
        bottom=y,
        headings=tuple(headings),
        ticks=tuple((x(t), number(t, 2 if t % 0.5 else 1)) for t in span.ticks if any(m.x for m in marks)),
        chances=tuple(chances),
        marks=tuple(marks),
        clipped=any(mark.clipped for mark in marks),
    )


def _tooltip(row: Row, label: str, score: Score) -> str:
    if score.value is None:
        return f"{label}: {score.note or 'not measured'}"
    n = f"n = {row.n_test:,} in {count(row.n_groups, 'group')}"
    return f"{label}: {METRICS[row.main.metric]} {with_interval(score, 3)}, {n}"
