"""moving: whatever moves against the world behind it, the camera's motion taken out. No weights, no classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, groupby, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import LabelError
from worldprobe.labels.motion.background import Background, RegisteredFrame
from worldprobe.labels.motion.register import Grey, scale_of, shrink
from worldprobe.labels.motion.stillness import SECONDS, Region, Stillness
from worldprobe.labels.track import drop_short, link
from worldprobe.protocols import FrameSource
from worldprobe.records import Labels

_LEAST_AREA = 0.0008  # of the frame
_MOST_MOVING = 0.4  # of the frame: more is a cut or a camera that could not be followed, not an object
_MOST_LOST = 0.2  # of the frames: beyond it a film is too shaky
_WARM_UP_FRAMES = 36
_LEAST_SECONDS = 0.3
_LEAST_WAY = 0.25  # of its size, that a track that does not last has to go
_FEW_LEFT_OUT = 0.01  # of the boxes, that no word is lost on
# Tracks that are but fragments: so many and so many a second of labelled film, half of them shorter than this.
_MANY_TRACKS, _MANY_A_SECOND, _SHORT_SECONDS = 20, 4.0, 1.0


class Moving:
    """moving: regions that move against the background; no weights, no classes."""

    name = "moving"

    def __init__(self, argument: str | None = None) -> None:
        if argument is not None:
            raise LabelError(f"moving takes no argument, got {argument!r}")

    def label(self, video: FrameSource) -> Labels:
        """Boxes of moving regions, linked to tracks; ``confidence`` is the share of the box that moves.

        The first frames of each shot give its background, by their median; it follows a camera that pans or
        tilts. A frame of which more than 40 % moves has no boxes and starts the background anew: a camera that
        cannot be followed gives no labels rather than wrong ones. ``notes`` of the labels say so where that is
        more than a fifth of the frames, and where nothing was found at all.
        """
        ref = video.ref
        scale = scale_of(ref.height)
        followed = _Followed()
        found: dict[str, list[Any]] = {key: [] for key in ("frame", "x", "y", "w", "h", "confidence")}
        changing: list[bool] = []
        for frames in _by_shot(video):
            still = Stillness(video.pts_seconds)
            greys = ((index, shrink(picture, scale)) for index, picture in frames)
            for index, mask in _masks(greys, followed, still):
                still.ask(index, _collect(found, index, mask, scale, ref.width, ref.height))
                changing += chain.from_iterable(still.judged())
            changing += chain.from_iterable(still.judged(end=True))
        frame = np.array(found["frame"], dtype=np.int64)
        n = len(frame)
        labels = Labels.from_columns(
            **{
                "video": [ref.id] * n, "frame": frame, "pts_seconds": video.pts_seconds[frame],
                "object": np.full(n, -1), "class": [""] * n, "x": found["x"], "y": found["y"], "w": found["w"],
                "h": found["h"], "confidence": found["confidence"], "source": [self.name] * n,
            }
        )  # fmt: skip
        # Linked before what rests is left out, so that what moves on is known again.
        linked = link(labels, shots=video.shots)
        all_of_them = drop_short(linked, seconds=_LEAST_SECONDS)
        kept = replace(linked, table=linked.table.filter(_awake(linked, np.array(changing, dtype=bool))))
        kept = _going_somewhere(drop_short(kept, seconds=_LEAST_SECONDS))
        notes = _notes(ref.path, followed, found=len(kept.table)) or _fragments(ref.path, kept)
        notes += _left_out(ref.path, len(kept.table), len(all_of_them.table))
        return replace(kept, notes=notes)


@dataclass(slots=True)
class _Followed:
    """How many frames were looked at, in how many of them most of the picture moved against the background
    (``lost``), and in how many it was not where a shift could have taken it from the frame before (``changed``)."""

    frames: int = 0
    lost: int = 0
    changed: int = 0


def _notes(path: str, followed: _Followed, *, found: int) -> tuple[str, ...]:
    """What a user must know of a film that is too shaky or too still."""
    detector = "Use a detector: --labeller onnx:FILE or hf:HUB_ID."
    beyond = max(followed.lost, followed.changed)
    if beyond > _MOST_LOST * followed.frames:
        return (
            f"{path} is too shaky for moving: in {beyond} of {followed.frames} frames the camera cannot be "
            f"followed (zoom, roll, speed, or something near that fills the picture). {detector}",
        )
    if not found:
        return (
            f"{path} is too still for moving: nothing larger than {_LEAST_AREA:.2%} of the picture moves against "
            f"it for {_LEAST_SECONDS} s. If there are objects that stand still, moving cannot see them. {detector}",
        )
    return ()


def _awake(labels: Labels, changing: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which boxes count, bool [n]: those in which something changes, and those of a short pause between them."""
    seconds, objects = labels.table["pts_seconds"].to_numpy(), labels.table["object"].to_numpy()
    awake = changing.copy()
    for track in np.unique(objects[~changing]):
        rows = np.flatnonzero(objects == track)
        moving = np.flatnonzero(changing[rows])
        for before, after in pairwise(moving.tolist()):
            pause = rows[before + 1 : after]
            if len(pause) and seconds[pause[-1]] - seconds[pause[0]] < SECONDS:
                awake[pause] = True
    return awake


