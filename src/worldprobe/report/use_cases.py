"""What the encoder is good for, worked out by stated rules: the original write-up's table, without opinions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from worldprobe.report.facts import Row, UseCase, UseCaseGrade
from worldprobe.report.wording import CHOSEN, number, property_name

STRONG_SKILL = 0.5
_ABOVE = ("above", "above-run")


@dataclass(frozen=True, slots=True)
class _Need:
    """What a use needs: each of these properties, or kinds of result that other stages give."""

    name: str
    tasks: tuple[str, ...]
    also: str = ""
    # Needed too, where they were asked.
    if_asked: tuple[str, ...] = ()


# The rows of the original write-up's table, with the properties that its notes appeal to.
_NEEDS = (
    _Need("Robot perception backbone", ("xy", "size")),
    _Need("Object classification", ("class",)),
    _Need("Grasping and manipulation", ("xy", "size", "approach")),
    _Need("Video generation conditioning", ("xy", "size", "class"), also="a decoder's reconstructions"),
    _Need("Motion prediction, optical flow", ("motion", "velocity"), if_asked=("direction", "motion8")),
    _Need("Pixel reconstruction", (), also="a decoder's reconstructions"),
)

RULE = (
    "A use needs every property named beside it. Each is judged at the tap that validation groups chose, where "
    "several blocks were read; else on the features, input and probe on which it reaches furthest above the "
    "best control: of n ways tried the best is quoted, so a narrow win counts for little. Skill is the part of "
    "what the best control leaves open that the probe closes: (score - control) / (1 - control); its cautious "
    "value takes the probe's low end and the control's high end. Strong: everything needed is measured, above "
    f"every control, and at a cautious skill of at least {STRONG_SKILL}. Partial: something needed is above "
    "every control, but not all of it, not by that much, or not all of it was measured. No evidence: all was "
    "measured and nothing is above every control. Not measured: nothing that was measured is above every "
    "control, and something was not measured."
)


def use_cases(rows: Sequence[Row]) -> tuple[UseCase, ...]:
    """The table of uses, from probes' rows by ``RULE``."""
    return tuple(_judge(need, rows) for need in _NEEDS)


def cautious_skill(row: Row) -> float | None:
    """Skill from the probe's low end and the highest high end among the controls; None where either lacks."""
    ends = row.main.score.interval
    highs = [s.interval[1] for s in row.main.controls.values() if s.interval]
    if ends is None or not highs or max(highs) >= 1:
        return None
    return (ends[0] - max(highs)) / (1 - max(highs))


def _judge(need: _Need, rows: Sequence[Row]) -> UseCase:
    asked = {row.task for row in rows}
    tasks = (*need.tasks, *(task for task in need.if_asked if task in asked))
    best = {task: _best([row for row in rows if row.task == task]) for task in tasks}
    missing = [property_name(task) for task, row in best.items() if row is None or row.main.score.value is None]
    missing += [need.also] if need.also else []
    known = [row for row in best.values() if row is not None and row.main.score.value is not None]
    above = [row for row in known if row.main.verdict.kind in _ABOVE]
    strong = [row for row in above if (cautious_skill(row) or 0.0) >= STRONG_SKILL]
    grade: UseCaseGrade
    if above:
        grade = "strong" if len(strong) == len(known) and not missing else "partial"
    else:
        grade = "not-measured" if missing else "no-evidence"
    parts = [_said(row) for row in known]
    if missing:
        parts.append("not measured: " + ", ".join(missing))
    return UseCase(name=need.name, grade=grade, because="; ".join(parts))


def _best(rows: Sequence[Row]) -> Row | None:
    """The row that reaches furthest above its controls; one without a score only where there is no other."""
    return max(
        [row for row in rows if row.features == CHOSEN] or rows,
        key=lambda row: (
            row.main.score.value is not None,
            row.main.verdict.kind in _ABOVE,
            cautious_skill(row) if cautious_skill(row) is not None else float("-inf"),
        ),
        default=None,
    )


def _said(row: Row) -> str:
    skill = cautious_skill(row)
    beyond = f", cautious skill {number(skill)}" if skill is not None and skill > 0 else ""
    what = f"{property_name(row.task)} from {row.features} {number(row.main.score.value)}"
    return f"{what}: {row.main.verdict.short}{beyond}"
