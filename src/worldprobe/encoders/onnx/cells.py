"""How a tensor's numbers lie over the picture: rows and columns of cells, each with its features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BEFORE = (0, 1, 2, 5)  # tokens before the patches': none, a class token, one more, four registers


@dataclass(frozen=True, slots=True)
class Cells:
    """A grid in a tensor.

    Attributes:
        rows, columns: how many cells.
        px: of the network's input, along each side of a cell.
        width: features of a cell.
        kind: ``nchw``, ``nhwc``, or ``tokens`` in rows after ``before`` others.
        before: tokens that are left out at the beginning.
    """

    rows: int
    columns: int
    px: int
    width: int
    kind: str
    before: int = 0

    def tokens(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """The tensor of one picture, batch of one, as [rows, columns, width]."""
        if self.kind == "nchw":
            return np.moveaxis(values[0], 0, -1)
        if self.kind == "nhwc":
            return np.asarray(values[0])
        return np.asarray(values[0, self.before :]).reshape(self.rows, self.columns, self.width)


def cells_of(shape: Sequence[int], size: tuple[int, int], *, layout: str) -> Cells | str:
    """The grid in a tensor of a picture of this width and height in px; or why there is none, to end a sentence.

    Args:
        layout: of four axes, ``nchw`` or ``nhwc``; "" takes the first that fits.
    """
    if len(shape) not in (3, 4) or shape[0] != 1 or min(shape) < 1:
        return "read are [1, c, h, w], [1, h, w, c] and [1, n, c], of one picture"
    if len(shape) == 3:
        _, count, width = shape
        for before in _BEFORE:
            for rows in range(1, count - before + 1):
                columns, left = divmod(count - before, rows)
                if not left and (px := _px(rows, columns, size)):
                    return Cells(rows, columns, px, width, "tokens", before)
        return f"whose {count} tokens are no grid of squares over {size[0]} x {size[1]} px"
    for kind, (rows, columns, width) in {
        "nchw": (shape[2], shape[3], shape[1]), "nhwc": (shape[1], shape[2], shape[3])
    }.items():  # fmt: skip
        if kind == (layout or kind) and (px := _px(rows, columns, size)):
            return Cells(rows, columns, px, width, kind)
    return f"whose rows and columns are no squares over {size[0]} x {size[1]} px"


def _px(rows: int, columns: int, size: tuple[int, int]) -> int:
    """Px of a cell's side; 0 where cells are no squares of whole px, or the picture is one alone."""
    across, down = divmod(size[0], columns), divmod(size[1], rows)
    return across[0] if across == down and not across[1] and rows * columns > 1 else 0
