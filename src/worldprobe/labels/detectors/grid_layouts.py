"""Detectors that answer for every cell of a grid: YOLOX, YOLOv5 to v11, NanoDet and NanoDet-Plus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from worldprobe.labels.detectors.layouts import (
    Pixels,
    Placed,
    Raw,
    Read,
    Shapes,
    around,
    blob,
    cells,
    grid,
    in_corner,
    in_middle,
    no_scores,
    resized,
)

_STRIDES = (8, 16, 32)
_ALL_STRIDES = (_STRIDES, (8, 16, 32, 64))
_MOST_WITHOUT_SIZE = 0.01  # of the cells


@dataclass(frozen=True, slots=True)
class Yolox:
    """YOLOX (Ge et al. 2021): [cells, 5 + classes], objectness and class scores in 0 to 1.

    Attributes:
        decoded: boxes are centre and size in px (exported with ``--decode_in_inference``), not offsets in cells
            and logarithms of sizes.
    """

    decoded: bool = False

    @property
    def name(self) -> str:
        return "YOLOX with decoded boxes" if self.decoded else "YOLOX"

    @property
    def key(self) -> str:
        return "yolox-decoded" if self.decoded else "yolox"

    def fits(self, shapes: Shapes, size: tuple[int, int]) -> bool:
        return _one(shapes, 2) and shapes[0][0] == cells(size, _STRIDES) and shapes[0][1] >= 6

    def classes(self, shapes: Shapes) -> int:
        return int(shapes[0][1]) - 5

    def describe(self, size: tuple[int, int]) -> str:
        return f"{self.name} [1, {cells(size, _STRIDES)}, 5 + classes]"

    def doubt(self, outputs: Sequence[Raw]) -> str:
        (raw,) = outputs
        if (raw[:, 4] == 1).all():
            return "its objectness is 1 everywhere"
        return no_scores(raw[:, 4:]) or (_no_sizes(raw[:, 2:4]) if self.decoded else "")

    def place(self, picture: Pixels, size: tuple[int, int]) -> Placed:
        """BGR in 0 to 255, scaled into the top left of a grey canvas."""
        canvas, scale = in_corner(picture, size)
        return Placed(blob(canvas[:, :, ::-1]), (scale, scale), (0.0, 0.0))

    def decode(self, outputs: Sequence[Raw], *, size: tuple[int, int], confidence: float) -> Read:
        (raw,) = outputs
        scores = raw[:, 4] * raw[:, 5:].max(axis=1)
        kept = scores > confidence
        values = raw[kept].astype(np.float64)
        centre, extent = values[:, :2], values[:, 2:4]
        if not self.decoded:
            cell, stride = (of[kept] for of in grid(size, _STRIDES))
            with np.errstate(over="ignore"):  # where it is no YOLOX; infinite boxes are then said to be wrong
                centre, extent = (centre + cell) * stride, np.exp(extent) * stride
        boxes = around(centre, extent)
        return boxes, values[:, 5:].argmax(axis=1).astype(np.int64), scores[kept].astype(np.float64)


@dataclass(frozen=True, slots=True)
class Yolov5:
    """YOLOv5 and v7 (three anchors a cell) and YOLOv6 (none): [places, 5 + classes], boxes in px, objectness.

    Attributes:
        anchors: how many a cell. YOLOv6 has one place a cell and an objectness of 1 everywhere.
    """

    anchors: int = 3

    @property
    def name(self) -> str:
        return "YOLOv5/v7" if self.anchors == 3 else "YOLOv6"

    @property
    def key(self) -> str:
        return "yolov5" if self.anchors == 3 else "yolov6"

    def fits(self, shapes: Shapes, size: tuple[int, int]) -> bool:
        places = [self.anchors * cells(size, strides) for strides in _ALL_STRIDES]
        # Some exports give the maps of the head beside what they were joined to.
        return (
            len(shapes[0]) == 2
            and shapes[0][0] in places
            and shapes[0][1] >= 6
            and all(len(other) == 4 and other[-1] == shapes[0][1] for other in shapes[1:])
        )

    def classes(self, shapes: Shapes) -> int:
        return int(shapes[0][1]) - 5

    def describe(self, size: tuple[int, int]) -> str:
        return f"{self.name} [1, {self.anchors * cells(size, _STRIDES)}, 5 + classes]"

    def doubt(self, outputs: Sequence[Raw]) -> str:
        raw = outputs[0]
        if self.anchors == 1 and not (raw[:, 4] == 1).all():
            return "its objectness is not 1 everywhere"
        return no_scores(raw[:, 4:])

    def place(self, picture: Pixels, size: tuple[int, int]) -> Placed:
        """RGB in 0 to 1, scaled into the middle of a grey canvas."""
        return _rgb_in_middle(picture, size)

    def decode(self, outputs: Sequence[Raw], *, size: tuple[int, int], confidence: float) -> Read:
        raw = outputs[0]
        scores = raw[:, 4] * raw[:, 5:].max(axis=1)
        kept = scores > confidence
        values = raw[kept].astype(np.float64)
        boxes = around(values[:, :2], values[:, 2:4])
        return boxes, values[:, 5:].argmax(axis=1).astype(np.int64), scores[kept].astype(np.float64)


@dataclass(frozen=True, slots=True)
class Yolov8:
    """YOLOv8 and YOLO11 (Ultralytics exports): [4 + classes, cells], boxes in px, no objectness.

    Attributes:
        turned: [cells, 4 + classes], as some converters leave it.
    """

    turned: bool = False

    @property
    def name(self) -> str:
        return "YOLOv8/v11 with turned axes" if self.turned else "YOLOv8/v11"

    @property
    def key(self) -> str:
        return "yolov8-turned" if self.turned else "yolov8"

    def fits(self, shapes: Shapes, size: tuple[int, int]) -> bool:
        if not _one(shapes, 2):
            return False
        channels, places = reversed(shapes[0]) if self.turned else shapes[0]
        return places in [cells(size, strides) for strides in _ALL_STRIDES] and channels >= 5

    def classes(self, shapes: Shapes) -> int:
        return int(shapes[0][1 if self.turned else 0]) - 4

    def describe(self, size: tuple[int, int]) -> str:
        count = cells(size, _STRIDES)
        return f"{self.name} [1, {count}, 4 + classes]" if self.turned else f"{self.name} [1, 4 + classes, {count}]"

    def doubt(self, outputs: Sequence[Raw]) -> str:
        raw = outputs[0] if self.turned else outputs[0].T
        return no_scores(raw[:, 4:]) or (_no_sizes(raw[:, 2:4]) if self.turned else "")

    def place(self, picture: Pixels, size: tuple[int, int]) -> Placed:
        """RGB in 0 to 1, scaled into the middle of a grey canvas."""
        return _rgb_in_middle(picture, size)

    def decode(self, outputs: Sequence[Raw], *, size: tuple[int, int], confidence: float) -> Read:
        raw = outputs[0].T if self.turned else outputs[0]
        scores = raw[4:].max(axis=0)
        kept = scores > confidence
        values = raw[:, kept].astype(np.float64).T
        boxes = around(values[:, :2], values[:, 2:4])
        return boxes, values[:, 4:].argmax(axis=1).astype(np.int64), scores[kept].astype(np.float64)


# Of the BGR channels, from NanoDet's published configurations.
_MEAN = np.array([103.53, 116.28, 123.675], dtype=np.float32)
_STD = np.array([57.375, 57.12, 58.395], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class NanoDet:
    """NanoDet (RangiLyu 2020, 2021): [cells, classes + 4 x bins], each side of a box as a distribution over bins.

    Or the same in pieces: an output of scores and one of distributions for each stride. Scores are in 0 to 1;
    where they are not (heads exported without their last step), they are taken for logits.

    Attributes:
        plus: NanoDet-Plus, which has a fourth stride of 64 px, measures from a cell's corner instead of its middle,
            and takes a frame stretched to its input's size instead of in the middle of a black one.
        bins: of the distributions: 8, or 11 in its larger models.
    """

    plus: bool = False
    bins: int = 8

    @property
    def name(self) -> str:
        return "NanoDet-Plus" if self.plus else "NanoDet"

    @property
    def key(self) -> str:
        return "nanodet-plus" if self.plus else "nanodet"

    @property
    def _strides(self) -> tuple[int, ...]:
        return _ALL_STRIDES[self.plus]

    def fits(self, shapes: Shapes, size: tuple[int, int]) -> bool:
        if _one(shapes, 2):
            return shapes[0][0] == cells(size, self._strides) and shapes[0][1] > 4 * self.bins
        return self._pieces(shapes, size) is not None

    def classes(self, shapes: Shapes) -> int:
        if len(shapes) == 1:
            return int(shapes[0][1]) - 4 * self.bins
        return next(int(shape[1]) for shape in shapes if not self._distribution(shape, shapes))

    def describe(self, size: tuple[int, int]) -> str:
        return f"{self.name} [1, {cells(size, self._strides)}, classes + {4 * self.bins}]"

    def doubt(self, outputs: Sequence[Raw]) -> str:
        raw = self._joined(outputs)
        sides = raw[:, -4 * self.bins :]
        # A logit of 2,000 cells lies between 0 and 1 in all of them only where it is none.
        among = ((sides >= 0) & (sides <= 1)).all(axis=0)
        if among.any():
            return (
                f"{int(among.sum())} of its {4 * self.bins} values for sides lie in 0 to 1 everywhere, as scores do"
            )
        return ""

    def place(self, picture: Pixels, size: tuple[int, int]) -> Placed:
        """BGR less its mean over its deviation."""
        if self.plus:
            height, width = picture.shape[:2]
            canvas, scale, offset = resized(picture, size), (size[0] / width, size[1] / height), (0.0, 0.0)
        else:
            canvas, one, offset = in_middle(picture, size, fill=0)
            scale = (one, one)
        bgr = (canvas[:, :, ::-1].astype(np.float32) - _MEAN) / _STD
        return Placed(blob(bgr), scale, offset)

    def decode(self, outputs: Sequence[Raw], *, size: tuple[int, int], confidence: float) -> Read:
        raw = self._joined(outputs)
        cell, stride = grid(size, self._strides)
        count = raw.shape[1] - 4 * self.bins
        given = raw[:, :count]
        if no_scores(given):
            given = (1 / (1 + np.exp(-np.clip(given, -60, 60)))).astype(np.float32)
        scores = given.max(axis=1)
        kept = scores > confidence
        values, cell, stride = raw[kept].astype(np.float64), cell[kept], stride[kept]
        logits = values[:, count:].reshape(-1, 4, self.bins)
        share = np.exp(logits - logits.max(axis=2, keepdims=True))
        away = (share / share.sum(axis=2, keepdims=True)) @ np.arange(self.bins) * stride
        centre = (cell if self.plus else cell + 0.5) * stride
        boxes = np.concatenate([centre - away[:, :2], centre + away[:, 2:]], axis=1)
        return boxes, values[:, :count].argmax(axis=1).astype(np.int64), scores[kept].astype(np.float64)

    def _distribution(self, shape: Sequence[int], shapes: Shapes) -> bool:
        """Whether an output of a head in pieces holds distributions: they come last where classes are as many."""
        widths = {int(one[1]) for one in shapes}
        if len(widths) > 1:
            return shape[1] == 4 * self.bins
        return any(shape is one for one in shapes[len(shapes) // 2 :])

    def _pieces(self, shapes: Shapes, size: tuple[int, int]) -> list[tuple[int, int]] | None:
        """Of each stride, which output holds its scores and which its distributions; None where there are none."""
        if len(shapes) != 2 * len(self._strides) or any(len(shape) != 2 for shape in shapes):
            return None
        found = []
        for stride in self._strides:
            here = [i for i, shape in enumerate(shapes) if shape[0] == cells(size, (stride,))]
            sides = [i for i in here if self._distribution(shapes[i], shapes)]
            scores = [i for i in here if i not in sides]
            if len(sides) != 1 or len(scores) != 1 or shapes[sides[0]][1] != 4 * self.bins:
                return None
            found.append((scores[0], sides[0]))
        return found if len({shapes[scores][1] for scores, _ in found}) == 1 else None

    def _joined(self, outputs: Sequence[Raw]) -> Raw:
        """A head in pieces as one output; finer strides, which have more cells, come first."""
        if len(outputs) == 1:
            return outputs[0]
        shapes = [one.shape for one in outputs]
        sides = [self._distribution(shape, shapes) for shape in shapes]
        parts = [
            sorted((one for one, side in zip(outputs, sides, strict=True) if side == of), key=len, reverse=True)
            for of in (False, True)
        ]
        return np.concatenate([np.concatenate(part) for part in parts], axis=1)


def _one(shapes: Shapes, axes: int) -> bool:
    return len(shapes) == 1 and len(shapes[0]) == axes


def _no_sizes(sizes: Raw) -> str:
    """What is wrong with values that should be widths and heights in px of all cells."""
    without = int((~(sizes > 0)).any(axis=1).sum())
    return f"{without} of its {len(sizes)} boxes have no size" if without > _MOST_WITHOUT_SIZE * len(sizes) else ""


def _rgb_in_middle(picture: Pixels, size: tuple[int, int]) -> Placed:
    canvas, scale, offset = in_middle(picture, size)
    return Placed(blob(canvas) / np.float32(255), (scale, scale), offset)
