"""From boxes and tracks to what a probe decodes. Knows source frames and px only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from worldprobe.labels import poses
from worldprobe.labels.speeds import rates
from worldprobe.records import Labels

if TYPE_CHECKING:
    from polars import DataFrame, Series

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Slower than this many box sizes (root of the area) a second is "still".
STILL_BELOW_SIZES_PER_SECOND = 0.2
# Labels of objects that are all but covered say where something is that nobody can see.
LEAST_VISIBLE = 0.1
# Columns of the labels that are tasks as they are, by the task's name and that of its dimension, if it has several.
_COLUMNS = {
    **{name: name for name in ("visible", "depth", "gripper", "contact", "grasped")},
    "time_to_contact": "time-to-contact",
    **{f"ee_{axis}": f"xyz.{axis}" for axis in "xyz"},
    **{f"ee_v{axis}": f"xyz-velocity.{axis}" for axis in "xyz"},
    **{f"camera_{axis}": f"camera-motion.{axis}" for axis in ("dx", "dy", "dz", "rx", "ry", "rz")},
}
# Columns of a dimension each, by what they begin with: state.x, action.0, joint.0, ...
_PREFIXES = {"state": "state", "action": "action", "joint": "joints", "depth": "depth"}
# Tasks that are read off the labels as they are.
MEASURED_TASKS = (
    "count", "pose", poses.RELATIVE,
    *dict.fromkeys(task.partition(".")[0] for task in (*_COLUMNS.values(), *_PREFIXES.values())),
)  # fmt: skip
# Of these, the ones of two classes: what the column says as 0 and as 1.
FLAGS = {"contact": ("no contact", "contact"), "grasped": ("not grasped", "grasped")}
# Tasks whose columns are the cosine and sine of an angle, or the first two columns of a rotation.
CIRCULAR_TASKS = ("direction", "pose")
# What a robot was to do, in words; not every labeller writes it.
TASK_COLUMN = "task"
# Which of a clip's objects are probed: the one with the most area times confidence, or each of them.
Subject = Literal["main", "all"]
# Anticlockwise from the right, in the picture; frames' y points down.
_COMPASS = ("right", "up right", "up", "up left", "left", "down left", "down", "down right")


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """One video's labels as arrays of rows, ordered by object, then frame.

    Attributes:
        frame, object: int64 [m]; object -1 is unknown.
        pts_seconds, confidence, weight: float64 [m]; weight is confidence times area.
        box: float64 [m, 4], centre and size in source px.
        speed: float64 [m, 2], source px a second, less the camera's where the labels have it; NaN where no
            track says.
        growth: float64 [m], logarithm of the area a second; NaN where no track says.
        name: class names [m].
        hidden: bool [m], all but covered by others.
        measured: float64 [m] by task, columns that are tasks as they are ("state.gripper", "visible", "xyz.x");
            and what poses are made of.
        factors: [m] by column, text or numbers: those that were asked for.
    """

    frame: Ints
    object: Ints
    pts_seconds: Floats
    confidence: Floats
    weight: Floats
    box: Floats
    speed: Floats
    growth: Floats
    name: NDArray[np.str_]
    hidden: NDArray[np.bool_]
    measured: dict[str, Floats]
    factors: dict[str, NDArray[Any]]

    def at(self, rows: Ints) -> Tracks:
        """These rows, by index [m]."""
        arrays: dict[str, Any] = {
            one.name: value[rows] for one in fields(self) if not isinstance(value := getattr(self, one.name), dict)
        }
        for name in ("measured", "factors"):
            arrays[name] = {key: values[rows] for key, values in getattr(self, name).items()}
        return Tracks(**arrays)


def tracks(labels: Labels, video: str, *, shots: Sequence[int] = (0,)) -> Tracks:
    """The rows of one video (its id), with each row's speed: against the world where the labels have the
    camera's (``camera_vx, camera_vy``; NaN where it is not known), else in the picture.

    Args:
        shots: the first frame of each shot: no speed is taken across a cut.
    """
    import polars as pl

    turn = poses.whole_turn(labels.table)
    return tracks_of(labels.table.filter(pl.col("video") == video), shots=shots, turn=turn)


def tracks_of(table: DataFrame, *, turn: float, shots: Sequence[int] = (0,), factors: Sequence[str] = ()) -> Tracks:
    """As ``tracks``, of a table of one video's labels.

    Args:
        turn: of all labels, as ``poses.whole_turn`` says.
        factors: further columns that are wanted of it.
    """
    table = table.sort("object", "frame")
    box = table.select("x", "y", "w", "h").to_numpy().astype(np.float64).reshape(-1, 4)
    frame, identity = table["frame"].to_numpy(), table["object"].to_numpy()
    pts_seconds = table["pts_seconds"].to_numpy()
    shot = np.searchsorted(np.asarray(shots), frame, side="right")
    # Boxes without extent have no area to grow.
    area = np.log(np.maximum(box[:, 2] * box[:, 3], 1e-9))
    found = rates(identity, shot, pts_seconds, np.column_stack([box[:, :2], area]))
    if {"vx", "vy"} <= set(table.columns):
        found[:, :2] = table.select("vx", "vy").to_numpy()
    if {"camera_vx", "camera_vy"} <= set(table.columns):
        found[:, :2] -= table.select("camera_vx", "camera_vy").to_numpy()
    confidence = table["confidence"].to_numpy().astype(np.float64)
    visible = table["visible"].to_numpy() if "visible" in table.columns else np.ones(len(table))
    return Tracks(
        frame=frame.astype(np.int64),
        object=identity.astype(np.int64),
        pts_seconds=pts_seconds.astype(np.float64),
        confidence=confidence,
        weight=confidence * box[:, 2] * box[:, 3],
        box=box,
        speed=found[:, :2],
        growth=found[:, 2],
        name=table["class"].fill_null("").to_numpy().astype(np.str_),
        hidden=np.asarray(visible < LEAST_VISIBLE),
        measured={
            task: table[name].to_numpy().astype(np.float64)
            for name in table.columns
            if (task := _task_of(name)) and _holds_numbers(table[name])
        }
        | poses.rotations(table)
        | poses.relative_actions(table, shot, turn=turn),
        factors={name: _factor(table[name]) for name in factors if name in table.columns},
    )


def _factor(column: Series) -> NDArray[Any]:
    """A column's numbers, or its text; "" where there is none."""
    if column.dtype.is_numeric():
        return np.asarray(column.to_numpy().astype(np.float64))
    import polars as pl

    return column.cast(pl.String).fill_null("").to_numpy().astype(np.str_)


