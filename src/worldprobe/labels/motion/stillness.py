"""Whether anything changes where something was found: what was taken away, put down or lit otherwise differs from
the background without moving, and a label there would be of nothing that moves.

A region is set against the same place shortly before and after. Only the frames of that time are held.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from worldprobe.labels.motion.background import RegisteredFrame
from worldprobe.labels.motion.register import Floats, Grey, overlap, part

SECONDS = 0.5  # before and after a frame within which something has to change
_LEAST_CHANGE = 8.0  # of 255, of blurred pictures, what they differ by as a whole taken off
_SIGMAS = 5.0
_LEAST_SHARE, _LEAST_PIXELS = 0.03, 3  # of a region that changes
_STANDS, _SLACK = 0.15, 0.5  # px: as the background's

# Rows and columns of a region's box, and which of its pixels are the region's, bool [h, w].
Region = tuple[slice, slice, NDArray[np.bool_]]


@dataclass(slots=True, eq=False)
class _PlacedFrame:
    index: int
    smooth: Grey
    place: Floats  # where the world of the shot's first frame lies in this one, px


@dataclass(slots=True)
class Stillness:
    """The frames of one shot around those that regions are waiting to be judged of.

    Attributes:
        seconds: time of each frame of the video, float64 [frames].
    """

    seconds: Floats
    _frames: deque[_PlacedFrame] = field(default_factory=deque)
    _waiting: deque[tuple[int, list[Region]]] = field(default_factory=deque)

    def show(self, seen: RegisteredFrame, *, oldest: int) -> None:
        """The next frame.

        Args:
            oldest: the first frame whose regions may still come; what is far before it is forgotten.
        """
        needed = min(self._waiting[0][0], oldest) if self._waiting else oldest
        # One frame more than the time asks for: at low rates there is none within it.
        while len(self._frames) > 1 and self._far(self._frames[1].index, needed):
            self._frames.popleft()
        place = self._frames[-1].place + seen.step if self._frames else np.zeros(2)
        self._frames.append(_PlacedFrame(seen.index, seen.look.smooth, place))

    def ask(self, index: int, regions: list[Region]) -> None:
        """Remember the regions of a frame that was shown; in order of frames."""
        self._waiting.append((index, regions))

    def judged(self, *, end: bool = False) -> Iterator[list[bool]]:
        """For each frame of regions of which enough was shown, or of all at the ``end`` of the shot, in order:
        whether something changes in each region."""
        while self._waiting and (end or self._later(self._waiting[0][0])):
            index, regions = self._waiting.popleft()
            yield self._changing(index, regions)

    def _later(self, index: int) -> bool:
        return self._far(index, self._frames[-1].index)

    def _far(self, early: int, late: int) -> bool:
        return early < late and bool(self.seconds[late] - self.seconds[early] >= SECONDS - 1e-9)

    def _changing(self, index: int, regions: list[Region]) -> list[bool]:
        changing = [False] * len(regions)
        if not regions:
            return changing
        here = next(one for one in self._frames if one.index == index)
        for other in self._around(index):
            todo = [number for number, already in enumerate(changing) if not already]
            if not todo:
                break
            changed = _changed(here, other)
            for number in todo:
                rows, columns, inside = regions[number]
                count = int((changed[rows, columns] & inside).sum())
                changing[number] = count >= max(_LEAST_PIXELS, _LEAST_SHARE * inside.sum())
        return changing

    def _around(self, index: int) -> list[_PlacedFrame]:
        """The frames that a frame is set against: far ones first, which show most; its neighbours in any case."""
        indices = [one.index for one in self._frames]
        at, now = bisect_left(indices, index), self.seconds[index]
        times = self.seconds[indices]
        found: list[int] = []
        for share in (1.0, 0.5):
            for way in (-1, 1):
                found.append(int(np.abs(times - (now + way * share * SECONDS)).argmin()))
        found += [max(0, at - 1), min(len(indices) - 1, at + 1)]
        return [self._frames[number] for number in dict.fromkeys(found) if number != at]


def _changed(here: _PlacedFrame, other: _PlacedFrame) -> NDArray[np.bool_]:
    """Where a frame differs from another of the same world, bool [h, w]; nowhere outside of what both show."""
    shift = other.place - here.place
    changed = np.zeros(here.smooth.shape, dtype=bool)
    stands = np.abs(shift).max() < _STANDS
    if stands:
        rows, columns = slice(None), slice(None)
        difference = other.smooth - here.smooth
    else:
        rows, columns = overlap(here.smooth.shape, shift)
        if min(here.smooth[rows, columns].shape) < 2:
            return changed
        difference = part(other.smooth, shift, rows, columns) - here.smooth[rows, columns]
    sample = difference[::3, ::3]
    middle = np.median(sample)
    noise = 1.4826 * float(np.median(np.abs(sample - middle)))
    threshold = max(_LEAST_CHANGE, _SIGMAS * noise)
    slack = 0.0 if stands else _SLACK * np.hypot(*np.gradient(here.smooth[rows, columns]))
    changed[rows, columns] = np.abs(difference - middle) > threshold + slack
    return changed
