"""What the encoder is good for, worked out by stated rules: the original write-up's table, without opinions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from worldprobe.findings.rows import Row
from worldprobe.findings.score import ABOVE, Fact
from worldprobe.findings.sections.decoding import DecoderScores, Decoding
from worldprobe.findings.sections.prediction import Future, HorizonScores
from worldprobe.findings.verdicts import QUOTED, cautious_skill, no_better, quoted
from worldprobe.findings.wording import number, property_name

UseCaseGrade = Literal["strong", "partial", "no-evidence", "not-measured"]


class UseCase(Fact):
    """Whether the figures speak for a use of the encoder, and which figures those are."""

    name: str
    grade: UseCaseGrade
    because: str


STRONG_SKILL = 0.5
_DECODER, _PREDICTION = "a decoder's reconstructions", "a prediction of the future"


@dataclass(frozen=True, slots=True)
class _Need:
    """What a use needs: each of these properties, or kinds of result that other stages give."""

    name: str
    tasks: tuple[str, ...] = ()
    # Frames drawn by a decoder; "sharp": which must hold more than a small picture does.
    decoder: Literal["", "any", "sharp"] = ""
    prediction: bool = False
    # Needed too, where they were asked.
    if_probed: tuple[str, ...] = ()


# The rows of the original write-up's table, with what its notes appeal to, and what its predictor is for.
_NEEDS = (
    _Need("Robot perception backbone", ("xy", "size"), if_probed=("depth",)),
    _Need("Object classification", ("class",)),
    _Need("Grasping and manipulation", ("xy", "size", "approach"), if_probed=("depth", "contact", "grasped")),
    _Need("Video generation conditioning", ("xy", "size", "class"), decoder="any"),
    _Need("Motion prediction, optical flow", ("motion", "velocity"), if_probed=("direction", "motion8")),
    _Need("Planning with predicted futures", prediction=True),
    _Need("Pixel reconstruction", decoder="sharp"),
)

RULE = (
    f"A use needs everything named beside it. {QUOTED} Skill is the part of what the best control leaves open "
    "that the probe closes: (score - control) / (1 - control); its cautious value takes the probe's low end and "
    "the control's high end. Of a decoder it is the part of the best control's squared error that is gone, 1 - "
    "10^(-(PSNR - control's) / 10), and pixel reconstruction must lie above bicubic frames too; of a "
    "prediction, 1 - error / best baseline's error on tokens that changed, the worst horizon's. Strong: "
    "everything needed is measured, above every control or baseline, at a cautious skill of at least "
    f"{STRONG_SKILL}, and at every horizon. Partial: something needed is above every control, but not all of it, "
    "not by that much, or not all of it was measured. No evidence: all was measured and nothing is above every "
    "control. Not measured: nothing that was measured is above every control, and something was not measured."
)


@dataclass(frozen=True, slots=True)
class _Finding:
    """Something needed that was measured: whether it lies above every control, and far above."""

    above: bool
    strong: bool
    sentence: str


def grade_use_cases(
    rows: Sequence[Row], future: Future | None = None, decoding: Decoding | None = None
) -> tuple[UseCase, ...]:
    """The table of uses, from a run's facts by ``RULE``. Without probes: those uses that the run speaks of."""
    found = [_judge(need, rows, future, decoding) for need in _NEEDS]
    return tuple(use for use, measured in found if rows or measured)


def _judge(
    need: _Need, rows: Sequence[Row], future: Future | None, decoding: Decoding | None
) -> tuple[UseCase, bool]:
    """A use, and whether anything that it needs was measured."""
    known_tasks = {row.task for row in rows}
    tasks = (*need.tasks, *(task for task in need.if_probed if task in known_tasks))
    found = {property_name(task): _probed([row for row in rows if row.task == task]) for task in tasks}
    if need.decoder:
        found[_DECODER] = _of_decoders(decoding, sharp=need.decoder == "sharp")
    if need.prediction:
        found[_PREDICTION] = _of_prediction(future)
    missing = [name for name, finding in found.items() if finding is None]
    known = [finding for finding in found.values() if finding is not None]
    grade: UseCaseGrade
    if any(finding.above for finding in known):
        grade = "strong" if all(finding.strong for finding in known) and not missing else "partial"
    else:
        grade = "not-measured" if missing else "no-evidence"
    parts = [finding.sentence for finding in known]
    if missing:
        parts.append("not measured: " + ", ".join(missing))
    return UseCase(name=need.name, grade=grade, because="; ".join(parts)), bool(known)


def _probed(rows: Sequence[Row]) -> _Finding | None:
    row = quoted(rows)
    if row is None or row.main.score.value is None:
        return None
    skill = cautious_skill(row)
    what = f"{property_name(row.task)} from {row.features} {number(row.main.score.value)}"
    what = ", ".join(filter(None, (what, no_better(row.main))))
    above = row.main.verdict.kind in ABOVE
    return _finding(f"{what}: {row.main.verdict.short}", above=above, skill=skill)


def _of_decoders(decoding: Decoding | None, *, sharp: bool) -> _Finding | None:
    """Of several decoders that which reaches furthest above its best control."""
    drawings = [one for one in decoding.drawings if not one.control] if decoding else []
    known = [(_removed(one), one) for one in drawings if one.psnr.value is not None]
    if not known:
        return None
    skill, one = max(known, key=lambda each: float("-inf") if each[0] is None else each[0])
    sentence = f"{one.name} {number(one.psnr.value, 1)} dB: {one.verdict}"
    short = [name for name in one.yardsticks if name not in one.beyond]
    if sharp and (short or not one.yardsticks):
        sentence += f", not shown above {', '.join(short)}" if short else ", bicubic frames not measured"
        skill = None
    return _finding(sentence, above=one.kind in ABOVE, skill=skill)


def _removed(one: DecoderScores) -> float | None:
    """The part of the best control's squared error that is gone at least; None where an interval lacks."""
    own, floor = one.psnr.interval, one.floor.interval
    return None if own is None or floor is None else 1 - 10.0 ** (-(own[0] - floor[1]) / 10)


def _of_prediction(future: Future | None) -> _Finding | None:
    steps = [step for step in future.steps if step.tokens == "changed"] if future else []
    known = [step for step in steps if step.kind not in ("not-measured", "not-judged")]
    if not known:
        return None
    above = [step for step in known if step.kind in ABOVE]
    skills = [_gained(step) for step in known]
    worst = None if None in skills else min(skill for skill in skills if skill is not None)
    horizons = ", ".join(str(step.horizon) for step in above)
    where = f"at horizons {horizons} of" if above else "at none of the horizons"
    sentence = f"prediction better than every baseline measured {where} 1 to {known[-1].horizon}"
    return _finding(sentence, above=bool(above), skill=worst if len(above) == len(steps) else None)


def _gained(step: HorizonScores) -> float | None:
    """The part of the best baseline's error that is gone at least; None where an interval lacks."""
    own = step.l1["predictor"].interval
    lows = [s.interval[0] for name, s in step.l1.items() if name != "predictor" and s.interval]
    return None if own is None or not lows or min(lows) <= 0 else 1 - own[1] / min(lows)


def _finding(sentence: str, *, above: bool, skill: float | None) -> _Finding:
    beyond = f", cautious skill {number(skill)}" if skill is not None and skill > 0 else ""
    return _Finding(above, above and skill is not None and skill >= STRONG_SKILL, sentence + beyond)
