"""yolo:WEIGHTS: detectors by Ultralytics (extra ``[yolo]``, AGPL-3.0), the original experiment's labeller."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from worldprobe.errors import LabelError
from worldprobe.io.files import cache, sha256
from worldprobe.io.lfs import lfs_pointer
from worldprobe.labels.detectors.detections import CONFIDENCE, Found, check_threshold, label_frames
from worldprobe.protocols import FrameSource
from worldprobe.records import Labels

LICENCE = (
    "Boxes are by Ultralytics, whose code and weights are under AGPL-3.0: products that build on them need its "
    "terms or a licence of theirs. The labellers onnx: and hf: have models under Apache-2.0."
)
_BATCH = 8
_SIDE = 640  # px of the longer side that frames are scaled to, Ultralytics' default
_VERSION = 1  # of how boxes are read out


class YoloDetector:
    """yolo:WEIGHTS: boxes and classes by an Ultralytics model (AGPL-3.0), linked to tracks.

    A ``.pt`` file is a pickle, which Ultralytics runs when it loads it: use files that you trust only.
    """

    def __init__(
        self,
        argument: str | None = None,
        *,
        confidence: float = CONFIDENCE,
        every: int = 1,
        device: str = "auto",
        folder: Path | None = None,
    ) -> None:
        """Load a model.

        Args:
            argument: a file, or the name of a published weight such as ``yolov8n.pt``, which Ultralytics
                fetches into the cache.
            confidence: least score that is kept.
            every: only every so many frames are looked at.
            device: auto (a GPU if there is one), cpu, cuda.
            folder: where Ultralytics may write its settings, the run's folder; the cache where there is none.

        Raises:
            LabelError: the extra is not installed, no such weights, no detector, or a confidence out of (0, 1).
        """
        import torch

        check_threshold("confidence", confidence)
        if not argument:
            raise LabelError("yolo: which weights? For instance yolo:yolov8n.pt, or a file of yours.")
        self.name, self.confidence, self.every = f"yolo:{argument}", confidence, max(1, every)
        self._device = device if device != "auto" else "cuda:0" if torch.cuda.is_available() else "cpu"
        path = Path(argument)
        # A bare name is one of the published weights: kept in the cache, not where the command happens to run.
        self._path = path if path.exists() or path.parent != Path() else cache() / "ultralytics" / path
        self._path.parent.mkdir(parents=True, exist_ok=True)
        yolo = _library((folder or cache()) / "ultralytics", offline=self._path.exists())
        try:
            self._model = yolo(str(self._path), task="detect")
            self.classes: dict[int, str] = {int(k): str(v) for k, v in self._model.names.items()}
            self.weights = {self._path.name: sha256(self._path)}
        # Whatever Ultralytics, torch and pickle raise for a file that is not there or not theirs.
        except Exception as error:
            why = lfs_pointer(self._path) or (str(error).strip() or type(error).__name__).splitlines()[0]
            raise LabelError(f"no Ultralytics detector at {argument!r}: {why}") from error

    def label(self, video: FrameSource) -> Labels:
        """Boxes of every frame looked at, with track ids, and a note on the licence."""

        def find(indices: Sequence[int]) -> Iterator[Found]:
            return self._detect(video, indices)

        labels = label_frames(video, find, source=self.name, key=self._key(), every=self.every)
        return replace(labels, notes=(*labels.notes, LICENCE))

    def _key(self) -> str:
        """Of the weights, and of what else the boxes depend on."""
        return hashlib.sha256(
            f"{_VERSION} {self.weights[self._path.name]} {self.confidence} {_SIDE}".encode()
        ).hexdigest()

    def _detect(self, video: FrameSource, indices: Sequence[int]) -> Iterator[Found]:
        source = video.frames(indices)
        while frames := list(islice(source, _BATCH)):
            # Ultralytics takes arrays as OpenCV reads them: blue first.
            pictures = [np.ascontiguousarray(rgb[..., ::-1]) for _, rgb in frames]
            found = self._model.predict(
                pictures, conf=self.confidence, imgsz=_SIDE, device=self._device, verbose=False, save=False
            )
            for (index, _), one in zip(frames, found, strict=True):
                boxes = one.boxes
                if boxes is None:  # turned boxes, classes of whole pictures
                    raise LabelError(f"{self.name} gives no upright boxes: use the weights of a detector")
                names = [self.classes.get(int(c), f"class {int(c)}") for c in boxes.cls.tolist()]
                corners = boxes.xyxy.double().cpu().numpy().reshape(-1, 4)
                yield index, corners, names, boxes.conf.double().cpu().numpy()


def _library(folder: Path, *, offline: bool) -> Any:
    """Ultralytics' model class, its settings under a folder instead of the user's home.

    Args:
        offline: keep it from asking hosts on the network whether there is one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Read once, while the library is imported; and it must neither report home nor install packages.
    os.environ.setdefault("YOLO_CONFIG_DIR", str(folder.resolve()))
    os.environ.setdefault("YOLO_AUTOINSTALL", "false")
    if offline:
        os.environ.setdefault("YOLO_OFFLINE", "true")
    try:
        from ultralytics import YOLO, settings

        settings.update({"sync": False})
    except ImportError as error:
        raise LabelError(
            f"yolo: needs Ultralytics (AGPL-3.0), which cannot be imported ({error}). "
            'Run `pip install "worldprobe[yolo]"`, or use a labeller without it: onnx:FILE, hf:HUB_ID.'
        ) from error
    return YOLO
