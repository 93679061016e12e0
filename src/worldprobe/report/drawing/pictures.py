"""Figures of predictions that show frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from worldprobe.report.drawing.png import FAINT, INK, plain, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Pictures = NDArray[np.uint8]
Floats = NDArray[np.floating]


@dataclass(frozen=True, slots=True, eq=False)
class SurpriseTrace:
    """Surprise over the time of one video.

    Attributes:
        seconds, surprise, copied: of each window: when what is told begins, the predictor's error and copy-last's.
        shots: the number of each window's shot; curves break between them.
        peaks: (which window, a frame of what came, uint8 [h, w, 3]).
        unit: of the errors.
    """

    name: str
    seconds: Floats
    surprise: Floats
    copied: Floats
    shots: NDArray[np.int64]
    peaks: Sequence[tuple[int, Pictures]]
    unit: str


@dataclass(frozen=True, slots=True, eq=False)
class PredictedWindow:
    """One window: two frames that were seen [2, h, w, 3], and a frame of each horizon, [k, h, w, 3]."""

    name: str
    seen: Pictures
    told: Pictures
    actual: Pictures
    real: Pictures


def comparison(path: Path, *, encoder: str, decoder: str, examples: Sequence[PredictedWindow]) -> None:
    """``prediction_comparison.png``: context, then the predicted future, as decoded from what came, as it came."""
    k = len(examples[0].real)
    names = ("predicted", "decoded from\nactual", "real")
    rows = len(names) * len(examples)
    figure, panels = figure_of(rows, 2 + k, width=1.3 * (2 + k) + 1.2, height=1.32 * rows + 0.9)
    for number, one in enumerate(examples):
        for line, (name, images) in enumerate(zip(names, (one.told, one.actual, one.real), strict=True)):
            row = number * len(names) + line
            for column in range(2):
                if name == "real":
                    picture(panels[row, column], one.seen[column], "context" if column else "context, first")
                else:
                    panels[row, column].set_axis_off()
            for column, image in enumerate(images, start=2):
                picture(panels[row, column], image, f"horizon {column - 1}" if line == 0 else "")
            panels[row, 2].set_ylabel(name, fontsize=8, color=INK)
        panels[number * len(names), 0].set_title(plain(one.name), fontsize=8, loc="left", color=INK)
    figure.suptitle(plain(f"{encoder}: the future, drawn by {decoder}"), fontsize=11, color=INK)
    save(figure, path)


def figure_of(rows: int, columns: int, *, width: float, height: float) -> tuple[Figure, NDArray[np.object_]]:
    """A figure with a grid of panels [rows, columns]."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.05))
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def picture(panel: Axes, image: NDArray[np.generic], title: str = "", *, size: float = 8) -> None:
    """An image without axes."""
    panel.imshow(image)
    _bare(panel)
    if title:
        panel.set_title(plain(title), fontsize=size, color=INK)


def error_map(
    path: Path, *, encoder: str, means: Mapping[str, Floats], frames: Pictures, example: Floats, context: Pictures
) -> None:
    """Where predictions fail: one window's frames with its errors, and the mean over all windows.

    Args:
        means: method to its mean L1 by token, [k, h', w'].
        frames: what came, uint8 [k, h, w, 3], a frame of each tubelet; ``context`` [h, w, 3], the last one seen.
        example: the predictor's L1 by token in that window, [k, h', w'].
    """
    horizons = len(example)
    rows = ["what came", "its error", *(f"{name},\nall windows" for name in means)]
    figure, panels = figure_of(
        len(rows), horizons + 1, width=1.45 * (horizons + 1) + 1.6, height=1.5 * len(rows) + 0.9
    )
    low, high = (float(f([f(example), *(f(m) for m in means.values())])) for f in (np.min, np.max))
    picture(panels[0, 0], context, "seen last")
    for row in range(1, len(rows)):
        panels[row, 0].set_axis_off()
    for k in range(horizons):
        picture(panels[0, k + 1], frames[k], f"horizon {k + 1}")
        for row, values in enumerate((example, *means.values()), start=1):
            shown = panels[row, k + 1].imshow(values[k], vmin=low, vmax=high, cmap="magma")
            _bare(panels[row, k + 1])
    for row, name in enumerate(rows):
        panels[row, 0 if row == 0 else 1].set_ylabel(name, fontsize=8, color=INK)
    bar = figure.colorbar(shown, ax=panels[1:, :].ravel().tolist(), shrink=0.6, pad=0.02)
    bar.set_label("L1 of a token", fontsize=8, color=INK)
    bar.ax.tick_params(labelsize=7, length=0)
    figure.suptitle(plain(f"{encoder}: where the prediction fails"), fontsize=11, color=INK)
    save(figure, path)


