"""Figures of predictions that show frames, from what the run keeps in ``predictions/``: as PNG, and in rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from worldprobe.findings.run_files import PREDICTIONS
from worldprobe.findings.wording import number
from worldprobe.intervals import Score
from worldprobe.io.arrays import Arrays, damaged, read_arrays
from worldprobe.report.drawing import panels
from worldprobe.report.drawing.axes import Axis, around
from worldprobe.report.drawing.frames import FrameGrid, FrameRow, coloured, frames_of, scale_of
from worldprobe.report.drawing.grids import draw_grids


def prediction_figures(run: Path) -> None:
    """Draw ``error_map.png``, ``prediction_comparison.png`` and ``violations.png``, each where the run keeps it.

    Raises:
        WorldprobeError: a file that is damaged.
    """
    for name in _FIGURES:
        if found := _from_kept(run, name):
            title, grids = found
            draw_grids(grids, run / "figures" / f"{name}.png", title=title)


def prediction_frames(run: Path) -> dict[str, list[FrameGrid]]:
    """The frames of those figures by name, each that the run keeps, in rows and columns for the page.

    Raises:
        WorldprobeError: a file that is damaged.
    """
    return {name: found[1] for name in _FIGURES if (found := _from_kept(run, name))}


def _from_kept(run: Path, name: str) -> tuple[str, list[FrameGrid]] | None:
    """A figure's title and frames, of the file that holds them; None where the run keeps none."""
    kept = run / PREDICTIONS / f"{name}.safetensors"
    if not kept.exists():
        return None
    title, rows = _FIGURES[name]
    arrays, facts = read_arrays(kept, stage="predict")
    try:
        return title.format(**facts), rows(arrays, facts)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise damaged(kept, error, stage="predict") from error


def _error_rows(arrays: Arrays, facts: dict[str, Any]) -> list[FrameGrid]:
    """One window's frames with its errors by token, and the mean over all windows of each method."""
    maps = {"its error": arrays["example"]}
    maps |= {f"{method}, all windows": arrays[f"mean {method}"] for method in facts["methods"]}
    low, high = (float(end([end(values) for values in maps.values()])) for end in (np.min, np.max))
    rows = [FrameRow("what came", frames_of([arrays["context"], *arrays["frames"]]))]
    for name, values in maps.items():
        rows.append(FrameRow(name, (None, *(coloured(one, low, high) for one in values))))
    heads = ("seen last", *_horizons(len(arrays["frames"])))
    return [FrameGrid(heads, tuple(rows), maps=True, scale=scale_of(low, high))]


def _compared_rows(arrays: Arrays, facts: dict[str, Any]) -> list[FrameGrid]:
    """A grid a window: its context, then the future as it came, as decoded from what came, and as predicted."""
    ways = {"real": "real", "decoded": "decoded from actual", "predicted": "predicted"}
    grids = []
    for at, window in enumerate(facts["windows"]):
        rows = []
        for kept, name in ways.items():
            seen = frames_of(arrays["seen"][at]) if kept == "real" else (None, None)
            rows.append(FrameRow(name, (*seen, *frames_of(arrays[kept][at]))))
        heads = ("context, first", "context", *_horizons(len(arrays["real"][at])))
        grids.append(FrameGrid(heads, tuple(rows), title=str(window)))
    return grids


def _violation_rows(arrays: Arrays, facts: dict[str, Any]) -> list[FrameGrid]:
    """A row a kind of violation: before, possible and impossible, and surprise at both."""
    rows = [
        FrameRow(kind, frames_of(shown), _surprised(kind, curves, int(facts["first"])))
        for kind, shown, curves in zip(facts["kinds"], arrays["frames"], arrays["surprise"], strict=True)
    ]
    return [FrameGrid(("before", "possible", "impossible"), tuple(rows))]


def _surprised(kind: str, curves: Any, first: int) -> panels.Panel:
    """Mean surprise of windows at possible and impossible videos [2, windows], by their first frame."""
    frames = [first + 2 * at for at in range(curves.shape[1])]
    lines = []
    for name, look, values in zip(("possible", "impossible"), (0, 1), curves.tolist(), strict=True):
        scores = [
            (float(frame), Score(value=value), f"{kind}, {name}, frame {frame}: {number(value, 3)}")
            for frame, value in zip(frames, values, strict=True)
        ]
        lines.append(panels.Line(name, look, panels.measured(scores)))
    across = Axis(float(frames[0]), float(max(frames[-1], frames[0] + 1)), step=None)
    return panels.Panel(
        title=kind,
        metric="mean surprise (L1)",
        x_name="first frame that a window tells",
        across=across,
        x_ticks=tuple((tick, f"{tick:g}") for tick in across.ticks),
        up=around(curves.ravel().tolist()),
        lines=tuple(lines),
    )


def _horizons(count: int) -> tuple[str, ...]:
    return tuple(f"horizon {k}" for k in range(1, count + 1))


# Of each figure its title, and what its rows are of.
_FIGURES: dict[str, tuple[str, Callable[[Arrays, dict[str, Any]], list[FrameGrid]]]] = {
    "error_map": ("{encoder}: where the prediction fails", _error_rows),
    "prediction_comparison": ("{encoder}: the future, drawn by {decoder}", _compared_rows),
    "violations": ("{encoder}: the impossible, and the surprise at it", _violation_rows),
}
