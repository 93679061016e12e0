"""Boxes that somebody wrote down, placed in the video that they speak of: refused, or mended with a note."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import LabelError
from worldprobe.labels.arguments import with_option
from worldprobe.labels.files.numbering import EXTRACTED
from worldprobe.labels.files.scores import confidences
from worldprobe.labels.values import clean, counted, track_numbers
from worldprobe.protocols import FrameSource
from worldprobe.records import Labels, VideoRef

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# A few boxes may lie outside the frame; more than this share are of another video or size.
_MOST_OUTSIDE = 0.01
# A box as wide as this many frames is a mistake.
_LARGEST_FRAMES = 100
# More boxes than this share reach past the frame's edge where right and bottom were taken for width and height.
_MOST_PAST = 0.1
# Boxes that end here, in frames of more px than this, are fractions of the frame.
_WITHIN, _LEAST_FRAME = 1.001, 5


class Written(NamedTuple):
    """A box as a file has it.

    Attributes:
        corner: left, top, width, height in px.
        track: a number or a name; None where it has none.
        score: NaN where it has none. visible: the share that can be seen, NaN where nobody says.
    """

    frame: int
    corner: tuple[float, float, float, float]
    name: str
    track: int | str | None = None
    score: float = math.nan
    visible: float = math.nan


def read_text(path: Path, kind: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise LabelError(f"{path} is not {kind}: it is not UTF-8 text ({error.reason})") from error
    except OSError as error:
        raise LabelError(f"{path} cannot be read: {error.strerror or error}") from error


def box_note(count: int, which: str, done: str) -> list[str]:
    """What was done with some boxes, as a note; none where there are none."""
    return [f"{counted(count, 'box')} {which}: {done}"] if count else []


def placed_rows(
    video: FrameSource, rows: Sequence[Written], *, source: str, file: Path, spec: str, notes: Sequence[str] = ()
) -> Labels:
    """As ``placed``, from rows whose tracks may have names and whose scores may be no probabilities.

    Raises:
        LabelError: as ``placed``.
    """
    identity, named = track_numbers([row.track for row in rows])
    confidence, mapped = confidences(np.array([row.score for row in rows], dtype=np.float64))
    return placed(
        video,
        source=source,
        file=file,
        spec=spec,
        frame=np.array([row.frame for row in rows], dtype=np.int64),
        identity=np.array(identity, dtype=np.int64),
        corner=np.array([row.corner for row in rows], dtype=np.float64).reshape(-1, 4),
        names=[clean(row.name) for row in rows],
        confidence=confidence,
        visible=np.array([row.visible for row in rows], dtype=np.float64),
        notes=[*notes, *named, *mapped],
    )


def placed(
    video: FrameSource,
    *,
    source: str,
    file: Path,
    spec: str,
    frame: Ints,
    identity: Ints,
    corner: Floats,
    names: Sequence[str],
    confidence: Floats,
    visible: Floats | None = None,
    notes: Sequence[str] = (),
) -> Labels:
    """A table from boxes [n, 4] given as (left, top, width, height) in px, checked against the video.

    Boxes that reach past the frame's edge stay as they are written: annotators draw whole objects. ``notes`` and
    what was done here stand in the labels' notes as one sentence.

    Args:
        spec: the labeller and its argument as typed; how a step is given is shown with it.
        visible: the share of each box that can be seen, NaN where nobody says; a column where any is known.

    Raises:
        LabelError: boxes of another video (too many frames), or of another size.
    """
    ref = video.ref
    inside = _inside(frame, corner, ref, file, spec)
    left, top, width, height = corner.T
    _refuse_fractions(corner, ref, file)
    past = inside & ((left < -1) | (top < -1) | (left + width > ref.width + 1) | (top + height > ref.height + 1))
    identity, of_tracks = _tracks(frame, identity, names, confidence, inside)
    changes = [
        *notes,
        *box_note(int((~inside).sum()), "outside the frame or without extent", "left out"),
        *box_note(int(past.sum()), "reaching past the frame's edge", "kept as written"),
        *_corners(corner, int(past.sum()), ref),
        *of_tracks,
        *_unlabelled(np.unique(frame[inside]), ref.frames, spec),
    ]
    known = {} if visible is None or np.isnan(visible).all() else {"visible": visible[inside]}
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
            **known,
        }
    )
    return Labels(labels.table, (f"{clean(file.name)}: {'; '.join(changes)}.",) if changes else ())


def _inside(frame: Ints, corner: Floats, ref: VideoRef, file: Path, spec: str) -> NDArray[np.bool_]:
    """Which boxes show anything of the film. Raises LabelError where too many do not."""
    if len(frame) and int(frame.max()) >= ref.frames:
        raise LabelError(
            f"{file} speaks of frame {int(frame.max())} (counted from 0), {ref.path} has {ref.frames} frames: "
            "labels of another video" + (", or another step" if "?" in spec else "")
        )
    left, top, width, height = corner.T
    with np.errstate(over="ignore", invalid="ignore"):
        inside = (left < ref.width) & (top < ref.height) & (left + width > 0) & (top + height > 0)
    inside &= (frame >= 0) & (width > 0) & (height > 0)
    inside &= (width < _LARGEST_FRAMES * ref.width) & (height < _LARGEST_FRAMES * ref.height)
    if (~inside).sum() > _MOST_OUTSIDE * len(frame):
        raise LabelError(
            f"{int((~inside).sum())} of {len(frame)} boxes of {file} lie outside {ref.path}, which is "
            f"{ref.width} x {ref.height} px: labels of another size"
        )
    return np.asarray(inside)


def _refuse_fractions(corner: Floats, ref: VideoRef, file: Path) -> None:
    """Raise LabelError where all boxes lie within one px of the corner: they are fractions of the frame."""
    if not len(corner) or min(ref.width, ref.height) < _LEAST_FRAME or corner.min() <= -1:
        return
    if (corner[:, :2] + corner[:, 2:]).max() <= _WITHIN:
        raise LabelError(
            f"the boxes of {file} lie within 0 to 1: they are fractions of the frame. Multiply left and width by "
            f"{ref.width}, top and height by {ref.height}."
        )


def _corners(corner: Floats, past: int, ref: VideoRef) -> list[str]:
    """That boxes may be written as two corners: many reach past the frame, and as corners all would fit."""
    left, top, right, bottom = corner.T
    if past <= _MOST_PAST * len(corner) or not ((right > left) & (bottom > top)).all():
        return []
    if right.max() > ref.width + 1 or bottom.max() > ref.height + 1:
        return []
    return ["as left, top, right, bottom all of its boxes would fit: if they are that, write width and height"]


def _untracked(identity: Ints, inside: NDArray[np.bool_]) -> list[str]:
    """That boxes have no track, some of them or all."""
    count = int((inside & (identity < 0)).sum())
    if not count or count < int(inside.sum()):
        return box_note(count, "without a track", "kept, and have no speed")
    return ["its boxes have no tracks, and so no speeds (--tracker links them)"]


def _tracks(
    frame: Ints, identity: Ints, names: Sequence[str], confidence: Floats, inside: NDArray[np.bool_]
) -> tuple[Ints, list[str]]:
    """Give each box its track, -1 for none; and say what was changed, and which boxes came without."""
    apart, by_class = _apart_by_class(frame, identity, names, inside)
    once, twice = _once_a_frame(frame, apart, confidence, inside)
    return once, [
        *(["tracks are numbered within each class in it: told apart"] if by_class else []),
        *box_note(twice, "of a track that has another one in the same frame", "kept without a track"),
        *_untracked(identity, inside),
    ]


def _apart_by_class(
    frame: Ints, identity: Ints, names: Sequence[str], inside: NDArray[np.bool_]
) -> tuple[Ints, bool]:
    """Number tracks by class, where one number is in a frame twice and never twice in one class."""
    rows = np.flatnonzero(inside & (identity >= 0))
    _, code = np.unique(np.asarray(names, dtype=np.str_)[rows], return_inverse=True)
    boxes = np.stack([frame[rows], identity[rows], code], axis=1)
    if len(np.unique(boxes[:, :2], axis=0)) == len(rows) or len(np.unique(boxes, axis=0)) < len(rows):
        return identity, False
    _, first, track = np.unique(boxes[:, 1:], axis=0, return_index=True, return_inverse=True)
    order = np.empty(len(first), dtype=np.int64)
    order[np.argsort(first)] = np.arange(len(first))
    identity = identity.copy()
    identity[rows] = order[track]
    return identity, True


def _once_a_frame(
    frame: Ints,
    identity: Ints,
    confidence: Floats,
    inside: NDArray[np.bool_],
) -> tuple[Ints, int]:
    """Tracks with one box a frame, the best or first; an object in two places at once has no speed."""
    rows = np.flatnonzero(inside & (identity >= 0))
    rows = rows[np.lexsort((-confidence[rows], identity[rows], frame[rows]))]
    again = np.zeros(len(rows), dtype=bool)
    again[1:] = (np.diff(frame[rows]) == 0) & (np.diff(identity[rows]) == 0)
    identity = identity.copy()
    identity[rows[again]] = -1
    return identity, int(again.sum())


def _unlabelled(labelled: Ints, frames: int, spec: str) -> list[str]:
    """That frames between or after the labelled ones have no boxes."""
    if not len(labelled):
        return []
    gap, last = int(np.ptp(labelled)) + 1 - len(labelled), int(labelled[-1])
    sentences = [f"{gap} frames between the first and the last labelled one have no boxes"] if gap else []
    if last + 1 <= EXTRACTED * frames + 0.5:
        ends = f"its boxes end at frame {last} of {frames}"
        fix = f" (where it speaks of every nth frame, add {with_option(spec, 'step=n')} to its name)"
        sentences.append(ends + fix * ("step=" not in spec.rpartition("?")[2]))
    return sentences
