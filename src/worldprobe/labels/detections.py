"""What every detector has in common: boxes of frames to a labels table, linked to tracks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import LabelError
from worldprobe.labels.boxes import centre_and_size
from worldprobe.labels.track import link
from worldprobe.protocols import FrameSource
from worldprobe.records import Labels

Floats = NDArray[np.float64]
# Of one frame: its index, corners [n, 4] in source px, class names, scores [n].
Found = tuple[int, Floats, Sequence[str], Floats]
CONFIDENCE = 0.35  # as in the experiment that this project starts from


def check_threshold(name: str, value: float) -> None:
    """Raises LabelError for a threshold out of (0, 1)."""
    if not 0 < value < 1:
        raise LabelError(f"{name} has to lie between 0 and 1, got {value}")


def to_labels(video: FrameSource, found: Iterable[Found], *, source: str) -> Labels:
    """Boxes of frames in increasing order as labels with track ids; boxes are cut at the frame's edge, and what
    lies outside of it or has no extent is dropped."""
    frame: list[int] = []
    names: list[str] = []
    boxes, scores = [np.zeros((0, 4))], [np.zeros(0)]
    edge = np.array([video.ref.width, video.ref.height] * 2, dtype=np.float64)
    for index, corners, classes, confidence in found:
        inside = np.clip(corners, 0, edge)
        kept = np.asarray(((inside[:, 2:] - inside[:, :2]) > 0).all(axis=1))
        frame += [index] * int(kept.sum())
        names += [name for name, keep in zip(classes, kept.tolist(), strict=True) if keep]
        boxes.append(inside[kept])
        scores.append(confidence[kept])
    x, y, w, h = centre_and_size(np.concatenate(boxes)).T
    frames = np.array(frame, dtype=np.int64)
    labels = Labels.from_columns(
        **{
            "video": [video.ref.id] * len(frames), "frame": frames, "pts_seconds": video.pts_seconds[frames],
            "object": np.full(len(frames), -1), "class": names, "x": x, "y": y, "w": w, "h": h,
            "confidence": np.concatenate(scores), "source": [source] * len(frames),
        }
    )  # fmt: skip
    return link(labels, shots=video.shots)