def _going_somewhere(labels: Labels) -> Labels:
    """Without the tracks that neither last nor go anywhere: what is left of a thing that vanished or was lit."""
    import polars as pl

    def extent(name: str) -> pl.Expr:
        return pl.col(name).max().over("object") - pl.col(name).min().over("object")

    brief = extent("pts_seconds") <= 2 * SECONDS + 1e-9
    near = pl.all_horizontal(
        extent(place) < _LEAST_WAY * pl.col(size).median().over("object")
        for place, size in (("x", "w"), ("y", "h"))
    )
    return replace(labels, table=labels.table.filter(~(brief & near)))


def _left_out(path: str, kept: int, found: int) -> tuple[str, ...]:
    if found - kept <= _FEW_LEFT_OUT * found:
        return ()
    return (
        f"{path}: {found - kept} of {found} boxes that moving found were left out, since nothing changes in them "
        f"for {SECONDS} s before and after (things at rest, or the places of things that were taken away).",
    )


def _fragments(path: str, labels: Labels) -> tuple[str, ...]:
    """That tracks are short and many, which no object's are."""
    import polars as pl

    times = labels.table.group_by("object").agg(
        span=pl.col("pts_seconds").max() - pl.col("pts_seconds").min()
    )["span"].to_numpy()  # fmt: skip
    seconds = labels.table["pts_seconds"].n_unique() * _step(labels) if len(times) else 0.0
    if len(times) < _MANY_TRACKS or len(times) < _MANY_A_SECOND * seconds or np.median(times) >= _SHORT_SECONDS:
        return ()
    return (
        f"{path}: what moving found is fragments: {len(times)} tracks in {seconds:.0f} s of labelled film, half of "
        f"them shorter than {np.median(times):.1f} s, so they are hardly objects. Look at them (`worldprobe label "
        "--preview`), or use a detector: --labeller onnx:FILE or hf:HUB_ID.",
    )


def _step(labels: Labels) -> float:
    """Time between neighbouring labelled frames."""
    steps = np.diff(np.unique(labels.table["pts_seconds"].to_numpy()))
    return float(np.median(steps)) if len(steps) else 0.0


def _by_shot(video: FrameSource) -> Iterator[Iterator[tuple[int, NDArray[np.uint8]]]]:
    """The frames of each shot in turn, in one pass over the video."""
    starts = np.array(video.shots)
    for _, frames in groupby(video.frames(), key=lambda one: int(np.searchsorted(starts, one[0], side="right"))):
        yield frames


def _masks(
    frames: Iterator[tuple[int, Grey]], followed: _Followed, still: Stillness
) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """What moves in each frame of one shot, which ``still`` is shown; nothing for frames of which too much does."""
    background: Background | None = None
    waiting: list[RegisteredFrame] = []
    newest: RegisteredFrame | None = None
    for index, grey in frames:
        newest = RegisteredFrame.after(newest, index, grey)
        still.show(newest, oldest=waiting[0].index if waiting else index)
        followed.frames += 1
        followed.changed += newest.moved is not None and newest.moved.changed
        if background is not None:
            mask = background.moving(newest, step=newest.step)
            if mask.mean() <= _MOST_MOVING:
                yield index, mask
                continue
            background = None
        waiting.append(newest)
        if len(waiting) >= _WARM_UP_FRAMES:
            background, good, waiting = _begin(waiting)
            followed.lost += _WARM_UP_FRAMES - len(good) - len(waiting)
            yield from good
    while waiting:
        _, good, rest = _begin(waiting)
        followed.lost += len(waiting) - len(good) - len(rest)
        waiting = rest
        yield from good


def _begin(
    frames: list[RegisteredFrame],
) -> tuple[Background | None, list[tuple[int, NDArray[np.bool_]]], list[RegisteredFrame]]:
    """A background by the median of some frames, with what moves in them.

    Returns:
        The background, what moves in each frame that it holds for, and the frames after one that it does not
        hold for (then there is no background), to begin from again.
    """
    background = Background.of(frames)
    good: list[tuple[int, NDArray[np.bool_]]] = []
    for number, seen in enumerate(frames):
        mask = background.moving(seen, step=seen.step if number else np.zeros(2))
        if mask.mean() > _MOST_MOVING:
            return None, good, frames[number + 1 :]
        good.append((seen.index, mask))
    return background, good, []


def _collect(
    found: dict[str, list[Any]], frame: int, mask: NDArray[np.bool_], scale: int, width: int, height: int
) -> list[Region]:
    """Write the boxes of a mask's regions down, in source px, and give the regions themselves."""
    from scipy.ndimage import binary_closing, binary_opening, find_objects, label

    clean = binary_closing(binary_opening(mask, np.ones((2, 2))), np.ones((5, 3)))
    regions, _ = label(clean, structure=np.ones((3, 3)))
    written: list[Region] = []
    for number, (rows, columns) in enumerate(find_objects(regions), start=1):
        inside = regions[rows, columns] == number
        if inside.sum() < _LEAST_AREA * mask.size:
            continue
        left, top = columns.start * scale, rows.start * scale
        right, bottom = min(columns.stop * scale, width), min(rows.stop * scale, height)
        values = {
            "frame": frame, "x": (left + right) / 2, "y": (top + bottom) / 2, "w": float(right - left),
            "h": float(bottom - top), "confidence": float(inside.mean()),
        }  # fmt: skip
        for key, value in values.items():
            found[key].append(value)
        written.append((rows, columns, inside))
    return written
