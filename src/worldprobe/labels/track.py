"""Boxes to tracks: frame by frame, by overlap with where each object should be by now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from worldprobe.labels.boxes import corners, iou
from worldprobe.labels.speeds import reach, spacing_of
from worldprobe.records import Labels

Floats = NDArray[np.float64]
# At 10 frames a second a walker's boxes overlap by a third or less; where each object should be by now is
# known well enough that a tenth tells neighbours apart (docs/decisions/trackers.md).
MIN_IOU = 0.1
_SMOOTHING = 0.5  # share of the newest displacement in a track's velocity


@dataclass(slots=True)
class _Track:
    identity: int
    name: str
    box: Floats  # centre and size
    velocity: Floats  # of the centre, px a second
    seen: float  # pts_seconds

    def expected(self, seconds: float) -> Floats:
        moved = self.box.copy()
        moved[:2] += self.velocity * (seconds - self.seen)
        return moved


def link(
    labels: Labels, *, shots: Sequence[int] = (0,), min_iou: float = MIN_IOU, max_gap_seconds: float = 1.0
) -> Labels:
    """Give each box of one video a track id in ``object``.

    Boxes of a frame go to the tracks of their class by the assignment with the greatest overlap (Kuhn 1955)
    with each track's last box, moved on at its velocity; overlaps below ``min_iou`` do not count. A track
    not seen for ``max_gap_seconds`` ends (where frames with boxes come more rarely, not seen on the next one but as
    long as speeds are taken over), and all end where a shot does.

    Args:
        shots: the first frame of each shot, increasing.
    """
    import polars as pl
    from scipy.optimize import linear_sum_assignment

    table = labels.table.sort("frame", maintain_order=True)
    boxes = table.select("x", "y", "w", "h").to_numpy().astype(np.float64).reshape(-1, 4)
    names, seconds = table["class"].to_list(), table["pts_seconds"].to_numpy()
    frames = table["frame"].to_numpy()
    identities = np.full(len(table), -1, dtype=np.int64)
    live: list[_Track] = []
    born, shot = 0, 0
    max_gap_seconds = max(max_gap_seconds, reach(spacing_of(np.unique(seconds))))
    for start, stop in _runs(frames):
        now = float(seconds[start])
        here = int(np.searchsorted(np.asarray(shots), frames[start], side="right"))
        if here != shot:
            live, shot = [], here
        live = [track for track in live if now - track.seen <= max_gap_seconds + 1e-9]
        rows = np.arange(start, stop)
        overlap = np.zeros((len(live), len(rows)))
        if live:
            overlap = iou(corners(np.stack([track.expected(now) for track in live])), corners(boxes[rows]))
            same = np.array([[track.name == names[row] for row in rows] for track in live])
            overlap = np.where(same & (overlap >= min_iou), overlap, 0.0)
        taken = set()
        for index, column in zip(*linear_sum_assignment(-overlap), strict=True):
            if overlap[index, column] > 0:
                row = int(rows[column])
                _move(live[index], boxes[row], now)
                identities[row] = live[index].identity
                taken.add(row)
        for row in (int(row) for row in rows):
            if row not in taken:
                live.append(_Track(born, names[row], boxes[row], np.zeros(2), now))
                identities[row] = born
                born += 1
    return replace(labels, table=table.with_columns(pl.Series("object", identities)))


def drop_short(labels: Labels, *, seconds: float) -> Labels:
    """Without the tracks that last less than a time."""
    import polars as pl

    span = pl.col("pts_seconds").max().over("object") - pl.col("pts_seconds").min().over("object")
    return replace(labels, table=labels.table.filter(span >= seconds))


def _move(track: _Track, box: Floats, now: float) -> None:
    elapsed = now - track.seen
    if elapsed > 0:
        newest = (box[:2] - track.box[:2]) / elapsed
        track.velocity = (1 - _SMOOTHING) * track.velocity + _SMOOTHING * newest
    track.box, track.seen = box, now


def _runs(frames: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Start and stop of each run of equal values in a sorted array."""
    edges = np.flatnonzero(np.diff(frames)) + 1
    bounds = [0, *edges.tolist(), len(frames)]
    return [(a, b) for a, b in pairwise(bounds) if b > a]
