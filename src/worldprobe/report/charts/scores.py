"""Scores beside their controls, and beside those of the random split: a chart a task."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from worldprobe.controls import NEGATIVE
from worldprobe.findings.facts import Summary
from worldprobe.findings.rows import Row
from worldprobe.findings.verdicts import chance
from worldprobe.findings.wording import METRICS, number, with_interval
from worldprobe.intervals import Score
from worldprobe.report.drawing.axes import axis
from worldprobe.report.drawing.dots import Dots, Entry, Group
from worldprobe.report.drawing.panels import head, in_groups

_KEY = "95 % intervals; filled: probe, open: control, dashed: a constant, ◀ ▶: beyond the axis"
_Named = tuple[str, str, Score]  # label, style and score


def beside_controls(summary: Summary) -> list[Dots]:
    """A chart a task: each probe with its controls beneath it."""
    places = anchors(list(summary.tasks))
    return [
        replace(
            _chart(
                [_group(summary, row, [("probe", "probe", row.main.score), *_controls(row)]) for row in rows], rows
            ),
            anchor=places[task],
        )
        for task, rows in summary.tasks.items()
    ]


def anchors(tasks: Sequence[str]) -> dict[str, str]:
    """The address of each task's chart in a page: ``property-xy``; of names that read alike, numbered."""
    found: dict[str, str] = {}
    for task in tasks:
        name = f"property-{re.sub('[^a-z0-9]+', '-', task.lower()).strip('-')}"
        again = sum(other == name or other.startswith(f"{name}--") for other in found.values())
        found[task] = f"{name}--{again + 1}" if again else name
    return found


def around_scores(summary: Summary) -> dict[str, str]:
    """The title and the key of the figure of these charts."""
    splits = " and ".join(dict.fromkeys(row.split for row in summary.rows))
    return {"title": f"{summary.encoder.name}: each score beside its controls", "key": f"{splits} split, {_KEY}"}


def leaks(summary: Summary) -> list[Dots]:
    """A chart a task: the sound score above that of the random split; only where both were run."""
    charts = []
    for rows in summary.tasks.values():
        both = [(row, row.main.random) for row in rows if row.main.random is not None]
        if any(row.main.leak is not None for row, _ in both):
            groups = [
                _group(summary, row, [(row.split, "probe", row.main.score), ("random", "leaky", random)])
                for row, random in both
            ]
            charts.append(_chart(groups, rows))
    return charts


def _controls(row: Row) -> list[_Named]:
    """The controls, positive ones last, or none where there is no score of any kind to draw."""
    if row.main.score.value is None and not any(s.value is not None for s in row.main.controls.values()):
        return []
    absent = Score(value=None, note="not run")
    negative = [(c, "control", row.main.controls.get(c, absent)) for c in NEGATIVE]
    return [*negative, *((c, "control", one.score) for c, one in row.main.positive.items())]


def _chart(groups: Sequence[Group], rows: Sequence[Row]) -> Dots:
    title, metric = head(rows[0].task, rows[0].main.metric)
    span = axis(rows[0].main.metric, [entry.score for group in groups for entry in group.entries])
    return Dots(title, metric, span, tuple(groups))


def _group(summary: Summary, row: Row, named: Sequence[_Named]) -> Group:
    entries = [
        Entry(label, style, score, number(score.value), _tooltip(row, label, score))
        for label, style, score in named
    ]
    return Group(summary.label(row), tuple(entries), chance(row.main))


def _tooltip(row: Row, label: str, score: Score) -> str:
    if score.value is None:
        return f"{label}: {score.note or 'not measured'}"
    n = in_groups(row.n_test, row.n_groups)
    return f"{label}: {METRICS[row.main.metric]} {with_interval(score, 3)}, {n}"
