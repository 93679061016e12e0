"""What each reading allows to be said: is it there at all, and is it above every control?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf

from worldprobe.controls import CONTROLS
from worldprobe.intervals import Draws, Standing, standings
from worldprobe.pipeline.probe.answers import Answered
from worldprobe.pipeline.probe.evidence import EFFECT, about, with_controls
from worldprobe.pipeline.probe.plan import CHOSEN
from worldprobe.probes.detection.by_group import LEAST_Z
from worldprobe.results import PowerResult, Verdict, VerdictResult

_SHORT_OF: tuple[tuple[Standing, ...], ...] = (("not shown", "below"), ("below",))


def verdicts_of(answered: Sequence[Answered], power: Sequence[PowerResult]) -> list[VerdictResult]:
    """Judge each real reading, among all readings of its task.

    Evidence is by the test of groups; "above" and "below" are by the paired difference with each control
    (``intervals.standings``).
    """
    by_task: dict[tuple[str, ...], list[tuple[Answered, list[Answered]]]] = {}
    for real, controls in with_controls(answered):
        if real.main.value is not None and real.folds.kind != "random":
            key = (real.probe_task.task, real.plan.input, real.folds.kind)
            by_task.setdefault(key, []).append((real, controls))
    shown = {(one.task, one.input, one.features, one.probe): one for one in power}
    return [line for readings in by_task.values() for line in _of_task(readings, shown)]


def _of_task(
    readings: Sequence[tuple[Answered, list[Answered]]], power: Mapping[tuple[str, str, str, str], PowerResult]
) -> list[VerdictResult]:
    beside: list[dict[str, Draws]] = [
        {one.control: one.main for one in controls if not CONTROLS[one.control].positive}
        for _, controls in readings
    ]
    found = standings([(real.main, others) for (real, _), others in zip(readings, beside, strict=True)])
    lines = []
    for (real, controls), stands in zip(readings, found, strict=True):
        against, below = ([c for c in CONTROLS if stands.get(c, "above") in kinds] for kinds in _SHORT_OF)
        task, input, probe = real.probe_task.task, real.plan.input, real.probe_task.probe
        # A probe that is not linear, or of tokens, has no planted effects: what it would have shown is not known.
        known = power.get((task, input, real.features, probe))
        others = [one for key, one in power.items() if key[:2] == (task, input)]
        if known is None and real.features == CHOSEN:
            same = [one for one in others if one.probe == probe]
            known = max(same, key=lambda one: inf if one.hard is None else one.hard, default=None)
        least = max([LEAST_Z, *(one.least_z for one in others)])
        better = any(one.control in below and _shows(one) for one in controls)
        verdict = _verdict(real, against, known, known.least_z if known else least, below=better)
        lines.append(VerdictResult(**about(real), verdict=verdict, against=against, below=below))
    return lines


def _shows(control: Answered) -> bool:
    """Whether a control reads the target; noise that a reading is worse than by chance does not."""
    reads = CONTROLS[control.control].reads in ("encoder", "columns")
    return reads and control.z is not None and control.z > LEAST_Z


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
