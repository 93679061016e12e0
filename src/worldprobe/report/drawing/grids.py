"""Frames in rows and columns as PNG: the same grids that the page has as tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

import numpy as np

from worldprobe.report.drawing.frames import FrameGrid, FrameRow
from worldprobe.report.drawing.panels import Panel
from worldprobe.report.drawing.png import INK, draw_panel, plain, save
from worldprobe.report.drawing.sheet import Sheet

# Inches: a picture's column, the chart at a row's end, a scale beside maps; left of all, and around a chart.
_CELL, _CHART, _BAR, _LEFT, _RIM = 1.4, 4.2, 0.14, 0.5, 0.5
# Inches above a row: of any, of one with the columns' names, of one with its grid's title above these.
_PLAIN, _NAMED, _TITLED = 0.05, 0.38, 0.62
_NAME = 16  # letters of a row's or column's name in a line


def draw_grids(grids: Sequence[FrameGrid], path: Path, *, title: str) -> None:
    """Draw grids, one or more, beneath each other; a row's chart at its end, a scale of maps beside them."""
    columns = max(len(grid.columns) for grid in grids)
    shapes = [pixels.shape for grid in grids for row in grid.rows for pixels in row.frames if pixels is not None]
    charts = any(row.panel for grid in grids for row in grid.rows)
    right = _CHART + 2 * _RIM if charts else 0.8 if any(grid.scale for grid in grids) else 0.05
    above = [
        _PLAIN if number else _TITLED if grid.title else _NAMED
        for grid in grids for number in range(len(grid.rows))
    ]  # fmt: skip
    sizes = [(width, height) for height, width, _ in shapes]
    sheet = Sheet(sizes, columns, width=_CELL, above=above, below=0.03, left=_LEFT, right=right, foot=0.3 * charts)
    begun = 0
    for grid in grids:
        _draw(sheet, grid, begun, columns)
        begun += len(grid.rows)
    sheet.head(title)
    save(sheet.figure, path)


def _draw(sheet: Sheet, grid: FrameGrid, begun: int, columns: int) -> None:
    """Draw a grid whose first row is the sheet's ``begun``."""
    last = begun + len(grid.rows) - 1
    for number, row in enumerate(grid.rows, start=begun):
        _frames(sheet, row, number * columns, heads=grid.columns if number == begun else ())
        if row.panel is not None:
            _chart(sheet, row.panel, number, first=number == begun, last=number == last)
    if grid.title:
        sheet.note(begun, grid.title, up=_NAMED)
    if grid.scale:
        _scale(sheet, (begun + 1, last), *grid.scale[:2])


def _frames(sheet: Sheet, row: FrameRow, at: int, *, heads: Sequence[str]) -> None:
    """A row's pictures from a place on; its name stands beside the first."""
    name = fill(row.name, _NAME)
    for column, pixels in enumerate(row.frames):
        if pixels is None:
            continue
        shown = sheet.place(at + column, pixels)
        if heads:
            shown.head(fill(heads[column], _NAME), size=8)
        if name:
            shown.name(name, size=8)
        name = ""


def _chart(sheet: Sheet, panel: Panel, row: int, *, first: bool, last: bool) -> None:
    """A row's chart; what all have in common is said once."""
    place = sheet.beside((row, row), left=_RIM, width=_CHART, share=0.84)
    draw_panel(place, panel)
    place.tick_params(labelsize=7)
    if first:
        place.set_title(plain(panel.metric), fontsize=8, color=INK)
        place.legend(fontsize=7.5, frameon=False, ncols=2)
    if not last:
        place.set_xlabel("")


def _scale(sheet: Sheet, rows: tuple[int, int], low: str, high: str) -> None:
    """The colours of maps, from their least value to their largest."""
    place = sheet.beside(rows, left=0.12, width=_BAR, share=0.6)
    ends = (float(low), float(high))
    place.imshow(
        np.linspace(*ends, 256)[:, None], cmap="magma", origin="lower", aspect="auto", extent=(0, 1, *ends)
    )
    place.set_xticks([])
    place.yaxis.tick_right()
    place.yaxis.set_label_position("right")
    place.set_ylabel("L1 of a token", fontsize=8, color=INK)
    place.tick_params(labelsize=7, length=0)
