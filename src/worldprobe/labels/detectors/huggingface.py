"""hf:HUB_ID: detectors that transformers has (RT-DETR v2, D-FINE, YOLOS, ...), by hub id or local folder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from worldprobe.errors import LabelError, RegistryError
from worldprobe.execute.devices import device_for
from worldprobe.io import hub
from worldprobe.io.hub import fetched
from worldprobe.labels.detectors.detections import CONFIDENCE, Found, check_threshold, label_frames
from worldprobe.protocols import FrameSource
from worldprobe.quiet import no_loading_bars
from worldprobe.records import Labels

_BATCH = 4
_VERSION = 1  # of how boxes are read out


class HuggingFaceDetector:
    """hf:HUB_ID: boxes and classes by a detector of transformers, linked to tracks.

    Frames are put in and boxes read out by the checkpoint's own image processor, in its Pillow build, which
    needs no torchvision.
    """

    def __init__(
        self, argument: str | None = None, *, confidence: float = CONFIDENCE, every: int = 1, device: str = "auto"
    ) -> None:
        """Load a model and its image processor.

        Args:
            argument: hub id or local folder.
            confidence: least score that is kept.
            every: only every so many frames are looked at.
            device: auto (a GPU if there is one), cpu, cuda.

        Raises:
            LabelError: no such checkpoint, one that is no detector, or a confidence out of (0, 1).
        """

        check_threshold("confidence", confidence)
        if not argument:
            raise LabelError("hf: which detector? For instance hf:PekingU/rtdetr_v2_r18vd, or a local folder.")
        self.name, self.confidence, self.every = f"hf:{argument}", confidence, max(1, every)
        self._device = device_for(device)
        self._model, self._processor = _load(argument)
        self.weights = _weights(self._model, argument)
        self._model.to(self._device).eval()
        self.classes: dict[int, str] = {int(k): str(v) for k, v in self._model.config.id2label.items()}

    def label(self, video: FrameSource) -> Labels:
        """Boxes of every frame looked at, with track ids."""

        def find(indices: Sequence[int]) -> Iterator[Found]:
            return self._detect(video, indices)

        return label_frames(video, find, source=self.name, key=self._key(), every=self.every)

    def _key(self) -> str:
        """Of the weights, and of what else the boxes depend on."""
        known = f"{_VERSION} {self.confidence} {self._model.config} {self._processor} {self.weights['sha256']}"
        return hashlib.sha256(known.encode()).hexdigest()

    def _detect(self, video: FrameSource, indices: Sequence[int]) -> Iterator[Found]:
        import torch

        size = (video.ref.height, video.ref.width)
        source = video.frames(indices)
        while frames := list(islice(source, _BATCH)):
            inputs = self._processor(images=[rgb for _, rgb in frames], return_tensors="pt").to(self._device)
            with torch.inference_mode():
                outputs = self._model(**inputs)
            found = self._processor.post_process_object_detection(
                outputs, threshold=self.confidence, target_sizes=[size] * len(frames)
            )
            for (index, _), one in zip(frames, found, strict=True):
                names = [self.classes.get(int(c), f"class {int(c)}") for c in one["labels"]]
                boxes = one["boxes"].double().cpu().numpy().reshape(-1, 4)
                yield index, boxes, names, np.asarray(one["scores"].double().cpu().numpy())


def _weights(model: Any, name: str) -> dict[str, str]:
    """A hash of all tensors by name, and the hub's commit where it came from one."""
    digest = hashlib.sha256()
    for key, tensor in model.state_dict().items():
        digest.update(key.encode() + tensor.cpu().contiguous().numpy().tobytes())
    commit = {} if Path(name).is_dir() else {"commit": fetched(name, "config.json")[0]}
    return {"sha256": digest.hexdigest(), **commit}


def _load(name: str) -> tuple[Any, Any]:
    from transformers import AutoImageProcessor, AutoModelForObjectDetection

    if not Path(name).is_dir() and not hub.is_id(name):
        raise LabelError(f"no detector {name!r}: no such folder, and no hub id (OWNER/NAME)")
    try:
        here = Path(name).is_dir() or not hub.answers(name)
        with no_loading_bars():
            # No pickled weights, and none of a checkpoint's own code, about which transformers would ask the user.
            model, report = AutoModelForObjectDetection.from_pretrained(
                name, output_loading_info=True, use_safetensors=True, trust_remote_code=False, local_files_only=here
            )
        processor = AutoImageProcessor.from_pretrained(
            name, backend="pil", trust_remote_code=False, local_files_only=here
        )
    except (OSError, ValueError, ImportError, RegistryError) as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise LabelError(f"no detector of transformers at {name!r}: {why}") from error
    if missing := sorted(report["missing_keys"]):
        raise LabelError(f"{name} lacks {len(missing)} of its detector's weights, such as {missing[:3]}")
    if not hasattr(processor, "post_process_object_detection"):
        raise LabelError(f"{name} has an image processor without boxes ({type(processor).__name__})")
    return model, processor
