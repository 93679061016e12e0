"""What scores are worth: skill, selectivity, what one kind of features adds to another, bits, more data, and what
each linear probe would have shown, had it been there."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from worldprobe.controls import CONTROLS
from worldprobe.errors import ProbeError
from worldprobe.intervals import Score
from worldprobe.pipeline.probe.answers import Answered, Answers, ProbeTask, numbers
from worldprobe.pipeline.probe.fit import Rows, only, rows_of
from worldprobe.pipeline.probe.plan import LINEAR_PROBES, Plan
from worldprobe.pipeline.progress import Tally, silent
from worldprobe.probes.curves import FRACTIONS, LearningCurve, learning_curves
from worldprobe.probes.detection.power import accuracy_over_chance, detectable, effect_of_accuracy
from worldprobe.probes.evaluate import Step, unwatched
from worldprobe.probes.evidence import PORTIONS, CodeLength, difference, online_code_lengths, selectivity, skill
from worldprobe.probes.features import CHANGES
from worldprobe.probes.question import Question
from worldprobe.probes.splits import OUTER_FOLDS, Folds
from worldprobe.results import (
    CodeResult,
    EvidenceLine,
    EvidenceResult,
    LearningPoint,
    LearningResult,
    Measure,
    PowerResult,
)

# The effect that a reading should have been able to show: an R², or so much balanced accuracy over chance.
EFFECT = 0.2


def evidence_of(answered: Sequence[Answered]) -> list[EvidenceLine]:
    """Of each real answer: skill against the best control, selectivity against shuffled labels, and the difference
    from positive controls."""
    found: list[EvidenceLine] = []
    for real, controls in with_controls(answered):
        known = [one for one in controls if one.main.value is not None]
        below = [one for one in known if not CONTROLS[one.control].positive]
        if real.main.value is None or not below:
            continue
        best = max(below, key=lambda one: one.main.value or 0.0)
        found.append(_line(real, "skill", best.control, skill(real.main, best.main)))
        found += [
            _line(real, "selectivity", one.control, selectivity(real.over_constant, one.over_constant))
            for one in known
            if one.control == "shuffled"
        ]
        found += [
            _line(real, "contrast", one.control, difference(real.main, one.main))
            for one in known
            if CONTROLS[one.control].positive
        ]
    return found


def contrasts(answered: Sequence[Answered]) -> list[EvidenceLine]:
    """What changes in time add to ``z``, and native input to stills and to clips in another order, where the same
    groups were scored."""
    real = [one for one in answered if one.control == "none" and not one.leaky]
    found: list[EvidenceLine] = []
    for one, other in product(real, real):
        first, second = ((each.probe_task.task, each.probe_task.probe, each.tap) for each in (one, other))
        if first != second:
            continue
        same_input, same_features = one.plan.input == other.plan.input, one.features == other.features
        over_z = same_input and one.features in CHANGES and other.features == "z"
        over_input = same_features and one.plan.input == "native" and other.plan.input != "native"
        paired = np.array_equal(np.unique(one.folds.unit), np.unique(other.folds.unit))
        if paired and (over_z or over_input):
            against = "z" if over_z else other.plan.input
            found.append(_line(one, "contrast", against, difference(one.main, other.main)))
    return found


def steps(plan: Plan, probe_task: ProbeTask) -> dict[Literal["code", "learning"], int]:
    """How many fits at most a question's code and curve take, inner ones apart; none where it has neither."""
    if probe_task.probe not in LINEAR_PROBES:
        return {}
    of: dict[Literal["code", "learning"], int]
    of = {"code": len(PORTIONS) - 1, "learning": len(FRACTIONS) * len(probe_task.folds.folds)}
    return {name: count for name, count in of.items() if name in plan.evidence}


@dataclass(frozen=True, slots=True, eq=False)
class WorthPart:
    """Questions on the same rows, of which code lengths or learning curves are worked out together.

    Attributes:
        usable: bool [n], which of all moments are their rows.
        fits: how many that takes at most, inner ones apart.
    """

    measure: Literal["code", "learning"]
    questions: tuple[Question, ...]
    folds: Folds
    usable: NDArray[np.bool_]
    fits: int
    seed: int
    components: int | None

    def work_out(self, inputs: Rows, step: Step = unwatched) -> Worth:
        """Work them out from the features [m, d] of their rows; what cannot be says why, and keeps no other."""
        if self.measure == "code":
            return self._codes(self.questions, inputs, step)
        return learning_curves(
            inputs, self.questions, self.folds, seed=self.seed, components=self.components, step=step
        )

    def _codes(self, questions: Sequence[Question], inputs: Rows, step: Step) -> list[CodeLength | str]:
        try:
            return [
                *online_code_lengths(
                    inputs, questions, self.folds, seed=self.seed, components=self.components, step=step
                )
            ]
        except ProbeError as error:
            if len(questions) > 1:
                return [found for one in questions for found in self._codes([one], inputs, step)]
            return [str(error)]


Worth = Sequence[CodeLength | LearningCurve | str]
# Of parts what is worked out of each, in any order, by its number among them.
Working = Callable[[Sequence[WorthPart]], Iterator[tuple[int, Worth]]]


