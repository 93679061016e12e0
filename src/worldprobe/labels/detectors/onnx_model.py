"""An ONNX file of a detector as it is: its input, its metadata, its outputs; and what is known but not read."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from worldprobe.errors import LabelError
from worldprobe.io.lfs import lfs_pointer
from worldprobe.labels.detectors.layouts import Raw

_TYPES: Mapping[str, type[np.floating[Any]]] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
_STEP = 32  # px, of which the sides of every known detector's input are multiples
_FRAME_SIZE = "orig_target_sizes"  # what RT-DETR and D-FINE call their second input
_DETECTS = "Only detectors of boxes are read: export one of those (with Ultralytics, task=detect)."


class Model:
    """A loaded model.

    Attributes:
        size: width and height of the input in px.
        names: the classes that its metadata names, maybe none.
        shapes: of its outputs, without the batch's axis.
    """

    def __init__(self, path: Path, *, size: tuple[int, int] | None = None) -> None:
        """Load it, and run it once.

        Args:
            size: width and height in px, for an input that leaves them open.

        Raises:
            LabelError: not ONNX, an input that is no picture, a size that does not fit it, or it fails.
        """
        self.path = path
        self._session = _load(path)
        self.metadata: Mapping[str, str] = self._session.get_modelmeta().custom_metadata_map
        self.names = tuple(_named(self.metadata.get("names", "")))
        inputs = self._session.get_inputs()
        pictures = [one for one in inputs if len(one.shape) == 4]
        others = [one for one in inputs if one not in pictures and one.name != _FRAME_SIZE]
        if len(pictures) != 1 or others:
            raise LabelError(
                f"{path} takes {', '.join(f'{one.name} {list(one.shape)}' for one in inputs)}; known is one "
                "picture [1, 3, height, width]."
            )
        self._input = pictures[0]
        self._also = [one.name for one in inputs if one is not self._input]
        self.size = _input_size(path, self._input.shape, size, self.metadata)
        if self._input.type not in _TYPES:
            raise LabelError(
                f"{path} takes a picture of type {self._input.type}; known are float32 and float16. Export it so."
            )
        self._outputs = self.run(np.zeros((1, 3, self.size[1], self.size[0]), dtype=np.float32))
        self.shapes: list[tuple[int, ...]] = [output.shape for output in self._outputs]

    def run(self, blob: Raw) -> list[Raw]:
        """The outputs for an input float32 [1, 3, height, width], as float32, without the batch's axis."""
        feed: dict[str, Any] = {self._input.name: blob.astype(_TYPES[self._input.type], copy=False)}
        feed |= {name: np.array([self.size], dtype=np.int64) for name in self._also}
        try:
            outputs = self._session.run(None, feed)
        # onnxruntime raises a class of its own for each way in which a run can fail.
        except Exception as error:
            raise LabelError(f"{self.path} fails on a picture: {str(error).splitlines()[0]}") from error
        plain = [np.asarray(output, dtype=np.float32) for output in outputs if isinstance(output, np.ndarray)]
        return [one[0] if one.ndim > 1 and len(one) == 1 else one for one in plain]

    def describe(self) -> str:
        """The names and shapes of its outputs."""
        names = [output.name for output in self._session.get_outputs()]
        return ", ".join(f"{n} {[1, *shape]}" for n, shape in zip(names, self.shapes, strict=False))


def unread(model: Model) -> str:
    """What a model is, where it is known to be one that is not read, and what to do; empty where it may be."""
    if (task := model.metadata.get("task", "detect")) != "detect":
        return f"its metadata says that it is made for the task {task}. {_DETECTS}"
    shapes = model.shapes
    maps = [shape for shape in shapes if len(shape) >= 3]
    if len(maps) == len(shapes):
        return (
            "these are maps of a detector's head, as in training, not its boxes. Export it for inference, with its "
            "boxes decoded."
        )
    if len(shapes) == 2 and maps and len(maps[0]) == 3:
        return f"a second output of maps is what models of masks give. {_DETECTS}"
    if len(shapes) == 2 and len({shape[0] for shape in shapes}) == 1 and any(shape[-1] == 4 for shape in shapes):
        return (
            "scores and boxes in outputs of their own (as of YOLO-NAS, DAMO-YOLO, PP-YOLOE and detectors of "
            "transformers) are not read: what they hold cannot be told. Models of transformers are: hf:HUB_ID."
        )
    return ""


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


def _input_size(
    path: Path, shape: Sequence[Any], wanted: tuple[int, int] | None, metadata: Mapping[str, str]
) -> tuple[int, int]:
    """Width and height in px of an input [1, 3, height, width]; sides that are left open are asked for."""
    sides = [side for side in shape[2:] if isinstance(side, int)]
    known = [not isinstance(side, int) or side == right for side, right in zip(shape[:2], (1, 3), strict=True)]
    if not all(known):
        raise LabelError(
            f"{path} takes an input of shape {list(shape)}; known is [1, 3, height, width] for one picture at a "
            "time, channels first. Export it so."
        )
    open_sides = len(sides) < 2
    if open_sides and wanted is None:
        named = _literal(metadata.get("imgsz", ""))
        if isinstance(named, list | tuple) and len(named) == 2 and all(isinstance(one, int) for one in named):
            wanted = named[1], named[0]
    if open_sides and wanted is None:
        raise LabelError(
            f"{path} takes an input of shape {list(shape)}, which leaves its size open: say it, "
            f"onnx:{path}?size=640 (or size=640x384), or export it with a fixed size."
        )
    size = wanted if open_sides and wanted is not None else (int(sides[1]), int(sides[0]))
    if wanted is not None and wanted != size:
        raise LabelError(f"{path} takes {size[0]} x {size[1]} px, not {wanted[0]} x {wanted[1]}")
    if any(side % _STEP for side in size):
        raise LabelError(
            f"{path} takes {size[0]} x {size[1]} px; known are sides that are multiples of {_STEP}. Export it so."
        )
    return size


def _named(text: str) -> list[str]:
    """Class names written into a model as a Python dict or list; none where it is neither."""
    names = _literal(text)
    if isinstance(names, dict):
        return [str(names[key]) for key in sorted(names, key=str if _mixed(names) else None)]
    return [str(name) for name in names] if isinstance(names, list | tuple) else []


def _mixed(names: Mapping[Any, Any]) -> bool:
    return len({type(key) for key in names}) > 1


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
