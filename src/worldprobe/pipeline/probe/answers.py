"""Tasks of probes, their answers, and the lines of results that these become."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from worldprobe.controls import CONTROLS, Control
from worldprobe.encoders.load import control_encoders
from worldprobe.intervals import Draws
from worldprobe.pipeline.probe.moments import LabelledTubelets
from worldprobe.pipeline.probe.plan import Plan
from worldprobe.pipeline.probe.targets import Target
from worldprobe.probes import controls
from worldprobe.probes.detection.by_group import indicators
from worldprobe.probes.detection.power import Detectable
from worldprobe.probes.evaluate import OutOfFold, draws, evidence
from worldprobe.probes.question import Question
from worldprobe.probes.splits import Folds
from worldprobe.records import Block
from worldprobe.results import EvidenceLine, Metric, ProbeResult, UnlabelledResult
from worldprobe.store import Series

if TYPE_CHECKING:
    import polars as pl

# By question and variant: "real", "shuffled", "random" (the leaky split).
Answers = dict[tuple[Hashable, str], OutOfFold]
# What fits are for, as they are counted.
QUESTIONS, CURVES = "questions", "learning curves"


@dataclass(frozen=True, slots=True, eq=False)
class ProbeTask:
    """A task over the rows on which it is known, with its folds and its question; ``probe`` as results name it."""

    task: str
    probe: str
    target: Target
    question: Question
    folds: Folds
    leaky: Folds | None
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Answered:
    """What one probe answered at one place, or what a control did beside it."""

    plan: Plan
    probe_task: ProbeTask
    tap: str
    features: str
    control: Control
    encoder: str
    question: Question
    answer: OutOfFold
    folds: Folds
    taps: tuple[str, ...] = ()
    detectable: Detectable | None = None

    @cached_property
    def draws(self) -> dict[str, Draws]:
        """Each metric, and what it is on each resample of the groups; paired wherever the groups are the same."""
        return draws(self.question, self.answer, self.folds.unit, seed=self.plan.seed)

    @property
    def main(self) -> Draws:
        """The metric that is judged."""
        return next(iter(self.draws.values()))

    @property
    def over_constant(self) -> Draws:
        """The judged metric less that of the training folds' constant; as it is for R², whose constant has 0."""
        if not self.question.classes:
            return self.main
        constant = OutOfFold(self.answer.constant, self.answer.constant, ())
        found = draws(self.question, constant, self.folds.unit, seed=self.plan.seed)
        return self.main.less(next(iter(found.values())))

    @cached_property
    def z(self) -> float | None:
        """The test of whether the target is there at all; None of a constant, which holds nothing."""
        return None if self.control == "majority" else evidence(self.question, self.answer, self.folds.unit)

    @property
    def leaky(self) -> bool:
        """Scored under the random split, only to tell the leak."""
        return self.folds.kind == "random" and self.plan.split != "random"


@dataclass(slots=True)
class Probed:
    """Scores, evidence, features without labels, tables of all answers; what became of the labels; series, moments,
    last block probed; how many fits that took, by what they were for."""

    results: list[ProbeResult] = field(default_factory=list)
    evidence: list[EvidenceLine] = field(default_factory=list)
    unlabelled: list[UnlabelledResult] = field(default_factory=list)
    answered: list[Answered] = field(default_factory=list)
    kept: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    series: list[Series] = field(default_factory=list)
    moments: LabelledTubelets | None = None
    block: Block = 0
    answers: list[pl.DataFrame] = field(default_factory=list)
    fits: dict[str, int] = field(default_factory=dict)


def numbers(question: Question) -> NDArray[np.float64]:
    """A question's target as numbers [n, k]: of classes their indicators."""
    if not question.classes:
        return question.target
    return indicators(question.target[:, 0].astype(np.int64), question.classes)


def shuffled(one: ProbeTask, seed: int) -> Question:
    """The question with labels permuted between groups."""
    question = one.question
    moved = controls.shuffled(question.target, one.folds.unit, seed=seed)
    return Question(("shuffled", question.name), question.probe, moved, question.classes, question.circular)


