"""One decomposition per training set, for every probe, target and regularisation strength.

L2-penalised linear models see their inputs only through the inner products of the rows. Turning the
standardised inputs X = U S V' to Z = U S loses nothing: weights found on Z are the weights on X, turned.
S and V come from the smaller of the two Gram matrices (n x n or d x d), in float64; Z itself is made only
for those that ask for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from worldprobe.probes.scatter import Scatter

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# Directions whose squared length is below this share of the longest are rounding, not signal.
_RANK_TOLERANCE = 1e-12
# A column whose spread is below this share of the widest one's says nothing.
_STILL = 1e-6
# Rows of float32 are turned to float64 this many at a time.
_CHUNK = 1024


class Design:
    """Rows to fit on, standardised by themselves. Satisfies ``protocols.TrainingSet``.

    Args:
        inputs: float32 [n, d], or more rows, of which ``rows`` says which are meant.
        unit: what the split keeps together, int64 [n]; each row for itself where it is not given.
        scatter: of these rows, where it is known already; it saves passing over them.
        rows: int64 [n]; all where it is not given.
    """

    def __init__(
        self,
        inputs: NDArray[np.float32],
        *,
        unit: Ints | None = None,
        scatter: Scatter | None = None,
        rows: Ints | None = None,
    ) -> None:
        self._source = inputs
        self._rows = np.arange(len(inputs)) if rows is None else rows
        self._scatter = scatter
        self.unit: Ints = np.arange(len(self._rows)) if unit is None else unit
        if scatter is None:
            self.mean: Floats = self.inputs.mean(axis=0, dtype=np.float64)
            spread = self.inputs.std(axis=0, dtype=np.float64)
        else:
            self.mean, spread = scatter.mean, np.sqrt(np.diag(scatter.matrix).clip(0) / scatter.count)
        self.scale = column_scale(spread)
        self._last: tuple[NDArray[np.float32], Floats] | None = None

    @cached_property
    def inputs(self) -> NDArray[np.float32]:
        """As they came: float32 [n, d]."""
        return self._source if len(self._rows) == len(self._source) else self._source[self._rows]

    @cached_property
    def rotated(self) -> Floats:
        """U S, float64 [n, r]."""
        return self.rotate(self.inputs)

    @property
    def squares(self) -> Floats:
        """S squared, float64 [r], decreasing."""
        return self._decomposition[0]

    def standardize(self, inputs: NDArray[np.float32]) -> Floats:
        """Rows [m, d] less the training rows' mean, over their spread: float64 [m, d]."""
        return np.asarray((inputs - self.mean) / self.scale, dtype=np.float64)

    def rotate(self, inputs: NDArray[np.float32]) -> Floats:
        """Rows [m, d] in the training rows' axes, float64 [m, r]."""
        return self._standardized(inputs) @ self._axes

    def unrotate(self, weights: Floats) -> Floats:
        """Weights [r, k] on the axes as weights [d, k] on standardised inputs."""
        return np.asarray(self._axes @ weights)

    def apply(self, inputs: NDArray[np.float32], weights: Floats) -> Floats:
        """Standardised rows [m, d] times weights [d, k]: float64 [m, k]."""
        return self._standardized(inputs) @ weights

    def solve(self, target: Floats, strengths: Sequence[float]) -> list[Floats]:
        """Ridge weights [d, k] on standardised inputs at each strength, for a centred target [n, k]."""
        products = self._products(target)
        # A single strength is had for a tenth of a decomposition, if nobody has asked for that yet.
        if len(strengths) == 1 and strengths[0] > 0 and self._scatter is not None and not self._decomposed:
            from scipy.linalg import solve

            gram = self._standardized_scatter(self._scatter)
            gram[np.diag_indices_from(gram)] += strengths[0]
            return [np.asarray(solve(gram, products, assume_a="pos", overwrite_a=True, check_finite=False))]
        turned, squares = self._axes.T @ products, self.squares[:, None]
        weights = self._axes @ np.concatenate([turned / (squares + strength) for strength in strengths], axis=1)
        return np.split(weights, len(strengths), axis=1)

    def forget(self) -> None:
        """Let go of what grows with the rows; the decomposition stays, the rest is made again if asked for."""
        self._last = None
        for name in ("inputs", "rotated"):
            self.__dict__.pop(name, None)

    def _products(self, target: Floats) -> Floats:
        """Standardised inputs times target, [d, k]."""
        sums = np.zeros((target.shape[1], len(self.mean)))
        for start in range(0, len(target), _CHUNK):
            rows = slice(start, start + _CHUNK)
            sums += target[rows].T @ (self._source[self._rows[rows]] - self.mean)
        return (sums / self.scale).T

    def _standardized(self, inputs: NDArray[np.float32]) -> Floats:
        if inputs is self.__dict__.get("inputs"):
            return self.standardize(inputs)
        # All targets of a fold ask for the same rows one after the other.
        if self._last is None or self._last[0] is not inputs:
            self._last = (inputs, self.standardize(inputs))
        return self._last[1]

    @cached_property
    def _decomposition(self) -> tuple[Floats, Floats]:
        """(S squared, V)."""
        n, d = len(self._rows), len(self.mean)
        if n < d:
            x = self.standardize(self.inputs)
            squares, vectors = principal(x @ x.T)
            return squares, x.T @ (vectors / np.sqrt(squares))
        if self._scatter is None:
            x = self.standardize(self.inputs)
            return principal(x.T @ x)
        return principal(self._standardized_scatter(self._scatter))

    @property
    def _decomposed(self) -> bool:
        return "_decomposition" in self.__dict__

    def _standardized_scatter(self, scatter: Scatter) -> Floats:
        return np.asarray(scatter.matrix / self.scale / self.scale[:, None])

    @property
    def _axes(self) -> Floats:
        return self._decomposition[1]


def column_scale(spread: Floats) -> Floats:
    """What to divide each column by, [d]; 1 where it does not vary, which keeps it at zero after centring."""
    floor = _STILL * max(float(spread.max(initial=0.0)), 1e-30)
    return np.where(spread > floor, spread, 1.0)


def principal(gram: Floats) -> tuple[Floats, Floats]:
    """Eigenvalues [r], decreasing, and eigenvectors [m, r] of a Gram matrix, without those that are rounding."""
    values, vectors = np.linalg.eigh(gram)
    values, vectors = values[::-1], vectors[:, ::-1]
    kept = values > _RANK_TOLERANCE * max(float(values[0]), 1e-300)
    return values[kept], vectors[:, kept]
