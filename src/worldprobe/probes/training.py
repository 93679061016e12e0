"""Training sets of nested folds, and what they share: a Gram matrix is all rows' less that of the rows left out."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldprobe.execute.threads import side_by_side
from worldprobe.probes.linear.design import Design
from worldprobe.probes.linear.picked import Picked
from worldprobe.probes.linear.scatter import Scatter
from worldprobe.probes.splits import Fold

Ints = NDArray[np.int64]
# A training set of an inner fold, its rows, and the inputs and rows held out of it.
Inner = tuple[Design, Ints, Picked, Ints]
Sums = Callable[[Sequence[Ints]], list[Scatter]]
# Each is a d x d matrix; the usual 5 folds fit.
_MOST_PARTS = 5
# Of training sets of so many rows, fewer than columns, six at most are kept at a time: an n x n matrix each makes
# 0.5 GB, and twice that where they are both decomposed and reduced.
_MOST_ROWS = 3200


@dataclass(frozen=True, slots=True, eq=False)
class TrainingRows:
    """The rows that a probe may see, and what is shared by all that are fitted to them."""

    rows: Ints
    design: Design
    inner: tuple[Inner, ...]

    def reduce(self, *, whole: bool) -> None:
        """Reduce the products of the inner training sets' rows, and of the ``whole``, side by side."""
        side_by_side([one.reduce for one in (*[self.design] * whole, *(design for design, *_ in self.inner))])

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
        sums: the scatters of sets of rows (their indices), where others work them out; it has to see these inputs.
        components: of each training set by itself, inner ones too: what of it probes see. All where it is None.
    """

    def __init__(
        self,
        inputs: NDArray[np.float32],
        unit: Ints,
        folds: Sequence[Fold] = (),
        *,
        sums: Sums | None = None,
        components: int | None = None,
    ) -> None:
        self.inputs, self._unit, self._components = inputs, unit, components
        self._left = Counter(train.tobytes() for fold in folds for train, _ in fold.inner)
        self._kept: dict[bytes, Design] = {}
        self._parts: dict[bytes, Scatter] = {}
        self._whole: Scatter | None = None
        self._sums = sums or self._add_up
        self._lock = threading.Lock()  # sums are found and let go of for one training set at a time

    def prepare(self, rows: Ints, inner: Sequence[tuple[Ints, Ints]]) -> TrainingRows:
        """A training set, and those of its inner folds, (train, held) each.

        Several threads may ask, unless training sets are kept between folds.
        """
        # With fewer rows than columns the smaller Gram matrix is that of the rows, which is no sum.
        smallest = min(len(rows), *(len(train) for train, _ in inner)) if inner else 0
        if smallest < self.inputs.shape[1]:
            return self._prepared(rows, inner, summed=False)
        with self._lock:
            return self._prepared(rows, inner, summed=True)

    def _prepared(self, rows: Ints, inner: Sequence[tuple[Ints, Ints]], *, summed: bool) -> TrainingRows:
        scatter = None
        if summed:
            everything = np.arange(len(self.inputs))
            needed = [_smaller(train, rows) for train, _ in inner if train.tobytes() not in self._kept]
            first = _smaller(rows, everything)
            self._fetch([first, *needed], whole=first is not rows)
            scatter = self._scatter(rows, everything, self._whole)
        parts = []
        for train, held in inner:
            parts.append((self._inner_design(train, rows, scatter), train, Picked(self.inputs, held), held))
        design = self._design(rows, scatter)
        return TrainingRows(rows, design, tuple(parts))

    def _inner_design(self, train: Ints, rows: Ints, scatter: Scatter | None) -> Design:
        key = train.tobytes()
        self._left[key] -= 1
        design = self._kept.pop(key, None)
        if design is None:
            part = self._scatter(train, rows, scatter) if scatter else None
            design = self._design(train, part)
        if self._left[key] > 0 and (scatter is not None or len(train) <= _MOST_ROWS):
            self._kept[key] = design
        return design

    def _design(self, rows: Ints, scatter: Scatter | None) -> Design:
        return Design(self.inputs, unit=self._unit[rows], scatter=scatter, rows=rows, components=self._components)

    def _scatter(self, rows: Ints, above: Ints, total: Scatter | None) -> Scatter:
        """Of some rows [m], from the total of rows that include them."""
        part = _smaller(rows, above)
        found = self._parts[part.tobytes()]
        if part is rows:
            return found
        assert total is not None
        return total - found

    def _fetch(self, sets: Sequence[Ints], *, whole: bool) -> None:
        """Have the scatters of these sets of rows, and that of all rows if asked; all that are missing at once."""
        wanted = {rows.tobytes(): rows for rows in sets}
        missing = {key: rows for key, rows in wanted.items() if key not in self._parts}
        stale = [key for key in self._parts if key not in wanted]
        while stale and len(self._parts) + len(missing) > _MOST_PARTS:
            self._parts.pop(stale.pop(0))
        everything = [np.arange(len(self.inputs))] if whole and self._whole is None else []
        needed = [*everything, *missing.values()]
        found = self._sums(needed) if needed else []
        if everything:
            self._whole = found.pop(0)
        self._parts |= dict(zip(missing, found, strict=True))

    def _add_up(self, sets: Sequence[Ints]) -> list[Scatter]:
        return [Scatter.of(self.inputs if len(rows) == len(self.inputs) else self.inputs[rows]) for rows in sets]


def _smaller(rows: Ints, above: Ints) -> Ints:
    """Of rows and what else is among the rows above, whichever is less to add up; a fold is left out of several."""
    others = np.setdiff1d(above, rows, assume_unique=True)
    return rows if len(others) >= len(rows) else others
