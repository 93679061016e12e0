"""Nearest neighbours (Cover and Hart 1967): what is near in the features has a like target, or has not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import RegistryError
from worldprobe.protocols import Fitted, TrainingSet

Floats = NDArray[np.float64]
Metric = Literal["euclidean", "cosine"]
_STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0, np.inf)
_MOST = 100
_CHUNK = 1024
# The votes are counted as if so many more had been cast, spread as the classes are: none is ever impossible.
_EXTRA_VOTES = 1.0


class _Knn:
    """Shared by both kinds. The argument is the metric: ``euclidean`` (default) or ``cosine``."""

    strengths: tuple[float, ...] = _STRENGTHS

    def __init__(self, argument: str | None = None) -> None:
        if argument is not None and argument not in get_args(Metric):
            raise RegistryError(f"knn measures by {' or '.join(get_args(Metric))}, got {argument!r}")
        self.cosine = argument == "cosine"

    def fit(
        self,
        training: TrainingSet,
        target: Floats,
        *,
        strength: float,
        classes: int,
        start: Fitted | None = None,
    ) -> FittedKnn:
        """Remember the rows; ``strength`` is the number of neighbours, and infinity asks all of them."""
        known = isinstance(start, FittedKnn) and start.neighbours.training is training
        neighbours = (
            start.neighbours if isinstance(start, FittedKnn) and known else Neighbours(training, self.cosine)
        )
        values = np.eye(classes)[target[:, 0].astype(np.int64)] if classes else target
        return FittedKnn(neighbours, values, strength, classes)


class KnnRegression(_Knn):
    """The mean target of the nearest training rows, all counting alike."""

    name = "knn-regression"
    kind: Literal["regression", "classification"] = "regression"


class KnnClassification(_Knn):
    """The votes of the nearest training rows, smoothed by the classes' shares."""

    name = "knn-classification"
    kind: Literal["regression", "classification"] = "classification"


class Neighbours:
    """Training rows, standardised, and who is near; the last rows asked for are remembered."""

    def __init__(self, training: TrainingSet, cosine: bool) -> None:
        self.training = training
        self._cosine = cosine
        self._rows = self._prepared(training.inputs)
        self._last: tuple[NDArray[np.float32], NDArray[np.int64]] | None = None

    def of(self, inputs: NDArray[np.float32]) -> NDArray[np.int64]:
        """The 100 nearest training rows (all, if there are fewer), nearest first: [m, 100]."""
        # Every number of neighbours asks for the same rows one after the other.
        if self._last is None or self._last[0] is not inputs:
            parts = [self._nearest(inputs[start : start + _CHUNK]) for start in range(0, len(inputs), _CHUNK)]
            self._last = (inputs, np.concatenate(parts))
        return self._last[1]

    def _nearest(self, inputs: NDArray[np.float32]) -> NDArray[np.int64]:
        # Squared distance less the row's own square, which is the same for all.
        far = (self._rows**2).sum(axis=1) - 2 * self._prepared(inputs) @ self._rows.T
        most = min(_MOST, far.shape[1])
        near = np.sort(np.argpartition(far, most - 1, axis=1)[:, :most], axis=1)
        order = np.argsort(np.take_along_axis(far, near, axis=1), axis=1, kind="stable")
        return np.take_along_axis(near, order, axis=1)

    def _prepared(self, inputs: NDArray[np.float32]) -> Floats:
        rows = self.training.standardize(inputs)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12) if self._cosine else rows


@dataclass(frozen=True, eq=False)
class FittedKnn:
    """Values [n, k] of the training rows (one column a class), and how many neighbours count."""

    neighbours: Neighbours
    values: Floats
    strength: float
    classes: int

    def predict(self, inputs: NDArray[np.float32]) -> Floats:
        """Values float64 [m, k], or log-probabilities [m, classes]."""
        share = self.values.mean(axis=0)
        if not np.isfinite(self.strength):
            result, votes = np.tile(share, (len(inputs), 1)), len(self.values)
        else:
            near = self.neighbours.of(inputs)[:, : int(self.strength)]
            result, votes = self.values[near].mean(axis=1), near.shape[1]
        if not self.classes:
            return result
        # The prior gives each class a little, also those that the training rows do not hold.
        prior = (share * len(self.values) + 1 / self.classes) / (len(self.values) + 1)
        return np.asarray(np.log((result * votes + _EXTRA_VOTES * prior) / (votes + _EXTRA_VOTES)))
