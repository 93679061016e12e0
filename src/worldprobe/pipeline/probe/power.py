"""What each linear probe would have shown, had it been there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.pipeline.probe.answers import Answered
from worldprobe.pipeline.probe.evidence import LINEAR, about
from worldprobe.probes.detection import indicators
from worldprobe.probes.evaluate import cross_fit
from worldprobe.probes.power import accuracy_over_chance, detectable, planted, question_of
from worldprobe.results import PowerResult

# The effect that a reading should have been able to show.
EFFECT = 0.2


def power_of(rows: NDArray[Any], answered: Sequence[Answered], tap: str, kind: str) -> list[PowerResult]:
    """Plant effects for the linear probes on one kind of features [n, d] of one tap, and see which are found.

    Targets that are known on the same rows share their decompositions.
    """
    together: dict[bytes, list[Answered]] = {}
    for one in answered:
        linear = one.probe_task.probe in LINEAR and one.control == "none" and not one.leaky
        if linear and (one.tap, one.features) == (tap, kind):
            together.setdefault(one.probe_task.target.usable.tobytes(), []).append(one)
    return [line for several in together.values() for line in _found(rows, several)]


def _found(rows: NDArray[Any], several: Sequence[Answered]) -> list[PowerResult]:
    first = several[0]
    inputs, folds = rows[first.probe_task.target.usable], first.folds
    questions = [
        question_of(index, planted(inputs, _numbers(one), folds.unit, seed=one.plan.seed))
        for index, one in enumerate(several)
    ]
    answers = cross_fit(inputs, questions, folds)
    lines = []
    for one, question in zip(several, questions, strict=True):
        answer = answers[question.name]
        found = detectable(question.target, answer.prediction, answer.constant, folds.unit)
        groups = len(np.unique(folds.unit))
        # The least effect falls about as the root of the number of groups.
        needed = None if found.hard is None else round(groups * (found.hard / EFFECT) ** 2)
        lines.append(
            PowerResult(
                **about(one),
                easy=_in_metric(one, found.easy),
                hard=_in_metric(one, found.hard),
                least_z=found.least_z,
                groups_needed=needed,
            )
        )
    return lines


def _numbers(one: Answered) -> NDArray[np.float64]:
    """The target as numbers: of classes their indicators."""
    if not one.question.classes:
        return one.question.target
    return indicators(one.question.target[:, 0].astype(np.int64), one.question.classes)


def _in_metric(one: Answered, effect: float | None) -> float | None:
    """An R² as it is; of classes as accuracy over the commonest one's share."""
    if effect is None or not one.question.classes:
        return effect
    return accuracy_over_chance(effect, _numbers(one).mean(axis=0).tolist())
