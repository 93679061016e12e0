"""What detectors take and give: how a frame is put in, and how boxes are read out of the raw output.

A layout is told by the output's shape. Boxes come back as corners in px of the model's input.
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
_FILL = 114  # the grey that YOLO detectors pad with


@dataclass(frozen=True, slots=True)
class Placed:
    """A frame as the model takes it, and how to go back: ``source = (model - offset) / scale``."""

    blob: Raw
    scale: tuple[float, float]
    offset: tuple[float, float]

    def to_source(self, boxes: Floats) -> Floats:
        """Corners [n, 4] in px of the input to px of the frame."""
        return np.asarray((boxes - np.array(self.offset * 2)) / np.array(self.scale * 2))


class Layout(Protocol):
    """A family of detectors."""

    name: str

    def matches(self, shape: Sequence[int], size: tuple[int, int]) -> bool:
        """Whether an output of this shape, for an input of (width, height) px, is of this family."""
        ...

    def classes(self, shape: Sequence[int]) -> int:
        """How many classes an output of this shape tells apart."""
        ...

    def describe(self, size: tuple[int, int]) -> str:
        """The output that this family gives for an input of (width, height) px."""
        ...

    def place(self, picture: Pixels, size: tuple[int, int]) -> Placed:
        """An RGB frame [h, w, 3] as the input float32 [1, 3, height, width]."""
        ...

    def decode(
        self, raw: Raw, *, size: tuple[int, int], confidence: float
    ) -> tuple[Floats, NDArray[np.int64], Floats]:
        """Corners [m, 4], class indices [m] and scores [m] of those above ``confidence``."""
        ...


class Yolox:
    """YOLOX (Ge et al. 2021): [1, cells, 5 + classes], raw offsets on strides 8, 16 and 32, with objectness."""

    name = "YOLOX"
    strides = (8, 16, 32)

    def matches(self, shape: Sequence[int], size: tuple[int, int]) -> bool:
        return len(shape) == 3 and shape[1] == _cells(size, self.strides) and shape[2] >= 6

    def classes(self, shape: Sequence[int]) -> int:
        return int(shape[2]) - 5

    def describe(self, size: tuple[int, int]) -> str:
        return f"{self.name} [1, {_cells(size, self.strides)}, 5 + classes]"

    def place(self, picture: Pixels, size: tuple[int, int]) -> Placed:
        """BGR in 0 to 255, scaled into the top left of a grey canvas."""
        height, width = picture.shape[:2]
        scale = min(size[0] / width, size[1] / height)
        canvas = np.full((size[1], size[0], 3), _FILL, dtype=np.uint8)
        scaled = _resized(picture, (max(1, int(width * scale)), max(1, int(height * scale))))
        canvas[: scaled.shape[0], : scaled.shape[1]] = scaled
        return Placed(_blob(canvas[:, :, ::-1]), (scale, scale), (0.0, 0.0))

    def decode(
        self, raw: Raw, *, size: tuple[int, int], confidence: float
    ) -> tuple[Floats, NDArray[np.int64], Floats]:
        """``raw`` [cells, 5 + classes]: centre as an offset in cells, logarithm of the size in cells, objectness
        and class scores in 0 to 1; cells in the order stride, row, column."""
        cell, stride = _grid(size, self.strides)
        scores = raw[:, 4] * raw[:, 5:].max(axis=1)
        kept = scores > confidence
        values, cell, stride = raw[kept].astype(np.float64), cell[kept], stride[kept]
        centre, half = (values[:, :2] + cell) * stride, np.exp(values[:, 2:4]) * stride / 2
        boxes = np.concatenate([centre - half, centre + half], axis=1)
        return boxes, values[:, 5:].argmax(axis=1).astype(np.int64), scores[kept].astype(np.float64)


class Yolov8:
    """YOLOv8 and YOLO11 (Ultralytics exports): [1, 4 + classes, cells], boxes in px, no objectness."""

    name = "YOLOv8/v11"
    strides = (8, 16, 32)

    def matches(self, shape: Sequence[int], size: tuple[int, int]) -> bool:
        return len(shape) == 3 and shape[2] == _cells(size, self.strides) and shape[1] >= 5

    def classes(self, shape: Sequence[int]) -> int:
        return int(shape[1]) - 4

    def describe(self, size: tuple[int, int]) -> str:
        return f"{self.name} [1, 4 + classes, {_cells(size, self.strides)}]"

    def place(self, picture: Pixels, size: tuple[int, int]) -> Placed:
        """RGB in 0 to 1, scaled into the middle of a grey canvas."""
        height, width = picture.shape[:2]
        scale = min(size[0] / width, size[1] / height)
        inner = (max(1, round(width * scale)), max(1, round(height * scale)))
        left, top = round((size[0] - inner[0]) / 2 - 0.1), round((size[1] - inner[1]) / 2 - 0.1)
        canvas = np.full((size[1], size[0], 3), _FILL, dtype=np.uint8)
        canvas[top : top + inner[1], left : left + inner[0]] = _resized(picture, inner)
        return Placed(_blob(canvas) / np.float32(255), (scale, scale), (float(left), float(top)))

    def decode(
        self, raw: Raw, *, size: tuple[int, int], confidence: float
    ) -> tuple[Floats, NDArray[np.int64], Floats]:
        """``raw`` [4 + classes, cells]: centre and size in px of the input, class scores in 0 to 1."""
        scores = raw[4:].max(axis=0)
        kept = scores > confidence
        values = raw[:, kept].astype(np.float64).T
        half = values[:, 2:4] / 2
        boxes = np.concatenate([values[:, :2] - half, values[:, :2] + half], axis=1)
        return boxes, values[:, 4:].argmax(axis=1).astype(np.int64), scores[kept].astype(np.float64)


class NanoDet:
    """NanoDet-Plus (RangiLyu 2021): [1, cells, classes + 32], each side of a box as a distribution over 8 bins."""

    name = "NanoDet-Plus"
    strides = (8, 16, 32, 64)
    _BINS = 8
    # Of the BGR channels, from its published configurations.
    _MEAN = np.array([103.53, 116.28, 123.675], dtype=np.float32)
    _STD = np.array([57.375, 57.12, 58.395], dtype=np.float32)

    def matches(self, shape: Sequence[int], size: tuple[int, int]) -> bool:
        return len(shape) == 3 and shape[1] == _cells(size, self.strides) and shape[2] > 4 * self._BINS

    def classes(self, shape: Sequence[int]) -> int:
        return int(shape[2]) - 4 * self._BINS

    def describe(self, size: tuple[int, int]) -> str:
        return f"{self.name} [1, {_cells(size, self.strides)}, classes + 32]"

    def place(self, picture: Pixels, size: tuple[int, int]) -> Placed:
        """BGR less its mean over its deviation, stretched to the input's size."""
        height, width = picture.shape[:2]
        bgr = (_resized(picture, size)[:, :, ::-1].astype(np.float32) - self._MEAN) / self._STD
        return Placed(_blob(bgr), (size[0] / width, size[1] / height), (0.0, 0.0))

    def decode(
        self, raw: Raw, *, size: tuple[int, int], confidence: float
    ) -> tuple[Floats, NDArray[np.int64], Floats]:
        """``raw`` [cells, classes + 32]: class scores in 0 to 1; logits of the distances from the cell's corner
        to the left, top, right and bottom side, in strides."""
        cell, stride = _grid(size, self.strides)
        count = raw.shape[1] - 4 * self._BINS
        scores = raw[:, :count].max(axis=1)
        kept = scores > confidence
        values, cell, stride = raw[kept].astype(np.float64), cell[kept], stride[kept]
        logits = values[:, count:].reshape(-1, 4, self._BINS)
        share = np.exp(logits - logits.max(axis=2, keepdims=True))
        away = (share / share.sum(axis=2, keepdims=True)) @ np.arange(self._BINS) * stride
        centre = cell * stride
        boxes = np.concatenate([centre - away[:, :2], centre + away[:, 2:]], axis=1)
        return boxes, values[:, :count].argmax(axis=1).astype(np.int64), scores[kept].astype(np.float64)


