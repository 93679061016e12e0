"""The steps from the original protocol to the sound one, and what each asks of the labelled frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldprobe.controls import Control
from worldprobe.labels import original, targets
from worldprobe.labels.original import LEAST_PER_CLASS, Boxes
from worldprobe.pipeline.groups import recordings
from worldprobe.pipeline.probe.plan import Plan
from worldprobe.pipeline.probe.targets import Target
from worldprobe.plugins import registry
from worldprobe.probes.splits import SplitRows, units
from worldprobe.protocols import Probe
from worldprobe.results import WATERFALL
from worldprobe.store import Input, Series

Rows = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Labelled frames, and what each encoder makes of them.

    Attributes:
        boxes: n labelled frames.
        inputs: float32 [n, d] by input and control ("none" for the encoder itself, "random-init", "pixels"): the
            mean over all tokens of the frame's clip.
        held: bool [n] by input: the frames that all of them have.
        tap: of the encoder itself. series: of its stills; for the names of its twin.
        clip_seconds: the time that a native clip spans.
    """

    boxes: Boxes
    inputs: Mapping[tuple[Input, Control], Rows]
    held: Mapping[Input, NDArray[np.bool_]]
    tap: str
    series: Sequence[Series]
    clip_seconds: float


@dataclass(frozen=True, slots=True)
class ProtocolStep:
    """The protocol's name, and which corrections it has taken."""

    protocol: str
    own_size: bool
    controls: bool
    native: bool
    grouped: bool
    chosen: bool
    tracked: bool

    @property
    def input(self) -> Input:
        return "native" if self.native else "still"

    def concerns(self, task: str) -> tuple[object, ...]:
        """Which of its corrections a task's score depends on."""
        scale = self.own_size if task in ("xy", "size") or (task == "motion" and not self.tracked) else None
        return scale, self.controls, self.native, self.grouped, self.chosen, self.tracked and task == "motion"


STEPS = tuple(ProtocolStep(name, *(taken > index for index in range(6))) for taken, name in enumerate(WATERFALL))


def target(boxes: Boxes, task: str, step: ProtocolStep, held: NDArray[np.bool_], unit: Ints) -> Target:
    """What a task asks of each labelled frame at a step."""
    size = boxes.own_size if step.own_size else boxes.first_size
    if task in ("xy", "size"):
        values = (boxes.box[:, :2] if task == "xy" else boxes.box[:, 2:]) / size
        return Target(values, held, ())
    if task == "class":
        names = boxes.name
    else:
        names = original.tracked_motion(boxes) if step.tracked else original.naive_motion(boxes, size)
    present, counts = np.unique(names[held & (names != "")], return_counts=True)
    rare = [str(name) for name, count in zip(present, counts, strict=True) if count < LEAST_PER_CLASS]
    notes = [f"left out, fewer than {LEAST_PER_CLASS} samples: {', '.join(rare)}"] if rare else []
    kept = [str(name) for name in present if name not in rare]
    if step.grouped:
        lone = [name for name in kept if len(np.unique(unit[held & (names == name)])) < 2]
        kept = [name for name in kept if name not in lone]
        notes += [f"left out, in fewer than 2 groups: {', '.join(lone)}"] if lone else []
    if lost := int((held & (names == "")).sum()):
        of_speed = "a speed: without a track, or no other label of it near enough in time"
        notes.append(f"{lost} frames without {'a class' if task == 'class' else of_speed}")
    code = {name: index for index, name in enumerate(kept)}
    values = np.array([[code.get(str(name), -1)] for name in names], dtype=np.float64).reshape(-1, 1)
    usable = held & np.array([str(name) in code for name in names], dtype=np.bool_)
    return Target(values, usable, tuple(kept), tuple(notes))


def probe_for(task: str, plan: Plan) -> Probe:
    regression = targets.kind(task) == "regression"
    probe: Probe = registry.create("probes", plan.regression_probe if regression else plan.classification_probe)
    return probe


def split_rows(boxes: Boxes, clip_seconds: float) -> SplitRows:
    """Describe labelled frames to a split."""
    recording, seconds = recordings(boxes.film, boxes.shot, boxes.pts_seconds, apart=clip_seconds)
    return SplitRows(boxes.shot, recording, seconds, clip_seconds)


def unit_of(material: Material, plan: Plan) -> Ints:
    """What the sound end keeps together and every step resamples, for each labelled frame."""
    return units(split_rows(material.boxes, material.clip_seconds), plan.split)
