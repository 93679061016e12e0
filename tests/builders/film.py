"""One film whose features and label change slowly, with nothing in common."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from worldprobe.probes.splits import SplitRows


def film(
    seconds: float, memory: float, *, seed: int, rate: float = 12.0, columns: int = 64, clip_seconds: float = 2 / 3
) -> tuple[NDArray[np.float32], NDArray[np.float64], SplitRows]:
    """Inputs [n, columns] and a target [n, 1], first-order processes of this time constant, and their rows."""
    rows = round(seconds * rate)
    rng = np.random.default_rng(seed)
    keep = np.exp(-1 / (rate * memory)) if memory else 0.0
    values = rng.standard_normal((rows, columns + 1))
    values[1:] *= np.sqrt(1 - keep**2)
    for index in range(1, rows):
        values[index] += keep * values[index - 1]
    one = np.zeros(rows, np.int64)
    split_rows = SplitRows(one, one, np.arange(rows) / rate, clip_seconds)
    return values[:, :-1].astype(np.float32), values[:, -1:], split_rows
