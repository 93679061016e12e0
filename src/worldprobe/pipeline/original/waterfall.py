"""From the original protocol to the sound one, a correction at a time."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from worldprobe.controls import Control
from worldprobe.errors import ProbeError
from worldprobe.labels import targets
from worldprobe.pipeline.original.published import as_published
from worldprobe.pipeline.original.steps import (
    STEPS,
    Material,
    ProtocolStep,
    probe_for,
    split_rows,
    target,
    unit_of,
)
from worldprobe.pipeline.probe.answers import Answers, Probed, ProbeTask, beside_controls, lines, unmeasured
from worldprobe.pipeline.probe.evidence import power_of, with_power
from worldprobe.pipeline.probe.fit import answer
from worldprobe.pipeline.probe.plan import METRICS, Plan
from worldprobe.pipeline.probe.targets import unaskable
from worldprobe.pipeline.probe.verdicts import verdicts_of
from worldprobe.pipeline.progress import Progress, silent
from worldprobe.probes import controls as floors
from worldprobe.probes.detection.memory import remembered
from worldprobe.probes.question import Question
from worldprobe.probes.splits import Folds, SplitRows, make_folds, units
from worldprobe.protocols import Fitted, Probe, TrainingSet
from worldprobe.results import PowerResult, ProbeResult, VerdictResult

Line = ProbeResult | PowerResult | VerdictResult


def waterfall(material: Material, plan: Plan, *, progress: Progress = silent) -> list[Line]:
    """Every task at every step. ``plan`` is that of the sound end: its split is the one that comes in.

    A step that does not concern a task gives it the score that it had. Every step scores the same frames as far as
    it can: from ``original+native`` on, those in shots shorter than a clip are left out.
    """
    known: dict[tuple[object, ...], list[Line]] = {}
    results: list[Line] = []
    for number, step in enumerate(STEPS):
        open_ = [task for task in plan.tasks if (task, *step.concerns(task)) not in known]
        fresh = _step(material, plan, step, open_) if open_ else []
        for task in open_:
            known[task, *step.concerns(task)] = [line for line in fresh if line.task == task]
        for task in plan.tasks:
            lines = known[task, *step.concerns(task)]
            results += [line.model_copy(update={"protocol": step.protocol}) for line in lines]
        progress("waterfall", number + 1, len(STEPS))
    return results


def _step(material: Material, plan: Plan, step: ProtocolStep, tasks: Sequence[str]) -> list[Line]:
    return _sound(material, plan, step, tasks) if step.controls else [*as_published(material, plan, step, tasks)]


def _sound(material: Material, plan: Plan, step: ProtocolStep, tasks: Sequence[str]) -> list[Line]:
    """Every frame scored once, out of fold, against the training folds' mean or majority, beside every control.

    Where the penalty is chosen, effects are planted, and the readings are judged.
    """
    split = plan.split if step.grouped else "random"
    at = replace(plan, split=split, input=step.input, tasks=tuple(tasks), features=("z",))
    result = Probed(series=list(material.series))
    unit = unit_of(material, plan)
    probe_tasks = []
    for task in tasks:
        known = target(material.boxes, task, step, material.held[step.input], unit)
        probe = probe_for(task, plan)
        try:
            if why := unaskable(task, known):
                raise ProbeError(why)
            rows = np.flatnonzero(known.usable)
            frames = split_rows(material.boxes.take(rows), material.clip_seconds)
            memory = remembered(plan.split, known.values[known.usable], len(known.classes), frames)
            folds = _folds(frames, at, plan, memory, chosen=step.chosen)
            # The sound end tells its own leak, as any sound score does.
            leaky = _folds(frames, replace(at, split="random"), plan, memory, chosen=True) if step.chosen else None
            if leaky:
                leaky = leaky.as_large_as(folds, plan.seed)
        except ProbeError as error:
            metrics = METRICS[targets.kind(task)]
            result.results += [unmeasured(at, task, "z", metric, probe.name, str(error)) for metric in metrics]
            continue
        question = Question(
            task, probe if step.chosen else _Fixed(probe), known.values[known.usable], len(known.classes)
        )
        probe_tasks.append(ProbeTask(task, probe.name, known, question, folds, leaky, known.notes))
    if not probe_tasks:
        return [*result.results]
    planted: dict[Hashable, Question] | None = {} if step.chosen else None
    found = _answers(material, step, at, probe_tasks, planted)
    answered = beside_controls(at, probe_tasks, found, material.tap, "z", twin=material.series[0].twin)
    judged = list[Line]()
    if planted is not None:
        answered = [with_power(one, planted, found["none"]) for one in answered]
        power = power_of(answered)
        judged += [*power, *verdicts_of(answered, power)]
    return [*result.results, *lines(answered), *judged]


def _answers(
    material: Material,
    step: ProtocolStep,
    plan: Plan,
    probe_tasks: Sequence[ProbeTask],
    planted: dict[Hashable, Question] | None,
) -> dict[Control, Answers]:
    """What the real probe and each control that was read answer."""
    boxes, real = material.boxes, material.inputs[step.input, "none"]
    shuffle = "shuffled" in plan.controls
    found: dict[Control, Answers] = {
        "none": answer(real, probe_tasks, leaky=True, shuffle=shuffle, seed=plan.seed, planted=planted)
    }
    for input, control in material.inputs:
        if input == step.input and control != "none":
            found[control] = answer(material.inputs[input, control], probe_tasks)
    if "gaussian" in plan.controls:
        found["gaussian"] = answer(floors.gaussian((real.shape[0], real.shape[1]), seed=plan.seed), probe_tasks)
    for control, make in floors.COLUMNS.items():
        if control in plan.controls:
            _, shot = np.unique(np.stack((boxes.film, boxes.shot), axis=1), axis=0, return_inverse=True)
            rows = make(boxes.film, boxes.pts_seconds, material.clip_seconds, shot.reshape(-1))
            found[control] = answer(rows, probe_tasks)
    return found


class _Fixed:
    """A probe whose penalty is not chosen: scikit-learn's defaults, alpha = 1 and C = 1."""

    strengths: tuple[float, ...] = (1.0,)

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self.name = probe.name
        self.kind: Literal["regression", "classification"] = probe.kind

    def fit(
        self,
        training: TrainingSet,
        target: NDArray[np.float64],
        *,
        strength: float,
        classes: int,
        start: Fitted | None = None,
    ) -> Fitted:
        """As the probe's own."""
        return self._probe.fit(training, target, strength=strength, classes=classes, start=start)


def _folds(rows: SplitRows, at: Plan, sound: Plan, memory: float, *, chosen: bool) -> Folds:
    folds = make_folds(rows, kind=at.split, seed=at.seed, memory_seconds=memory)
    if not chosen:  # without inner folds a probe is fitted at its only strength
        folds = replace(folds, folds=tuple(replace(fold, inner=()) for fold in folds.folds))
    return replace(folds, unit=units(rows, sound.split, memory_seconds=memory))
