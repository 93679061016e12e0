"""Labels and inputs that should not work."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CONTROLS = ("gaussian", "shuffled", "random-init", "pixels", "nuisance", "majority")


def gaussian(shape: tuple[int, int], *, seed: int) -> NDArray[np.float32]:
    """Standard normal noise in the features' shape: the original protocol's only baseline."""
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def shuffled(target: NDArray[np.float64], unit: NDArray[np.int64], *, seed: int) -> NDArray[np.float64]:
    """Labels [n, k] permuted between units [n] (Hewitt and Liang 2019), their run within a unit kept.

    A unit takes its rows from another one in order, stretched to its own length; so what a probe could
    learn from slow change within a unit is still there, and what ties label to input is gone.
    """
    names = np.unique(unit)
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(names))
    # A cycle through all units in random order: none keeps its own labels.
    donor = dict(zip(names[order], names[np.roll(order, 1)], strict=True))
    result = np.empty_like(target)
    for name in names:
        rows, source = np.flatnonzero(unit == name), np.flatnonzero(unit == donor[name])
        result[rows] = target[source[np.arange(len(rows)) * len(source) // len(rows)]]
    return result
