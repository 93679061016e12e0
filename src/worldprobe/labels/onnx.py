"""onnx:FILE: a YOLOX detector (Ge et al. 2021) as an ONNX file, run by onnxruntime on the CPU."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import LabelError
from worldprobe.labels.boxes import centre_and_size, nms
from worldprobe.labels.coco_classes import COCO_CLASSES
from worldprobe.labels.track import link
from worldprobe.protocols import FrameSource
from worldprobe.records import Labels

Floats = NDArray[np.float64]
_STRIDES = (8, 16, 32)
_FILL = 114  # the grey that YOLOX pads with


class OnnxDetector:
    """onnx:FILE: boxes and classes by a YOLOX detector, linked to tracks."""

    def __init__(
        self, argument: str | None = None, *, confidence: float = 0.35, iou: float = 0.5, every: int = 1
    ) -> None:
        """Load a model.

        Args:
            argument: path of the ``.onnx`` file.
            confidence: least objectness times class score that is kept.
            iou: overlap of two boxes of a class beyond which the worse one goes.
            every: only every so many frames are looked at.

        Raises:
            LabelError: no such file, not ONNX, another layout than YOLOX's, or a threshold out of (0, 1).
        """
        for name, value in (("confidence", confidence), ("iou", iou)):
            if not 0 < value < 1:
                raise LabelError(f"{name} has to lie between 0 and 1, got {value}")
        self.confidence, self.iou, self.every = confidence, iou, max(1, every)
        self.path = Path(argument or "")
        if not argument or not self.path.is_file():
            raise LabelError(f"no detector at {argument!r}: name an ONNX file, such as onnx:yolox_nano.onnx")
        self.name = f"onnx:{self.path.name}"
        self._session = _load(self.path)
        model_input = self._session.get_inputs()[0]
        self._input = model_input.name
        self.size = _input_size(self.path, model_input.shape)
        self.classes = self._classes()

    def label(self, video: FrameSource) -> Labels:
        """Boxes of every frame looked at, with track ids."""
        indices = range(0, video.ref.frames, self.every)
        found: dict[str, list[Any]] = {key: [] for key in ("frame", "class", "box", "confidence")}
        for index, picture in video.frames(None if self.every == 1 else indices):
            boxes, classes, scores = self.detect(picture)
            found["frame"] += [index] * len(boxes)
            found["class"] += [self.classes[c] for c in classes]
            found["confidence"] += scores.tolist()
            found["box"] += boxes.tolist()
        frame = np.array(found["frame"], dtype=np.int64)
        x, y, w, h = centre_and_size(np.array(found["box"], dtype=np.float64).reshape(-1, 4)).T
        labels = Labels.from_columns(
            **{
                "video": [video.ref.id] * len(frame), "frame": frame, "pts_seconds": video.pts_seconds[frame],
                "object": np.full(len(frame), -1), "class": found["class"], "x": x, "y": y, "w": w, "h": h,
                "confidence": found["confidence"], "source": [self.name] * len(frame),
            }
        )  # fmt: skip
        return link(labels, shots=video.shots)

    def detect(self, picture: NDArray[np.uint8]) -> tuple[Floats, NDArray[np.int64], Floats]:
        """Boxes [n, 4] as corners in source px, class indices [n] and scores [n] of one RGB frame [h, w, 3]."""
        height, width = picture.shape[:2]
        padded, scale = letterbox(picture, size=self.size)
        blob = np.ascontiguousarray(padded[:, :, ::-1].transpose(2, 0, 1)[None], dtype=np.float32)
        raw = self._session.run(None, {self._input: blob})[0][0]
        boxes, classes, scores = decode(raw, size=self.size, confidence=self.confidence)
        boxes = np.clip(boxes / scale, 0, np.array([width, height, width, height], dtype=np.float64))
        kept = [
            np.flatnonzero(classes == c)[nms(boxes[classes == c], scores[classes == c], threshold=self.iou)]
            for c in np.unique(classes)
        ]
        order = np.concatenate([*kept, np.zeros(0, np.int64)]).astype(np.int64)
        sides = boxes[order, 2:] - boxes[order, :2]
        order = order[(sides > 0).all(axis=1)]
        return boxes[order], classes[order], scores[order]

    def _classes(self) -> tuple[str, ...]:
        """Names by the model's metadata, else COCO's; checks the output's shape on the way."""
        width, height = self.size
        rows = sum((width // s) * (height // s) for s in _STRIDES)
        blank = np.zeros((1, 3, height, width), dtype=np.float32)
        shapes = [output.shape for output in self._session.run(None, {self._input: blank})]
        if len(shapes[0]) != 3 or shapes[0][1] != rows or shapes[0][2] < 6:
            raise LabelError(
                f"{self.path} gives outputs of shapes {[list(s) for s in shapes]} for {width} x {height} px. "
                f"The known layout is YOLOX's: [1, {rows}, 5 + classes], raw offsets on strides 8, 16 and 32."
            )
        count = int(shapes[0][2]) - 5
        named = _named(self._session.get_modelmeta().custom_metadata_map.get("names", ""))
        if named and len(named) == count:
            return tuple(named)
        return COCO_CLASSES if count == len(COCO_CLASSES) else tuple(f"class {i}" for i in range(count))


def letterbox(picture: NDArray[np.uint8], *, size: tuple[int, int]) -> tuple[NDArray[np.uint8], float]:
    """An RGB frame [h, w, 3] scaled into the top left of a grey canvas of (width, height); and the scale."""
    import torch
    from torch.nn.functional import interpolate

    height, width = picture.shape[:2]
    scale = min(size[0] / width, size[1] / height)
    inner = (max(1, int(height * scale)), max(1, int(width * scale)))
    planes = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None]
    scaled = interpolate(planes, size=inner, mode="bilinear", align_corners=False)[0].permute(1, 2, 0).numpy()
    canvas = np.full((size[1], size[0], 3), _FILL, dtype=np.uint8)
    canvas[: inner[0], : inner[1]] = scaled
    return canvas, scale


def decode(
    raw: NDArray[np.float32], *, size: tuple[int, int], confidence: float
) -> tuple[Floats, NDArray[np.int64], Floats]:
    """YOLOX's raw output to boxes, one class each.

    Args:
        raw: [n, 5 + classes]: centre as an offset in cells, logarithm of the size in cells, objectness and
            class scores (already between 0 and 1), cells in the order stride, row, column.
        size: width and height of the model's input in px.

    Returns:
        Corners [m, 4] in px of the input, class indices [m], scores [m], of those above ``confidence``.
    """
    cells, strides = [], []
    for step in _STRIDES:
        rows, columns = np.mgrid[0 : size[1] // step, 0 : size[0] // step]
        cells.append(np.stack([columns.ravel(), rows.ravel()], axis=1))
        strides.append(np.full(rows.size, step))
    cell, stride = np.concatenate(cells), np.concatenate(strides)[:, None]
    scores = raw[:, 4] * raw[:, 5:].max(axis=1)
    kept = scores > confidence
    values, cell, stride = raw[kept].astype(np.float64), cell[kept], stride[kept]
    centre, half = (values[:, :2] + cell) * stride, np.exp(values[:, 2:4]) * stride / 2
    boxes = np.concatenate([centre - half, centre + half], axis=1)
    return boxes, values[:, 5:].argmax(axis=1).astype(np.int64), scores[kept].astype(np.float64)


def _load(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised; its log would only say it twice
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    # onnxruntime raises a class of its own for each way in which a file can be wrong.
    except Exception as error:
        raise LabelError(f"{path} is not a usable ONNX model: {str(error).splitlines()[0]}") from error


def _input_size(path: Path, shape: Sequence[Any]) -> tuple[int, int]:
    """Width and height in px of an input [1, 3, height, width]."""
    if len(shape) != 4 or shape[1] != 3 or not all(isinstance(side, int) and side % 32 == 0 for side in shape[2:]):
        raise LabelError(
            f"{path} takes an input of shape {list(shape)}; known is YOLOX's [1, 3, height, width] with fixed "
            "sides that are multiples of 32"
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
