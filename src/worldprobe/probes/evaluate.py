"""Nested cross-validation: the penalty chosen by inner folds, every example scored once, out of fold."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import ProbeError
from worldprobe.intervals import Draws
from worldprobe.probes import metrics
from worldprobe.probes.splits import Folds
from worldprobe.probes.training import Sums, TrainingRows, TrainingSets
from worldprobe.protocols import Fitted, Probe

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Step = Callable[[], None]
_BEYOND_CHANCE = 1.96
# Past this multiple of the best inner loss so far, weaker penalties only fit the noise better, and slowly.
_HOPELESS = 1.1


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A target to decode, and the probe to decode it with.

    ``name`` tells its answer from others': any key, such as (task, probe); names hold whatever a user likes, so
    nothing is joined to one string and taken apart again. ``classes`` is 0 for regression; ``circular`` says that
    the target is the cosine and sine of an angle.
    """

    name: Hashable
    probe: Probe
    target: Floats
    classes: int = 0
    circular: bool = False

    @property
    def title(self) -> str:
        """The name in a sentence."""
        return "@".join(map(str, self.name)) if isinstance(self.name, tuple) else str(self.name)


@dataclass(frozen=True, slots=True, eq=False)
class OutOfFold:
    """Out-of-fold predictions [n, k] (regression) or classes [n, 1], the constant to beat, what was chosen.

    ``chosen`` is the penalty of each outer fold, ``validation`` its loss a row on the inner folds: what to compare
    where more than a penalty is to be chosen, since it has seen no test row.
    """

    prediction: Floats
    constant: Floats
    chosen: tuple[float, ...]
    validation: tuple[float, ...] = ()


def unwatched() -> None:
    """Nobody wants to know that one more fit is done."""


def cross_fit(
    inputs: NDArray[np.float32],
    questions: Sequence[Question],
    folds: Folds,
    *,
    sums: Sums | None = None,
    step: Step = unwatched,
) -> dict[Hashable, OutOfFold]:
    """Answer all questions on the same inputs [n, d]; each training set is decomposed once for all.

    Args:
        sums: whoever adds rows up instead, as ``TrainingSets`` asks for it.
        step: called after each question of each fold.

    Raises:
        ProbeError: inputs that are not finite.
    """
    require_finite(inputs)
    prediction = {q.name: np.full(_shape(q), np.nan) for q in questions}
    constant = {q.name: np.full(_shape(q), np.nan) for q in questions}
    chosen: dict[Hashable, list[float]] = {q.name: [] for q in questions}
    validation: dict[Hashable, list[float]] = {q.name: [] for q in questions}
    sets = TrainingSets(inputs, folds.unit, folds.folds, sums=sums)
    for fold in folds.folds:
        training, rows = sets.prepare(fold.train, fold.inner), inputs[fold.test]
        # Logistic regression needs a decomposition, which ridge can use where it is there, and need not where not.
        for question in sorted(questions, key=lambda one: not one.classes):
            fitted, strength, loss = _fit_validated(question, training, folds.unit)
            output = fitted.predict(rows)
            prediction[question.name][fold.test] = output.argmax(axis=1)[:, None] if question.classes else output
            constant[question.name][fold.test] = constant_of(question, fold.train)
            chosen[question.name].append(strength)
            validation[question.name].append(loss)
            step()
        training.forget()
    return {
        q.name: OutOfFold(prediction[q.name], constant[q.name], tuple(chosen[q.name]), tuple(validation[q.name]))
        for q in questions
    }


def require_finite(inputs: NDArray[np.float32]) -> None:
    """Raises ProbeError where features [n, d] hold NaN or infinity."""
    if not np.isfinite(inputs).all():
        bad = int((~np.isfinite(inputs).all(axis=1)).sum())
        raise ProbeError(
            f"{bad} of {len(inputs)} examples hold NaN or infinite features; encode them again in fp32"
        )


def fit_chosen(question: Question, training: TrainingRows, unit: Ints) -> tuple[Fitted, float]:
    """The probe fitted at the penalty that the inner folds choose; at the strongest where there are none."""
    fitted, strength, _ = _fit_validated(question, training, unit)
    return fitted, strength


