"""A background that follows the camera: what the still world looks like where it has been seen.

The model lies in the picture of some frame, its anchor. Each frame is laid over the model itself, not only over
the frame before, so that errors do not add up; the model is moved by whole pixels only, so that it never blurs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.labels.motion.register import Grey, PreparedGrey, Shift, displacement, look, overlap, part, refine

_FORGET = 0.04  # share of a new frame in the background, where nothing moves
_FORGET_MOVING = 0.004  # and where something does: what stays long enough becomes background
_SIGMAS = 5.0
_LEAST_DIFFERENCE = 12.0  # of 255
_DIFFERENCE_BLUR = 0.8  # px
_SETTLED = 30  # times that a place was seen: from here on the background forgets at its own pace
_KNOWN = 6  # times that a place was seen before anything there can be said to move
_STANDS = 0.15  # px: a camera that has moved less than this stands still
_SLACK = 0.5  # px that a moving camera's background may lie beside its place


@dataclass(frozen=True, slots=True, eq=False)
class RegisteredFrame:
    """One frame as the background takes it.

    Attributes:
        moved: how the picture moved from the frame before; None at the first.
    """

    index: int
    grey: Grey
    look: PreparedGrey
    moved: Shift | None

    @classmethod
    def after(cls, before: RegisteredFrame | None, index: int, grey: Grey) -> RegisteredFrame:
        """A frame that follows another."""
        prepared = look(grey)
        return cls(index, grey, prepared, displacement(before.look, prepared) if before else None)

    @property
    def step(self) -> NDArray[np.float64]:
        """How the picture moved from the frame before, px; 0 where the registration is not reliable."""
        believed = self.moved is not None and self.moved.reliable
        return np.array(self.moved.xy if self.moved and believed else (0.0, 0.0))


@dataclass(slots=True)
class Background:
    """A running mean of the still parts of the picture, and how much they flicker.

    Attributes:
        mean: float32 [h, w].
        times: int64 [h, w], how often each place was seen.
        noise: spread of what does not move, of 255.
        offset: px from a place in the model to its place in the newest frame, float64 [2], below 1 px.
    """

    mean: Grey
    times: NDArray[np.int64]
    noise: float = 2.0
    offset: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))

    @classmethod
    def of(cls, frames: list[RegisteredFrame]) -> Background:
        """By the median of some frames, laid over each other in the place of the first."""
        places = np.cumsum([np.zeros(2), *(one.step for one in frames[1:])], axis=0)
        if np.abs(places).max() < _STANDS:
            places = np.zeros_like(places)
        stack = np.stack([_moved_by(one.grey, place) for one, place in zip(frames, places, strict=True)])
        counts = np.isfinite(stack).sum(axis=0)
        # NaN-aware medians are slow, and needed only for a camera that moves.
        middle = np.nanmedian if (counts < len(frames)).any() else np.median
        median = np.asarray(middle(stack, axis=0), dtype=np.float32)
        noise = 1.4826 * float(middle(np.abs(stack - median)))
        return cls(median, np.where(counts == len(frames), _SETTLED, counts), noise)

    def moving(self, seen: RegisteredFrame, *, step: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Where a frame differs from the background, bool [h, w]; the background is brought up to date.

        Args:
            step: how the picture moved since the frame that was shown last, as far as is known.
        """
        self._follow(seen, step)
        if not self.offset.any():
            there, place = self.mean, seen.grey
        else:
            there, place = _filled(_moved_by(self.mean, -self.offset), self.mean), _moved_by(seen.grey, self.offset)
            place = _filled(place, self.mean)
        blurred = _blurred(there)
        difference = np.abs(_blurred(seen.grey) - blurred)
        threshold: Any = max(_LEAST_DIFFERENCE, _SIGMAS * self.noise)
        if self.offset.any():
            threshold = threshold + _SLACK * np.hypot(*np.gradient(blurred))
        mask = np.asarray((difference > threshold) & (self.times >= _KNOWN))
        # The median stands firm while less than half of the picture moves.
        self.noise = 0.95 * self.noise + 0.05 * float(np.median(difference)) * 1.4826
        self.times += 1
        settling = np.where(self.times < _SETTLED, 1.0 / self.times, _FORGET)
        self.mean += (np.where(mask, _FORGET_MOVING, settling) * (place - self.mean)).astype(np.float32)
        return mask

    def _follow(self, seen: RegisteredFrame, step: NDArray[np.float64]) -> None:
        """Lay the frame over the model, and move the model by whole pixels to where the frame is."""
        start = self.offset + step
        known = self.times >= _KNOWN
        laid = refine(_blurred(self.mean), _blurred(seen.grey), (float(start[0]), float(start[1])), known=known)
        near = np.abs(np.array(laid.xy) - start).max() < 1.0
        offset = np.array(laid.xy) if laid.reliable and near else start
        whole = np.round(offset).astype(int)
        if whole.any():
            self.mean, self.times = _shifted(self.mean, whole), _shifted(self.times, whole)
            self.mean = np.where(self.times > 0, self.mean, seen.grey)
        rest = offset - whole
        self.offset = rest if np.abs(rest).max() >= _STANDS else np.zeros(2)


def _blurred(grey: Grey) -> Grey:
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(grey, _DIFFERENCE_BLUR))


def _moved_by(picture: Grey, xy: NDArray[np.float64]) -> Grey:
    """The picture from ``xy`` px further right and down, between pixels too; NaN where it does not reach."""
    if not xy.any():
        return picture
    rows, columns = overlap(picture.shape, xy)
    moved = np.full_like(picture, np.nan)
    moved[rows, columns] = part(picture, xy, rows, columns)
    return moved


def _filled(picture: Grey, other: Grey) -> Grey:
    return np.where(np.isfinite(picture), picture, other)


def _shifted(array: NDArray[Any], whole: NDArray[np.int64]) -> NDArray[Any]:
    """An array [h, w] moved right and down by whole px; what comes into it is NaN, or 0 among whole numbers."""
    height, width = array.shape
    x, y = int(np.clip(whole[0], -width, width)), int(np.clip(whole[1], -height, height))
    moved = np.full_like(array, np.nan if array.dtype.kind == "f" else 0)
    moved[max(0, y) : height + min(0, y), max(0, x) : width + min(0, x)] = array[
        max(0, -y) : height - max(0, y), max(0, -x) : width - max(0, x)
    ]
    return moved
