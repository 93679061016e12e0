"""The linear probes as scikit-learn estimators: for its pipelines and searches, and for rows in chunks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from worldprobe.errors import ProbeError
from worldprobe.probes.linear.axes import column_scale, principal
from worldprobe.probes.linear.design import Design
from worldprobe.probes.linear.logistic import Logistic, log_softmax
from worldprobe.probes.linear.scatter import Scatter

Floats = NDArray[np.float64]


class InputError(ProbeError, ValueError):
    """What an estimator was given does not allow a fit; a ValueError too, as scikit-learn's callers expect."""


def require_unmasked(values: object, name: str) -> None:
    """Raise InputError for an array of which a mask hides values: without its mask they would be read."""
    if isinstance(values, np.ma.MaskedArray) and (hidden := np.asarray(np.ma.getmaskarray(values))).any():
        rows = hidden.reshape(len(values), -1).any(axis=1)
        raise InputError(
            f"{name} are masked in {int(rows.sum())} of {rows.size} rows, first in row {int(rows.argmax())}: leave "
            "those rows out, everywhere"
        )


@dataclass(frozen=True, eq=False)
class RidgeSums:
    """All that a ridge regression has to know of its rows: as large for ten rows as for ten million.

    Attributes:
        joint: scatter of inputs [d] and targets [k] side by side, in float64.
        inputs: d.
    """

    joint: Scatter
    inputs: int

    @classmethod
    def of(cls, inputs: NDArray[np.floating], target: Floats) -> RidgeSums:
        """Of rows [n, d] and their targets [n, k]."""
        return cls(Scatter.of(inputs, target), inputs.shape[1])

    @property
    def count(self) -> int:
        """Rows seen."""
        return self.joint.count

    @property
    def mean(self) -> Floats:
        """Of the inputs, [d]."""
        return self.joint.mean[: self.inputs]

    @property
    def target_mean(self) -> Floats:
        """Of the targets, [k]."""
        return self.joint.mean[self.inputs :]

    @property
    def scatter(self) -> Floats:
        """Inputs' products with inputs around their means, [d, d]."""
        return self.joint.matrix[: self.inputs, : self.inputs]

    @property
    def cross(self) -> Floats:
        """Inputs' products with targets around their means, [d, k]."""
        return self.joint.matrix[: self.inputs, self.inputs :]

    def merge(self, other: RidgeSums) -> RidgeSums:
        """Of the rows of both; the order does not matter.

        Raises:
            InputError: the two have other numbers of columns.
        """
        if (self.inputs, len(self.joint.mean)) != (other.inputs, len(other.joint.mean)):
            raise InputError(
                f"these sums are of {self.inputs} features and {len(self.target_mean)} targets, the others of "
                f"{other.inputs} and {len(other.target_mean)}: only sums of the same columns can be merged"
            )
        return RidgeSums(self.joint + other.joint, self.inputs)

    def solve(self, alpha: float) -> Floats:
        """Weights [d, k] on inputs as they came, penalised as if these had been standardised.

        One decomposition serves every alpha. At ``alpha=0`` it is the least-squares solution of least norm.
        """
        scale, squares, axes = self._decomposition
        weights = (axes.T @ (self.cross / scale[:, None])) / (squares[:, None] + alpha)
        return np.asarray((axes @ weights) / scale[:, None])

    @cached_property
    def _decomposition(self) -> tuple[Floats, Floats, Floats]:
        """Column scales [d], squared lengths [r] and axes [d, r]."""
        scale = column_scale(np.sqrt(np.diag(self.scatter).clip(0) / max(self.count, 1)))
        return scale, *principal(self.scatter / np.multiply.outer(scale, scale))