def surprise_curves(path: Path, *, encoder: str, curves: Sequence[SurpriseTrace]) -> None:
    """Each video's surprise over time with its peaks as thumbnails beneath."""
    from matplotlib.gridspec import GridSpecFromSubplotSpec

    most = max(len(curve.peaks) for curve in curves)
    figure, grid = figure_of(len(curves), 1, width=10, height=3.6 * len(curves) + 0.7)
    for row, curve in enumerate(curves):
        spec = grid[row, 0].get_subplotspec()
        grid[row, 0].remove()
        parts = GridSpecFromSubplotSpec(2, most, subplot_spec=spec, height_ratios=(1.2, 1))
        _curve(figure.add_subplot(parts[0, :]), curve)
        for k in range(most):
            panel = figure.add_subplot(parts[1, k])
            if k >= len(curve.peaks):
                panel.set_axis_off()
                continue
            at, image = curve.peaks[k]
            picture(panel, image, f"{k + 1}: {curve.seconds[at]:.1f} s")
    figure.suptitle(plain(f"{encoder}: surprise over time"), fontsize=11, color=INK)
    save(figure, path)


def _curve(panel: Axes, curve: SurpriseTrace) -> None:
    cuts = np.flatnonzero(np.diff(curve.shots)) + 1
    lines = (("copy-last", curve.copied, "#D55E00", 0.9), ("predictor", curve.surprise, "#0072B2", 1.4))
    for name, values, colour, width in lines:
        broken = np.insert(values.astype(np.float64), cuts, np.nan)
        panel.plot(np.insert(curve.seconds, cuts, np.nan), broken, color=colour, linewidth=width, label=name)
    for k, (at, _) in enumerate(curve.peaks):
        place = (curve.seconds[at], curve.surprise[at])
        panel.plot(*place, marker="o", color="#0072B2", markersize=5)
        panel.annotate(str(k + 1), place, (0, 5), textcoords="offset points", fontsize=8, ha="center", color=INK)
    panel.set_title(plain(curve.name), fontsize=9, loc="left", color=INK)
    panel.set_xlabel("seconds", fontsize=8, color=INK)
    panel.set_ylabel(curve.unit, fontsize=8, color=INK)
    panel.margins(x=0.01, y=0.15)
    panel.tick_params(length=0, labelsize=8, colors=INK)
    panel.grid(axis="y", color="#e6e6e6", linewidth=0.6)
    panel.legend(fontsize=8, frameon=False, loc="upper right", ncols=2)
    for side in ("top", "right", "left"):
        panel.spines[side].set_visible(False)


def violations(
    path: Path,
    *,
    encoder: str,
    examples: Mapping[str, Pictures],
    curves: Mapping[str, Floats],
    first: int,
) -> None:
    """A pair of each kind, and the mean surprise at the possible and the impossible over time.

    Args:
        examples: kind to a frame before the two differ, and then the possible and the impossible one, uint8
            [3, h, w, 3].
        curves: kind to the mean surprise of windows, [2, windows].
        first: the first frame that the first window tells; each next one begins two frames later.
    """
    figure, grid = figure_of(len(examples), 6, width=11, height=1.55 * len(examples) + 0.9)
    for row, (kind, shown) in enumerate(examples.items()):
        titles = ["before", "possible", "impossible"] if row == 0 else [""] * 3
        for column, (image, title) in enumerate(zip(shown, titles, strict=True)):
            picture(grid[row, column], image, title)
        grid[row, 0].set_ylabel(kind, fontsize=9, color=INK)
        spec = grid[row, 3].get_gridspec()
        for column in (3, 4, 5):
            grid[row, column].remove()
        panel = figure.add_subplot(spec[row, 3:])
        frames = first + 2 * np.arange(curves[kind].shape[1])
        for values, name, colour in zip(
            curves[kind], ("possible", "impossible"), ("#0072B2", "#D55E00"), strict=True
        ):
            panel.plot(frames, values, color=colour, linewidth=1.4, label=name)
        panel.tick_params(length=0, labelsize=7, colors=INK)
        panel.grid(axis="y", color="#e6e6e6", linewidth=0.6)
        for side in ("top", "right", "left"):
            panel.spines[side].set_visible(False)
        if row == 0:
            panel.set_title("mean surprise of windows (L1)", fontsize=8, color=INK)
            panel.legend(fontsize=7.5, frameon=False, ncols=2)
        if row == len(examples) - 1:
            panel.set_xlabel("first frame that a window tells", fontsize=8, color=INK)
        else:
            panel.set_xticklabels([])
    figure.suptitle(plain(f"{encoder}: the impossible, and the surprise at it"), fontsize=11, color=INK)
    save(figure, path)


def _bare(panel: Axes) -> None:
    panel.set_xticks([])
    panel.set_yticks([])
    for spine in panel.spines.values():
        spine.set_color(FAINT)
        spine.set_linewidth(0.5)


# Okabe and Ito's palette without black, by object; the page's script has the same.
COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")


def colour_of(number: int) -> str:
    """An object keeps its colour; what has no track is white."""
    return COLOURS[number % len(COLOURS)] if number >= 0 else "#ffffff"
