"""How long labels remember: what is near in time is alike, however unrelated features are to it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from worldprobe.probes.detection.by_group import indicators
from worldprobe.probes.metrics import varying
from worldprobe.probes.splits import SplitKind, SplitRows

Floats = NDArray[np.float64]
# So many lags are tried, from one row to half of a video, evenly in their logarithm.
_LAGS = 48
_GONE = float(np.exp(-1))


def remembered(split: SplitKind, target: Floats, classes: int, rows: SplitRows) -> float:
    """Find how many seconds targets [n, k] or class indices [n, 1] stay alike; 0 unless the split is blocked."""
    if split != "blocked":
        return 0.0
    return correlation_time(indicators(target[:, 0].astype(np.int64), classes) if classes else target, rows)


def correlation_time(target: Floats, rows: SplitRows) -> float:
    """Find the seconds after which the autocorrelation of targets [n, k] within videos has fallen to 1/e.

    That of a first-order process is its time constant. Columns count alike; those of no variance do not.

    Returns:
        0 where nothing varies; the longest lag that was tried, half of the longest video, where it stays higher.
    """
    values = target[:, varying(target)]
    if not values.shape[1]:
        return 0.0
    order = np.lexsort((rows.pts_seconds, rows.video))
    values = (values[order] - values.mean(axis=0)) / values.std(axis=0)
    video, seconds = rows.video[order], rows.pts_seconds[order]
    longest = int(np.unique(video, return_counts=True)[1].max()) // 2
    before, correlated = 0.0, 1.0
    for lag in np.unique(np.geomspace(1, max(longest, 1), _LAGS).astype(np.int64)).tolist():
        same = video[lag:] == video[:-lag]
        if not same.any():
            break
        apart = float((seconds[lag:] - seconds[:-lag])[same].mean())
        now = float((values[lag:] * values[:-lag])[same].mean())
        if now <= _GONE:
            return before + (apart - before) * (correlated - _GONE) / (correlated - now)
        before, correlated = apart, now
    return before


def rolled(target: Floats, rows: SplitRows, *, apart_seconds: float, seed: int) -> Floats:
    """Move targets [n, k] on in time within each video, what is pushed out coming in again at the start.

    They keep their run in time and lose what ties them to their moments.

    Args:
        apart_seconds: how far they are moved at least, both ways; a quarter of the video where that is less.
    """
    generator = np.random.default_rng(seed)
    result = np.empty_like(target)
    for video in np.unique(rows.video):
        here = np.flatnonzero(rows.video == video)
        here = here[np.argsort(rows.pts_seconds[here], kind="stable")]
        span = float(np.ptp(rows.pts_seconds[here]))
        least = int(len(here) * min(apart_seconds / span, 0.25)) if span > 0 else 0
        by = int(generator.integers(max(least, 1), max(len(here) - least, 1), endpoint=True))
        result[here] = np.roll(target[here], by, axis=0)
    return result
