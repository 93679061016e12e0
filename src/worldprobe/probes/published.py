"""The probes of the original experiment: scikit-learn's own, one random split, nothing chosen."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import ProbeError
from worldprobe.intervals import Score
from worldprobe.probes import metrics
from worldprobe.probes.evaluate import cross_fit, require_finite
from worldprobe.probes.question import Question
from worldprobe.probes.splits import INNER_FOLDS, Fold, Folds, partition

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
TRAIN_SHARE = 0.8
RIDGE_ALPHA, LOGISTIC_C, LOGISTIC_STEPS = 1.0, 1.0, 1000
LEAST_SAMPLES = 10


def permuted(count: int, *, seed: int) -> tuple[Ints, Ints]:
    """A random 80/20 split of ``count`` rows: (train, test). Raises ProbeError for fewer than 10."""
    if count < LEAST_SAMPLES:
        raise ProbeError(f"only {count} labelled frames, and the original protocol needs {LEAST_SAMPLES} at least")
    order = np.random.default_rng(seed).permutation(count)
    cut = int(TRAIN_SHARE * count)
    return order[:cut], order[cut:]


def published(
    inputs: NDArray[np.float32], question: Question, unit: Ints, *, seed: int, chosen: bool = False
) -> dict[str, Score]:
    """The scores of a question on the test rows of one random split, with intervals by resampling ``unit`` [n].

    StandardScaler, then Ridge(alpha=1) or LogisticRegression(C=1, max_iter=1000), as scikit-learn has them; R2 is
    scikit-learn's ``r2_score``, which measures against the mean of the test rows.

    Args:
        inputs: [n, d]. question: its probe is used with ``chosen`` only.
        chosen: the one thing done otherwise: this package's probe, its penalty chosen on inner random folds.

    Raises:
        ProbeError: too few rows, one class only, or features that are not finite.
    """
    require_finite(inputs)
    train, test = permuted(len(inputs), seed=seed)
    if question.classes and len(np.unique(question.target[train, 0])) < 2:
        raise ProbeError("the training rows hold one class only: nothing to tell apart. Label further classes.")
    predicted = _chosen(inputs, question, train, test, seed) if chosen else _fixed(inputs, question, train, test)
    truth = question.target[test]
    if question.classes:
        codes = truth[:, 0].astype(np.int64), predicted[:, 0].astype(np.int64)
        return metrics.classification(*codes, unit[test], classes=question.classes, seed=seed)
    mean = np.tile(truth.mean(axis=0), (len(truth), 1))
    return {"r2": metrics.r2(truth, predicted, mean, unit[test], seed=seed)}


def majority(question: Question, unit: Ints, *, seed: int) -> dict[str, Score]:
    """What the constant of the training rows scores on the same test rows."""
    train, test = permuted(len(question.target), seed=seed)
    truth, constant = question.target[test], np.tile(question.constant(train), (len(test), 1))
    if question.classes:
        codes = truth[:, 0].astype(np.int64), constant[:, 0].astype(np.int64)
        return metrics.classification(*codes, unit[test], classes=question.classes, seed=seed)
    mean = np.tile(truth.mean(axis=0), (len(truth), 1))
    return {"r2": metrics.r2(truth, constant, mean, unit[test], seed=seed)}


def _fixed(inputs: NDArray[np.float32], question: Question, train: Ints, test: Ints) -> Floats:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(inputs[train])
    rows, held = scaler.transform(inputs[train]), scaler.transform(inputs[test])
    if not question.classes:
        fitted = Ridge(alpha=RIDGE_ALPHA).fit(rows, question.target[train])
        return np.asarray(fitted.predict(held), dtype=np.float64).reshape(len(test), -1)
    with warnings.catch_warnings():
        # The original stops after 1,000 steps, converged or not.
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier = LogisticRegression(C=LOGISTIC_C, max_iter=LOGISTIC_STEPS)
        classifier.fit(rows, question.target[train, 0].astype(np.int64))
    return np.asarray(classifier.predict(held), dtype=np.float64)[:, None]


def _chosen(inputs: NDArray[np.float32], question: Question, train: Ints, test: Ints, seed: int) -> Floats:
    each = np.arange(len(inputs))
    inner = tuple(partition(each, train, INNER_FOLDS, seed))
    folds = Folds("random", (Fold(train, test, inner),), each)
    return cross_fit(inputs, [question], folds)[question.name].prediction[test]
