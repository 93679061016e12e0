"""One decomposition per training set, for every probe, target and regularisation strength.

L2-penalised linear models see their inputs only through the inner products of the rows. Turning the
standardised inputs X = U S V' to Z = U S loses nothing: weights found on Z are the weights on X, turned.
S and V come from the smaller of the two Gram matrices (n x n or d x d), in float64; Z itself is made only
for those that ask for it.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from worldprobe.probes.scatter import Scatter

Floats = NDArray[np.float64]
# Directions whose squared length is below this share of the longest are rounding, not signal.
_RANK_TOLERANCE = 1e-12
# A column whose spread is below this share of the widest one's says nothing.
_STILL = 1e-6


class Design:
    """Rows to fit on, standardised by themselves. Satisfies ``protocols.TrainingSet``.

    Args:
        inputs: float32 [n, d].
        unit: what the split keeps together, int64 [n]; each row for itself where it is not given.
        scatter: of these rows, where it is known already; it saves passing over them.
    """

    def __init__(
        self,
        inputs: NDArray[np.float32],
        *,
        unit: NDArray[np.int64] | None = None,
        scatter: Scatter | None = None,
    ) -> None:
        self.inputs = inputs
        self.unit: NDArray[np.int64] = np.arange(len(inputs)) if unit is None else unit
        self._scatter = scatter
        if scatter is None:
            self.mean: Floats = inputs.mean(axis=0, dtype=np.float64)
            spread = inputs.std(axis=0, dtype=np.float64)
        else:
            self.mean, spread = scatter.mean, np.sqrt(np.diag(scatter.matrix).clip(0) / scatter.count)
        self.scale = column_scale(spread)
        self._last: tuple[NDArray[np.float32], Floats] | None = None

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

    def project(self, target: Floats) -> Floats:
        """``rotated.T @ target``, [r, k], without making ``rotated``."""
        sums = self.inputs.T @ target - np.multiply.outer(self.mean, target.sum(axis=0))
        return np.asarray(self._axes.T @ (sums / self.scale[:, None]))

    def unrotate(self, weights: Floats) -> Floats:
        """Weights [r, k] on the axes as weights [d, k] on standardised inputs."""
        return np.asarray(self._axes @ weights)

    def apply(self, inputs: NDArray[np.float32], weights: Floats) -> Floats:
        """``rotate(inputs) @ weights``, [m, k], for less."""
        return self._standardized(inputs) @ self.unrotate(weights)

    def _standardized(self, inputs: NDArray[np.float32]) -> Floats:
        if inputs is self.inputs:
            return self.standardize(inputs)
        # All targets of a fold ask for the same rows one after the other.
        if self._last is None or self._last[0] is not inputs:
            self._last = (inputs, self.standardize(inputs))
        return self._last[1]

    @cached_property
    def _decomposition(self) -> tuple[Floats, Floats]:
        """(S squared, V)."""
        n, d = self.inputs.shape
        if n < d:
            x = self.standardize(self.inputs)
            squares, vectors = principal(x @ x.T)
            return squares, x.T @ (vectors / np.sqrt(squares))
        if self._scatter is None:
            x = self.standardize(self.inputs)
            return principal(x.T @ x)
        return principal(self._scatter.matrix / np.multiply.outer(self.scale, self.scale))

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
