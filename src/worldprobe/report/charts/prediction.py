"""Figures of predictions that show frames, from what the run keeps in ``predictions/``: as PNG, and in rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from worldprobe.findings.run_files import PREDICTIONS
from worldprobe.findings.wording import number
from worldprobe.intervals import Score
from worldprobe.io.arrays import Arrays, damaged, read_arrays
from worldprobe.report.drawing import panels
from worldprobe.report.drawing.axes import Axis, around
from worldprobe.report.drawing.frames import FrameGrid, FrameRow, coloured, frames_of, scale_of
from worldprobe.report.drawing.pictures import PredictedWindow, comparison, error_map, violations

_Made = TypeVar("_Made")


def prediction_figures(run: Path) -> None:
    """Draw ``error_map.png``, ``prediction_comparison.png`` and ``violations.png``, each where the run keeps it.

    Raises:
        WorldprobeError: a file that is damaged.
    """
    for name, draw in _FIGURES.items():
        _from_kept(run, name, partial(draw, run / "figures" / f"{name}.png"))


def prediction_frames(run: Path) -> dict[str, list[FrameGrid]]:
    """The frames of those figures by name, each that the run keeps, in rows and columns for the page.

    Raises:
        WorldprobeError: a file that is damaged.
    """
    found = {name: _from_kept(run, name, lay) for name, lay in _GRIDS.items()}
    return {name: grids for name, grids in found.items() if grids}


def _from_kept(run: Path, name: str, make: Callable[[Arrays, dict[str, Any]], _Made]) -> _Made | None:
    """What is made of the file that holds a figure's frames; None where the run keeps none."""
    kept = run / PREDICTIONS / f"{name}.safetensors"
    if not kept.exists():
        return None
    arrays, facts = read_arrays(kept, stage="predict")
    try:
        return make(arrays, facts)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise damaged(kept, error, stage="predict") from error


def _error_map(path: Path, arrays: Arrays, facts: dict[str, Any]) -> None:
    error_map(
        path,
        encoder=facts["encoder"],
        means={method: arrays[f"mean {method}"] for method in facts["methods"]},
        frames=arrays["frames"],
        context=arrays["context"],
        example=arrays["example"],
    )


def _comparison(path: Path, arrays: Arrays, facts: dict[str, Any]) -> None:
    frames = [arrays[name] for name in ("seen", "predicted", "decoded", "real")]
    examples = [PredictedWindow(name, *shown) for name, *shown in zip(facts["windows"], *frames, strict=True)]
    comparison(path, encoder=facts["encoder"], decoder=facts["decoder"], examples=examples)


def _violations(path: Path, arrays: Arrays, facts: dict[str, Any]) -> None:
    kinds = facts["kinds"]
    violations(
        path,
        encoder=facts["encoder"],
        examples=dict(zip(kinds, arrays["frames"], strict=True)),
        curves=dict(zip(kinds, arrays["surprise"], strict=True)),
        first=facts["first"],
    )


_FIGURES: dict[str, Callable[[Path, Arrays, dict[str, Any]], None]] = {
    "error_map": _error_map,
    "prediction_comparison": _comparison,
    "violations": _violations,
}


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


_GRIDS: dict[str, Callable[[Arrays, dict[str, Any]], list[FrameGrid]]] = {
    "error_map": _error_rows,
    "prediction_comparison": _compared_rows,
    "violations": _violation_rows,
}
