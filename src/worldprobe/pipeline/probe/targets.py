"""Targets: what a task asks of moments, in numbers or classes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from worldprobe.labels import poses, targets
from worldprobe.pipeline.probe.moments import Floats, Ints, LabelledTubelets
from worldprobe.probes.metrics import varying
from worldprobe.probes.splits import SplitRows

# A class must be met in this many groups to stand on both sides of a split.
_LEAST_GROUPS_PER_CLASS = 2
_LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """One task over all moments: ``values`` float64 [n, k]; ``usable`` says for which rows it is known."""

    values: Floats
    usable: NDArray[np.bool_]
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()


def target(moments: LabelledTubelets, task: str, group: Ints) -> Target:
    """What a task asks of each moment.

    A class that fewer than two groups hold cannot be learnt from some and tested on others; its rows are
    left out, and a note says so.
    """
    if targets.kind(task) == "regression":
        size = moments.frame_size
        if task == "pose":
            values = poses.pose(moments.measured)
        elif task in moments.measured:
            values = moments.measured[task][:, None]
        else:
            values = targets.regression(
                task, box=moments.box, speed=moments.speed, growth=moments.growth, frame_size=size
            )
        usable: NDArray[np.bool_] = np.asarray(np.isfinite(values).all(axis=1))
        return Target(values, usable, (), _without(moments, task, usable))
    if task == "class":
        names = moments.name
    elif task == targets.TASK_COLUMN:
        names = moments.factors[task].astype(np.str_)
    elif task in targets.FLAGS:
        names = targets.flagged(task, moments.measured[task])
    else:
        names = targets.direction(box=moments.box, speed=moments.speed, directions=8 if task == "motion8" else 4)
    known = of_classes(names, group)
    if task in ("class", targets.TASK_COLUMN):
        return known
    return replace(known, notes=(*known.notes, *_without(moments, task, names != "")))


def of_classes(names: NDArray[np.str_], group: Ints) -> Target:
    """Make a target of class names [n]: "" is not known, and a class in fewer than two groups [n] is left out."""
    present = [str(name) for name in np.unique(names) if name]
    enough = [n for n in present if len(np.unique(group[names == n])) >= _LEAST_GROUPS_PER_CLASS]
    rare = [name for name in present if name not in enough]
    code = {name: index for index, name in enumerate(enough)}
    values = np.array([[code.get(str(name), -1)] for name in names], dtype=np.float64).reshape(-1, 1)
    notes = (f"{_LEFT_OUT}, in fewer than {_LEAST_GROUPS_PER_CLASS} groups: {', '.join(rare)}",) if rare else ()
    return Target(values, np.array([str(name) in code for name in names], dtype=np.bool_), tuple(enough), notes)


def unaskable(task: str, known: Target) -> str:
    """Why a task cannot be probed, and what would make it so; empty when it can."""
    usable = known.values[known.usable]
    if targets.kind(task) == "classification" and len(known.classes) < 2:
        if known.classes:
            why = "; ".join([f"{task} is constant: always {known.classes[0]!r}", *known.notes])
            return f"{why}. Add video that shows another in {_LEAST_GROUPS_PER_CLASS} groups or more"
        why = "; ".join(known.notes)
        if any(note.startswith(_LEFT_OUT) for note in known.notes):
            return f"{why}. To be learnt in some groups and met in others, a class has to be in two: add groups"
        return "the labeller gives no classes" if task == "class" else why or "no usable labels"
    if not len(usable):
        return "; ".join(known.notes) or "no usable labels"
    if not known.classes and not varying(usable).any():
        return f"{task} is constant. Add video in which it varies"
    return ""


def _without(moments: LabelledTubelets, task: str, known: NDArray[np.bool_]) -> tuple[str, ...]:
    """How many moments a task has no value for, and why; nothing where it is known of all."""
    if known.all():
        return ()
    count = f"{int((~known).sum())} moments without"
    if task == "pose":
        return _without_pose(moments, known)
    if task in moments.measured:
        ahead = f" {poses.AHEAD} steps ahead" if task.startswith(poses.RELATIVE) else ""
        return (f"{count} a value{ahead}",)
    grows = np.isfinite(moments.growth)
    still = np.isfinite(moments.speed).all(axis=1) if task != "approach" else np.zeros(len(moments), np.bool_)
    reasons = {
        "still": still,
        "without a track": ~moments.tracked & ~still,
        "whose track has no other label near enough in time": moments.tracked & ~grows & ~still,
        "where the camera's motion, or the speed itself, is not known": moments.tracked & grows & ~still,
    }
    counted = {why: int((rows & ~known).sum()) for why, rows in reasons.items()}
    counts = ", ".join(f"{many} {why}" for why, many in counted.items() if many)
    what = {"velocity": "a speed", "approach": "a speed"}.get(task, "a direction")
    return (f"{count} {what}: {counts}",)


def _without_pose(moments: LabelledTubelets, known: NDArray[np.bool_]) -> tuple[str, ...]:
    """How many moments' subjects have no rotation that could be seen, or none at all."""
    alike = poses.shapeless(moments.measured)
    found = []
    if alike.any():
        names = ", ".join(sorted({str(name) for name in np.unique(moments.name[alike]) if name})) or "no class"
        found.append(f"{int(alike.sum())} moments of what looks alike however it is turned left out ({names})")
    if unknown := int((~known & ~alike).sum()):
        found.append(f"{unknown} moments without a rotation")
    return tuple(found)


def split_rows(moments: LabelledTubelets, usable: NDArray[np.bool_] | slice = slice(None)) -> SplitRows:
    """Describe the usable moments (bool [n]; all unless given) to a split."""
    return SplitRows(
        group=moments.group[usable],
        video=moments.recording[usable],
        pts_seconds=moments.recording_seconds[usable],
        clip_seconds=moments.clip_seconds,
    )
