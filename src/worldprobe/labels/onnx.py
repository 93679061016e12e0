"""onnx:FILE: a detector as an ONNX file, run by onnxruntime on the CPU."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import LabelError
from worldprobe.files import sha256
from worldprobe.labels.boxes import nms
from worldprobe.labels.coco_classes import COCO_CLASSES
from worldprobe.labels.detections import CONFIDENCE, Found, check_threshold, label_frames
from worldprobe.labels.layouts import LAYOUTS, recognise
from worldprobe.lfs import lfs_pointer
from worldprobe.protocols import FrameSource
from worldprobe.records import Labels

Floats = NDArray[np.float64]
_VERSION = 1  # of how frames are placed and boxes read out: kept boxes of another version are not these


class OnnxDetector:
    """onnx:FILE: boxes and classes by a YOLOX, YOLOv8/v11 or NanoDet detector, linked to tracks."""

    def __init__(
        self, argument: str | None = None, *, confidence: float = CONFIDENCE, iou: float = 0.5, every: int = 1
    ) -> None:
        """Load a model.

        Args:
            argument: path of the ``.onnx`` file.
            confidence: least objectness times class score that is kept.
            iou: overlap of two boxes of a class beyond which the worse one goes.
            every: only every so many frames are looked at.

        Raises:
            LabelError: no such file, not ONNX, an unknown layout, or a threshold out of (0, 1).
        """
        check_threshold("confidence", confidence)
        check_threshold("iou", iou)
        self.confidence, self.iou, self.every = confidence, iou, max(1, every)
        self.path = Path(argument or "")
        if not argument or not self.path.is_file():
            raise LabelError(f"no detector at {argument!r}: name an ONNX file, such as onnx:yolox_nano.onnx")
        self.name = f"onnx:{self.path.name}"
        self.weights = {self.path.name: sha256(self.path)}
        self._session = _load(self.path)
        model_input = self._session.get_inputs()[0]
        self._input = model_input.name
        self.size = _input_size(self.path, model_input.shape)
        blank = np.zeros((1, 3, self.size[1], self.size[0]), dtype=np.float32)
        shapes = [list(output.shape) for output in self._session.run(None, {self._input: blank})]
        layout = recognise(shapes, self.size)
        if layout is None:
            names = [output.name for output in self._session.get_outputs()]
            known = "; ".join(one.describe(self.size) for one in LAYOUTS)
            raise LabelError(
                f"{self.path} gives {', '.join(f'{n} {s}' for n, s in zip(names, shapes, strict=True))} for "
                f"{self.size[0]} x {self.size[1]} px, which is no known layout. Known: {known}."
            )
        self.layout = layout
        self.classes = self._classes(layout.classes(shapes[0]))

    def label(self, video: FrameSource) -> Labels:
        """Boxes of every frame looked at, with track ids."""

        def find(indices: Sequence[int]) -> Iterator[Found]:
            return self._found(video, indices)

        return label_frames(video, find, source=self.name, key=self._key(), every=self.every)

    def _key(self) -> str:
        """Of the weights, and of what else the boxes depend on."""
        weights = self.weights[self.path.name]
        return hashlib.sha256(f"{_VERSION} {weights} {self.confidence} {self.iou}".encode()).hexdigest()

    def _found(self, video: FrameSource, indices: Sequence[int]) -> Iterator[Found]:
        for index, picture in video.frames(indices):
            boxes, classes, scores = self.detect(picture)
            yield index, boxes, [self.classes[c] for c in classes], scores

    def detect(self, picture: NDArray[np.uint8]) -> tuple[Floats, NDArray[np.int64], Floats]:
        """Boxes [n, 4] as corners in source px, class indices [n] and scores [n] of one RGB frame [h, w, 3]."""
        placed = self.layout.place(picture, self.size)
        raw = self._session.run(None, {self._input: placed.blob})[0][0]
        boxes, classes, scores = self.layout.decode(raw, size=self.size, confidence=self.confidence)
        boxes = placed.to_source(boxes)
        kept = [
            np.flatnonzero(classes == c)[nms(boxes[classes == c], scores[classes == c], threshold=self.iou)]
            for c in np.unique(classes)
        ]
        order = np.concatenate([*kept, np.zeros(0, np.int64)]).astype(np.int64)
        return boxes[order], classes[order], scores[order]

    def _classes(self, count: int) -> tuple[str, ...]:
        """Names by the model's metadata, else COCO's where there are as many."""
        named = _named(self._session.get_modelmeta().custom_metadata_map.get("names", ""))
        if named and len(named) == count:
            return tuple(named)
        return COCO_CLASSES if count == len(COCO_CLASSES) else tuple(f"class {i}" for i in range(count))


def _load(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised; its log would only say it twice
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    # onnxruntime raises a class of its own for each way in which a file can be wrong.
    except Exception as error:
        if pointer := lfs_pointer(path):
            raise LabelError(pointer) from error
        raise LabelError(f"{path} is not a usable ONNX model: {str(error).splitlines()[0]}") from error


def _input_size(path: Path, shape: Sequence[Any]) -> tuple[int, int]:
    """Width and height in px of an input [1, 3, height, width]."""
    if len(shape) != 4 or shape[1] != 3 or not all(isinstance(side, int) and side % 32 == 0 for side in shape[2:]):
        raise LabelError(
            f"{path} takes an input of shape {list(shape)}; known is [1, 3, height, width] with fixed sides that "
            "are multiples of 32. Export it with a fixed size."
        )
    return int(shape[3]), int(shape[2])


def _named(text: str) -> list[str]:
    """Class names written into a model as a Python dict or list; none where it is neither."""
    try:
        names = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return []
    if isinstance(names, dict):
        return [str(names[key]) for key in sorted(names)]
    return [str(name) for name in names] if isinstance(names, list) else []
