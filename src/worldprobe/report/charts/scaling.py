"""The original protocol on fewer frames: a chart a task, beside the write-up's own figures."""

from __future__ import annotations

from worldprobe.findings.sections.original import PUBLISHED, PUBLISHED_BY, Original, Scaled
from worldprobe.intervals import Score
from worldprobe.report.drawing import panels
from worldprobe.report.drawing.axes import Axis

LEAST = -1.0  # what lies below is drawn at the edge, its value in print
_WAYS = (
    ("score", "as published: penalty fixed at 1", 0),
    ("chosen", "penalty chosen on inner folds", 2),
    ("noise", "Gaussian noise, penalty fixed at 1", 3),
)


def scaling_panels(original: Original) -> list[panels.Panel]:
    """A panel a task, in the order of the table; none where the run did not scale."""
    metrics = {fall.task: fall.metric for fall in original.falls}
    tasks = dict.fromkeys(row.task for row in original.scaling)
    found = []
    for task in tasks:
        rows = [row for row in original.scaling if row.task == task]
        there = PUBLISHED.get(task, {})
        title, metric = panels.head(task, metrics[task])
        sizes = sorted({*(row.n for row in rows), *there})
        r2 = metrics[task] == "r2"
        found.append(
            panels.Panel(
                title=title,
                metric=metric,
                x_name="labelled frames",
                across=Axis(0.85 * sizes[0], 1.18 * sizes[-1], log=True),
                x_ticks=tuple((float(n), f"{n:,}") for n in sizes),
                up=Axis(LEAST if r2 else 0.0, 1.0, step=0.5 if r2 else 0.25),
                lines=(*(_line(rows, *way) for way in _WAYS), _published(there)),
                level=0.0 if r2 else None,
            )
        )
    return found


def _line(rows: list[Scaled], which: str, name: str, look: int) -> panels.Line:
    scores: list[tuple[int, Score]] = [(row.n, getattr(row, which)) for row in rows]
    said = [(float(n), score, panels.said(name, f"{n:,} frames", score, "")) for n, score in scores]
    return panels.Line(name=name, look=look, points=panels.measured(said), strong=which == "score")


def _published(there: dict[int, float]) -> panels.Line:
    scores = [(n, Score(value=value)) for n, value in there.items()]
    said = [(float(n), score, panels.said(PUBLISHED_BY, f"{n:,} frames", score, "")) for n, score in scores]
    return panels.Line(name=PUBLISHED_BY, look=1, points=panels.measured(said), joined=False)
