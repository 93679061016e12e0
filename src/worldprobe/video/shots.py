"""Cuts between shots. A shot is a group: no clip, track or motion label crosses a cut.

A cut is a frame that differs from the one before it far more than its neighbours in time do from theirs, and
that is not a flash (the frames on either side of a flash are alike). Differences are taken in colour
histograms, which motion changes little, and in coarse pictures, which tell cuts between like-coloured shots.
A fade through black is a cut where the light comes back. Why it is our own: docs/decisions/shots.md.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldprobe.io.files import cache, write_whole
from worldprobe.protocols import FrameSource

Floats = NDArray[np.float32]

_VERSION = 1  # of the method: shots that another one found are not taken for its
_SIDE = 16  # of the coarse picture
_BINS = 16  # of each channel's histogram
_MOST_IN_16_BITS = (2**16 - 1) // 255  # rows of the brightest pixels
_CHANNELS = np.arange(3, dtype=np.uint8) * _BINS  # where each channel's bins begin
_WINDOW = 6  # frames on either side that a cut is compared with
_LEAST = 0.18  # a smaller difference is never a cut
_TIMES = 3.0  # a cut differs by this many times what its neighbours do
_ALIKE = 0.5  # across a flash the difference is below this share of the flash's own
_SHORTEST_SECONDS = 0.25  # nearer cuts are taken for one
_REACH = 4  # frames back that a frame is compared with: flashes are shorter
_BLACK = 0.03  # mean brightness of a picture that is all but black, of 1


def kept_shots(video: FrameSource) -> tuple[int, ...]:
    """As ``find_shots``; what was found once in a video is read from the cache, by its content."""
    path = cache() / "shots" / f"{video.ref.id[:40]}-v{_VERSION}.json"
    try:
        written = json.loads(path.read_bytes())
        if written["frames"] == video.ref.frames:
            return tuple(int(frame) for frame in written["shots"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not there or damaged: found anew
    found = find_shots(video)
    with suppress(OSError):  # a cache that cannot be written to costs time, not the run
        write_whole(path, json.dumps({"frames": video.ref.frames, "shots": found}).encode())
    return found


def find_shots(video: FrameSource) -> tuple[int, ...]:
    """The first frame of each shot, increasing, beginning with 0. Reads the whole video once, a frame at a time."""
    recent: deque[_Look] = deque(maxlen=_REACH)
    rows: list[Floats] = []
    black: list[bool] = []
    indices: list[int] = []
    for index, rgb in video.frames():
        look = _look(rgb)
        row = np.full(_REACH, np.inf, dtype=np.float32)
        if recent:
            row[: len(recent)] = _differences(recent, look)
        recent.appendleft(look)
        rows.append(row)
        black.append(bool(look.picture.mean() < _BLACK))
        indices.append(index)
    if len(indices) < 3:
        return (0,)
    found = cuts(np.stack(rows), np.array(black), shortest=_SHORTEST_SECONDS * video.ref.rate)
    # Positions differ from frames where damaged ones were left out.
    return (0, *(indices[position] for position in found))


def cuts(differences: Floats, black: NDArray[np.bool_], *, shortest: float) -> list[int]:
    """Positions [0, n) at which a new shot begins.

    Args:
        differences: float32 [n, 4], of each picture from the ones 1 to 4 before it.
        black: bool [n], pictures that are all but black.
        shortest: frames that lie between two cuts at least.
    """
    step = differences[1:, 0].copy()  # step[i] lies between pictures i and i + 1
    step[black[1:]] = 0.0  # what happens in the dark is no cut; where it ends is
    found = _after_black(black)
    for at in np.argsort(-step, kind="stable"):
        size = step[at]
        if size < _LEAST:
            break
        near = np.concatenate([step[max(0, at - _WINDOW) : at], step[at + 1 : at + 1 + _WINDOW]])
        # A neighbouring cut or flash must not hide this one: the largest is left out.
        if len(near) > 2 and size < _TIMES * np.sort(near)[:-1].mean():
            continue
        if any(abs(at + 1 - other) < shortest for other in found) or _is_flash(differences, int(at), size):
            continue
        found.append(int(at) + 1)
    return sorted(found)


def _after_black(black: NDArray[np.bool_]) -> list[int]:
    """The first lit picture after each dark one."""
    return [int(end) for end in np.flatnonzero(black[:-1] & ~black[1:]) + 1]


def _is_flash(differences: Floats, at: int, size: float) -> bool:
    """Whether a picture shortly after the step is like the one before it, or one shortly before like the one
    after: then the step is the beginning or the end of a flash, not another shot."""
    apart = range(2, _REACH + 1)
    returns = [differences[at + k, k - 1] for k in apart if at + k < len(differences)]
    returned = [differences[at + 1, k - 1] for k in apart]
    return bool(min([*returns, *returned]) < _ALIKE * size)


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """A frame's coarse picture float32 [16, 16, 3] in 0 to 1, and each channel's histogram float32 [3, 16]."""

    picture: Floats
    histogram: Floats


def _differences(before: Sequence[_Look], after: _Look) -> Floats:
    """How far a frame is from each of some others, float32 [n]."""
    colour = np.abs(after.histogram - np.stack([look.histogram for look in before])).sum(axis=2).mean(axis=1) / 2
    pictures = np.stack([look.picture for look in before])
    place = np.abs(after.picture - pictures).reshape(len(before), -1).mean(axis=1)
    found: Floats = (colour + 3 * place) / 2
    return found


def _look(rgb: NDArray[np.uint8]) -> _Look:
    h, w = rgb.shape[:2]
    step = max(1, min(h, w) // 128)
    small = rgb[::step, ::step]
    # Frames smaller than the coarse picture are taken as they are.
    rows, columns = min(_SIDE, small.shape[0]), min(_SIDE, small.shape[1])
    h, w = small.shape[0] // rows * rows, small.shape[1] // columns * columns
    # Rows are added first, which lie together; of more than these 16 bits could not hold the sum.
    narrow = np.uint16 if h // rows <= _MOST_IN_16_BITS else np.uint32
    sums = small[:h, :w].reshape(rows, h // rows, w * 3).sum(axis=1, dtype=narrow)
    sums = sums.reshape(rows, columns, w // columns, 3).sum(axis=2, dtype=np.uint32)
    picture = sums.astype(np.float32) / np.float32(h // rows * (w // columns)) / 255
    counts = np.bincount(((small >> 4) + _CHANNELS).ravel(), minlength=3 * _BINS).reshape(3, _BINS)
    return _Look(picture, np.asarray(counts / (small.shape[0] * small.shape[1]), dtype=np.float32))