def beside_controls(
    plan: Plan,
    probe_tasks: Sequence[ProbeTask],
    found: Mapping[Control, Answers],
    tap: str,
    kind: str,
    *,
    twin: str | None,
) -> list[Answered]:
    """Every question's real answer at a tap, those of its controls, and the leak, from answers by control.

    Args:
        twin: the name of the encoder's untrained twin, where it has one.
    """
    names: dict[Control, str] = {c: c for c, one in CONTROLS.items() if one.reads not in ("encoder", "labels")}
    names |= control_encoders(plan.encoder, twin)
    return [
        Answered(plan, one, tap, kind, control, names.get(control, plan.encoder), question, given, folds)
        for one in probe_tasks
        for control, question, given, folds in _of_one(one, found, plan)
    ]


def _of_one(
    one: ProbeTask, found: Mapping[Control, Answers], plan: Plan
) -> Iterator[tuple[Control, Question, OutOfFold, Folds]]:
    """The real probe, its controls, and the leak."""
    name = one.question.name
    real = found["none"][name, "real"]
    yield "none", one.question, real, one.folds
    if "majority" in plan.controls:
        constant = OutOfFold(real.constant, real.constant, (), validation=(0.0,) * len(real.validation))
        yield "majority", one.question, constant, one.folds
    if "shuffled" in plan.controls:
        yield "shuffled", shuffled(one, plan.seed), found["none"][name, "shuffled"], one.folds
    for control in reversed(CONTROLS):
        if (name, "real") in found.get(control, {}):
            yield control, one.question, found[control][name, "real"], one.folds
    if one.leaky is not None:
        yield "none", one.question, found["none"][name, "random"], one.leaky


def lines(answered: Sequence[Answered]) -> list[ProbeResult]:
    """A line for each metric of each answer."""
    return [line for one in answered for line in _lines(one)]


def _lines(one: Answered) -> list[ProbeResult]:
    task, found = one.probe_task, {name: resampled.score() for name, resampled in one.draws.items()}
    notes = list(task.notes) if one.control == "none" else []
    if one.control == "none":
        notes += _unseen(one)
    return [
        ProbeResult(
            task=task.task,
            encoder=one.encoder,
            tap=one.tap,
            features=one.features,
            input=one.plan.input,
            probe=task.probe,
            control=one.control,
            split=one.folds.kind,
            protocol=one.plan.protocol,
            metric=metric,
            score=found[metric].value,
            low=found[metric].low,
            high=found[metric].high,
            n_train=int(np.mean([len(fold.train) for fold in one.folds.folds])),
            n_test=len(one.question.target),
            n_groups=len(np.unique(one.folds.unit)),
            chosen=list(one.answer.chosen),
            taps=list(one.taps),
            z=one.z,
            seed=one.plan.seed,
            notes=notes + ([found[metric].note] if found[metric].note else []),
        )
        for metric in found
    ]


def _unseen(one: Answered) -> list[str]:
    """Says which classes some test folds hold and their training folds do not: no probe can get these right."""
    if not one.question.classes:
        return []
    codes = one.question.target[:, 0].astype(np.int64)
    missed: dict[int, int] = {}
    for fold in one.folds.folds:
        for code in np.setdiff1d(codes[fold.test], codes[fold.train]).tolist():
            missed[code] = missed.get(code, 0) + int((codes[fold.test] == code).sum())
    names = one.probe_task.target.classes
    return [
        f"{names[code]} is not trained on in some fold: {count} of its {int((codes == code).sum())} moments "
        "cannot be answered right"
        for code, count in sorted(missed.items())
    ]


def unmeasured(plan: Plan, task: str, kind: str, metric: Metric, probe: str, why: str) -> ProbeResult:
    """The line of a task that cannot be probed, which says why."""
    return ProbeResult(
        task=task,
        encoder=plan.encoder,
        tap=plan.encoder,
        features=kind,
        input=plan.input,
        probe=probe,
        control="none",
        split=plan.split,
        protocol=plan.protocol,
        metric=metric,
        score=None,
        low=None,
        high=None,
        n_train=0,
        n_test=0,
        n_groups=0,
        seed=plan.seed,
        notes=[why],
    )
