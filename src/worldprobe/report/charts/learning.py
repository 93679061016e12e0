"""How each linear probe's score grows with the moments it saw, and the law through it: a chart a task."""

from __future__ import annotations

import math

from worldprobe.findings.facts import Summary
from worldprobe.findings.sections.evidence import CurveFact, CurvePoint, Worth
from worldprobe.intervals import Score
from worldprobe.report.drawing import panels
from worldprobe.report.drawing.axes import Axis, axis

_STEPS = 40
_APART = 1.03  # equal scores would hide each other


def learning_panels(summary: Summary) -> list[panels.Panel]:
    """A panel a task: score against training moments; none without curves."""
    tasks: dict[str, list[tuple[Worth, CurveFact]]] = {}
    for row in summary.evidence.rows if summary.evidence else ():
        if row.curve and any(point.score.value is not None for point in row.curve.points):
            tasks.setdefault(row.task, []).append((row, row.curve))
    return [_panel(task, rows) for task, rows in tasks.items()]


def _panel(task: str, rows: list[tuple[Worth, CurveFact]]) -> panels.Panel:
    points = [point for _, curve in rows for point in curve.points if point.score.value is not None]
    least, most = min(point.rows for point in points), max(point.rows for point in points)
    metric = rows[0][0].metric
    title, name = panels.head(task, metric)
    counts = sorted({round(point.rows) for point in points})
    return panels.Panel(
        title=title,
        metric=name,
        x_name="moments that the probe was trained on",
        across=Axis(least / 1.15, 2.15 * most, log=True),
        x_ticks=tuple((float(n), f"{n:,}") for n in counts),
        up=axis(metric, [point.score for point in points]),
        lines=tuple(_line(row, curve, k) for k, (row, curve) in enumerate(rows)),
        level=0.0 if metric == "r2" else None,
        note="; ".join(f"{row.label}: more data would help: {curve.more_data_would_help}" for row, curve in rows),
    )


def _line(row: Worth, curve: CurveFact, look: int) -> panels.Line:
    points = panels.measured([_point(row, point, look) for point in curve.points])
    first, last = points[0].x, points[-1].x
    return panels.Line(
        name=row.label, look=look, points=points, joined=False, law=_law(curve, first, last),
        further=_law(curve, last, 2 * last),
    )  # fmt: skip


def _point(row: Worth, point: CurvePoint, look: int) -> tuple[float, Score, str]:
    n = panels.in_groups(point.rows, round(point.groups))
    said = panels.said(row.label, f"{point.rows:,.0f} moments", point.score, n.replace("n = ", "trained on "))
    return point.rows * _APART**look, point.score, said


def _law(curve: CurveFact, start: float, end: float) -> panels.Places:
    """The fitted law between two numbers of moments, evenly by their logarithm; nothing where none was fitted."""
    if curve.ceiling is None or curve.scale is None or curve.exponent is None:
        return ()
    ratio = math.log(end / start) / _STEPS
    places = [start * math.exp(ratio * step) for step in range(_STEPS + 1)]
    return tuple((n, curve.ceiling - curve.scale * n**-curve.exponent) for n in places)
