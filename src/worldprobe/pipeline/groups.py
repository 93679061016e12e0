"""What may not stand on both sides of a split: shots, and videos that show the same episodes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import StoreError
from worldprobe.records import VideoRef
from worldprobe.store import Series

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Groups:
    """Numbers the groups of videos in the order in which they are met.

    A shot is a group of its own. A shot that shows an episode is in the group of the episode, whichever camera saw
    it, and a video that is met again has the groups that it had.
    """

    def __init__(self) -> None:
        self._number: dict[str, int] = {}

    def of(self, video: VideoRef, shots: Sequence[int]) -> Ints:
        """The group of each shot (its first frame) of a video, int64 [shots].

        Raises:
            StoreError: the video's episodes are not its shots.
        """
        if video.episodes and len(video.episodes) != len(shots):
            raise StoreError(
                f"{video.path} shows {len(video.episodes)} episodes, and is stored as {len(shots)} shots: it was "
                "encoded when it was not known for a robot's. Encode into another store, or delete this one."
            )
        names = video.episodes or ("",) * len(shots)
        keys = [name or f"{video.id}/{number}" for number, name in enumerate(names)]
        return np.array([self._number.setdefault(key, len(self._number)) for key in keys], dtype=np.int64)


def placed(
    series: Sequence[Series], video: Ints, clip: Ints, pts_seconds: Floats, *, apart: float
) -> tuple[Ints, Ints, Floats]:
    """The group, the recording and the time in it of rows of series, each [n]; as ``Groups`` and ``recordings``.

    Args:
        video, clip: int64 [n], positions in the list of series and among its clips.
    """
    numbers = Groups()
    groups = [numbers.of(one.video, one.shots) for one in series]
    at = list(zip(video.tolist(), clip.tolist(), strict=True))
    shots = [one.shot for one in series]
    shot = [int(shots[number][spec]) for number, spec in at]
    group = np.array([groups[number][one] for (number, _), one in zip(at, shot, strict=True)], dtype=np.int64)
    began = np.array(
        [series[number].shots[one] / series[number].video.rate for (number, _), one in zip(at, shot, strict=True)]
    )
    return group, *recordings(video, group, pts_seconds, began, apart=apart)


def recordings(
    video: Ints, group: Ints, pts_seconds: Floats, began: Floats | None = None, *, apart: float
) -> tuple[Ints, Floats]:
    """Which recording each row belongs to, int64 [n], and when in it, float64 [n].

    Videos that share a group are one recording, with one clock: its groups lie end to end, in order of their
    numbers, so that what cameras saw at the same moment of an episode has the same time. A video that shares none
    is a recording, and keeps its clock.

    Args:
        video, group: int64 [n]; a recording has the least number of its videos.
        pts_seconds: float64 [n], within the video.
        began: float64 [n], when each row's shot begins in its video; the time of its first row if None.
        apart: seconds that are put between the groups of a recording of several videos.
    """
    recording = _joined(video, group)
    seconds = np.array(pts_seconds, dtype=np.float64)
    for number in np.unique(recording):
        rows = np.flatnonzero(recording == number)
        if len(np.unique(video[rows])) == 1:
            continue
        within = seconds[rows] - (
            _firsts(video[rows], group[rows], seconds[rows]) if began is None else began[rows]
        )
        _, code = np.unique(group[rows], return_inverse=True)
        lengths = np.zeros(code.max() + 1)
        np.maximum.at(lengths, code, within)
        offset = np.concatenate([[0.0], np.cumsum(lengths + apart)[:-1]])
        seconds[rows] = offset[code] + within
    return recording, seconds


def _joined(video: Ints, group: Ints) -> Ints:
    """The least number among the videos that each row's video is joined to by groups, int64 [n]."""
    root = {int(one): int(one) for one in np.unique(video)}

    def find(one: int) -> int:
        while root[one] != one:
            one = root[one]
        return one

    first: dict[int, int] = {}
    for one, episode in np.unique(np.stack([video, group], axis=1), axis=0).tolist():
        a, b = find(one), find(first.setdefault(episode, one))
        root[max(a, b)] = min(a, b)
    return np.array([find(int(one)) for one in video], dtype=np.int64)


def _firsts(video: Ints, group: Ints, seconds: Floats) -> Floats:
    """The earliest time of each row's group in its own video, float64 [n]."""
    _, code = np.unique(np.stack([video, group], axis=1), axis=0, return_inverse=True)
    code = code.ravel()
    earliest = np.full(code.max() + 1, np.inf)
    np.minimum.at(earliest, code, seconds)
    return np.asarray(earliest[code])
