"""Choose a penalty, and how far to believe what comes of it, on the inner folds of a training set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldprobe.probes.question import Question
from worldprobe.probes.slope import Believed, Numbers, Shares, class_slope, number_slopes
from worldprobe.probes.training import TrainingRows
from worldprobe.protocols import Fitted

Floats = NDArray[np.float64]
# After so many penalties in a row at which less than this share of the gain was left, weaker ones are not tried.
_PATIENCE, _LEAST_SHARE = 2, 0.9
# A gain of less than this share of the constant's loss is rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class PenaltyChoice:
    """What inner folds choose: the penalty and the slope, and their loss.

    Attributes:
        strength: infinite where the constant was taken.
        slope: 0 to 1.
        loss: log loss, or squared error in units of each column's variance, a held-out row; infinite where there
            are no inner folds.
    """

    strength: float
    slope: float
    loss: float


@dataclass(frozen=True, slots=True, eq=False)
class Validated:
    """A fitted probe, and what the inner folds say of it.

    Attributes:
        fitted: predicts values [m, k], or log-probabilities [m, classes].
        choices: of each block of the target.
        errors: mean squared error of each column on held-out rows, [k]; empty for classes.
    """

    fitted: Fitted
    choices: tuple[PenaltyChoice, ...]
    errors: Floats

    @property
    def choice(self) -> PenaltyChoice:
        """That of the first block."""
        return self.choices[0]

    def predict(self, inputs: NDArray[np.float32]) -> Floats:
        """As the fitted probe."""
        return self.fitted.predict(inputs)


@dataclass(slots=True, eq=False)
class _Best:
    """Of each block, the penalty, slope and summed loss [blocks] that did best so far; its deviations [m, k]."""

    strengths: Floats
    slopes: Floats
    losses: Floats
    deviation: Floats

    def improve(self, strength: float, slopes: Floats, losses: Floats, deviation: Floats) -> None:
        """Take what is better; a weaker penalty has to win by more than rounding."""
        better = (slopes > 0) & (losses < self.losses * (1 - _ROUNDING))
        self.strengths[better], self.slopes[better], self.losses[better] = strength, slopes[better], losses[better]
        columns = np.repeat(better, self.deviation.shape[1] // len(better))
        self.deviation[:, columns] = deviation[:, columns]


# Of the inner folds' held-out predictions: slopes and losses [blocks], and deviations from the constant [m, k].
_Judge = Callable[[list[Floats]], tuple[Floats, Floats, Floats]]


def fit_chosen(question: Question, training: TrainingRows) -> Validated:
    """Fit a question's probe at the penalty and the slope that the inner folds choose.

    At each penalty the inner folds find the slope in [0, 1] at which the held-out predictions lose least
    (``probes.slope``), and the penalty that then loses least is taken. A probe that offers one penalty is taken as
    it is; without inner folds the strongest penalty is.
    """
    target = question.target[training.rows]
    if len(question.probe.strengths) == 1 or not training.inner:
        strength = max(question.probe.strengths)
        fitted = question.probe.fit(training.design, target, strength=strength, classes=question.classes)
        return Validated(fitted, (PenaltyChoice(strength, 1.0, np.inf),) * question.blocks, target.var(axis=0))
    if question.classes:
        return _of_classes(question, training, target)
    return _of_numbers(question, training, target)


def _of_numbers(question: Question, training: TrainingRows, target: Floats) -> Validated:
    known = [Numbers.of(question.target[train]) for _, train, _, _ in training.inner]
    held = [question.target[rows] for *_, rows in training.inner]
    truth = np.concatenate([one.truth(values) for one, values in zip(known, held, strict=True)])
    width = target.shape[1] // question.blocks

    def judge(outputs: list[Floats]) -> tuple[Floats, Floats, Floats]:
        deviation = np.concatenate([one.deviation(output) for one, output in zip(known, outputs, strict=True)])
        return *number_slopes(truth, deviation, together=width), deviation

    constant = (truth**2).sum(axis=0).reshape(-1, width).sum(axis=1)
    best = _search(question, training, judge, constant, np.zeros_like(truth))
    slope = np.repeat(best.slopes, width)
    spread = np.repeat([one.spread for one in known], [len(values) for values in held], axis=0)
    errors = (((truth - slope * best.deviation) * spread) ** 2).mean(axis=0)
    return _validated(question, training, target, best, Numbers.of(target), slope, errors)


def _of_classes(question: Question, training: TrainingRows, target: Floats) -> Validated:
    known = [Shares.of(question.target[train], question.classes) for _, train, _, _ in training.inner]
    held = [question.target[rows, 0].astype(np.int64) for *_, rows in training.inner]
    codes = np.concatenate(held)
    shares = np.repeat([one.log for one in known], [len(rows) for rows in held], axis=0)

    def judge(outputs: list[Floats]) -> tuple[Floats, Floats, Floats]:
        deviation = np.concatenate([one.deviation(output) for one, output in zip(known, outputs, strict=True)])
        slope, loss = class_slope(codes, shares, deviation)
        return np.array([slope]), np.array([loss]), deviation

    constant = -float(shares[np.arange(len(codes)), codes].sum())
    best = _search(question, training, judge, np.array([constant]), np.zeros_like(shares))
    of = Shares.of(target, question.classes)
    return _validated(question, training, target, best, of, best.slopes, np.empty(0))


def _search(question: Question, training: TrainingRows, judge: _Judge, constant: Floats, zeros: Floats) -> _Best:
    """Try penalties from the strongest on, beside a constant of these losses [blocks] and deviations [m, k]."""
    best = _Best(np.full(len(constant), np.inf), np.zeros(len(constant)), constant.copy(), zeros)
    fitted: list[Fitted | None] = [None] * len(training.inner)
    behind = 0
    for strength in sorted(question.probe.strengths, reverse=True):
        outputs = []
        for index, (design, train, rows, _) in enumerate(training.inner):
            fitted[index] = now = question.probe.fit(
                design, question.target[train], strength=strength, classes=question.classes, start=fitted[index]
            )
            outputs.append(now.predict(rows))
        slopes, losses, deviation = judge(outputs)
        best.improve(strength, slopes, losses, deviation)
        gain, gained = constant - losses, constant - best.losses
        behind = behind + 1 if (gained > 0).any() and (gain <= _LEAST_SHARE * gained).all() else 0
        # The slope sets how long weights are, which is all that weaker penalties would still change.
        if behind == _PATIENCE or all(getattr(one, "certain", False) for one in fitted):
            break
    return best


def _validated(
    question: Question, training: TrainingRows, target: Floats, best: _Best, of: Numbers | Shares, slope: Floats,
    errors: Floats,
) -> Validated:  # fmt: skip
    fitted = Believed(_fit_at(question, training, target, best.strengths), of, slope)
    losses = best.losses / len(best.deviation)
    found = zip(best.strengths.tolist(), best.slopes.tolist(), losses.tolist(), strict=True)
    return Validated(fitted, tuple(PenaltyChoice(*one) for one in found), errors)


def _fit_at(question: Question, training: TrainingRows, target: Floats, strengths: Floats) -> Fitted:
    """The probe at each block's penalty."""

    def fit(strength: float, start: Fitted | None = None) -> Fitted:
        return question.probe.fit(training.design, target, strength=strength, classes=question.classes, start=start)

    wanted = sorted(set(strengths.tolist()), reverse=True)
    if len(wanted) == 1:
        return fit(wanted[0])
    start = fit(max(question.probe.strengths))
    width = target.shape[1] // len(strengths)
    return _Several(tuple((fit(one, start), np.repeat(strengths == one, width)) for one in wanted))


@dataclass(frozen=True, slots=True, eq=False)
class _Several:
    """One probe at several penalties, of which each answers some columns, bool [k]."""

    parts: tuple[tuple[Fitted, NDArray[np.bool_]], ...]

    def predict(self, inputs: NDArray[np.float32]) -> Floats:
        """Values float64 [m, k]."""
        outputs = [(fitted.predict(inputs), columns) for fitted, columns in self.parts]
        result = np.empty_like(outputs[0][0])
        for output, columns in outputs:
            result[:, columns] = output[:, columns]
        return result
