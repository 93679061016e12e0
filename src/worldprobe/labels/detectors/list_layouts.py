"""Detectors that answer with a list of objects: YOLOv10 and other ends of a whole pipeline, RT-DETR, D-FINE."""

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
    in_middle,
    no_scores,
    resized,
)

_LONGEST = 1000  # objects in a list: what is longer is a grid
# Of a list whose width says nothing else: queries come in hundreds, cells of a grid hardly do. LVIS: 1203 classes.
_QUERIES, _MOST_CLASSES = 100, 1300


@dataclass(frozen=True, slots=True)
class EndToEnd:
    """YOLOv10 and exports with suppression built in: [n, 6], corners in px, score, class."""

    name = "YOLOv10 or another end-to-end export"
    key = "end-to-end"

    def fits(self, shapes: Shapes, size: tuple[int, int]) -> bool:
        return len(shapes) == 1 and len(shapes[0]) == 2 and shapes[0][1] == 6 and shapes[0][0] <= _LONGEST

    def classes(self, shapes: Shapes) -> int:
        return 0

    def describe(self, size: tuple[int, int]) -> str:
        return f"{self.name} [1, up to {_LONGEST}, 6]"

    def doubt(self, outputs: Sequence[Raw]) -> str:
        (raw,) = outputs
        kinds = raw[:, 5]
        if (kinds < 0).any() or (kinds != np.round(kinds)).any():
            return "its classes are no whole numbers"
        if (raw[:, 2:4] < raw[:, :2]).any():
            return "its boxes end before they begin"
        return no_scores(raw[:, 4])

    def place(self, picture: Pixels, size: tuple[int, int]) -> Placed:
        """RGB in 0 to 1, scaled into the middle of a grey canvas."""
        canvas, scale, offset = in_middle(picture, size)
        return Placed(blob(canvas) / np.float32(255), (scale, scale), offset)

    def decode(self, outputs: Sequence[Raw], *, size: tuple[int, int], confidence: float) -> Read:
        (raw,) = outputs
        kept = raw[raw[:, 4] > confidence].astype(np.float64)
        return kept[:, :4], kept[:, 5].astype(np.int64), kept[:, 4]


@dataclass(frozen=True, slots=True)
class RtDetr:
    """RT-DETR as Ultralytics exports it: [n, 4 + classes], centre and size as shares of the picture, scores."""

    name = "RT-DETR (Ultralytics)"
    key = "rtdetr"

    def fits(self, shapes: Shapes, size: tuple[int, int]) -> bool:
        if len(shapes) != 1 or len(shapes[0]) != 2:
            return False
        count, width = shapes[0]
        return count <= _LONGEST and count > 0 and count % _QUERIES == 0 and 1 <= width - 4 <= _MOST_CLASSES

    def classes(self, shapes: Shapes) -> int:
        return int(shapes[0][1]) - 4

    def describe(self, size: tuple[int, int]) -> str:
        return f"{self.name} [1, up to {_LONGEST}, 4 + classes]"

    def doubt(self, outputs: Sequence[Raw]) -> str:
        (raw,) = outputs
        if raw[:, :4].min() < -0.1 or raw[:, :4].max() > 1.1 or not (raw[:, 2:4] > 0).all():
            return "its boxes are no shares of the picture"
        return no_scores(raw[:, 4:])

    def place(self, picture: Pixels, size: tuple[int, int]) -> Placed:
        """RGB in 0 to 1, stretched to the input's size."""
        return _stretched(picture, size)

    def decode(self, outputs: Sequence[Raw], *, size: tuple[int, int], confidence: float) -> Read:
        (raw,) = outputs
        scores = raw[:, 4:].max(axis=1)
        kept = scores > confidence
        values = raw[kept].astype(np.float64)
        boxes = around(values[:, :2], values[:, 2:4]) * np.array(size * 2, dtype=np.float64)
        return boxes, values[:, 4:].argmax(axis=1).astype(np.int64), scores[kept].astype(np.float64)


@dataclass(frozen=True, slots=True)
class Detr:
    """RT-DETR and D-FINE by their own exports: labels [n], corners [n, 4] and scores [n], with a second input for
    the size of the frame, which is given as the input's own."""

    name = "RT-DETR or D-FINE"
    key = "detr"

    def fits(self, shapes: Shapes, size: tuple[int, int]) -> bool:
        if len(shapes) != 3 or len({shape[0] for shape in shapes if shape}) != 1:
            return False
        return [len(shape) for shape in shapes] == [1, 2, 1] and shapes[1][1] == 4

    def classes(self, shapes: Shapes) -> int:
        return 0

    def describe(self, size: tuple[int, int]) -> str:
        return f"{self.name}: labels [1, n], boxes [1, n, 4], scores [1, n]"

    def doubt(self, outputs: Sequence[Raw]) -> str:
        kinds, boxes, scores = outputs
        if (kinds < 0).any() or (kinds != np.round(kinds)).any():
            return "its labels are no whole numbers"
        if (boxes[:, 2:4] < boxes[:, :2]).any():
            return "its boxes end before they begin"
        return no_scores(scores)

    def place(self, picture: Pixels, size: tuple[int, int]) -> Placed:
        """RGB in 0 to 1, stretched to the input's size."""
        return _stretched(picture, size)

    def decode(self, outputs: Sequence[Raw], *, size: tuple[int, int], confidence: float) -> Read:
        kinds, boxes, scores = outputs
        kept = scores > confidence
        return boxes[kept].astype(np.float64), kinds[kept].astype(np.int64), scores[kept].astype(np.float64)


def _stretched(picture: Pixels, size: tuple[int, int]) -> Placed:
    height, width = picture.shape[:2]
    rgb = blob(resized(picture, size)) / np.float32(255)
    return Placed(rgb, (size[0] / width, size[1] / height), (0.0, 0.0))
