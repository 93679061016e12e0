"""Scores of out-of-fold predictions, and their intervals by resampling groups.

Every score is a function of sums, so each group is summed once and a resample is a weighted sum of groups.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from worldprobe.geometry import from_six
from worldprobe.intervals import Draws, Scale, Score, bootstrap, no_draws

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_ANY_ROTATION = 90 + np.degrees(2 / np.pi)  # the mean angle between any two rotations
_CONSTANT = "the target does not vary"


def r2(target: Floats, prediction: Floats, baseline: Floats, unit: Ints, *, seed: int) -> Score:
    """The score of ``r2_draws``, with its interval."""
    return r2_draws(target, prediction, baseline, unit, seed=seed).score()


def r2_draws(target: Floats, prediction: Floats, baseline: Floats, unit: Ints, *, seed: int) -> Draws:
    """Out-of-sample R2, averaged over the columns of the target.

    ``1 - sum (y - prediction)^2 / sum (y - baseline)^2`` with the *training* folds' mean as the baseline
    (Campbell and Thompson 2008, eq. 1), so predicting a constant scores exactly 0 and the score says what
    the features add. Columns that do not vary have no R2 and are left out.

    Args:
        target, prediction, baseline: [n, k]; the baseline is each row's training mean.
        unit: [n], what is resampled.
    """
    varies = varying(target)
    if not varies.any():
        return no_draws("the target is constant")
    apart = np.concatenate([target - prediction, target - baseline], axis=1)
    sums = _sums(apart[:, np.tile(varies, 2)] ** 2, unit)  # [groups, 2 k]

    def score(weights: Floats) -> Floats:
        left, there = np.split(np.einsum("rg,gk->rk", weights, sums), 2, axis=1)
        # A column that does not vary in this resample has no R2; the others still have.
        ratio = np.where(there > 0, 1.0 - left / there, np.nan)
        return ratio[:, 0] if ratio.shape[1] == 1 else np.asarray(np.nanmean(ratio, axis=1))

    return bootstrap(score, len(sums), seed=seed, scale="explained", undefined=_CONSTANT)


def varying(target: Floats) -> NDArray[np.bool_]:
    """Which columns of a target [n, k] vary by more than rounding: bool [k].

    A constant such as 0.1 differs from its own mean in the last digit, so that what is left of it is not 0.
    """
    return np.asarray(np.ptp(target, axis=0) > 1e-9 * np.abs(target).max(axis=0, initial=0.0))


def angular_error_draws(target: Floats, prediction: Floats, unit: Ints, *, seed: int) -> Draws:
    """Mean angle in degrees between target and prediction, 0 to 180; lower is better.

    Of directions [n, 2] chance is 90, and a prediction of length 0, which points nowhere, counts as 90. Of
    rotations [n, 6], by their first two columns, it is the angle of the turn between them: 126 on average of any
    two, and of a prediction that is no rotation.
    """
    error = _turned_apart(target, prediction) if target.shape[1] == 6 else _pointing_apart(target, prediction)
    sums = _sums(np.stack([error, np.ones(len(error))], axis=1), unit)

    def score(weights: Floats) -> Floats:
        total = weights @ sums
        return np.asarray(total[:, 0] / total[:, 1])

    return bootstrap(score, len(sums), seed=seed, scale="error", undefined=_CONSTANT)


def _pointing_apart(target: Floats, prediction: Floats) -> Floats:
    cross = target[:, 0] * prediction[:, 1] - target[:, 1] * prediction[:, 0]
    along = (target * prediction).sum(axis=1)
    nowhere = ~np.asarray(prediction, dtype=np.bool_).any(axis=1)
    return np.where(nowhere, 90.0, np.degrees(np.abs(np.arctan2(cross, along))))


def _turned_apart(target: Floats, prediction: Floats) -> Floats:
    trace = np.einsum("nij,nij->n", from_six(target), from_six(prediction))
    none = ~np.isfinite(trace)
    angle = np.degrees(np.arccos(np.clip((np.where(none, 0.0, trace) - 1) / 2, -1, 1)))
    return np.where(none, _ANY_ROTATION, angle)


def classification(truth: Ints, predicted: Ints, unit: Ints, *, classes: int, seed: int) -> dict[str, Score]:
    """The scores of ``classification_draws``, with their intervals."""
    found = classification_draws(truth, predicted, unit, classes=classes, seed=seed)
    return {name: draws.score() for name, draws in found.items()}


def classification_draws(truth: Ints, predicted: Ints, unit: Ints, *, classes: int, seed: int) -> dict[str, Draws]:
    """Balanced accuracy, which is judged, accuracy and macro-F1 from class indices [n].

    Where nine in ten are of one class, accuracy hardly tells a probe that knows the tenth from one that does not.
    Classes that the test rows do not hold are left out of the two averages, as scikit-learn does.
    """
    if len(np.unique(truth)) < 2:
        return dict.fromkeys(("balanced_accuracy", "accuracy", "macro_f1"), no_draws("one class only"))
    units, code = np.unique(unit, return_inverse=True)
    confusion = np.zeros((len(units), classes, classes))
    np.add.at(confusion, (code, truth, predicted), 1.0)

    def of(summary: Callable[[Floats], Floats]) -> Draws:
        def score(weights: Floats) -> Floats:
            return summary(np.tensordot(weights, confusion, axes=1))

        return bootstrap(score, len(units), seed=seed, scale="share", undefined=_CONSTANT)

    return {"balanced_accuracy": of(_balanced_accuracy), "accuracy": of(_accuracy), "macro_f1": of(_macro_f1)}


def ratio_draws(
    numerator: Floats, denominator: Floats, unit: Ints, *, seed: int, scale: Scale, empty: str
) -> Draws:
    """A ratio of two sums over rows [n], such as a mean over things of which each row has its own number.

    Args:
        unit: [n], what is resampled.
        scale: how the ratio is bounded.
        empty: the note where the denominator's sum is 0.
    """
    if not denominator.any():
        return no_draws(empty)
    sums = _sums(np.stack((numerator, denominator), axis=1), unit)

    def score(weights: Floats) -> Floats:
        total = weights @ sums
        return np.asarray(total[:, 0] / total[:, 1])

    return bootstrap(score, len(sums), seed=seed, scale=scale, undefined=_CONSTANT)


def _accuracy(confusion: Floats) -> Floats:
    return np.asarray(np.trace(confusion, axis1=1, axis2=2) / confusion.sum(axis=(1, 2)))


def _balanced_accuracy(confusion: Floats) -> Floats:
    hits, held = np.diagonal(confusion, axis1=1, axis2=2), confusion.sum(axis=2)
    return np.asarray(np.nanmean(np.where(held > 0, hits / np.maximum(held, 1), np.nan), axis=1))


def _macro_f1(confusion: Floats) -> Floats:
    hits = np.diagonal(confusion, axis1=1, axis2=2)
    either = confusion.sum(axis=1) + confusion.sum(axis=2)
    return np.asarray(np.nanmean(np.where(either > 0, 2 * hits / np.maximum(either, 1), np.nan), axis=1))


def _sums(values: Floats, unit: Ints) -> Floats:
    """Sum the rows of each unit: [n, k] to [units, k]."""
    units, code = np.unique(unit, return_inverse=True)
    sums = np.zeros((len(units), values.shape[1]))
    np.add.at(sums, code, values)
    return sums
