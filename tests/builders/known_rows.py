"""Inputs and targets together with what a split reads of their rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worldprobe.probes.splits import SplitRows


class Known(NamedTuple):
    """``inputs`` float32 [n, d], ``target`` float64 [n, k], and their rows."""

    inputs: NDArray[np.float32]
    target: NDArray[np.float64]
    rows: SplitRows


def known(inputs: NDArray, target: NDArray, group: NDArray, *, clip_seconds: float = 0.5) -> Known:
    """Groups [n] that are videos as well, a row each second of them."""
    seconds = np.concatenate([np.arange((group == g).sum()) for g in np.unique(group)]).astype(float)
    rows = SplitRows(group.astype(np.int64), group.astype(np.int64), seconds, clip_seconds)
    return Known(inputs.astype(np.float32), target.astype(float).reshape(len(inputs), -1), rows)