def holds(task: str, measured: Mapping[str, Floats], factors: Mapping[str, NDArray[Any]]) -> bool:
    """Whether labels hold what a task is read from; those of boxes and tracks always do."""
    if task == TASK_COLUMN:
        return task in factors
    if task == "pose":
        return poses.known(measured)
    return task in measured or task not in MEASURED_TASKS


def _holds_numbers(column: Series) -> bool:
    return column.dtype.is_numeric() or str(column.dtype) == "Boolean"


def _task_of(column: str) -> str:
    """The task, and its dimension, that a column of the labels is; empty where it is none."""
    prefix, dot, dimension = column.partition(".")
    return f"{_PREFIXES[prefix]}.{dimension}" if dot and prefix in _PREFIXES else _COLUMNS.get(column, "")


def subjects(tracks: Tracks, frames: Sequence[int], *, which: Subject = "main") -> tuple[list[Ints], Counter[str]]:
    """The rows that speak of each of a clip's subjects at its sampled frames, and why the others do not.

    The main subject is one object for the whole clip: the one with the most area times confidence over the
    sampled frames. Rows without a track (object -1) each stand for themselves, the best of each frame.

    Args:
        frames: source frame of each sampled frame.
        which: "all" gives every track of the clip; without tracks there is only the best of each frame.
    """
    sampled = np.array(sorted(set(frames)))
    within = (tracks.frame >= sampled[0]) & (tracks.frame <= sampled[-1])
    on_frame = within & (sampled[np.searchsorted(sampled, tracks.frame).clip(max=len(sampled) - 1)] == tracks.frame)
    candidates = np.flatnonzero(on_frame & ~tracks.hidden)
    dropped = Counter(
        {
            "between sampled frames": int((within & ~on_frame).sum()),
            "hidden behind others": int((on_frame & tracks.hidden).sum()),
        }
    )
    rows = candidates[tracks.object[candidates] >= 0]
    found = []
    of = tracks.object[rows]
    if len(rows) and (of == of[0]).all():
        found = [rows]
    elif len(rows):
        names, code = np.unique(of, return_inverse=True)
        if which == "main":
            names = names[[np.bincount(code, weights=tracks.weight[rows]).argmax()]]
        found = [rows[of == name] for name in names]
    elif len(candidates):
        order = candidates[np.lexsort((-tracks.weight[candidates], tracks.frame[candidates]))]
        found = [order[np.unique(tracks.frame[order], return_index=True)[1]]]
    dropped["not the clip's subject"] = len(candidates) - sum(len(rows) for rows in found)
    return found, dropped


