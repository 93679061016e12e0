"""What each reading allows to be said: is it there at all, and is it above every control?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from worldprobe.controls import CONTROLS
from worldprobe.intervals import TAIL, Draws
from worldprobe.pipeline.probe.answers import Answered
from worldprobe.pipeline.probe.evidence import about, with_controls
from worldprobe.pipeline.probe.power import EFFECT
from worldprobe.probes.detection import LEAST_Z
from worldprobe.results import PowerResult, Verdict, VerdictResult

Floats = NDArray[np.float64]


def verdicts_of(answered: Sequence[Answered], power: Sequence[PowerResult]) -> list[VerdictResult]:
    """Judge each real reading, among all readings of its task.

    Evidence is by the test of groups. "Above" is by the paired difference with each control on the same resamples:
    its studentised value has to exceed what the largest of all readings' differences from that control reaches by
    chance (Westfall and Young 1993, section 2.3), so that the best of many readings is not called above too soon.
    All controls have to be beaten, which needs no correction for their number (Berger 1982).
    """
    by_task: dict[tuple[str, ...], list[tuple[Answered, list[Answered]]]] = {}
    for real, controls in with_controls(answered):
        if real.main.value is not None and real.folds.kind != "random":
            key = (real.probe_task.task, real.plan.input, real.folds.kind)
            by_task.setdefault(key, []).append((real, controls))
    shown = {(one.task, one.features, one.input): one for one in power}
    return [line for readings in by_task.values() for line in _of_task(readings, shown)]


def _of_task(
    readings: Sequence[tuple[Answered, list[Answered]]], power: Mapping[tuple[str, str, str], PowerResult]
) -> list[VerdictResult]:
    beaten: dict[int, set[str]] = {index: set() for index in range(len(readings))}
    compared: dict[int, list[str]] = {index: [] for index in beaten}
    below: set[int] = set()
    for control, record in CONTROLS.items():
        if record.positive:
            continue
        pairs = {
            index: (real.main, one.main)
            for index, (real, controls) in enumerate(readings)
            for one in controls
            if one.control == control and one.main.value is not None
        }
        above = dict(zip(pairs, above_by_chance(list(pairs.values())), strict=True))
        for index, found in above.items():
            compared[index].append(control)
            beaten[index] |= {control} if found else set()
        turned = above_by_chance([(other, real) for real, other in pairs.values()])
        below |= {index for index, found in zip(pairs, turned, strict=True) if found}
    lines = []
    for index, (real, _) in enumerate(readings):
        against = [control for control in compared[index] if control not in beaten[index]]
        task, input = real.probe_task.task, real.plan.input
        known = power.get((task, real.features, input))
        # A probe of tokens, or of taps that validation chose, has no planted effects of its own.
        least = [LEAST_Z, *(one.least_z for key, one in power.items() if (key[0], key[2]) == (task, input))]
        lines.append(
            VerdictResult(
                **about(real),
                verdict=_verdict(
                    real, against, known, known.least_z if known else max(least), below=index in below
                ),
                against=against,
            )
        )
    return lines


def above_by_chance(pairs: Sequence[tuple[Draws, Draws]]) -> list[bool]:
    """Whether each first score is above its second, beyond what the largest of all differences reaches by chance.

    All are of the same groups, resampled alike.
    """
    from scipy.stats import norm, t

    if not pairs:
        return []
    differences = [one.combine(other, np.subtract) for one, other in pairs]
    seen = np.array([one.value for one in differences], dtype=np.float64)
    drawn = np.stack([one.draws for one in differences])
    spread = np.nanstd(drawn, axis=1)
    known = spread > 0
    centred = (drawn - seen[:, None]) / np.where(known, spread, 1.0)[:, None]
    largest = np.nanmax(np.where(known[:, None], centred, -np.inf), axis=0) if known.any() else np.zeros(1)
    reach = max(float(np.nanquantile(largest, 1 - TAIL)), float(norm.ppf(1 - TAIL)))
    left = differences[0].left
    if left is not None:
        # Of few groups a resample's spread is itself uncertain.
        reach *= float(t.ppf(1 - TAIL, max(len(left) - 1, 1)) / norm.ppf(1 - TAIL))
    return [bool(value > reach * size if size > 0 else value > 0) for value, size in zip(seen, spread, strict=True)]


def _verdict(
    real: Answered, against: Sequence[str], power: PowerResult | None, least: float, *, below: bool
) -> Verdict:
    # Where a control does better the target is there to be read, and the reading is worse: that is known.
    if not below and real.z is not None and real.z <= least:
        # What could not have been seen is not denied.
        return "no evidence" if power is not None and _could_show(power) else "too few to tell"
    return "not above" if against else "above every control"


def _could_show(power: PowerResult) -> bool:
    """Whether an effect of 0.2 would have shown in whichever axes it lies."""
    return power.hard is not None and power.hard <= EFFECT
