"""Track ids by the trackers of a kept library: ByteTrack, OC-SORT, SORT (extra ``[track]``)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import LabelError
from worldprobe.labels.boxes import corners
from worldprobe.labels.track import link
from worldprobe.records import Labels

# Names of the library's classes. "overlap" is ours and needs nothing.
_CLASSES = {"bytetrack": "ByteTrackTracker", "ocsort": "OCSORTTracker", "sort": "SORTTracker"}
TRACKERS = ("overlap", *_CLASSES)


def track(labels: Labels, *, tracker: str, shots: Sequence[int] = (0,)) -> Labels:
    """Give the boxes of one video new track ids in ``object``, whatever ids they had.

    The library's trackers (ByteTrack: Zhang et al. 2022; OC-SORT: Cao et al. 2023; SORT: Bewley et al. 2016)
    run with their defaults, once for each class and shot, told the frames' times. Boxes that they give to no
    track are left out: ByteTrack takes doubtful boxes (say ``--confidence 0.1``) only where they continue one.

    Args:
        tracker: overlap, bytetrack, ocsort or sort.
        shots: the first frame of each shot: no track crosses a cut.

    Raises:
        LabelError: an unknown tracker, or the library is not installed.
    """
    import polars as pl

    check_tracker(tracker)
    if tracker == "overlap":
        return link(labels, shots=shots)
    make = _library(tracker)
    table = labels.table.sort("frame", maintain_order=True)
    boxes = table.select("x", "y", "w", "h").to_numpy().astype(np.float64).reshape(-1, 4)
    scores = table["confidence"].to_numpy().astype(np.float64)
    frames, seconds = table["frame"].to_numpy(), table["pts_seconds"].to_numpy()
    names = table["class"].fill_null("").to_numpy().astype(np.str_)
    shot = np.searchsorted(np.asarray(shots), frames, side="right")
    identities = np.full(len(table), -1, dtype=np.int64)
    born = 0
    for rows in _together(shot, names):
        found = _identities(
            make(frame_rate=_rate(seconds[rows])), corners(boxes[rows]), scores[rows], seconds[rows]
        )
        known = found >= 0
        identities[rows[known]] = found[known] + born
        born = max(born, int(identities.max(initial=-1)) + 1)
    linked = table.with_columns(pl.Series("object", identities)).filter(pl.Series(identities >= 0))
    return replace(labels, table=linked)


def check_tracker(tracker: str) -> None:
    """Raises LabelError: an unknown tracker, or the library is not installed."""
    if tracker not in TRACKERS:
        raise LabelError(f"no tracker {tracker!r}; there are own, {', '.join(TRACKERS)}")
    if tracker != "overlap":
        _library(tracker)


def _identities(
    tracker: Any, boxes: NDArray[np.float64], scores: NDArray[np.float64], seconds: NDArray[np.float64]
) -> NDArray[np.int64]:
    """The tracker's id of each box [n, 4], given in order of time; -1 where it has none."""
    from supervision import Detections

    found = np.full(len(boxes), -1, dtype=np.int64)
    edges = np.flatnonzero(np.diff(seconds, prepend=-np.inf, append=np.inf))
    for start, stop in pairwise(edges.tolist()):
        rows = np.arange(start, stop)
        detections = Detections(
            xyxy=boxes[rows], confidence=scores[rows], class_id=np.zeros(len(rows), dtype=int), data={"row": rows}
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the library's own deprecations
            tracked = tracker.update(detections, timestamp=float(seconds[start]))
        if len(tracked):
            found[tracked.data["row"]] = tracked.tracker_id
    return found


def _rate(seconds: NDArray[np.float64]) -> float:
    """Frames a second that were looked at: the library counts the time between two in steps of this rate."""
    steps = np.diff(np.unique(seconds))
    return float(1 / np.median(steps)) if len(steps) else 30.0


def _together(shot: NDArray[np.int64], names: NDArray[np.str_]) -> Iterator[NDArray[np.int64]]:
    """Rows of the same shot and class, in order."""
    for number in np.unique(shot):
        here = np.flatnonzero(shot == number)
        for name in np.unique(names[here]):
            yield here[names[here] == name]


def _library(tracker: str) -> Any:
    try:
        import trackers
    # OpenCV, which the library needs, fails with an ImportError of its own where the system has no libGL.
    except ImportError as error:
        raise LabelError(
            f"the tracker {tracker} needs the library `trackers`, which cannot be imported ({error}). "
            'Run `pip install "worldprobe[track]"` (and, on Linux without a desktop, `apt install libgl1`), '
            "or use --tracker overlap."
        ) from error
    return getattr(trackers, _CLASSES[tracker])
