"""What is asked of a probe, and the lines that its answers become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from worldprobe.labels.targets import Subject
from worldprobe.pipeline.align import Target
from worldprobe.pipeline.encoders import control_encoders
from worldprobe.probes import controls
from worldprobe.probes.evaluate import Answer, Question, score
from worldprobe.probes.metrics import Score
from worldprobe.probes.splits import Folds, SplitKind
from worldprobe.protocols import Probe
from worldprobe.results import Control, Metric, ProbeResult
from worldprobe.store import Input, Series

METRICS: dict[str, tuple[Metric, ...]] = {
    "regression": ("r2",),
    "classification": ("accuracy", "balanced_accuracy", "macro_f1"),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What to probe, and how."""

    encoder: str
    tasks: tuple[str, ...]
    features: tuple[str, ...]
    controls: tuple[str, ...]
    split: SplitKind
    blocks: str = "last"
    input: Input = "native"
    seed: int = 0
    subject: Subject = "main"
    regression_probe: str = "ridge"
    classification_probe: str = "logistic"


@dataclass(slots=True)
class Probed:
    """Scores, what became of the labels, and the series that were probed."""

    results: list[ProbeResult] = field(default_factory=list)
    kept: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    series: list[Series] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A task over the rows on which it is known, with its folds and its question."""

    task: str
    target: Target
    question: Question
    folds: Folds
    leaky: Folds | None
    notes: tuple[str, ...]


def shuffled(one: Asked, seed: int) -> Question:
    """The task's question with labels permuted between groups."""
    moved = controls.shuffled(one.question.target, one.folds.unit, seed=seed)
    return Question(f"{one.task}/shuffled", one.question.probe, moved, one.question.classes)


def report(
    plan: Plan,
    asked: Sequence[Asked],
    answers: dict[str, dict[tuple[str, str], Answer]],
    tap: str,
    kind: str,
    result: Probed,
) -> None:
    """Score every answer and write the lines."""
    for one in asked:
        unit = one.folds.unit
        real = answers["none"][one.task, "real"]
        lines: list[tuple[Control, str, Question, Answer]] = [("none", plan.encoder, one.question, real)]
        if "majority" in plan.controls:
            constant = Answer(real.constant, real.constant, ())
            lines.append(("majority", "majority", one.question, constant))
        if "shuffled" in plan.controls:
            moved = shuffled(one, plan.seed)
            lines.append(("shuffled", plan.encoder, moved, answers["none"][one.task, "shuffled"]))
        names = control_encoders(plan.encoder, result.series[0].twin)
        for control in ("gaussian", "random-init", "pixels", "nuisance"):
            if control in answers:
                answer = answers[control][one.task, "real"]
                lines.append((control, names.get(control, control), one.question, answer))
        for control, encoder, question, answer in lines:
            scores = score(question, answer, unit, seed=plan.seed)
            result.results += _lines(plan, one, scores, answer, control, encoder, tap, kind, plan.split, one.folds)
        if one.leaky is not None:
            leaky = answers["none"][one.task, "random"]
            scores = score(one.question, leaky, one.leaky.unit, seed=plan.seed)
            result.results += _lines(plan, one, scores, leaky, "none", plan.encoder, tap, kind, "random", one.leaky)


def _lines(
    plan: Plan,
    one: Asked,
    scores: dict[str, Score],
    answer: Answer,
    control: Control,
    encoder: str,
    tap: str,
    kind: str,
    split: str,
    folds: Folds,
) -> list[ProbeResult]:
    notes = list(one.notes) if control == "none" else []
    return [
        ProbeResult(
            task=one.task,
            encoder=encoder,
            tap=tap,
            features=kind,
            input=plan.input,
            probe=one.question.probe.name,
            control=control,
            split=split,
            metric=metric,
            score=found.value,
            low=found.low,
            high=found.high,
            n_train=int(np.mean([len(fold.train) for fold in folds.folds])),
            n_test=len(one.question.target),
            n_groups=len(np.unique(folds.unit)),
            chosen=list(answer.chosen),
            seed=plan.seed,
            notes=notes + ([found.note] if found.note else []),
        )
        for metric, found in scores.items()
    ]


def unmeasured(plan: Plan, task: str, kind: str, metric: Metric, probe: Probe, why: str) -> ProbeResult:
    return ProbeResult(
        task=task,
        encoder=plan.encoder,
        tap=plan.encoder,
        features=kind,
        input=plan.input,
        probe=probe.name,
        control="none",
        split=plan.split,
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
