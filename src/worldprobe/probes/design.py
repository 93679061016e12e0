"""One decomposition per training set, for every probe, target and regularisation strength.

L2-penalised linear models see their inputs only through the inner products of the rows. Turning the
standardised inputs X = U S V' to Z = U S loses nothing: weights found on Z are the weights on X, turned.
Z comes from the smaller of the two Gram matrices (n x n or d x d), in float64.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# Directions whose squared length is below this share of the longest are rounding, not signal.
_RANK_TOLERANCE = 1e-12


class Design:
    """Rows to fit on, standardised by themselves. Satisfies ``protocols.TrainingSet``."""

    def __init__(self, inputs: NDArray[np.float32]) -> None:
        self.inputs = inputs
        self._mean = inputs.mean(axis=0, dtype=np.float64)
        spread = inputs.std(axis=0, dtype=np.float64)
        # A column without variation says nothing; leaving its scale at 1 keeps it at zero after centring.
        floor = 1e-6 * max(float(spread.max(initial=0.0)), 1e-30)
        self._scale = np.where(spread > floor, spread, 1.0)
        self._last: tuple[NDArray[np.float32], Floats] | None = None

    @property
    def rotated(self) -> Floats:
        """U S, float64 [n, r]."""
        return self._decomposition[0]

    @property
    def squares(self) -> Floats:
        """S squared, float64 [r], decreasing."""
        return self._decomposition[1]

    def rotate(self, inputs: NDArray[np.float32]) -> Floats:
        """Rows [m, d] in the training rows' axes, float64 [m, r]."""
        # All targets of a fold ask for the same rows one after the other.
        if self._last is None or self._last[0] is not inputs:
            self._last = (inputs, self._standardized(inputs) @ self._axes)
        return self._last[1]

    def _standardized(self, inputs: NDArray[np.float32]) -> Floats:
        return np.asarray((inputs - self._mean) / self._scale, dtype=np.float64)

    @cached_property
    def _decomposition(self) -> tuple[Floats, Floats, Floats]:
        """(U S, S squared, V)."""
        x = self._standardized(self.inputs)
        n, d = x.shape
        values, vectors = np.linalg.eigh(x @ x.T if n < d else x.T @ x)
        values, vectors = values[::-1], vectors[:, ::-1]
        kept = values > _RANK_TOLERANCE * max(float(values[0]), 1e-300)
        squares, vectors = values[kept], vectors[:, kept]
        if n < d:
            lengths = np.sqrt(squares)
            return vectors * lengths, squares, x.T @ (vectors / lengths)
        return x @ vectors, squares, vectors

    @property
    def _axes(self) -> Floats:
        return self._decomposition[2]
