"""What all detectors' layouts have in common: how a frame is put in, cells of strides, notes on each.

Boxes come back as corners in px of the model's input. The families are in ``grid_layouts`` and ``list_layouts``;
which of them a model is, ``recognise`` finds out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Raw = NDArray[np.float32]
Pixels = NDArray[np.uint8]
Shapes = Sequence[Sequence[int]]
GREY = 114  # that YOLO detectors pad with


@dataclass(frozen=True, slots=True)
class Placed:
    """A frame as the model takes it, and how to go back: ``source = (model - offset) / scale``."""

    blob: Raw
    scale: tuple[float, float]
    offset: tuple[float, float]

    def to_source(self, boxes: Floats) -> Floats:
        """Corners [n, 4] in px of the input to px of the frame."""
        return np.asarray((boxes - np.array(self.offset * 2)) / np.array(self.scale * 2))


# Of all cells or places of one frame: corners [n, 4] in px of the input, class indices [n] and scores [n].
Read = tuple[Floats, NDArray[np.int64], Floats]


class Layout(Protocol):
    """A way to put frames into a model and to read boxes out of its outputs.

    ``shapes`` and ``outputs`` are of one frame, without the batch's axis, in the model's order.

    Attributes:
        key: as ``?layout=`` takes it; several layouts of one family may share it.
    """

    @property
    def name(self) -> str: ...
    @property
    def key(self) -> str: ...

    def fits(self, shapes: Shapes, size: tuple[int, int]) -> bool:
        """Whether outputs of these shapes, for an input of (width, height) px, can be of this layout."""
        ...

    def classes(self, shapes: Shapes) -> int:
        """How many classes outputs of these shapes tell apart; 0 where shapes do not say."""
        ...

    def describe(self, size: tuple[int, int]) -> str:
        """The output that this layout gives for an input of (width, height) px."""
        ...

    def doubt(self, outputs: Sequence[Raw]) -> str:
        """Why these values cannot be of this layout, to follow "taken for ...: "; empty where they can."""
        ...

    def place(self, picture: Pixels, size: tuple[int, int]) -> Placed:
        """An RGB frame [h, w, 3] as the input float32 [1, 3, height, width]."""
        ...

    def decode(self, outputs: Sequence[Raw], *, size: tuple[int, int], confidence: float) -> Read:
        """Boxes, class indices and scores of those above ``confidence``."""
        ...


def cells(size: tuple[int, int], strides: Sequence[int]) -> int:
    """How many cells the strides make of an input of (width, height) px."""
    return sum(-(-size[0] // step) * -(-size[1] // step) for step in strides)


def grid(size: tuple[int, int], strides: Sequence[int]) -> tuple[Floats, Floats]:
    """Column and row [n, 2], and stride [n, 1], of each cell in the order stride, row, column."""
    places, steps = [], []
    for step in strides:
        rows, columns = np.mgrid[0 : -(-size[1] // step), 0 : -(-size[0] // step)]
        places.append(np.stack([columns.ravel(), rows.ravel()], axis=1))
        steps.append(np.full((rows.size, 1), step))
    return np.concatenate(places).astype(np.float64), np.concatenate(steps).astype(np.float64)


def no_scores(scores: Raw) -> str:
    """What is wrong with values that should be scores in 0 to 1; empty where nothing is."""
    low, high = float(scores.min(initial=0)), float(scores.max(initial=0))
    # Exports in half precision round a little beyond.
    if np.isfinite([low, high]).all() and low >= -0.01 and high <= 1.01:
        return ""
    return f"its scores go from {low:.3g} to {high:.3g}, not from 0 to 1"


def in_corner(picture: Pixels, size: tuple[int, int]) -> tuple[Pixels, float]:
    """A frame scaled into the top left of a grey canvas of (width, height) px, and its scale."""
    height, width = picture.shape[:2]
    scale = min(size[0] / width, size[1] / height)
    canvas = np.full((size[1], size[0], 3), GREY, dtype=np.uint8)
    scaled = resized(picture, (max(1, int(width * scale)), max(1, int(height * scale))))
    canvas[: scaled.shape[0], : scaled.shape[1]] = scaled
    return canvas, scale


def in_middle(
    picture: Pixels, size: tuple[int, int], *, fill: int = GREY
) -> tuple[Pixels, float, tuple[float, float]]:
    """A frame scaled into the middle of a canvas of (width, height) px, its scale, and its left and top there."""
    height, width = picture.shape[:2]
    scale = min(size[0] / width, size[1] / height)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    left, top = round((size[0] - inner[0]) / 2 - 0.1), round((size[1] - inner[1]) / 2 - 0.1)
    canvas = np.full((size[1], size[0], 3), fill, dtype=np.uint8)
    canvas[top : top + inner[1], left : left + inner[0]] = resized(picture, inner)
    return canvas, scale, (float(left), float(top))


def resized(picture: Pixels, size: tuple[int, int]) -> Pixels:
    """An RGB frame [h, w, 3] at (width, height) px, bilinear."""
    import torch
    from torch.nn.functional import interpolate

    planes = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None]
    scaled = interpolate(planes, size=(size[1], size[0]), mode="bilinear", align_corners=False)[0]
    return np.asarray(scaled.permute(1, 2, 0).numpy(), dtype=np.uint8)


def blob(picture: NDArray[np.uint8] | Raw) -> Raw:
    """[h, w, 3] to float32 [1, 3, h, w], contiguous."""
    return np.ascontiguousarray(picture.transpose(2, 0, 1)[None], dtype=np.float32)


def around(centre: Floats, size: Floats) -> Floats:
    """Centres [n, 2] and sizes [n, 2] to corners [n, 4]."""
    return np.concatenate([centre - size / 2, centre + size / 2], axis=1)
