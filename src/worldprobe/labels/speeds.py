"""Over which of a track's labels a speed is taken: those around it in time, as near as labels come."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from worldprobe.records import Labels

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# A speed is measured over the track's boxes within this time of the frame, on either side, and at least over the
# label before and the one after, where these are no further away than labels commonly are.
SPEED_WINDOW_SECONDS = 0.2
# Nobody knows what a thing did in between that was seen longer ago than this.
FURTHEST_SECONDS = 2.0
# A gap between labels is one where it is longer than this many times their common spacing.
_GAP = 1.5
_ROUNDING_SECONDS = 1e-3  # of times in containers
_FURTHEST = FURTHEST_SECONDS + _ROUNDING_SECONDS


def reach(spacing: float) -> float:
    """How far away, in seconds, a neighbouring label may be to take a speed from, where labels come every so often.

    Never below 0.2 s, never beyond 2 s, and between these one and a half times the spacing.
    """
    return max(SPEED_WINDOW_SECONDS, min(FURTHEST_SECONDS, _GAP * spacing))


def spacing_of(seconds: Floats) -> float:
    """How far apart increasing times commonly are (the median); NaN for fewer than two."""
    gaps = np.diff(seconds)
    gaps = gaps[gaps > 0]
    return float(np.median(gaps)) if len(gaps) else np.nan


def window(seconds: Floats, spacing: float) -> tuple[Ints, Ints]:
    """The first and the last position of the times around each of increasing times [m] that a speed is taken over.

    Args:
        spacing: how far apart the times commonly are, in seconds.
    """
    at = np.arange(len(seconds))
    first = np.searchsorted(seconds, seconds - SPEED_WINDOW_SECONDS - 1e-9)
    last = np.searchsorted(seconds, seconds + SPEED_WINDOW_SECONDS + 1e-9, side="right") - 1
    furthest = reach(spacing)
    if furthest > SPEED_WINDOW_SECONDS:
        near = np.diff(seconds) <= furthest + _ROUNDING_SECONDS
        first = np.minimum(first, np.where(np.r_[False, near], at - 1, at))
        last = np.maximum(last, np.where(np.r_[near, False], at + 1, at))
    return first.astype(np.int64), last.astype(np.int64)


def windows(identity: Ints, shot: Ints, pts_seconds: Floats) -> tuple[Ints, Ints]:
    """The first and the last row [m] of the same track and shot that the speed of each row is taken over.

    A row without a track, or with no other label of it near enough, has itself twice.
    """
    first, last = np.arange(len(identity)), np.arange(len(identity))
    usual = _usual(shot, pts_seconds)
    known = identity >= 0
    for name, where in np.unique(np.stack([identity, shot], axis=1)[known], axis=0):
        rows = np.flatnonzero((identity == name) & (shot == where))
        rows = rows[np.argsort(pts_seconds[rows], kind="stable")]
        # Two labels say nothing of how far apart they commonly are.
        spacing = spacing_of(pts_seconds[rows]) if len(rows) > 2 else usual
        begin, end = window(pts_seconds[rows], spacing)
        first[rows], last[rows] = rows[begin], rows[end]
    return first, last


def rates(identity: Ints, shot: Ints, pts_seconds: Floats, values: Floats) -> Floats:
    """Change of values [m, k] over the window around each row of a track, a second: [m, k]; NaN without one."""
    first, last = windows(identity, shot, pts_seconds)
    elapsed = pts_seconds[last] - pts_seconds[first]
    found = np.full(values.shape, np.nan)
    apart = elapsed > 0
    found[apart] = (values[last] - values[first])[apart] / elapsed[apart, None]
    return found


def speed_notes(labels: Labels) -> tuple[str, ...]:
    """What a user must know of the speeds of tracks: that they are taken over more than 0.4 s, or not at all.

    Nothing where labels come at least every 0.2 s, or hold speeds of their own.
    """
    import polars as pl

    table = labels.table.filter(pl.col("object") >= 0)
    if not len(table) or {"vx", "vy"} <= set(table.columns):
        return ()
    gaps = (
        table.sort("video", "object", "pts_seconds")
        .with_columns(gap=pl.col("pts_seconds").diff().over("video", "object"))
        .filter(pl.col("gap") > 0)
    )
    spacing = gaps.group_by("video", "object").agg(pl.col("gap").median())["gap"].to_numpy()
    tracks = table.select("video", "object").n_unique()
    wide = spacing[(spacing > SPEED_WINDOW_SECONDS + _ROUNDING_SECONDS) & (spacing <= _FURTHEST)]
    far = spacing[spacing > _FURTHEST]
    notes = []
    if len(wide):
        notes.append(
            f"Labels of {_share(len(wide), tracks)} come every {_between(wide)} s: speeds there are taken from the "
            f"label before to the one after, over {_between(2 * wide)} s instead of {2 * SPEED_WINDOW_SECONDS:g}."
        )
    if len(far):
        notes.append(
            f"Labels of {_share(len(far), tracks)} come every {_between(far)} s: too far apart for a speed, which "
            f"is taken from labels at most {FURTHEST_SECONDS:g} s apart."
        )
    return tuple(notes)


def _usual(shot: Ints, pts_seconds: Floats) -> float:
    """How far apart labelled times commonly are, whatever the object."""
    gaps = [np.diff(np.unique(pts_seconds[shot == where])) for where in np.unique(shot)]
    joined = np.concatenate(gaps) if gaps else np.empty(0)
    return float(np.median(joined)) if len(joined) else np.nan


def _share(count: int, whole: int) -> str:
    if whole == 1:
        return "the one track"
    return f"all {whole:,} tracks" if count == whole else f"{count:,} of {whole:,} tracks"


def _between(seconds: Sequence[float] | Floats) -> str:
    low, high = (f"{value:.3g}" for value in (min(seconds), max(seconds)))
    return low if low == high else f"{low} to {high}"
