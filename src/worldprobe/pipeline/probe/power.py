"""What each linear probe would have shown, had it been there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from worldprobe.pipeline.probe.answers import Answered, numbers
from worldprobe.pipeline.probe.evidence import about
from worldprobe.probes.detection.power import accuracy_over_chance
from worldprobe.results import PowerResult

# The effect, an R², that a reading should have been able to show.
EFFECT = 0.2


def power_of(answered: Sequence[Answered]) -> list[PowerResult]:
    """A line for each answer beside which effects were planted."""
    return [_line(one) for one in answered if one.detectable is not None]


def _line(one: Answered) -> PowerResult:
    found = one.detectable
    assert found is not None
    # The least effect falls about as the root of the number of groups.
    groups = len(np.unique(one.folds.unit))
    needed = None if found.hard is None else round(groups * (found.hard / EFFECT) ** 2)
    easy, hard = (_in_metric(one, effect) for effect in (found.easy, found.hard))
    return PowerResult(**about(one), easy=easy, hard=hard, least_z=found.least_z, groups_needed=needed)


def _in_metric(one: Answered, effect: float | None) -> float | None:
    """An R² as it is; of classes as balanced accuracy over chance."""
    if effect is None or not one.question.classes:
        return effect
    return accuracy_over_chance(effect, numbers(one.question).mean(axis=0).tolist())
