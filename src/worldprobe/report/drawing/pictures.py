"""Pictures within figures, and surprise over time with its peaks."""

from __future__ import annotations

from collections.abc import Sequence
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
