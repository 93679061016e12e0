"""The probes that are not linear as scikit-learn estimators, for its pipelines, searches and checks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from worldprobe.probes.knn import KnnClassification, KnnRegression
from worldprobe.probes.linear.design import Design
from worldprobe.probes.linear.estimators import InputError
from worldprobe.probes.mlp import MlpClassification, MlpRegression
from worldprobe.protocols import Probe

Floats = NDArray[np.float64]


class _Wrapped(BaseEstimator):  # type: ignore[misc]
    """Rows in, standardised by themselves; a probe of the pipeline does the rest."""

    def _probe(self) -> tuple[Probe, float]:
        """The probe and its strength. Raises InputError for a parameter that cannot be."""
        raise NotImplementedError

    def _fit(self, inputs: NDArray[Any], target: Floats, groups: ArrayLike | None, classes: int) -> None:
        probe, strength = self._probe()
        unit = np.arange(len(inputs))
        if groups is not None:
            unit = np.unique(np.asarray(groups), return_inverse=True)[1]
            if len(unit) != len(inputs):
                raise InputError(f"groups say of each row where it belongs: {len(inputs)} rows, {len(unit)} groups")
        # Centred before it is cut to float32, which would lose what varies around a large mean.
        self._middle = inputs.mean(axis=0, dtype=np.float64)
        design = Design((inputs - self._middle).astype(np.float32), unit=unit)
        self._fitted = probe.fit(design, target, strength=strength, classes=classes)

    def _predict(self, X: ArrayLike) -> Floats:
        check_is_fitted(self, "_fitted")
        inputs = validate_data(self, X, reset=False, dtype=(np.float64, np.float32))
        return self._fitted.predict((inputs - self._middle).astype(np.float32))


class _Regressor(RegressorMixin, _Wrapped):  # type: ignore[misc]
    def fit(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> Any:
        """Fit to inputs [n, d] and a target [n] or [n, k].

        Args:
            groups: what may not stand on both sides of what the probe holds out, [n]; each row for itself if None.

        Raises:
            InputError: a parameter that cannot be, or groups of another length.
            ValueError: NaN or infinity, or shapes that do not go together.
        """
        inputs, target = validate_data(
            self, X, y, multi_output=True, y_numeric=True, dtype=(np.float64, np.float32)
        )
        self._flat = target.ndim == 1
        self._fit(inputs, np.asarray(target, dtype=np.float64).reshape(len(inputs), -1), groups, 0)
        return self

    def predict(self, X: ArrayLike) -> Floats:
        """Values float64 [n] or [n, k], as the target was."""
        values = self._predict(X)
        return values[:, 0] if self._flat else values

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class _Classifier(ClassifierMixin, _Wrapped):  # type: ignore[misc]
    def fit(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> Any:
        """Fit to inputs [n, d] and classes [n] of any kind; ``groups`` as in the regressors.

        Raises:
            InputError: one class only, a parameter that cannot be, or groups of another length.
            ValueError: NaN or infinity, shapes that do not go together, or a target that is no class.
        """
        inputs, target = validate_data(self, X, y, dtype=(np.float64, np.float32))
        check_classification_targets(target)
        self.classes_, codes = np.unique(target, return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(f"there is only one class, {self.classes_[0]!r}: nothing to tell apart")
        self._fit(inputs, codes[:, None].astype(np.float64), groups, len(self.classes_))
        return self

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Probabilities float64 [n, classes], in the order of ``classes_``."""
        found = np.exp(self._predict(X))
        return np.asarray(found / found.sum(axis=1, keepdims=True))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The likeliest class of each row, [n]."""
        likeliest = self._predict(X).argmax(axis=1)
        return np.asarray(self.classes_[likeliest])


class _OfMlp:
    def __init__(self, width: int = 128, decay: float = 0.01, seed: int = 0) -> None:
        self.width, self.decay, self.seed = width, decay, seed

    def _check(self) -> None:
        if not (self.width >= 1 and self.decay >= 0):
            raise InputError(f"an mlp needs width >= 1 and decay >= 0, got {self.width} and {self.decay}")


class MlpRegressor(_OfMlp, _Regressor):
    """One hidden layer, stopped early on held-out groups.

    Args:
        width: of the hidden layer. decay: AdamW's weight decay; infinity leaves the mean. seed: of start, batches
            and the groups held out.
    """

    def _probe(self) -> tuple[Probe, float]:
        self._check()
        return MlpRegression(str(self.width), seed=self.seed), self.decay


class MlpClassifier(_OfMlp, _Classifier):
    """As :class:`MlpRegressor`, by log loss."""

    def _probe(self) -> tuple[Probe, float]:
        self._check()
        return MlpClassification(str(self.width), seed=self.seed), self.decay


class _OfKnn:
    def __init__(self, neighbours: float = 3, metric: str = "euclidean") -> None:
        self.neighbours, self.metric = neighbours, metric

    def _check(self) -> None:
        if not self.neighbours >= 1 or (self.neighbours > 100 and np.isfinite(self.neighbours)):
            raise InputError(f"knn takes 1 to 100 neighbours, or infinity for all, got {self.neighbours}")


class KnnRegressor(_OfKnn, _Regressor):
    """The mean target of the nearest rows.

    Args:
        neighbours: 1 to 100; infinity asks all. metric: ``euclidean`` or ``cosine``, of standardised inputs.
    """

    def _probe(self) -> tuple[Probe, float]:
        self._check()
        return KnnRegression(self.metric), float(self.neighbours)


class KnnClassifier(_OfKnn, _Classifier):
    """As :class:`KnnRegressor`, by votes smoothed by the classes' shares."""

    def _probe(self) -> tuple[Probe, float]:
        self._check()
        return KnnClassification(self.metric), float(self.neighbours)
