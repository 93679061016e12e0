"""What standardises columns, and the axes of rows that are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# Directions whose squared length is below this share of the longest are rounding, not signal.
_RANK_TOLERANCE = 1e-12
# A column whose spread is below this share of the widest one's says nothing.
_STILL = 1e-6


def column_scale(spread: Floats) -> Floats:
    """What to divide each column by, [d]; 1 where it does not vary, which keeps it at zero after centring."""
    floor = _STILL * max(float(spread.max(initial=0.0)), 1e-30)
    return np.where(spread > floor, spread, 1.0)


def principal(gram: Floats, *, most: int | None = None) -> tuple[Floats, Floats]:
    """Eigenvalues [r], decreasing, and eigenvectors [m, r] of a Gram matrix, without those that are rounding.

    Where ``most`` are asked for, the largest so many.
    """
    if most is None:
        values, vectors = np.linalg.eigh(gram)
    else:
        from scipy.linalg import eigh

        size = len(gram)
        values, vectors = eigh(gram, subset_by_index=(max(0, size - most), size - 1), check_finite=False)
    values, vectors = values[::-1], vectors[:, ::-1]
    kept = values > _RANK_TOLERANCE * max(float(values[0]), 1e-300)
    return values[kept], vectors[:, kept]
