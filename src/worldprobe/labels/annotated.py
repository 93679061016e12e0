"""Boxes that somebody wrote down, placed in the video that they speak of: refused, or mended and said."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import LabelError
from worldprobe.protocols import FrameSource
from worldprobe.records import Labels

# A few boxes may lie outside the frame; more than this share are of another video or size.
_MOST_OUTSIDE = 0.01
_LISTED = 5


def named_file(argument: str | None, name: str, example: str) -> Path:
    if not argument:
        raise LabelError(f"{name} needs a file: {example}")
    path = Path(argument)
    if not path.is_file():
        raise LabelError(f"no file of labels at {path}")
    return path


def read_text(path: Path, kind: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise LabelError(f"{path} is not {kind}: it is not UTF-8 text ({error.reason})") from error


def told(count: int, which: str, done: str) -> list[str]:
    """What was done with some boxes, as a note; none where there are none."""
    return [f"{count} box{'es'[: 2 * (count != 1)]} {which}: {done}"] if count else []


def some(values: Iterable[object]) -> str:
    """The first few different values, in words."""
    different = list(dict.fromkeys(str(value) for value in values))
    return ", ".join(different[:_LISTED]) + ", ..." * (len(different) > _LISTED)


def placed(
    video: FrameSource,
    *,
    source: str,
    file: Path,
    frame: NDArray[np.int64],
    identity: NDArray[np.int64],
    corner: NDArray[np.float64],
    names: Sequence[str],
    confidence: NDArray[np.float64],
    notes: Sequence[str] = (),
) -> Labels:
    """A table from boxes [n, 4] given as (left, top, width, height) in px, checked against the video.

    Boxes that reach past the frame's edge stay as they are written: annotators draw whole objects. ``notes`` and
    what was done here stand in the labels' notes as one sentence.

    Raises:
        LabelError: boxes of another video (too many frames), or of another size.
    """
    ref = video.ref
    if len(frame) and int(frame.max()) >= ref.frames:
        raise LabelError(
            f"{file} speaks of frame {int(frame.max())} (counted from 0), {ref.path} has {ref.frames} frames: "
            "labels of another video"
        )
    left, top, width, height = corner.T
    inside = (left < ref.width) & (top < ref.height) & (left + width > 0) & (top + height > 0)
    inside &= (frame >= 0) & (width > 0) & (height > 0)
    if (~inside).sum() > _MOST_OUTSIDE * len(frame):
        raise LabelError(
            f"{int((~inside).sum())} of {len(frame)} boxes of {file} lie outside {ref.path}, which is "
            f"{ref.width} x {ref.height} px: labels of another size"
        )
    past = inside & ((left < -1) | (top < -1) | (left + width > ref.width + 1) | (top + height > ref.height + 1))
    labelled = np.unique(frame[inside])
    gap = int(np.ptp(labelled)) + 1 - len(labelled) if len(labelled) else 0
    said = [
        *notes,
        *told(int((~inside).sum()), "outside the frame or without extent", "left out"),
        *told(int(past.sum()), "reaching past the frame's edge", "kept as written"),
        *([f"{gap} frames between the first and the last labelled one have no boxes"] if gap else []),
    ]
    labels = Labels.from_columns(
        **{
            "video": ref.id,
            "frame": frame[inside],
            "pts_seconds": video.pts_seconds[frame[inside]],
            "object": identity[inside],
            "class": [name for name, keep in zip(names, inside, strict=True) if keep],
            "x": (left + width / 2)[inside],
            "y": (top + height / 2)[inside],
            "w": width[inside],
            "h": height[inside],
            "confidence": confidence[inside],
            "source": source,
        }
    )
    return Labels(labels.table, (f"{file.name}: {'; '.join(said)}.",) if said else ())
