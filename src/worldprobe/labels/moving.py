"""moving: whatever moves against a background that stands still. Needs no weights, gives no classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import LabelError
from worldprobe.labels.track import drop_short, link
from worldprobe.protocols import FrameSource
from worldprobe.records import Labels

Grey = NDArray[np.float32]
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # of red, green, blue (ITU-R BT.601)
_HEIGHT = 144  # frames are looked at this high: finer detail is noise
_FORGET = 0.04  # share of a new frame in the background, where nothing moves
_FORGET_MOVING = 0.004  # and where something does: what stays long enough becomes background
_SIGMAS = 5.0
_LEAST_DIFFERENCE = 12.0  # of 255
_LEAST_AREA = 0.0008  # of the frame
_MOST_MOVING = 0.4  # of the frame: more is a cut or a moving camera, not an object
_WARM_UP_FRAMES = 36
_LEAST_SECONDS = 0.3


@dataclass(slots=True)
class _Background:
    """A running mean of the still parts of the picture, and how much they flicker."""

    mean: Grey
    noise: float = 2.0

    def moving(self, grey: Grey) -> NDArray[np.bool_]:
        """Where the picture differs from the background, and the background brought up to date."""
        from scipy.ndimage import gaussian_filter

        difference = np.abs(gaussian_filter(grey, 0.8) - gaussian_filter(self.mean, 0.8))
        mask = np.asarray(difference > max(_LEAST_DIFFERENCE, _SIGMAS * self.noise))
        # The median stands firm while less than half of the picture moves.
        self.noise = 0.95 * self.noise + 0.05 * float(np.median(difference)) * 1.4826
        self.mean += np.where(mask, _FORGET_MOVING, _FORGET) * (grey - self.mean)
        return mask


class Moving:
    """moving: regions that move against the background; no weights, no classes."""

    name = "moving"

    def __init__(self, argument: str | None = None) -> None:
        if argument is not None:
            raise LabelError(f"moving takes no argument, got {argument!r}")

    def label(self, video: FrameSource) -> Labels:
        """Boxes of moving regions, linked to tracks; ``confidence`` is the share of the box that moves.

        The first frames of each shot give its background, by their median. A frame of which more than 40 %
        moves has no boxes and starts the background anew: a camera that moves gives no labels rather than
        wrong ones.
        """
        ref = video.ref
        scale = max(1, round(ref.height / _HEIGHT))
        found: dict[str, list[Any]] = {key: [] for key in ("frame", "x", "y", "w", "h", "confidence")}
        for frames in _by_shot(video):
            for index, mask in _masks((index, _shrink(picture, scale)) for index, picture in frames):
                _collect(found, index, mask, scale, ref.width, ref.height)
        frame = np.array(found["frame"], dtype=np.int64)
        n = len(frame)
        labels = Labels.from_columns(
            **{
                "video": [ref.id] * n, "frame": frame, "pts_seconds": video.pts_seconds[frame],
                "object": np.full(n, -1), "class": [""] * n, "x": found["x"], "y": found["y"], "w": found["w"],
                "h": found["h"], "confidence": found["confidence"], "source": [self.name] * n,
            }
        )  # fmt: skip
        return drop_short(link(labels, shots=video.shots), seconds=_LEAST_SECONDS)


def _by_shot(video: FrameSource) -> Iterator[Iterator[tuple[int, NDArray[np.uint8]]]]:
    """The frames of each shot in turn, in one pass over the video."""
    starts = np.array(video.shots)
    for _, frames in groupby(video.frames(), key=lambda one: int(np.searchsorted(starts, one[0], side="right"))):
        yield frames


def _masks(frames: Iterator[tuple[int, Grey]]) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """What moves in each frame of one shot; nothing for frames of which too much does."""
    background: _Background | None = None
    waiting: list[tuple[int, Grey]] = []
    for index, grey in frames:
        if background is None:
            waiting.append((index, grey))
            if len(waiting) < _WARM_UP_FRAMES:
                continue
            background, held = _start(waiting)
            waiting = []
        else:
            held = [(index, grey)]
        for number, image in held:
            mask = background.moving(image)
            if mask.mean() > _MOST_MOVING:
                background, waiting = None, [(number, image)]
                break
            yield number, mask
    if background is None and len(waiting) > 1:
        background, held = _start(waiting)
        for number, image in held:
            mask = background.moving(image)
            if mask.mean() <= _MOST_MOVING:
                yield number, mask


def _shrink(picture: NDArray[np.uint8], scale: int) -> Grey:
    """RGB [h, w, 3] to grey [h / scale, w / scale] by the mean of each square; a rest at the edge is cut."""
    height, width = picture.shape[0] // scale * scale, picture.shape[1] // scale * scale
    squares = picture[:height, :width].reshape(height // scale, scale, width // scale, scale, 3)
    return np.asarray(squares.mean(axis=(1, 3), dtype=np.float32) @ _LUMA)


def _start(frames: list[tuple[int, Grey]]) -> tuple[_Background, list[tuple[int, Grey]]]:
    """A background by the median of some frames, with the frames to look at again."""
    stack = np.stack([grey for _, grey in frames])
    median = np.median(stack, axis=0).astype(np.float32)
    noise = 1.4826 * float(np.median(np.abs(stack - median)))
    return _Background(median, noise), frames


def _collect(
    found: dict[str, list[Any]], frame: int, mask: NDArray[np.bool_], scale: int, width: int, height: int
) -> None:
    """Write the boxes of a mask's regions down, in source px."""
    from scipy.ndimage import binary_closing, binary_opening, find_objects, label

    clean = binary_closing(binary_opening(mask, np.ones((2, 2))), np.ones((5, 3)))
    regions, _ = label(clean, structure=np.ones((3, 3)))
    for number, (rows, columns) in enumerate(find_objects(regions), start=1):
        inside = regions[rows, columns] == number
        if inside.sum() < _LEAST_AREA * mask.size:
            continue
        left, top = columns.start * scale, rows.start * scale
        right, bottom = min(columns.stop * scale, width), min(rows.stop * scale, height)
        values = {
            "frame": frame, "x": (left + right) / 2, "y": (top + bottom) / 2, "w": float(right - left),
            "h": float(bottom - top), "confidence": float(inside.mean()),
        }  # fmt: skip
        for key, value in values.items():
            found[key].append(value)
