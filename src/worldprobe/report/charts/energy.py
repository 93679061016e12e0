"""Energy above the true action's by its multiple: the encoder's predictor, and its untrained twin's."""

from __future__ import annotations

from worldprobe.findings.sections.energy import Energy
from worldprobe.intervals import Score
from worldprobe.report.drawing import panels
from worldprobe.report.drawing.axes import Axis, around

_TWIN = 5
_ITSELF = Score(value=0.0, low=0.0, high=0.0)  # the true action's above its own


def energy_panels(found: Energy) -> list[panels.Panel]:
    """Draw one chart, whose level is the true action's energy; none without values."""
    rows = [(row.times, row) for row in found.rows if row.times is not None]
    scores = {
        "predictor": [(times, row.excess) for times, row in rows],
        "untrained twin": [(times, row.twin_excess) for times, row in rows],
    }
    ends = [
        end for line in scores.values() for _, score in line if score and score.interval for end in score.interval
    ]
    if not ends:
        return []
    across = [times for times, _ in rows]
    lines = (_line(name, line, found) for name, line in scores.items())
    return [
        panels.Panel(
            title="Energy", metric="L1 above the true action's", x_name="times the true action",
            across=Axis(min(across) - 0.2, max(across) + 0.2),
            x_ticks=tuple((times, f"{times:g}") for times in across), up=around([0.0, *ends], margin=0.2),
            lines=tuple(line for line in lines if line.points), level=0.0,
        )
    ]  # fmt: skip


def _line(name: str, scores: list[tuple[float, Score | None]], found: Energy) -> panels.Line:
    n, own = panels.in_groups(found.n, found.n_groups), name == "predictor"
    there = any(score for _, score in scores)
    known = [(times, score or (_ITSELF if there and times == 1.0 else None)) for times, score in scores]
    points = panels.measured(
        [
            (times, score, panels.said(f"{name}, L1 above", f"{times:g} times", score, n))
            for times, score in known
            if score
        ]
    )
    return panels.Line(name=name, look=0 if own else _TWIN, points=points, strong=own)
