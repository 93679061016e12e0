"""Rows of a larger array by their indices: what is as large as the features themselves is not copied."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np
from numpy.typing import NDArray

Inputs = NDArray[np.float32]
Ints = NDArray[np.int64]
# Values that are made float64 at a time: 32 MB.
_BLOCK = 2**22
# Of so many rows a block of columns is still worth a product.
_FEWEST_COLUMNS = 64


class Picked:
    """Pick rows [m] of float32 [n, d]; their values are copied for those who ask, a block of columns at a time.

    The linear probes predict of it what they predict of the rows: they read rows through their training set alone.
    """

    def __init__(self, source: Inputs, rows: Ints) -> None:
        self.source, self.rows = source, rows
        self._values: Inputs | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def values(self) -> Inputs:
        """The rows themselves, float32 [m, d]: always the same array."""
        if self._values is None:
            self._values = self.source[self.rows]
        return self._values

    def as_inputs(self) -> Inputs:
        """This, where a type of an array is wanted of what only a ``Design`` reads."""
        return cast("Inputs", self)


def block(inputs: Inputs, columns: slice) -> Inputs:
    """Some columns of rows [m, d], picked or not."""
    if isinstance(inputs, Picked):
        return np.asarray(inputs.source[:, columns][inputs.rows])
    return inputs[:, columns]


def values_of(inputs: Inputs) -> Inputs:
    """Rows [m, d], picked or not, as an array that nobody else keeps."""
    return np.asarray(inputs.source[inputs.rows]) if isinstance(inputs, Picked) else inputs


def blocks(rows: int, columns: int) -> Iterator[slice]:
    """Cut so many columns into blocks of which so many rows are 32 MB in float64."""
    wide = max(_FEWEST_COLUMNS, _BLOCK // max(rows, 1))
    for start in range(0, columns, wide):
        # A last column by itself would be added up in another order than beside others.
        stop = columns if columns - (start + wide) < _FEWEST_COLUMNS else start + wide
        yield slice(start, stop)
        if stop == columns:
            return


def centred(inputs: Inputs) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Rows [m, d] less their mean, float64 [m, d], and ``mean_and_spread`` of them, each value read once."""
    found = values_of(inputs).astype(np.float64)
    mean = found.mean(axis=0)
    found -= mean
    return found, mean, np.sqrt(np.einsum("md,md->d", found, found) / len(found))


def mean_and_spread(inputs: Inputs) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each column of rows [m, d], picked or not: float64 [d] each."""
    columns = inputs.source.shape[1] if isinstance(inputs, Picked) else inputs.shape[1]
    mean, spread = np.zeros(columns), np.zeros(columns)
    for some in blocks(len(inputs), columns):
        values = block(inputs, some)
        mean[some], spread[some] = values.mean(axis=0, dtype=np.float64), values.std(axis=0, dtype=np.float64)
    return mean, spread
