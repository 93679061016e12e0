"""Labels as the original experiment made them: frames evenly over each film, one box a frame, naive motion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.labels import targets
from worldprobe.records import Labels, VideoRef

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
STILL_BELOW = 0.02  # of a frame, on both axes: a smaller difference of centres is "still"
LEAST_PER_CLASS = 3  # samples that a class needs, or they are left out


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """The most confident box of each labelled frame among those looked at: a row each, film by film, in order.

    Attributes:
        film, frame: int64 [n], position in the list of films, and the frame.
        pts_seconds: float64 [n], within its film.
        box: float64 [n, 4], centre and size in source px.
        name: class names [n].
        own_size: float64 [n, 2], width and height of each row's own film in px.
        first_size: float64 [2], of the first film.
        speed: float64 [n, 2], of the track that each box belongs to, source px a second; NaN where there is none.
        shot: int64 [n], which shot of all films each frame lies in, or which episode it shows.
        looked_at: frames that were looked at, those without a box included.
    """

    film: Ints
    frame: Ints
    pts_seconds: Floats
    box: Floats
    name: NDArray[np.str_]
    own_size: Floats
    first_size: Floats
    speed: Floats
    shot: Ints
    looked_at: int

    def __len__(self) -> int:
        return len(self.film)

    def take(self, rows: Ints) -> Boxes:
        """Some of the rows, in their order; what was looked at stays what it was."""
        per_row = ("film", "frame", "pts_seconds", "box", "name", "own_size", "speed", "shot")
        kept = {name: getattr(self, name)[rows] for name in per_row}
        return Boxes(**kept, first_size=self.first_size, looked_at=self.looked_at)


def evenly(frames: int, count: int, *, every: int = 1) -> Ints:
    """``count`` frames evenly over a film, the first and the last among them; all of them where it has no more.

    Args:
        every: of every so many frames only, those that a detector has looked at.
    """
    there = np.arange(0, frames, every)
    places = np.linspace(0, len(there) - 1, min(count, len(there))).astype(np.int64)
    return np.asarray(there[np.unique(places)], dtype=np.int64)


def most_confident(
    labels: Labels,
    films: Sequence[VideoRef],
    looked_at: Sequence[Ints],
    shots: Sequence[Sequence[int]],
    groups: Sequence[Ints] | None = None,
) -> Boxes:
    """Of the frames looked at in each film, the single most confident box; the first of those that are equal.

    Args:
        looked_at: frames of each film. shots: the first frame of each of its shots.
        groups: the group of each of its shots; each shot is one where they are not given.
    """
    parts: list[dict[str, NDArray[Any]]] = []
    if groups is None:
        ends = np.cumsum([len(starts) for starts in shots])
        groups = [np.arange(end - len(starts), end) for end, starts in zip(ends, shots, strict=True)]
    for film, (ref, frames, starts) in enumerate(zip(films, looked_at, shots, strict=True)):
        tracks = targets.tracks(labels, ref.id, shots=starts)
        rows = np.flatnonzero(np.isin(tracks.frame, frames) & ~tracks.hidden)
        order = rows[np.lexsort((rows, -tracks.confidence[rows], tracks.frame[rows]))]
        rows = order[np.unique(tracks.frame[order], return_index=True)[1]]
        shot = np.searchsorted(np.asarray(starts), tracks.frame[rows], side="right") - 1
        parts.append(
            {
                "film": np.full(len(rows), film),
                "frame": tracks.frame[rows],
                "pts_seconds": tracks.pts_seconds[rows],
                "box": tracks.box[rows],
                "name": tracks.name[rows],
                "own_size": np.tile(np.array([[ref.width, ref.height]], dtype=np.float64), (len(rows), 1)),
                "speed": tracks.speed[rows],
                "shot": groups[film][shot],
            }
        )
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    first = np.array([films[0].width, films[0].height], dtype=np.float64)
    looked = sum(len(frames) for frames in looked_at)
    return Boxes(**columns, first_size=first, looked_at=looked)


def naive_motion(boxes: Boxes, size: Floats) -> NDArray[np.str_]:
    """From each labelled frame to the next, whatever object, cut or film lies between: [n] names.

    Under 0.02 on both axes it is "still", else the larger axis says right, left, down or up; the first is "still".

    Args:
        size: width and height in px that centres are divided by, float64 [2] or [n, 2].
    """
    centre = boxes.box[:, :2] / size
    moved = np.diff(centre, axis=0, prepend=centre[:1])
    x, y = moved[:, 0], moved[:, 1]
    sideways = np.abs(x) >= np.abs(y)
    axis = np.where(sideways, np.where(x > 0, "right", "left"), np.where(y > 0, "down", "up"))
    still = (np.abs(x) < STILL_BELOW) & (np.abs(y) < STILL_BELOW)
    return np.where(still, "still", axis).astype(np.str_)


def tracked_motion(boxes: Boxes) -> NDArray[np.str_]:
    """The direction of the box's own track around the frame; "" where there is no track to take it from."""
    return targets.direction(box=boxes.box, speed=boxes.speed)