def kind(task: str) -> Literal["regression", "classification"]:
    """How a task is scored."""
    return "classification" if task in ("class", "motion", "motion8", TASK_COLUMN, *FLAGS) else "regression"


def flagged(task: str, values: Floats) -> NDArray[np.str_]:
    """``contact``, ``grasped``: the class of each value between 0 and 1, [n]; "" where it is NaN."""
    no, yes = FLAGS[task]
    return np.where(np.isnan(values), "", np.where(values >= 0.5, yes, no)).astype(np.str_)


def regression(task: str, *, box: Floats, speed: Floats, growth: Floats, frame_size: Floats) -> Floats:
    """``xy``, ``size``, ``velocity``, ``direction`` [n, 2] in the video's own units, or ``approach`` [n, 1].

    Args:
        box: [n, 4] centre and size in source px. speed: [n, 2] source px a second.
        growth: [n] logarithm of the area a second: how fast something looms (Lee 1976's tau is 2 over it).
        frame_size: [n, 2] width and height of each row's own video in px. Positions and sizes are in
            frame widths and heights, velocities in those a second.
    """
    if task == "approach":
        return growth[:, None]
    if task == "direction":
        return heading(box=box, speed=speed)
    values = {"xy": box[:, :2], "size": box[:, 2:], "velocity": speed}[task]
    return np.asarray(values / frame_size)


def direction(*, box: Floats, speed: Floats, directions: Literal[4, 8] = 4) -> NDArray[np.str_]:
    """``motion``, ``motion8``: "still", or the nearest of 4 or 8 directions; "" where there is no speed.

    Args:
        box: [n, 4] centre and size in source px. speed: [n, 2] source px a second, y pointing down.
    """
    known = np.isfinite(speed).all(axis=1)
    turns = np.arctan2(-speed[known, 1], speed[known, 0]) / (2 * np.pi) * directions
    names = np.full(len(speed), "", dtype=f"<U{max(map(len, _COMPASS))}")
    names[known] = np.array(_COMPASS[:: 8 // directions])[np.round(turns).astype(np.int64) % directions]
    return np.where(known & _still(box, speed), "still", names).astype(np.str_)


def heading(*, box: Floats, speed: Floats) -> Floats:
    """``direction``: cosine and sine of where a moving subject is heading, [n, 2]; NaN where it is still.

    A circular target, so that 359 and 1 degree are near each other. Anticlockwise from the right in the picture.

    Args:
        box: [n, 4] centre and size in source px. speed: [n, 2] source px a second, y pointing down.
    """
    length = np.hypot(speed[:, 0], speed[:, 1])
    moving = np.isfinite(length) & (length > 0) & ~_still(box, speed)
    result = np.full((len(speed), 2), np.nan)
    result[moving] = speed[moving] * [1.0, -1.0] / length[moving, None]
    return result


def _still(box: Floats, speed: Floats) -> NDArray[np.bool_]:
    """Slower than a fifth of the box's size a second."""
    slow = np.hypot(speed[:, 0], speed[:, 1]) < STILL_BELOW_SIZES_PER_SECOND * np.sqrt(box[:, 2] * box[:, 3])
    return np.asarray(slow)
