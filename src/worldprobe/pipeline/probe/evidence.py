"""What scores are worth: skill, selectivity, what one kind of features adds to another, bits, more data, and what
each linear probe would have shown, had it been there."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from worldprobe.controls import CONTROLS
from worldprobe.errors import ProbeError
from worldprobe.intervals import Score
from worldprobe.pipeline.probe.answers import Answered, Answers, ProbeTask, numbers
from worldprobe.pipeline.probe.fit import Rows, only, rows_of
from worldprobe.pipeline.probe.plan import LINEAR_PROBES, Plan
from worldprobe.pipeline.progress import Tally, silent
from worldprobe.probes.curves import FRACTIONS, LearningCurve, learning_curves
from worldprobe.probes.detection.power import accuracy_over_chance, detectable, effect_of_accuracy
from worldprobe.probes.evaluate import Step
from worldprobe.probes.evidence import PORTIONS, CodeLength, difference, online_code_lengths, selectivity, skill
from worldprobe.probes.features import CHANGES
from worldprobe.probes.question import Question
from worldprobe.probes.splits import OUTER_FOLDS
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


def steps(plan: Plan, probe_task: ProbeTask) -> dict[str, int]:
    """How many fits at most a question's code and curve take, inner ones apart; none where it has neither."""
    if probe_task.probe not in LINEAR_PROBES:
        return {}
    of = {"code": len(PORTIONS) - 1, "learning": len(FRACTIONS) * len(probe_task.folds.folds)}
    return {name: count for name, count in of.items() if name in plan.evidence}


def worked_out(
    plan: Plan, rows: Rows, answered: Sequence[Answered], tap: str, kind: str, *, tally: Tally | None = None
) -> list[EvidenceLine]:
    """Code lengths and learning curves of the linear probes on one kind of features [n, d] of one tap; of questions
    on the same rows together.

    ``tally`` counts what ``steps`` says.
    """
    tally = tally or Tally("", 0, silent)
    by_rows: dict[Hashable, list[Answered]] = {}
    for one in answered:
        linear = one.probe_task.probe in LINEAR_PROBES and one.control == "none" and not one.leaky
        if linear and (one.tap, one.features) == (tap, kind):
            by_rows.setdefault(rows_of(one.probe_task), []).append(one)
    found: dict[tuple[int, str], EvidenceLine] = {}
    for together in by_rows.values():
        inputs = only(rows, np.flatnonzero(together[0].probe_task.target.usable))
        for name, count in steps(plan, together[0].probe_task).items():
            work = _codes if name == "code" else _learning
            with tally.part(count * len(together)) as step:
                lines: Sequence[EvidenceLine] = work(together, inputs, step)
            found |= {(id(one), name): line for one, line in zip(together, lines, strict=True)}
    order = {id(one): number for number, one in enumerate(answered)}
    return [found[key] for key in sorted(found, key=lambda key: (order[key[0]], key[1]))]


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


def _codes(together: Sequence[Answered], inputs: Rows, step: Step) -> list[CodeResult]:
    """Of questions on the same rows; what cannot be sent says why, and keeps no other from being sent."""
    plan, folds = together[0].plan, together[0].folds
    try:
        codes = online_code_lengths(
            inputs, [one.question for one in together], folds, seed=plan.seed, components=plan.pca, step=step
        )
    except ProbeError as error:
        if len(together) > 1:
            return [line for one in together for line in _codes([one], inputs, step)]
        return [CodeResult(**about(together[0]), rows=len(inputs), notes=[str(error)])]
    return [_code(one, code) for one, code in zip(together, codes, strict=True)]


def _code(one: Answered, code: CodeLength) -> CodeResult:
    return CodeResult(
        **about(one), rows=code.rows,
        online_bits=code.online, constant_bits=code.constant, uniform_bits=code.uniform,
        compression=code.compression, compression_of_constant=code.compression_of_constant,
        saved_bits_per_row=code.saved_bits_per_row, notes=[code.note] if code.note else [],
    )  # fmt: skip


def _learning(together: Sequence[Answered], inputs: Rows, step: Step) -> list[LearningResult]:
    """Of questions on the same rows."""
    plan, folds = together[0].plan, together[0].folds
    questions = [one.question for one in together]
    curves = learning_curves(inputs, questions, folds, seed=plan.seed, components=plan.pca, step=step)
    return [_curve(one, curve) for one, curve in zip(together, curves, strict=True)]


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
    return replace(one, detectable=detectable(question.target, given.prediction, given.constant, one.folds))


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