class RidgeProbe(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """StandardScaler, then ridge regression: whole, in chunks, or merged from several machines.

    ``fit`` on all rows, ``partial_fit`` on their chunks and ``merge`` of parts give the same coefficients:
    they only add up :class:`RidgeSums` (memory: a few d x d matrices), and ``coef_`` is worked out of
    these when it is asked for.

    Args:
        alpha: penalty on the squared weights of standardised inputs; infinity leaves the mean.
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def fit(self, X: ArrayLike, y: ArrayLike) -> RidgeProbe:
        """Fit to inputs [n, d] and a target [n] or [n, k], forgetting what was there before.

        Raises:
            InputError: a negative alpha.
            ValueError: NaN or infinity, or shapes that do not go together.
        """
        return self._add(X, y, first=True)

    def partial_fit(self, X: ArrayLike, y: ArrayLike) -> RidgeProbe:
        """Add rows [n, d] and their target; raises as ``fit``."""
        return self._add(X, y, first=not hasattr(self, "sums_"))

    def merge(self, other: RidgeProbe) -> RidgeProbe:
        """A probe fitted to the rows of both, with this one's alpha. Raises InputError for other columns."""
        check_is_fitted(self, "sums_")
        check_is_fitted(other, "sums_")
        merged: RidgeProbe = clone(self)
        merged.sums_ = self.sums_.merge(other.sums_)
        merged.n_features_in_, merged._flat = self.n_features_in_, self._flat
        if hasattr(self, "feature_names_in_"):
            merged.feature_names_in_ = self.feature_names_in_
        return merged

    def predict(self, X: ArrayLike) -> Floats:
        """Values float64 [n] or [n, k], as the target was."""
        check_is_fitted(self, "sums_")
        inputs = validate_data(self, X, reset=False, dtype=(np.float64, np.float32))
        return np.asarray(inputs @ self.coef_.T + self.intercept_)

    @property
    def coef_(self) -> Floats:
        """Weights on inputs as they come, [d] or [k, d]."""
        check_is_fitted(self, "sums_")
        weights = self.sums_.solve(self.alpha)
        return weights[:, 0] if self._flat else weights.T

    @property
    def intercept_(self) -> Any:
        """Offset: a number, or [k]."""
        coef = self.coef_
        offset = self.sums_.target_mean - np.atleast_2d(coef) @ self.sums_.mean
        return float(offset[0]) if self._flat else offset

    def _add(self, X: ArrayLike, y: ArrayLike, *, first: bool) -> RidgeProbe:
        if not self.alpha >= 0:
            raise InputError(f"alpha is the weight of a penalty and must be 0 or more, got {self.alpha}")
        inputs, target = validate_data(
            self, X, y, reset=first, multi_output=True, y_numeric=True, dtype=(np.float64, np.float32)
        )
        sums = RidgeSums.of(inputs, np.asarray(target, dtype=np.float64).reshape(len(inputs), -1))
        self.sums_: RidgeSums = sums if first else self.sums_.merge(sums)
        if first:
            self._flat: bool = target.ndim == 1
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class LogisticProbe(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """StandardScaler, then multinomial logistic regression by :class:`~worldprobe.probes.linear.logistic.Logistic`.

    Args:
        alpha: penalty on half the squared weights of standardised inputs: scikit-learn's ``1 / C``.
            Infinity leaves the classes' shares.
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def fit(self, X: ArrayLike, y: ArrayLike) -> LogisticProbe:
        """Fit to inputs [n, d] and classes [n] of any kind.

        Raises:
            InputError: one class only, or an alpha that is not positive.
            ValueError: NaN or infinity, shapes that do not go together, or a target that is no class.
        """
        if not self.alpha > 0:
            raise InputError(f"alpha is the weight of a penalty and must be positive, got {self.alpha}")
        inputs, target = validate_data(self, X, y, dtype=(np.float64, np.float32))
        check_classification_targets(target)
        self.classes_, codes = np.unique(target, return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(f"there is only one class, {self.classes_[0]!r}: nothing to tell apart")
        # Centred before it is cut to float32, which would lose what varies around a large mean.
        middle = inputs.mean(axis=0, dtype=np.float64)
        design = Design((inputs - middle).astype(np.float32))
        fitted = Logistic().fit(
            design, codes[:, None].astype(np.float64), strength=self.alpha, classes=len(self.classes_)
        )
        weights = fitted.coefficients() / design.scale[:, None]
        self.coef_ = weights.T
        self.intercept_ = fitted.offsets - (middle + design.mean) @ weights
        return self

    def decision_function(self, X: ArrayLike) -> Floats:
        """Log-odds of the second class [n] where there are two, else a score for each class [n, classes]."""
        scores = self._scores(X)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Probabilities float64 [n, classes], in the order of ``classes_``."""
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X: ArrayLike) -> Floats:
        """Log-probabilities float64 [n, classes]."""
        return log_softmax(self._scores(X))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The likeliest class of each row, [n]."""
        likeliest = self._scores(X).argmax(axis=1)
        return np.asarray(self.classes_[likeliest])

    def _scores(self, X: ArrayLike) -> Floats:
        check_is_fitted(self, "coef_")
        inputs = validate_data(self, X, reset=False, dtype=(np.float64, np.float32))
        return np.asarray(inputs @ self.coef_.T + self.intercept_)
