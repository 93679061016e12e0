"""The probe of a run as one scikit-learn estimator: its penalty is chosen on inner folds of whole groups."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.metrics import balanced_accuracy_score
from sklearn.utils import ClassifierTags, RegressorTags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from worldprobe.probes.choice import Validated, fit_chosen
from worldprobe.probes.linear.design import Design
from worldprobe.probes.linear.estimators import InputError, require_unmasked
from worldprobe.probes.linear.logistic import FittedLogistic, Logistic, log_softmax
from worldprobe.probes.linear.ridge import Ridge
from worldprobe.probes.metrics import varying
from worldprobe.probes.question import Question
from worldprobe.probes.slope import Believed, Numbers, Shares
from worldprobe.probes.splits import INNER_FOLDS, partition
from worldprobe.probes.training import TrainingSets

Floats = NDArray[np.float64]
Kind = Literal["regression", "classification"]


class GroupedProbe(BaseEstimator):  # type: ignore[misc]
    """Ridge or logistic regression on standardised inputs, whose penalty inner folds of whole groups choose.

    It fits as probes in runs do: penalties are tried on up to four inner folds, none of which has a group on both
    sides, and predictions are shrunk towards the training mean (classes: shares) as far as the folds ask for. Where
    nothing can be read, it predicts the constant.

    Args:
        kind: "regression" (targets [n] or [n, k]) or "classification" (classes [n] of any type).
        random_state: seed that deals groups into inner folds.

    Attributes:
        alpha_: the penalty chosen; infinite where the constant is predicted.
        slope_: how far predictions are shrunk, 0 (the constant) to 1.
        coef_: weights on inputs as they come, [d, k] or [d, classes]; intercept_: [k] or [classes].
        classes_: of a classification, in order.
    """

    # Groups are passed on by scikit-learn's cross_validate and searches wherever metadata routing is enabled.
    __metadata_request__fit = {"groups": True}  # noqa: RUF012

    def __init__(self, kind: Kind = "regression", random_state: int = 0) -> None:
        self.kind = kind
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> GroupedProbe:
        """Fit to inputs [n, d] and targets, choosing the penalty on inner folds of whole groups.

        Args:
            groups: what may not stand on both sides of an inner fold, [n] of any type; None: each row is one.

        Raises:
            InputError: an unknown kind, one class only, one group only, groups of another length, or values that
                are masked.
            ValueError: NaN or infinity, shapes that do not go together, or a target that is no class.
        """
        if self.kind not in ("regression", "classification"):
            raise InputError(f"kind is 'regression' or 'classification', got {self.kind!r}")
        for name, values in (("X", X), ("y", y), ("groups", groups)):
            require_unmasked(values, name)
        numeric = self.kind == "regression"
        inputs, target = validate_data(
            self, X, y, multi_output=numeric, y_numeric=numeric, dtype=(np.float64, np.float32)
        )
        question = self._question(target)
        unit = _codes(groups, len(inputs))
        # Centred before it is cut to float32, which would lose what varies around a large mean.
        middle = inputs.mean(axis=0, dtype=np.float64)
        everything, folds = np.arange(len(inputs)), min(INNER_FOLDS, int(unit.max()) + 1)
        sets = TrainingSets((inputs - middle).astype(np.float32), unit)
        training = sets.prepare(everything, partition(unit, everything, folds, self.random_state))
        chosen = fit_chosen(question, training)
        self.alpha_, self.slope_ = chosen.choice.strength, chosen.choice.slope
        weights, offsets = _linear(question, training.design, chosen)
        self.coef_ = weights
        self.intercept_ = offsets - middle @ weights
        self._of = Shares.of(question.target, question.classes) if question.classes else Numbers.of(question.target)
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Values float64 [n] or [n, k], as the target was; of a classification the likeliest class of each row."""
        output = self._output(X)
        if self.kind == "classification":
            return np.asarray(self.classes_[output.argmax(axis=1)])
        return output[:, 0] if self._flat else output

    @available_if(lambda self: self.kind == "classification")  # type: ignore[untyped-decorator]
    def predict_proba(self, X: ArrayLike) -> Floats:
        """Probabilities of the classes float64 [n, classes], in the order of ``classes_``; of a classification."""
        return np.exp(self._output(X))

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """Score rows [n, d] as runs do: R² against the mean of the training targets, or balanced accuracy.

        Raises:
            ValueError: shapes that do not go together.
        """
        require_unmasked(y, "y")
        found, truth = self.predict(X), np.asarray(y)
        if self.kind == "classification":
            return float(balanced_accuracy_score(truth, found))
        assert isinstance(self._of, Numbers)
        return explained(truth.reshape(len(found), -1), found.reshape(len(found), -1), self._of.middle)

    def _question(self, target: NDArray[Any]) -> Question:
        if self.kind == "regression":
            self._flat: bool = target.ndim == 1
            return Question("target", Ridge(), np.asarray(target, dtype=np.float64).reshape(len(target), -1))
        check_classification_targets(target)
        self.classes_, codes = np.unique(column_or_1d(target), return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(f"there is only one class, {self.classes_[0]!r}: nothing to tell apart")
        return Question("target", Logistic(), codes[:, None].astype(np.float64), len(self.classes_))

    def _output(self, X: ArrayLike) -> Floats:
        check_is_fitted(self, "coef_")
        require_unmasked(X, "X")
        inputs = validate_data(self, X, reset=False, dtype=(np.float64, np.float32))
        output = inputs @ self.coef_ + self.intercept_
        if isinstance(self._of, Shares):
            return self._of.believed(log_softmax(output), self.slope_)
        return self._of.believed(output, np.array(self.slope_))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        numeric = self.kind == "regression"
        tags.estimator_type = "regressor" if numeric else "classifier"
        tags.regressor_tags, tags.classifier_tags = (RegressorTags(), None) if numeric else (None, ClassifierTags())
        tags.target_tags.required, tags.target_tags.multi_output = True, numeric
        return tags


def explained(truth: Floats, predicted: Floats, constant: Floats) -> float:
    """R² of predictions [n, k] against the training constant [k] (or each row's, [n, k]), the mean over columns.

    Columns that do not vary are left out; NaN where none does.
    """
    varies = varying(truth)
    if not varies.any():
        return float("nan")
    error, least = (((truth - other) ** 2).sum(axis=0)[varies] for other in (predicted, constant))
    return float((1 - error / least).mean())


def _codes(groups: ArrayLike | None, rows: int) -> NDArray[np.int64]:
    """Number the groups of rows [n] from 0. Raises InputError for another length, or fewer than two groups."""
    names = np.arange(rows) if groups is None else np.asarray(groups)
    if names.shape != (rows,):
        raise InputError(
            f"groups have the shape {names.shape}, and there are {rows} rows: one group a row is needed"
        )
    codes = np.unique(names, return_inverse=True)[1].astype(np.int64)
    if codes.max() < 1:
        found = f"n_samples = {rows}" if groups is None else "there is only one group"
        raise InputError(f"{found}: a penalty is chosen on groups held out, which takes two or more")
    return codes


def _linear(question: Question, design: Design, chosen: Validated) -> tuple[Floats, Floats]:
    """Weights [d, k] on inputs as the design has them and offsets [k]; of classes as many as there are."""
    strength = chosen.choice.strength
    if question.classes:
        assert isinstance(chosen.fitted, Believed)
        assert isinstance(chosen.fitted.fitted, FittedLogistic)
        standard, offsets = chosen.fitted.fitted.coefficients(), chosen.fitted.fitted.offsets
    else:
        offsets = question.target.mean(axis=0)
        standard = np.zeros((len(design.mean), len(offsets)))
        if np.isfinite(strength):
            standard = design.solve(question.target - offsets, [strength])[0]
    weights = standard / design.scale[:, None]
    return weights, np.asarray(offsets - design.mean @ weights)
