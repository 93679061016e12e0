"""Pictures in rows and columns with marks in them, as one figure with one pair of axes.

An ``Axes`` of its own for each picture takes matplotlib some 25 ms, most of it for ticks that are then taken away.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.report.drawing.png import FAINT, INK, plain

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import TransformedBbox

_HEAD, _GAP = 0.34, 0.065  # inches: above all rows, and between pictures
_TALLEST = 2.0  # a row's height, in columns: enough for a telephone held upright; what is taller is drawn narrower


class Sheet:
    """A figure whose pictures stand in rows; lengths are inches, from its upper left corner.

    Args:
        sizes: (width, height) of each picture, in any unit: each fills its column, or is as tall as its row.
        columns: pictures a row.
        width: of a column.
        above, below: each picture, for what is written there; ``above`` of all rows alike, or of each, which then
            says how many there are.
        left, right: of all columns; ``foot``: below all rows.
    """

    def __init__(
        self,
        sizes: Sequence[tuple[int, int]],
        columns: int,
        *,
        width: float,
        above: float | Sequence[float],
        below: float,
        left: float = 0.0,
        right: float = 0.0,
        foot: float = 0.0,
    ) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self._columns, self._left, self._pitch = columns, left, width
        self._wide = width - _GAP
        self._tall = self._wide * min(_TALLEST, max(height / width for width, height in sizes))
        spaces = [above] * -(-len(sizes) // columns) if isinstance(above, int | float) else above
        self._tops, y = list[float](), _HEAD
        for space in spaces:
            self._tops.append(y + space)
            y += space + self._tall + below
        size = (left + width * columns + right, y + foot)
        self.figure: Figure = Figure(figsize=size)
        FigureCanvasAgg(self.figure)
        self.axes = self.figure.add_axes((0.0, 0.0, 1.0, 1.0))
        self.axes.set_axis_off()
        self.axes.set_xlim(0.0, size[0])
        self.axes.set_ylim(size[1], 0.0)

    def head(self, title: str) -> None:
        """Write a title over all rows."""
        self._across(title, 0.08, size=11, va="top")

    def foot(self, text: str) -> None:
        """Write a line beneath all rows."""
        self._across(text, self.figure.get_figheight() - 0.08, size=8.5, va="bottom")

    def _across(self, text: str, y: float, *, size: float, va: str) -> None:
        middle = self.figure.get_figwidth() / 2
        self.axes.text(middle, y, plain(text), fontsize=size, color=INK, ha="center", va=va)

    def place(self, number: int, image: NDArray[np.uint8]) -> Picture:
        """Put a picture, uint8 [h, w, 3], in the cell of this number."""
        row, column = divmod(number, self._columns)
        height, width = image.shape[:2]
        scale = min(self._wide / width, self._tall / height)
        left = self._left + column * self._pitch + (self._pitch - width * scale) / 2
        return Picture(self.axes, image, left, self._tops[row], scale)

    def beside(self, rows: tuple[int, int], *, left: float, width: float, share: float = 1.0) -> Axes:
        """Add axes right of the pictures of these rows, first and last, ``left`` from them; ``share``: of their
        height."""
        wide, tall = self.figure.get_size_inches()
        top, bottom = self._tops[rows[0]], self._tops[rows[1]] + self._tall
        rim = (bottom - top) * (1 - share) / 2
        x = self._left + self._columns * self._pitch + left
        return self.figure.add_axes(
            (x / wide, 1 - (bottom - rim) / tall, width / wide, (bottom - top - 2 * rim) / tall)
        )

    def note(self, row: int, text: str, *, up: float) -> None:
        """Write a line at the left, so far above a row's pictures."""
        self.axes.text(0.08, self._tops[row] - up, plain(text), fontsize=8, color=INK, va="bottom")


class Picture:
    """A picture of a sheet, or of any axes in inches from their upper left corner, ``scale`` inches a pixel.

    What is marked in it is in its own pixels, and is cut at its edges.
    """

    def __init__(self, axes: Axes, image: NDArray[np.uint8], left: float, top: float, scale: float) -> None:
        from matplotlib.image import AxesImage

        self._axes, self._left, self._top, self._scale = axes, left, top, scale
        height, width = image.shape[:2]
        self._right, self._bottom = left + width * scale, top + height * scale
        shown = AxesImage(self._axes, extent=(left, self._right, self._bottom, top), origin="upper")
        shown.set_data(image)
        self._axes.add_image(shown)
        self.rectangle(width / 2 - 0.5, height / 2 - 0.5, width, height, FAINT, linewidth=1.0)  # half of it is cut

    def title(self, text: str, *, size: float) -> None:
        """Write a line above it."""
        self._axes.text(self._left, self._top - 0.06, plain(text), fontsize=size, color=INK, va="bottom")

    def head(self, text: str, *, size: float) -> None:
        """Write a few lines above it, in its middle."""
        middle = (self._left + self._right) / 2
        self._axes.text(middle, self._top - 0.04, plain(text), fontsize=size, color=INK, ha="center", va="bottom")

    def name(self, text: str, *, size: float) -> None:
        """Write along its left edge, upwards."""
        middle = (self._top + self._bottom) / 2
        self._axes.text(
            self._left - 0.05, middle, plain(text), fontsize=size, color=INK, ha="right", va="center", rotation=90,
            multialignment="center",
        )  # fmt: skip

    def caption(self, text: str, *, size: float) -> None:
        """Write a line beneath it."""
        middle = (self._left + self._right) / 2
        self._axes.text(middle, self._bottom + 0.03, plain(text), fontsize=size, color=INK, ha="center", va="top")

    def rectangle(
        self, x: float, y: float, w: float, h: float, colour: str, linestyle: str = "-", linewidth: float = 1.2
    ) -> None:
        """Draw a box by its centre and size."""
        from matplotlib.patches import Rectangle

        corner, scale = self._at(x - w / 2, y - h / 2), self._scale
        self._cut(
            self._axes.add_artist(
                Rectangle(
                    corner, w * scale, h * scale, fill=False, edgecolor=colour, linewidth=linewidth,
                    linestyle=linestyle,
                )
            )
        )  # fmt: skip

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        """Write within the picture."""
        self._cut(self._axes.text(*self._at(x, y), plain(text), clip_on=True, **style))

    def cross(self, x: float, y: float) -> None:
        """Mark a point, white on black."""
        from matplotlib.lines import Line2D

        for colour, size, width in (("black", 9, 3.0), ("white", 8, 1.4)):
            at = [[one] for one in self._at(x, y)]
            self._axes.add_artist(
                Line2D(*at, linestyle="", marker="+", color=colour, markersize=size, markeredgewidth=width)
            )

    def _at(self, x: float, y: float) -> tuple[float, float]:
        """Where a pixel's centre stands on the sheet."""
        return self._left + (x + 0.5) * self._scale, self._top + (y + 0.5) * self._scale

    def _cut(self, artist: Artist) -> None:
        artist.set_clip_path(None)
        artist.set_clip_box(self._edges)

    @cached_property
    def _edges(self) -> TransformedBbox:
        from matplotlib.transforms import Bbox, TransformedBbox

        box = Bbox.from_extents(self._left, self._top, self._right, self._bottom)
        return TransformedBbox(box, self._axes.transData)