def _fit_validated(question: Question, training: TrainingRows, unit: Ints) -> tuple[Fitted, float, float]:
    """As ``fit_chosen``, and the loss a row that the inner folds found; infinite where there are none."""
    strength, loss = max(question.probe.strengths), np.inf
    if training.inner:
        strength, loss = _choose_strength(question, training, unit)
    target = question.target[training.rows]
    fitted = question.probe.fit(training.design, target, strength=strength, classes=question.classes)
    return fitted, strength, loss


def draws(question: Question, answer: OutOfFold, unit: NDArray[np.int64], *, seed: int) -> dict[str, Draws]:
    """The question's metrics on the rows and on each resample of ``unit`` [n]."""
    if question.classes:
        truth, predicted = question.target[:, 0].astype(np.int64), answer.prediction[:, 0].astype(np.int64)
        return metrics.classification_draws(truth, predicted, unit, classes=question.classes, seed=seed)
    found = {"r2": metrics.r2_draws(question.target, answer.prediction, answer.constant, unit, seed=seed)}
    if question.circular:
        found["angular_error"] = metrics.angular_error_draws(question.target, answer.prediction, unit, seed=seed)
    return found


def _shape(question: Question) -> tuple[int, int]:
    return (len(question.target), 1 if question.classes else question.target.shape[1])


def _choose_strength(question: Question, among: TrainingRows, unit: Ints) -> tuple[float, float]:
    """The penalty that inner folds choose, and its loss a row; weaker ones are tried until one does much worse."""
    inner = among.inner
    units, code = np.unique(unit, return_inverse=True)
    held_out = np.unique(code[np.concatenate([held for _, _, _, held in inner])])
    strengths = sorted(question.probe.strengths, reverse=True)
    fitted: list[Fitted | None] = [None] * len(inner)
    losses: list[Floats] = []
    for strength in strengths:
        loss = np.zeros(len(units))
        for index, (training, train, rows, held) in enumerate(inner):
            fitted[index] = now = question.probe.fit(
                training, question.target[train], strength=strength, classes=question.classes, start=fitted[index]
            )
            np.add.at(loss, code[held], _loss(now.predict(rows), question, among.rows, held))
        losses.append(loss[held_out])
        if losses[-1].sum() > _HOPELESS * min(one.sum() for one in losses):
            break
    best = choose(np.stack(losses))
    return strengths[best], float(losses[best].sum()) / sum(len(held) for _, _, _, held in inner)


def _loss(output: Floats, question: Question, train: NDArray[np.int64], held: NDArray[np.int64]) -> Floats:
    """Log loss, or squared error in units of each column's variance: [rows]."""
    truth = question.target[held]
    if question.classes:
        return np.asarray(-output[np.arange(len(held)), truth[:, 0].astype(np.int64)])
    variance = question.target[train].var(axis=0)
    return np.asarray((((output - truth) ** 2) / np.where(variance > 0, variance, 1.0)).sum(axis=1))


def choose(losses: Floats) -> int:
    """Index of the smallest inner loss, if it beats that of the strongest penalty beyond chance; else 0.

    The strongest penalty leaves a constant. Taking the plain minimum lets chance pick a weak penalty on
    features that hold nothing, and the score then falls below that of the constant; so a weaker one has to
    win by 1.96 standard errors of the difference, paired by group, as in the one-standard-error rule
    (Breiman et al. 1984, section 3.4.3). Where there is something to read this changes nothing.

    Args:
        losses: [strengths, groups], the strongest penalty first, summed over each group's held-out rows.
    """
    best = int(losses.sum(axis=1).argmin())
    gain = losses[0] - losses[best]
    return best if gain.sum() > _BEYOND_CHANCE * gain.std() * np.sqrt(len(gain)) else 0


def constant_of(question: Question, rows: Ints) -> Floats:
    """These rows' mean [k], or their majority class [1]."""
    target = question.target[rows]
    if question.classes:
        counts = np.bincount(target[:, 0].astype(np.int64), minlength=question.classes)
        return np.array([float(counts.argmax())])
    return np.asarray(target.mean(axis=0))
