"""Make the labels and inputs of controls."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from worldprobe.controls import Control

# The most smooth bumps over time that ``nuisance`` has.
MOST_BUMPS = 512
# Of those that all groups share.
_SHARED_BUMPS = 32


def gaussian(shape: tuple[int, int], *, seed: int) -> NDArray[np.float32]:
    """Standard normal noise in the features' shape: the original protocol's only baseline."""
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def shuffled(target: NDArray[np.float64], unit: NDArray[np.int64], *, seed: int) -> NDArray[np.float64]:
    """Labels [n, k] permuted between units [n] (Hewitt and Liang 2019), their run within a unit kept.

    A unit takes its rows from another one in order, stretched to its own length; so what a probe could
    learn from slow change within a unit is still there, and what ties label to input is gone.
    """
    return np.asarray(target[donors(unit, seed=seed)])


def donors(unit: NDArray[np.int64], *, seed: int) -> NDArray[np.int64]:
    """Find the row that each row's label is taken from by ``shuffled``: int64 [n]."""
    _, code, count = np.unique(unit, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(count))
    # A cycle through all units in random order: none keeps its own labels.
    donor = np.empty_like(order)
    donor[order] = np.roll(order, 1)
    rows, starts = np.argsort(code, kind="stable"), np.cumsum(count) - count
    own = code[rows]
    place = (np.arange(len(rows)) - starts[own]) * count[donor[own]] // count[own]
    found = np.empty(len(unit), dtype=np.int64)
    found[rows] = rows[starts[donor[own]] + place]
    return found


def nuisance(
    video: NDArray[np.int64],
    pts_seconds: NDArray[np.float64],
    clip_seconds: float,
    group: NDArray[np.int64] | None = None,
) -> NDArray[np.float32]:
    """Which video and when, and nothing else: float32 [n, d].

    A column per video, and per video a row of smooth bumps over time, two clips apart (further where
    there would be more than 512), so that under a leaky split "when" can stand in for "what". Further bumps, which
    all groups share, are over the time since the shot or the episode began: where these run alike, that is enough.

    Args:
        group: the shot or episode of each row, int64 [n]; its video by default.
    """
    _, codes = np.unique(video, return_inverse=True)
    identity = np.eye(codes.max() + 1, dtype=np.float32)[codes]
    spans = [float(np.ptp(pts_seconds[codes == code])) for code in range(codes.max() + 1)]
    spacing = max(2 * clip_seconds, sum(spans) / MOST_BUMPS, 1e-9)
    columns = [identity]
    for code, span in enumerate(spans):
        rows = codes == code
        centres = pts_seconds[rows].min() + spacing * np.arange(int(span / spacing) + 1)
        if len(centres) > 1:
            distance = (pts_seconds[:, None] - centres[None, :]) / spacing
            columns.append((np.exp(-(distance**2)) * rows[:, None]).astype(np.float32))
    group = codes if group is None else np.unique(group, return_inverse=True)[1]
    began = np.full(group.max() + 1, np.inf)
    np.minimum.at(began, group, pts_seconds)
    since = pts_seconds - began[group]
    # Closer than the others: few columns for all groups.
    step = max(clip_seconds / 2, float(since.max()) / _SHARED_BUMPS, 1e-9)
    centres = step * np.arange(int(since.max() / step) + 1)
    if len(centres) > 1:
        columns.append(np.exp(-(((since[:, None] - centres) / step) ** 2)).astype(np.float32))
    return np.concatenate(columns, axis=1)


# Of rows: the video, the time and the group of each, [n], and the seconds that a clip spans; gives float32 [n, d].
Columns = Callable[[NDArray[np.int64], NDArray[np.float64], float, NDArray[np.int64]], NDArray[np.float32]]
COLUMNS: dict[Control, Columns] = {"nuisance": nuisance}
"""What makes the inputs of each control that reads side columns."""
