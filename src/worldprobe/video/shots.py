"""Cuts between shots. A shot is a group: no clip, track or motion label crosses a cut.

A cut is a frame that differs from the one before it far more than its neighbours in time do from theirs, and
that is not a flash (the frames on either side of a flash are alike). Differences are taken in colour
histograms, which motion changes little, and in coarse pictures, which tell cuts between like-coloured shots.
A fade through black is a cut where the light comes back. Why it is our own: docs/decisions/shots.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from worldprobe.protocols import FrameSource

Floats = NDArray[np.float32]

_SIDE = 16  # of the coarse picture
_BINS = 16  # of each channel's histogram
_WINDOW = 6  # frames on either side that a cut is compared with
_LEAST = 0.18  # a smaller difference is never a cut
_TIMES = 3.0  # a cut differs by this many times what its neighbours do
_ALIKE = 0.5  # across a flash the difference is below this share of the flash's own
_SHORTEST_SECONDS = 0.25  # nearer cuts are taken for one
_BLACK = 0.03  # mean brightness of a picture that is all but black, of 1


def find_shots(video: FrameSource) -> tuple[int, ...]:
    """The first frame of each shot, increasing, beginning with 0. Reads the whole video once."""
    pictures, histograms, indices = [], [], []
    for index, rgb in video.frames():
        picture, histogram = _look(rgb)
        pictures.append(picture)
        histograms.append(histogram)
        indices.append(index)
    if len(indices) < 3:
        return (0,)
    starts = cuts(np.stack(pictures), np.stack(histograms), shortest=_SHORTEST_SECONDS * video.ref.rate)
    # Positions differ from frames where damaged ones were left out.
    return (0, *(indices[start] for start in starts))


def cuts(pictures: Floats, histograms: Floats, *, shortest: float) -> list[int]:
    """Positions [0, n) at which a new shot begins.

    Args:
        pictures: coarse pictures in 0 to 1, float32 [n, ...]. histograms: float32 [n, channels, bins], shares.
        shortest: frames that lie between two cuts at least.
    """
    step = _difference(pictures, histograms, 1)
    black = pictures.reshape(len(pictures), -1).mean(axis=1) < _BLACK
    step[black[1:]] = 0.0  # what happens in the dark is no cut; where it ends is
    found = _after_black(black)
    for at in np.argsort(-step, kind="stable"):
        size = step[at]
        if size < _LEAST:
            break
        near = np.concatenate([step[max(0, at - _WINDOW) : at], step[at + 1 : at + 1 + _WINDOW]])
        # A neighbouring cut or flash must not hide this one: the second largest is left out too.
        if len(near) > 2 and size < _TIMES * np.sort(near)[:-1].mean():
            continue
        if any(abs(at + 1 - other) < shortest for other in found) or _is_flash(pictures, histograms, at, size):
            continue
        found.append(int(at) + 1)
    return sorted(found)


def _after_black(black: NDArray[np.bool_]) -> list[int]:
    """The first lit picture after each dark one."""
    return [int(end) for end in np.flatnonzero(black[:-1] & ~black[1:]) + 1]


def _is_flash(pictures: Floats, histograms: Floats, at: int, size: float) -> bool:
    """Whether the picture is back within three frames: what differs is a flash, not another shot."""
    before = at
    for after in range(at + 2, min(at + 5, len(pictures))):
        if _between(pictures, histograms, before, after) < _ALIKE * size:
            return True
    # The end of a flash: the frame after it is like one before it.
    return any(_between(pictures, histograms, b, at + 1) < _ALIKE * size for b in range(max(0, at - 3), at))


def _difference(pictures: Floats, histograms: Floats, apart: int) -> Floats:
    colour = np.abs(histograms[apart:] - histograms[:-apart]).sum(axis=2).mean(axis=1) / 2
    place = np.abs(pictures[apart:] - pictures[:-apart]).reshape(len(pictures) - apart, -1).mean(axis=1)
    return np.asarray((colour + 3 * place) / 2, dtype=np.float32)


def _between(pictures: Floats, histograms: Floats, a: int, b: int) -> float:
    pair = np.array([a, b])
    return float(_difference(pictures[pair], histograms[pair], 1)[0])


def _look(rgb: NDArray[np.uint8]) -> tuple[Floats, Floats]:
    """A frame's coarse picture float32 [16, 16, 3] and the histogram of each channel float32 [3, 16]."""
    h, w = rgb.shape[:2]
    step = max(1, min(h, w) // 128)
    small = rgb[::step, ::step]
    h, w = small.shape[0] // _SIDE * _SIDE, small.shape[1] // _SIDE * _SIDE
    cells = small[:h, :w].reshape(_SIDE, h // _SIDE, _SIDE, w // _SIDE, 3)
    picture = cells.mean(axis=(1, 3), dtype=np.float32) / 255
    counts = [np.bincount(small[..., c].ravel() >> 4, minlength=_BINS) for c in range(3)]
    return picture, np.asarray(np.stack(counts) / small[..., 0].size, dtype=np.float32)
