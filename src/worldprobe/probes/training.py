"""Training sets of nested folds, and what they share: a Gram matrix is all rows' less that of the rows left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from worldprobe.probes.design import Design
from worldprobe.probes.scatter import Scatter
from worldprobe.probes.splits import Fold

Ints = NDArray[np.int64]
# A training set of an inner fold, its rows, and the inputs and rows held out of it.
Inner = tuple[Design, Ints, NDArray[np.float32], Ints]
# Each is a d x d matrix; the usual 5 folds fit.
_MOST_PARTS = 5
# Ten training sets of so many rows, fewer than columns, decomposed and reduced: two n x n matrices each, 0.6 GB.
_MOST_ROWS = 2000


@dataclass(frozen=True, slots=True, eq=False)
class Training:
    """The rows that a probe may see, and what is shared by all that are fitted to them."""

    rows: Ints
    design: Design
    inner: tuple[Inner, ...]

    def forget(self) -> None:
        """Let go of what grows with the rows."""
        for design, *_ in self.inner:
            design.forget()


class TrainingSets:
    """Makes training sets of rows of the same inputs.

    Args:
        inputs: float32 [n, d], finite.
        unit: what the split keeps together, int64 [n].
        folds: that will be asked for, each once; inner training sets that occur in two of them are kept between.
    """

    def __init__(self, inputs: NDArray[np.float32], unit: Ints, folds: Sequence[Fold] = ()) -> None:
        self.inputs, self._unit = inputs, unit
        self._left = Counter(train.tobytes() for fold in folds for train, _ in fold.inner)
        self._kept: dict[bytes, Design] = {}
        self._parts: dict[bytes, Scatter] = {}

    def prepare(self, rows: Ints, inner: Sequence[tuple[Ints, Ints]]) -> Training:
        """A training set, and those of its inner folds, (train, held) each."""
        # With fewer rows than columns the smaller Gram matrix is that of the rows, which is no sum.
        smallest = min(len(rows), *(len(train) for train, _ in inner)) if inner else 0
        scatter = self._scatter(rows, None) if smallest >= self.inputs.shape[1] else None
        parts = []
        for train, held in inner:
            parts.append((self._inner_design(train, rows, scatter), train, self.inputs[held], held))
        design = Design(self.inputs, unit=self._unit[rows], scatter=scatter, rows=rows)
        return Training(rows, design, tuple(parts))

    def _inner_design(self, train: Ints, rows: Ints, scatter: Scatter | None) -> Design:
        key = train.tobytes()
        self._left[key] -= 1
        design = self._kept.pop(key, None)
        if design is None:
            part = self._scatter(train, (rows, scatter)) if scatter else None
            design = Design(self.inputs, unit=self._unit[train], scatter=part, rows=train)
        if self._left[key] > 0 and (scatter is not None or len(train) <= _MOST_ROWS):
            self._kept[key] = design
        return design

    def _scatter(self, rows: Ints, parent: tuple[Ints, Scatter] | None) -> Scatter:
        """Of some rows [m], which the parent's rows (None: all rows) include."""
        above, total = parent or (np.arange(len(self.inputs)), self._whole)
        others = np.setdiff1d(above, rows, assume_unique=True)
        if len(others) >= len(rows):
            return Scatter.of(self.inputs[rows])
        return total - self._part(others)

    def _part(self, rows: Ints) -> Scatter:
        """Of rows left out; a fold is left out of several training sets."""
        key = rows.tobytes()
        if key not in self._parts:
            if len(self._parts) == _MOST_PARTS:
                self._parts.pop(next(iter(self._parts)))
            self._parts[key] = Scatter.of(self.inputs[rows])
        return self._parts[key]

    @cached_property
    def _whole(self) -> Scatter:
        return Scatter.of(self.inputs)
