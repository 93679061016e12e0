"""A training in charts: ranks, likeness, drift and scores of its checkpoints, by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from worldprobe.findings.watched import NEAR, RANKS, Checkpoint, Watched
from worldprobe.intervals import Score
from worldprobe.report.drawing import panels
from worldprobe.report.drawing.axes import Axis, around, axis

_MOST_TICKS = 6
_TWIN = "untrained twin"
_LIKENESS = (NEAR, "similarity 1 later")
_TITLES = {"rankme": "RankMe", "effective rank": "Effective rank", "lidar": "LiDAR"}
# Colours and markers, such that one legend does for all panels; those of features begin at 0.
_RANK, _ALIKE, _DRIFT, _STEP = 5, 3, 2, 6
Of = Callable[[Checkpoint], Score | None]


def watched_panels(found: Watched) -> list[panels.Panel]:
    """A panel a rank, one of likeness, one of drift, and one a task; none without checkpoints."""
    if not found.checkpoints:
        return []
    every = [_rank(found, name) for name in RANKS]
    alike = {name: _feature(name) for name in _LIKENESS}
    every.append(_panel(found, "Tokens alike", "mean cosine", alike, looks=(_ALIKE, _ALIKE + 1)))
    every.append(_drifts(found))
    every += [_task(found, task) for task in dict.fromkeys(one.task for one in found.readings)]
    return [panel for panel in every if panel is not None]


def places(found: Watched) -> list[float]:
    """Where each checkpoint stands: at its step, else one after the other."""
    if found.by_step:
        return [float(one.step or 0) for one in found.checkpoints]
    return [float(number) for number in range(1, len(found.checkpoints) + 1)]


def _rank(found: Watched, name: str) -> panels.Panel | None:
    of = _feature(name)
    return _panel(found, _TITLES[name], "directions", {"rank": of}, twin=of, looks=(_RANK,))


def _drifts(found: Watched) -> panels.Panel | None:
    first = found.checkpoints[0].revision
    before = {one.revision: earlier.revision for earlier, one in pairwise(found.checkpoints)}
    lines: dict[str, Of] = {
        "from the first": lambda one: one.drift.get(first) if one.revision != first else None,
        "from the one before": lambda one: one.drift.get(before.get(one.revision, "")),
    }
    return _panel(found, "Drift", "1 − CKA", lines, looks=(_DRIFT, _STEP))


def _task(found: Watched, task: str) -> panels.Panel | None:
    readings = [one for one in found.readings if one.task == task]
    title, metric = panels.head(task, readings[0].metric)

    def of(reading: tuple[str, str, str, str]) -> Of:
        return lambda one: next((s.score for s in one.scores if s.reading == reading), None)

    lines = {found.label(one): of(one.reading) for one in readings}
    # Bands of several kinds of features would hide each other: that of the one that is highest at last.
    last = found.checkpoints[-1]
    best = max(readings, key=lambda one: ((score := of(one.reading)(last)) and score.value) or 0.0)
    note = f"Band: the twin's of {found.label(best)}." if found.twin and len(readings) > 1 else ""
    scores = [score for one in found.checkpoints for line in lines.values() if (score := line(one))]
    twin = of(best.reading)
    return _panel(
        found, title, metric, lines, twin=twin, up=axis(readings[0].metric, scores), note=note,
        level=0.0 if readings[0].metric == "r2" else None,
    )  # fmt: skip


def _panel(
    found: Watched,
    title: str,
    metric: str,
    lines: dict[str, Of],
    *,
    twin: Of | None = None,
    up: Axis | None = None,
    level: float | None = None,
    note: str = "",
    looks: Sequence[int] = (0, 1, 2, 3, 4, 5, 6),
) -> panels.Panel | None:
    """Scores of the checkpoints at their places, with the twin's interval as a band along all; None without any."""
    at = places(found)
    drawn = [
        panels.Line(
            name=name, look=looks[number % len(looks)], points=panels.measured(_points(found, at, name, of))
        )
        for number, (name, of) in enumerate(lines.items())
    ]
    drawn = [line for line in drawn if line.points]
    if not drawn:
        return None
    room = 0.04 * (at[-1] - at[0]) or 1.0
    across = Axis(at[0] - room, at[-1] + room, step=None)
    floor = twin(found.twin) if twin and found.twin else None
    ends = floor.interval if floor else None
    shown = [v for line in drawn for p in line.points for v in (p.score.value, p.score.low, p.score.high)]
    known = [value for value in (*shown, *(ends or ())) if value is not None]
    bands = (
        (panels.Band(_TWIN, "random-init", tuple((x, *ends) for x in (across.low, across.high))),) if ends else ()
    )
    return panels.Panel(
        title=title, metric=metric, x_name="step" if found.by_step else "checkpoint, in order", across=across,
        x_ticks=_ticks(at), up=up or around(known, margin=0.12), lines=tuple(drawn), bands=bands, level=level,
        note=note,
    )  # fmt: skip


def _points(found: Watched, at: Sequence[float], name: str, of: Of) -> list[tuple[float, Score, str]]:
    return [
        (x, score, panels.said(name, one.where, score, ""))
        for x, one in zip(at, found.checkpoints, strict=True)
        if (score := of(one)) is not None
    ]


def _feature(name: str) -> Of:
    return lambda one: one.features.get(name)


def _ticks(at: Sequence[float]) -> tuple[tuple[float, str], ...]:
    """A tick at some of the places, far enough from each other to be read."""
    least, found = (at[-1] - at[0]) / _MOST_TICKS, list[float]()
    for x in at:
        if not found or x - found[-1] >= least:
            found.append(x)
    return tuple((x, f"{x:,.0f}") for x in found)
