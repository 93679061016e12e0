"""What is read from predicted futures by horizon: a chart a task, the predictor among true futures and guesses."""

from __future__ import annotations

from worldprobe.findings.sections.readouts import METRIC_NAMES, ReadoutRow, Readouts, best
from worldprobe.intervals import Score
from worldprobe.report.drawing import panels
from worldprobe.report.drawing.axes import Axis, around

# Colours and markers, as those of prediction have them.
_LOOKS = {"predictor": 0, "copy-last": 1, "constant": 2, "ridge": 3, "labels carried on": 4, "untrained twin": 5,
          "true future": 6}  # fmt: skip
_OF = {"copy-last": "copy-last", "constant": "mean", "ridge": "ridge", "labels carried on": "constant-velocity",
       "true future": "truth"}  # fmt: skip
_APART = 0.05


def readout_panels(found: Readouts) -> list[panels.Panel]:
    """A chart for each task, by the features that true futures are read from best; none without values."""
    drawn = (_panel(best(found.rows, task)) for task in dict.fromkeys(row.task for row in found.rows))
    return [panel for panel in drawn if panel]


def _panel(rows: list[ReadoutRow]) -> panels.Panel | None:
    lines = [_line(name, rows) for name in _LOOKS]
    ends = [
        end
        for row in rows
        for score in (*row.scores.values(), row.twin)
        if score and score.interval
        for end in score.interval
    ]
    if not ends:
        return None
    return panels.Panel(
        title=f"{rows[0].name}, {rows[0].features}", metric=METRIC_NAMES[rows[0].metric],
        x_name="horizon, tubelets after the context",
        across=Axis(min(row.horizon for row in rows) - 0.4, max(row.horizon for row in rows) + 0.4),
        x_ticks=tuple((float(row.horizon), str(row.horizon)) for row in rows), up=around([0.0, *ends], least=-0.5),
        lines=tuple(line for line in lines if line.points),
    )  # fmt: skip


def _line(name: str, rows: list[ReadoutRow]) -> panels.Line:
    shift = (list(_LOOKS).index(name) - (len(_LOOKS) - 1) / 2) * _APART
    points = [
        (row.horizon + shift, score, _said(name, row, score))
        for row in rows
        if (score := _score(name, row)) and score.value is not None
    ]
    return panels.Line(name=name, look=_LOOKS[name], points=panels.measured(points), strong=name == "predictor")


def _said(name: str, row: ReadoutRow, score: Score) -> str:
    n = panels.in_groups(row.n, row.n_groups)
    return panels.said(f"{name}, {METRIC_NAMES[row.metric]}", f"horizon {row.horizon}", score, n)


def _score(name: str, row: ReadoutRow) -> Score | None:
    if name == "untrained twin":
        return row.twin
    return row.scores.get(row.mode if name == "predictor" else _OF[name])
