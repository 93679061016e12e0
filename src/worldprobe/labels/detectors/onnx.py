"""onnx:FILE: a detector as an ONNX file, run by onnxruntime on the CPU."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import LabelError
from worldprobe.io.files import sha256
from worldprobe.labels.arguments import is_file, options_of, parted
from worldprobe.labels.boxes import nms
from worldprobe.labels.detectors.coco_classes import COCO_CLASSES
from worldprobe.labels.detectors.detections import CONFIDENCE, Found, check_threshold, label_frames
from worldprobe.labels.detectors.layouts import Floats, Layout, Pixels, Raw
from worldprobe.labels.detectors.onnx_model import Model, unread
from worldprobe.labels.detectors.recognise import KEYS, LAYOUTS, candidates, recognise
from worldprobe.protocols import FrameSource
from worldprobe.records import Labels

_VERSION = 2  # of how frames are placed and boxes read out: kept boxes of another version are not these
_OPTIONS = ("layout", "size", "names")


class OnnxDetector:
    """onnx:FILE: boxes and classes by a detector (YOLO v5 to v11, YOLOX, NanoDet, RT-DETR), linked to tracks."""

    def __init__(
        self, argument: str | None = None, *, confidence: float = CONFIDENCE, iou: float = 0.5, every: int = 1
    ) -> None:
        """Load a model.

        Args:
            argument: path of the ``.onnx`` file, and after a ``?`` what cannot be told from it, joined by ``&``:
                ``layout=nanodet``, ``size=640x384`` for an input whose sides are left open, ``names=coco`` or
                ``names=cup,hand`` for classes that it does not name.
            confidence: least objectness times class score that is kept.
            iou: overlap of two boxes of a class beyond which the worse one goes.
            every: only every so many frames are looked at.

        Raises:
            LabelError: no such file, not ONNX, a layout that is unknown or cannot be told, an option that is
                none, or a threshold out of (0, 1).
        """
        check_threshold("confidence", confidence)
        check_threshold("iou", iou)
        self.confidence, self.iou, self.every = confidence, iou, max(1, every)
        self.path, options = parted(argument or "", is_file)
        takes = (
            f"layout ({', '.join(KEYS)}), size (of an input that leaves it open) and names (coco, or a list), as "
            f"in onnx:{self.path}?layout=yolox&names=cup,hand"
        )
        of = f"onnx:{self.path}"
        given = {} if options is None else options_of(options, _OPTIONS, spec=of, takes=takes)
        if not argument or not is_file(self.path):
            raise LabelError(f"no detector at {argument!r}: name an ONNX file, such as onnx:yolox_nano.onnx")
        self.name = f"onnx:{self.path.name}"
        self.weights = {self.path.name: sha256(self.path)}
        self._model = Model(self.path, size=_size(given.get("size", "")))
        self.size = self._model.size
        names = (
            COCO_CLASSES if given.get("names") == "coco" else tuple(filter(None, given.get("names", "").split(",")))
        )
        names = names or self._model.names
        self.layout = self._layout(given.get("layout", ""), len(names))
        self.classes = self._classes(names, self.layout.classes(self._model.shapes))
        self._read_as = f"{self.layout} {self.size} {self.classes}"

    def label(self, video: FrameSource) -> Labels:
        """Boxes of every frame looked at, with track ids."""

        def find(indices: Sequence[int]) -> Iterator[Found]:
            return self._found(video, indices)

        return label_frames(video, find, source=self.name, key=self._key(), every=self.every)

    def _key(self) -> str:
        """Of the weights, and of what else the boxes depend on."""
        known = f"{_VERSION} {self.weights[self.path.name]} {self._read_as} {self.confidence} {self.iou}"
        return hashlib.sha256(known.encode()).hexdigest()

    def _found(self, video: FrameSource, indices: Sequence[int]) -> Iterator[Found]:
        for index, picture in video.frames(indices):
            boxes, classes, scores = self.detect(picture)
            names = [self.classes[c] if c < len(self.classes) else f"class {c}" for c in classes]
            yield index, boxes, names, scores

    def detect(self, picture: NDArray[np.uint8]) -> tuple[Floats, NDArray[np.int64], Floats]:
        """Boxes [n, 4] as corners in source px, class indices [n] and scores [n] of one RGB frame [h, w, 3]."""
        placed = self.layout.place(picture, self.size)
        outputs = self._model.run(placed.blob)
        boxes, classes, scores = self.layout.decode(outputs, size=self.size, confidence=self.confidence)
        boxes = placed.to_source(boxes)
        kept = [
            np.flatnonzero(classes == c)[nms(boxes[classes == c], scores[classes == c], threshold=self.iou)]
            for c in np.unique(classes)
        ]
        order = np.concatenate([*kept, np.zeros(0, np.int64)]).astype(np.int64)
        return boxes[order], classes[order], scores[order]

    def _layout(self, key: str, named: int) -> Layout:
        """The model's layout, which has to be the only one that fits what it answers."""
        if key and key not in KEYS:
            raise LabelError(f"onnx: has no layout {key!r}; there are {', '.join(KEYS)}")
        model = self._model
        gives = f"{self.path} gives {model.describe()} for {self.size[0]} x {self.size[1]} px"
        if not key and (why := unread(model)):
            raise LabelError(f"{gives}: {why}")

        def answer(layout: Layout, picture: Pixels) -> Sequence[Raw]:
            return model.run(layout.place(picture, self.size).blob)

        found, against = recognise(model.shapes, answer, self.size, named=named, key=key)
        if len(found) == 1:
            return found[0]
        if not found and not against:
            known = "; ".join(one.describe(self.size) for one in LAYOUTS if one.key == (key or one.key))
            raise LabelError(
                f"{gives}, which is {'not that layout. It is' if key else 'no known layout. Known:'} {known}."
            )
        keys = list(dict.fromkeys(one.key for one in found or candidates(model.shapes, self.size)))
        say = " or ".join(f"onnx:{self.path}?layout={one}" for one in keys)
        if not found:
            raise LabelError(
                f"{gives}, which fits no layout: {'; '.join(against)}. If you know better, say so: {say}"
            )
        fits = " or ".join(f"{one.name} with {one.classes(model.shapes)} classes" for one in found)
        raise LabelError(
            f"{gives}, which can be {fits}, and its metadata does not tell. Say which it is: {say}; or name its "
            "classes: ?names=coco, ?names=cup,hand"
        )

    def _classes(self, names: Sequence[str], count: int) -> tuple[str, ...]:
        """Names by the user or the model's metadata, else COCO's where there are as many."""
        if names and count in (0, len(names)):
            return tuple(names)
        return COCO_CLASSES if count == len(COCO_CLASSES) else tuple(f"class {i}" for i in range(count))


def _size(text: str) -> tuple[int, int] | None:
    """Width and height by "640" or "640x384"; None where nothing is said."""
    if not text:
        return None
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and int(side) > 0 for side in sides):
        raise LabelError(f"onnx: size={text} is no size: write size=640, or size=640x384 for width and height")
    return int(sides[0]), int(sides[-1])
