"""Does a read-out survive what it was not trained on? Values of a factor held out, beside the usual split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.controls import CONTROLS
from worldprobe.errors import ProbeError
from worldprobe.intervals import Draws, Standing, above_by_chance, standings
from worldprobe.pipeline.probe.answers import Answered, Probed, ProbeTask
from worldprobe.pipeline.probe.controls import Place
from worldprobe.pipeline.probe.evidence import about, with_controls
from worldprobe.pipeline.probe.moments import LabelledTubelets
from worldprobe.pipeline.probe.plan import Plan
from worldprobe.probes.evaluate import OutOfFold, Step, draws
from worldprobe.probes.held_out import Values, hold_out, values_of
from worldprobe.probes.splits import Folds
from worldprobe.records import Block, Labels
from worldprobe.results import ShiftResult, Survival


def require_factor(plan: Plan, labels: Labels) -> None:
    """Raises ProbeError where the column that is to be held out is not in the labels."""
    if plan.hold_out is None or plan.hold_out in labels.table.columns:
        return
    words = [name for name in labels.table.columns if str(labels.table[name].dtype) == "String"]
    there = ", ".join(name for name in words if name not in ("video", "source"))
    raise ProbeError(f"hold_out = {plan.hold_out!r}: the labels have no such column. Those of words are {there}")


class Shift:
    """The questions of a run with values of a factor held out, and again by the usual split on as much data.

    Raises:
        ProbeError: the factor's values cannot be held out of any task.
    """

    def __init__(
        self,
        place: Place,
        plan: Plan,
        moments: LabelledTubelets,
        probe_tasks: Sequence[ProbeTask],
        result: Probed,
    ) -> None:
        assert plan.hold_out is not None
        self._plan, self.factor = plan, plan.hold_out
        self._values = values_of(self.factor, moments.factors[self.factor], moments.group)
        held, usual = list[ProbeTask](), list[ProbeTask]()
        refused: list[str] = []
        for one in probe_tasks:
            try:
                first, second = _both(one, self.factor, self._values, plan.seed)
            except ProbeError as error:
                refused.append(f"{one.task}: {error}")
                continue
            held.append(first)
            usual.append(second)
        if not held:
            raise ProbeError(refused[0])
        result.notes += [*(f"Held out: {note}" for note in self._values.notes), *dict.fromkeys(refused)]
        self._held, self._usual = place.asking(held), place.asking(usual)

    @property
    def fits(self) -> int:
        """How many fits it takes, at one block."""
        kinds = list(self._plan.features)
        return self._held.fits(kinds) + self._usual.fits(kinds)

    def lines(self, block: Block, *, step: Step) -> list[ShiftResult]:
        """Every reading and control at a block, over all values and at each; ``step`` is called after each fit."""
        held, usual = (
            [one for kind in self._plan.features for one in place.read(block, kind, step=step)]
            for place in (self._held, self._usual)
        )
        pairs = [_Pair(one, other) for one, other in zip(held, usual, strict=True)]
        found = [line for pair in pairs for line in self._of(pair)]
        return _judged(found, pairs)

    def _of(self, pair: _Pair) -> list[ShiftResult]:
        code = self._values.code[pair.held.probe_task.target.usable]
        whole = [self._line(pair, "", np.ones(len(code), dtype=np.bool_))]
        return whole + [
            self._line(pair, name, code == number)
            for number, name in enumerate(self._values.names)
            if (code == number).any()
        ]

    def _line(self, pair: _Pair, value: str, rows: NDArray[np.bool_]) -> ShiftResult:
        held, usual = pair.draws(rows)
        score, other, change = held.score(), usual.score(), held.less(usual).score()
        trained = [len(fold.train) for fold in pair.held.folds.folds if rows[fold.test].any()]
        at = about(pair.held) | {"n_groups": len(np.unique(pair.held.folds.unit[rows]))}
        return ShiftResult(
            **at, control=pair.held.control, factor=self.factor, value=value,
            score=score.value, low=score.low, high=score.high,
            usual=other.value, usual_low=other.low, usual_high=other.high,
            difference=change.value, difference_low=change.low, difference_high=change.high,
            n_train=int(np.mean(trained)), n_test=int(rows.sum()), notes=[held.note] if held.note else [],
        )  # fmt: skip


class _Pair:
    """An answer with values held out, and the usual one to the same question."""

    def __init__(self, held: Answered, usual: Answered) -> None:
        self.held, self.usual = held, usual
        self.whole = self.draws(np.ones(len(held.question.target), dtype=np.bool_))

    def draws(self, rows: NDArray[np.bool_]) -> tuple[Draws, Draws]:
        """The judged metric of both on some of their rows [n], against the same constant."""
        question, constant = self.held.question, self.usual.answer.constant
        unit = self.held.folds.unit[rows]
        asked = replace(question, target=question.target[rows])
        found = (
            draws(asked, OutOfFold(one.answer.prediction[rows], constant[rows], ()), unit, seed=one.plan.seed)
            for one in (self.held, self.usual)
        )
        held, usual = (next(iter(one.values())) for one in found)
        return held, usual


def _both(one: ProbeTask, factor: str, values: Values, seed: int) -> tuple[ProbeTask, ProbeTask]:
    """A question on the rows whose value is known, by folds of values and by the usual ones."""
    known = values.code[one.target.usable] >= 0
    usable = one.target.usable & (values.code >= 0)
    if len(np.unique(values.code[usable])) < 2:
        raise ProbeError(f"{factor} has one value where it is known")
    folds = hold_out(factor, values.code[usable], one.folds.at(known), seed=seed)
    question = replace(one.question, target=one.question.target[known])
    if unseen := _unseen(question.target, one.target.classes, folds.held):
        raise ProbeError(f"with {factor} held out nothing is trained on {', '.join(unseen)}: it is not scored so")
    same = replace(one, target=replace(one.target, usable=usable), question=question, leaky=None)
    return replace(same, folds=folds.held), replace(same, folds=folds.usual)


def _unseen(values: NDArray[np.float64], classes: Sequence[str], folds: Folds) -> list[str]:
    """The classes that a fold tests on and has none of to train on: of no reading could these be known."""
    if not classes:
        return []
    lone = [np.setdiff1d(values[fold.test], values[fold.train]) for fold in folds.folds]
    return [classes[int(number)] for number in np.unique(np.concatenate(lone))]


def _judged(lines: Sequence[ShiftResult], pairs: Sequence[_Pair]) -> list[ShiftResult]:
    """Judge each real reading over all values: above every control held out too, and not shown to be less?"""
    by_task: dict[str, list[tuple[_Pair, list[_Pair]]]] = {}
    of = {id(pair.held): pair for pair in pairs}
    for real, controls in with_controls([pair.held for pair in pairs]):
        beside = [of[id(one)] for one in controls if not CONTROLS[one.control].positive]
        by_task.setdefault(real.probe_task.task, []).append((of[id(real)], beside))
    found: dict[tuple[Any, ...], tuple[Survival, list[str]]] = {}
    for readings in by_task.values():
        stands = [_standings(readings, which) for which in (0, 1)]
        less = above_by_chance([(real.whole[1], real.whole[0]) for real, _ in readings])
        for (real, _), held, usual, lower in zip(readings, *stands, less, strict=True):
            short: list[str] = [name for name in CONTROLS if held.get(name, "above") != "above"]
            before = all(standing == "above" for standing in usual.values())
            key = (real.held.probe_task.task, real.held.features, real.held.probe_task.probe)
            found[key] = _survival(before=before, after=not short, lower=lower), short
    return [
        line.model_copy(update=dict(zip(("survives", "against"), found[key], strict=True)))
        if (key := (line.task, line.features, line.probe)) in found and line.control == "none" and not line.value
        else line
        for line in lines
    ]


def _standings(readings: Sequence[tuple[_Pair, list[_Pair]]], which: int) -> list[dict[str, Standing]]:
    return standings(
        [(real.whole[which], {one.held.control: one.whole[which] for one in beside}) for real, beside in readings]
    )


def _survival(*, before: bool, after: bool, lower: bool) -> Survival:
    if after:
        return "weaker" if lower else "survives"
    if not before:
        return "nothing to keep"
    return "lost" if lower else "cannot tell"
