"""What each linear probe would have shown, had it been there."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from worldprobe.pipeline.probe.answers import Answered, Answers, numbers
from worldprobe.pipeline.probe.evidence import about
from worldprobe.probes.detection.power import accuracy_over_chance, detectable, effect_of_accuracy
from worldprobe.probes.question import Question
from worldprobe.probes.splits import OUTER_FOLDS
from worldprobe.results import PowerResult

# The effect that a reading should have been able to show: an R², or so much balanced accuracy over chance.
EFFECT = 0.2


def power_of(answered: Sequence[Answered]) -> list[PowerResult]:
    """A line for each answer beside which effects were planted."""
    return [_line(one) for one in answered if one.detectable is not None]


def with_power(one: Answered, planted: Mapping[Hashable, Question], answers: Answers) -> Answered:
    """An answer with what its sample would have shown, where effects were planted for it."""
    question = planted.get(one.question.name)
    if question is None or one.control != "none" or one.leaky:
        return one
    given = answers[one.question.name, "planted"]
    return replace(one, detectable=detectable(question.target, given.prediction, given.constant, one.folds))


def _line(one: Answered) -> PowerResult:
    found = one.detectable
    assert found is not None
    # The least effect falls about as the root of the number of groups.
    groups = len(np.unique(one.folds.unit))
    shares = numbers(one.question).mean(axis=0).tolist() if one.question.classes else None
    sought = EFFECT if shares is None else effect_of_accuracy(EFFECT, shares)
    needed = None if found.hard is None else max(OUTER_FOLDS, round(groups * (found.hard / sought) ** 2))
    easy, hard = (
        effect if effect is None or shares is None else accuracy_over_chance(effect, shares)
        for effect in (found.easy, found.hard)
    )
    return PowerResult(**about(one), easy=easy, hard=hard, least_z=found.least_z, groups_needed=needed)