def worked_out(
    plan: Plan,
    rows: Rows,
    answered: Sequence[Answered],
    tap: str,
    kind: str,
    *,
    tally: Tally | None = None,
    working: Working | None = None,
) -> list[EvidenceLine]:
    """Code lengths and learning curves of the linear probes on one kind of features [n, d] of one tap; of questions
    on the same rows together.

    ``tally`` counts what ``steps`` says; ``working`` is who works them out, where it is not this process.
    """
    tally = tally or Tally("", 0, silent)
    by_rows: dict[Hashable, list[Answered]] = {}
    for one in answered:
        linear = one.probe_task.probe in LINEAR_PROBES and one.control == "none" and not one.leaky
        if linear and (one.tap, one.features) == (tap, kind):
            by_rows.setdefault(rows_of(one.probe_task), []).append(one)
    members, parts = list[list[Answered]](), list[WorthPart]()
    for together in by_rows.values():
        first, questions = together[0], tuple(one.question for one in together)
        for name, count in steps(plan, first.probe_task).items():
            members.append(together)
            fits, usable = count * len(together), first.probe_task.target.usable
            parts.append(WorthPart(name, questions, first.folds, usable, fits, first.plan.seed, first.plan.pca))
    found: dict[tuple[int, str], EvidenceLine] = {}
    for number, worth in working(parts) if working else _here(parts, rows, tally):
        if working:
            tally.add(parts[number].fits)
        lines = zip(members[number], worth, strict=True)
        found |= {(id(one), parts[number].measure): _worth(one, value) for one, value in lines}
    order = {id(one): number for number, one in enumerate(answered)}
    return [found[key] for key in sorted(found, key=lambda key: (order[key[0]], key[1]))]


def _here(parts: Sequence[WorthPart], rows: Rows, tally: Tally) -> Iterator[tuple[int, Worth]]:
    for number, part in enumerate(parts):
        with tally.part(part.fits) as step:
            worth = part.work_out(only(rows, np.flatnonzero(part.usable)), step)
        yield number, worth


def with_controls(answered: Sequence[Answered]) -> Iterator[tuple[Answered, list[Answered]]]:
    """Each real answer, with those of its controls at the same place."""

    def key(one: Answered) -> tuple[str, ...]:
        return (one.probe_task.task, one.probe_task.probe, one.tap, one.features, one.plan.input)

    for real in answered:
        if real.control == "none" and not real.leaky:
            yield real, [one for one in answered if one.control != "none" and key(one) == key(real)]


def about(one: Answered) -> dict[str, Any]:
    """What says which answer a line is about."""
    return {
        "task": one.probe_task.task, "encoder": one.encoder, "tap": one.tap, "features": one.features,
        "input": one.plan.input, "probe": one.probe_task.probe, "split": one.folds.kind,
        "protocol": one.plan.protocol, "metric": next(iter(one.draws)),
        "n_groups": len(np.unique(one.folds.unit)), "seed": one.plan.seed,
    }  # fmt: skip


def _line(one: Answered, measure: Measure, against: str, found: Score) -> EvidenceResult:
    notes = [found.note] if found.note else []
    return EvidenceResult(
        **about(one),
        measure=measure,
        against=against,
        score=found.value,
        low=found.low,
        high=found.high,
        notes=notes,
    )


def _worth(one: Answered, found: CodeLength | LearningCurve | str) -> EvidenceLine:
    """The line of what was worked out of an answer, or why it was not."""
    if isinstance(found, str):
        return CodeResult(**about(one), rows=int(one.probe_task.target.usable.sum()), notes=[found])
    return _code(one, found) if isinstance(found, CodeLength) else _curve(one, found)


def _code(one: Answered, code: CodeLength) -> CodeResult:
    return CodeResult(
        **about(one), rows=code.rows,
        online_bits=code.online, constant_bits=code.constant, uniform_bits=code.uniform,
        compression=code.compression, compression_of_constant=code.compression_of_constant,
        saved_bits_per_row=code.saved_bits_per_row, notes=[code.note] if code.note else [],
    )  # fmt: skip


def _curve(one: Answered, curve: LearningCurve) -> LearningResult:
    gain, law = curve.gain_by_doubling, curve.law
    points = [
        LearningPoint(rows=p.rows, groups=p.groups, score=p.score.value, low=p.score.low, high=p.score.high)
        for p in curve.points
    ]
    return LearningResult(
        **about(one), points=points, ceiling=law.ceiling if law else None, scale=law.scale if law else None,
        exponent=law.exponent if law else None, plateau_rows=law.plateau if law else None,
        gain_by_doubling=gain.value, gain_low=gain.low, gain_high=gain.high,
        more_data_would_help=curve.more_data_would_help, notes=[gain.note] if gain.note else [],
    )  # fmt: skip


def power_of(answered: Sequence[Answered]) -> list[PowerResult]:
    """A line for each answer beside which effects were planted."""
    return [_power_line(one) for one in answered if one.detectable is not None]


def with_power(one: Answered, planted: Mapping[Hashable, Question], answers: Answers) -> Answered:
    """An answer with what its sample would have shown, where effects were planted for it."""
    question = planted.get(one.question.name)
    if question is None or one.control != "none" or one.leaky:
        return one
    given = answers[one.question.name, "planted"]
    real = numbers(one.question)
    found = detectable(question.target, given.prediction, given.constant, one.folds, target=real)
    return replace(one, detectable=found)


def _power_line(one: Answered) -> PowerResult:
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
