"""Frames in rows and columns as PNG: the same grids that the page has as tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

from worldprobe.report.drawing.frames import FrameGrid, FrameRow
from worldprobe.report.drawing.pictures import picture
from worldprobe.report.drawing.png import INK, draw_panel, plain, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

_CELL, _CHART = 1.4, 4.2  # inches of a picture, and of the chart at a row's end
_NAME = 16  # letters of a row's or column's name in a line


def draw_grids(grids: Sequence[FrameGrid], path: Path, *, title: str) -> None:
    """Draw grids, one or more, beneath each other; a row's chart at its end, a scale of maps beside them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    charts = any(row.panel for grid in grids for row in grid.rows)
    wide = _CELL * max(len(grid.columns) for grid in grids) + 0.9 + _CHART * charts
    tall = [_CELL * len(grid.rows) + 0.5 for grid in grids]
    layout = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.05)
    figure = Figure(figsize=(wide, sum(tall) + 0.5), layout=layout)
    FigureCanvasAgg(figure)
    parts = figure.subfigures(len(grids), 1, squeeze=False, height_ratios=tall)
    for part, grid in zip(parts[:, 0], grids, strict=True):
        _draw(part, grid, charts=charts)
    figure.suptitle(plain(title), fontsize=11, color=INK)
    save(figure, path)


def _draw(part: SubFigure, grid: FrameGrid, *, charts: bool) -> None:
    columns = len(grid.columns)
    ratios = [_CELL] * columns + [_CHART] * charts
    places = part.subplots(len(grid.rows), columns + charts, squeeze=False, width_ratios=ratios)
    for number, row in enumerate(grid.rows):
        _frames(places[number], row, heads=grid.columns if number == 0 else ("",) * columns)
        if charts:
            _chart(places[number, columns], row, first=number == 0, last=number + 1 == len(grid.rows))
    if grid.title:
        part.suptitle(plain(grid.title), fontsize=8, x=0.02, ha="left", color=INK)
    if grid.scale:
        _scale(part, places[1:, :columns].ravel().tolist(), grid.scale[0], grid.scale[1])


def _frames(places: Sequence[Axes], row: FrameRow, heads: Sequence[str]) -> None:
    """A row's pictures; its name stands beside the first."""
    name = fill(row.name, _NAME)
    for place, pixels, head in zip(places, row.frames, heads, strict=False):
        if pixels is None:
            place.set_axis_off()
            continue
        picture(place, pixels, fill(head, _NAME))
        place.set_ylabel(plain(name), fontsize=8, color=INK)
        name = ""


def _chart(place: Axes, row: FrameRow, *, first: bool, last: bool) -> None:
    """A row's chart; what all have in common is said once."""
    if row.panel is None:
        place.set_axis_off()
        return
    draw_panel(place, row.panel)
    place.tick_params(labelsize=7)
    if first:
        place.set_title(plain(row.panel.metric), fontsize=8, color=INK)
        place.legend(fontsize=7.5, frameon=False, ncols=2)
    if not last:
        place.set_xlabel("")


def _scale(part: SubFigure, beside: list[Axes], low: str, high: str) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    colours = ScalarMappable(Normalize(float(low), float(high)), "magma")
    bar = part.colorbar(colours, ax=beside, shrink=0.6, pad=0.02)
    bar.set_label("L1 of a token", fontsize=8, color=INK)
    bar.ax.tick_params(labelsize=7, length=0)
