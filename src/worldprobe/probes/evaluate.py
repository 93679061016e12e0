"""Nested cross-validation: the penalty chosen by inner folds, every example scored once, out of fold."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import ProbeError
from worldprobe.intervals import Draws
from worldprobe.probes import metrics
from worldprobe.probes.choice import PenaltyChoice, fit_all
from worldprobe.probes.detection.by_group import group_z, indicators
from worldprobe.probes.linear.logistic import Logistic
from worldprobe.probes.linear.picked import Picked
from worldprobe.probes.linear.ridge import Ridge
from worldprobe.probes.question import Question
from worldprobe.probes.splits import Fold, Folds
from worldprobe.probes.training import Sums, TrainingSets

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Step = Callable[[], None]
# Values that are looked at together: whether each is finite takes a byte.
_CHECKED = 2**24


@dataclass(frozen=True, slots=True, eq=False)
class OutOfFold:
    """Out-of-fold predictions [n, k] (regression) or classes [n, 1], the constant to beat, what was chosen.

    Attributes:
        chosen: the penalty of each outer fold; infinite where the fold was left at the constant.
        slopes: how far each fold's predictions are believed, 0 to 1 (``probes.slope``).
        validation: its loss a row on the inner folds: what to compare where more than a penalty is to be chosen,
            since it has seen no test row.
        shares: of classes, the predicted and the constant's shares of each, [n, classes] each; None of numbers.
            Those of a logistic regression are of a ridge on the classes' indicators.
    """

    prediction: Floats
    constant: Floats
    chosen: tuple[float, ...]
    slopes: tuple[float, ...] = ()
    validation: tuple[float, ...] = ()
    shares: tuple[Floats, Floats] | None = None


def unwatched() -> None:
    """Nobody wants to know that one more fit is done."""


def cross_fit(
    inputs: NDArray[np.float32],
    questions: Sequence[Question],
    folds: Folds,
    *,
    sums: Sums | None = None,
    components: int | None = None,
    step: Step = unwatched,
) -> dict[Hashable, OutOfFold]:
    """OutOfFold all questions on the same inputs [n, d]; each training set is decomposed once for all.

    Args:
        sums: whoever adds rows up instead, as ``TrainingSets`` asks for it.
        components: principal components that probes see of each training set, of inner folds too; None: all.
        step: called after each question of each fold.

    Raises:
        ProbeError: inputs that are not finite.
    """
    require_finite(inputs)
    found = {q.name: Collected(q) for q in questions}
    tests = {q.name: Collected(_of_indicators(q)) for q in questions if isinstance(q.probe, Logistic)}
    sets = TrainingSets(inputs, folds.unit, folds.folds, sums=sums, components=components)
    for fold in folds.folds:
        training, rows = sets.prepare(fold.train, fold.inner), Picked(inputs, fold.test)
        # Logistic regression needs a decomposition, which ridge can use where it is there, and need not where not.
        for classes in (True, False):
            these = [question for question in questions if bool(question.classes) == classes]
            for question, fitted in zip(these, fit_all(these, training), strict=True):
                found[question.name].add(fold, fitted.predict(rows), fitted.choice)
                step()
        others = list(tests.values())
        for test, fitted in zip(others, fit_all([one.question for one in others], training), strict=True):
            test.add(fold, fitted.predict(rows), fitted.choice)
        training.forget()
    answers = {name: one.answer() for name, one in found.items()}
    for name, test in tests.items():
        linear = test.answer()
        answers[name] = replace(answers[name], shares=(linear.prediction, linear.constant))
    return answers


def _of_indicators(question: Question) -> Question:
    """A ridge on class indicators: what logistic regression, slower, often does not find in few groups."""
    codes = question.target[:, 0].astype(np.int64)
    return Question(question.name, Ridge(), indicators(codes, question.classes))


class Collected:
    """Collect the answer to a question, fold by fold."""

    def __init__(self, question: Question) -> None:
        self.question = question
        rows, columns = len(question.target), question.classes or question.target.shape[1]
        self._output, self._shares = np.full((2, rows, columns), np.nan)
        self._constant = np.full((rows, 1 if question.classes else columns), np.nan)
        self._choices: list[PenaltyChoice] = []

    def add(self, fold: Fold, output: Floats, choice: PenaltyChoice) -> None:
        """Add the predictions [m, k] (of classes log-probabilities [m, classes]) of a fold's test rows."""
        question = self.question
        self._output[fold.test] = np.exp(output) if question.classes else output
        self._constant[fold.test] = question.constant(fold.train)
        if question.classes:
            codes = question.target[fold.train, 0].astype(np.int64)
            self._shares[fold.test] = np.bincount(codes, minlength=question.classes) / len(codes)
        self._choices.append(choice)

    def answer(self) -> OutOfFold:
        """All folds' answers as one."""
        choices = (
            tuple(one.strength for one in self._choices),
            tuple(one.slope for one in self._choices),
            tuple(one.loss for one in self._choices),
        )
        if not self.question.classes:
            return OutOfFold(self._output, self._constant, *choices)
        winner = np.where(np.isnan(self._output).any(axis=1), np.nan, self._output.argmax(axis=1))
        return OutOfFold(winner[:, None], self._constant, *choices, (self._output, self._shares))


def require_finite(inputs: NDArray[np.float32]) -> None:
    """Raises ProbeError where features [n, d] hold NaN or infinity."""
    if bad := int((~finite_rows(inputs)).sum()):
        raise ProbeError(
            f"{bad} of {len(inputs)} examples hold NaN or infinite features; encode them again in fp32"
        )


def finite_rows(inputs: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Find the rows of features [n, d] that hold neither NaN nor infinity: bool [n]."""
    few = max(1, _CHECKED // max(inputs.shape[1], 1))
    starts = range(0, len(inputs), few)
    return np.concatenate(
        [np.ones(0, dtype=np.bool_), *(np.isfinite(inputs[at : at + few]).all(axis=1) for at in starts)]
    )


def evidence(question: Question, answer: OutOfFold, unit: Ints) -> float:
    """``detection.by_group.group_z`` of an answer; that of classes is of their indicators."""
    if answer.shares is None:
        return float(group_z(question.target, answer.prediction, answer.constant, unit)[0])
    target = indicators(question.target[:, 0].astype(np.int64), question.classes)
    return float(group_z(target, *answer.shares, unit)[0])


def draws(question: Question, answer: OutOfFold, unit: NDArray[np.int64], *, seed: int) -> dict[str, Draws]:
    """The question's metrics on the rows and on each resample of ``unit`` [n]."""
    if question.classes:
        truth, predicted = question.target[:, 0].astype(np.int64), answer.prediction[:, 0].astype(np.int64)
        return metrics.classification_draws(truth, predicted, unit, classes=question.classes, seed=seed)
    found = {"r2": metrics.r2_draws(question.target, answer.prediction, answer.constant, unit, seed=seed)}
    if question.circular:
        found["angular_error"] = metrics.angular_error_draws(question.target, answer.prediction, unit, seed=seed)
    return found
