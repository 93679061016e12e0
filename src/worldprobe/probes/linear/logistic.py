"""Multinomial logistic regression in principal axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import RegistryError
from worldprobe.execute.threads import one_blas_thread
from worldprobe.probes.linear.design import Design
from worldprobe.probes.linear.softmax import Path
from worldprobe.protocols import Fitted, TrainingSet

Floats = NDArray[np.float64]
# Log-probability of a class that the training rows do not hold: as good as never, but finite.
NEVER = -30.0
# Training rows are told apart as good as for certain at a mean log loss of less than this, in nats.
_CERTAIN = 0.05
# Of the gradient, for each row: of a fit alone, and of one on the way through all penalties, of which held-out rows
# only have to tell which does best.
_ALONE, _ON_THE_WAY = 3e-5, 1e-3


class Logistic:
    """Minimises ``sum of log losses + strength / 2 |w|^2`` on standardised inputs; no penalty on the offset.

    The same model as scikit-learn's ``StandardScaler`` then ``LogisticRegression(C=1 / strength)``. It is
    solved by L-BFGS in principal axes, each scaled by Boehning's bound on the Hessian (Boehning 1992,
    "Multinomial logistic regression algorithm"), which makes a few dozen steps enough at most strengths.
    """

    name = "logistic"
    kind: Literal["regression", "classification"] = "classification"
    strengths: tuple[float, ...] = (*np.logspace(-2, 6, 9).tolist(), np.inf)
    # As ``Ridge``: rows are read through the training set alone.
    by_products = True

    def __init__(self, argument: str | None = None) -> None:
        if argument is not None:
            raise RegistryError(f"logistic takes no argument, got {argument!r}")

    def fit(
        self,
        training: TrainingSet,
        target: Floats,
        *,
        strength: float,
        classes: int,
        start: Fitted | None = None,
    ) -> FittedLogistic:
        """Fit to class indices [n, 1], out of ``classes``; after a ``start`` less exactly, as a search needs it."""
        present, codes = np.unique(target[:, 0].astype(np.int64), return_inverse=True)
        constant = FittedLogistic(training, None, np.log(np.bincount(codes) / len(codes)), present, classes)
        if not np.isfinite(strength) or len(present) == 1:
            return constant
        if isinstance(start, FittedLogistic):
            path, tolerance = start.path, _ON_THE_WAY
        else:
            path, tolerance = None, _ALONE
        if path is None:
            axes = _design(training).axes
            if not len(axes.diagonal):  # rows that do not vary have no principal components
                return constant
            path = Path(axes, (codes == np.arange(len(present))[:, None]).astype(np.float64))
        with one_blas_thread():
            path.go(strength, tolerance * np.sqrt(len(codes)))
        certain = path.loss < _CERTAIN * len(codes)
        # One that stands alone is not gone on from, and need not keep what it takes to.
        kept = path if isinstance(start, FittedLogistic) else None
        return FittedLogistic(training, path.weights, path.offsets, present, classes, certain, kept)


def _design(training: TrainingSet) -> Design:
    assert isinstance(training, Design), f"logistic regression is of a Design, got {type(training).__name__}"
    return training


def log_softmax(scores: Floats) -> Floats:
    """Log-probabilities along the last axis."""
    shifted = scores - scores.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


@dataclass(frozen=True, eq=False)
class FittedLogistic:
    """Weights [r, present] on the training rows' axes, offsets [present], for the classes that were there.

    Without weights it predicts the classes' shares. ``certain`` says that the training rows are told apart as good
    as for certain: weaker penalties find about the same weights, but for their length. ``path`` goes on from here.
    """

    training: TrainingSet
    weights: Floats | None
    offsets: Floats
    present: NDArray[np.int64]
    classes: int
    certain: bool = False
    path: Path | None = None

    def predict(self, inputs: NDArray[np.float32]) -> Floats:
        """Log-probabilities float64 [n, classes]."""
        result = np.full((len(inputs), self.classes), NEVER)
        scores = np.tile(self.offsets, (len(inputs), 1))
        if self.weights is not None:
            scores += _design(self.training).along_axes(inputs, self.weights)
        result[:, self.present] = np.maximum(log_softmax(scores), NEVER)
        return result

    def coefficients(self) -> Floats:
        """Weights [d, present] on standardised inputs."""
        if self.weights is None:
            return np.zeros((self.training.inputs.shape[1], len(self.offsets)))
        return _design(self.training).of_axes(self.weights)