LAYOUTS: tuple[Layout, ...] = (Yolox(), Yolov8(), NanoDet())


def recognise(shapes: Sequence[Sequence[int]], size: tuple[int, int]) -> Layout | None:
    """The layout of a model with one output; None for any other."""
    found = [layout for layout in LAYOUTS if len(shapes) == 1 and layout.matches(shapes[0], size)]
    return found[0] if len(found) == 1 else None


def _cells(size: tuple[int, int], strides: Sequence[int]) -> int:
    return sum(-(-size[0] // step) * -(-size[1] // step) for step in strides)


def _grid(size: tuple[int, int], strides: Sequence[int]) -> tuple[Floats, Floats]:
    """Column and row [n, 2], and stride [n, 1], of each cell in the order stride, row, column."""
    cells, steps = [], []
    for step in strides:
        rows, columns = np.mgrid[0 : -(-size[1] // step), 0 : -(-size[0] // step)]
        cells.append(np.stack([columns.ravel(), rows.ravel()], axis=1))
        steps.append(np.full((rows.size, 1), step))
    return np.concatenate(cells).astype(np.float64), np.concatenate(steps).astype(np.float64)


def _resized(picture: Pixels, size: tuple[int, int]) -> Pixels:
    """An RGB frame [h, w, 3] at (width, height) px, bilinear."""
    import torch
    from torch.nn.functional import interpolate

    planes = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None]
    scaled = interpolate(planes, size=(size[1], size[0]), mode="bilinear", align_corners=False)[0]
    return np.asarray(scaled.permute(1, 2, 0).numpy(), dtype=np.uint8)


def _blob(picture: NDArray[np.uint8] | Raw) -> Raw:
    """[h, w, 3] to float32 [1, 3, h, w], contiguous."""
    return np.ascontiguousarray(picture.transpose(2, 0, 1)[None], dtype=np.float32)
