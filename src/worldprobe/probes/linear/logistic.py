"""Multinomial logistic regression in principal axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import RegistryError
from worldprobe.probes.linear.lbfgs import minimize
from worldprobe.protocols import Fitted, TrainingSet

Floats = NDArray[np.float64]
# Log-probability of a class that the training rows do not hold: as good as never, but finite.
NEVER = -30.0
# Training rows are told apart as good as for certain at a mean log loss of less than this, in nats.
_CERTAIN = 0.05
# Of the gradient, for each row: of a fit alone, and of one on the way through all penalties, of which held-out rows
# only have to tell which does best.
_ALONE, _ON_THE_WAY = 1e-4, 1e-3


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
        truth = np.zeros((len(codes), len(present)))
        truth[np.arange(len(codes)), codes] = 1.0
        if isinstance(start, FittedLogistic):
            weights, offsets, tolerance = start.weights, start.offsets, _ON_THE_WAY
        else:
            tolerance = _ALONE
            weights, offsets = np.zeros((len(training.squares), len(present))), np.log(truth.mean(axis=0))
        certain = False
        if np.isfinite(strength):
            weights, offsets, loss = _solve(training, truth, strength, weights, offsets, tolerance)
            certain = loss < _CERTAIN * len(truth)
        return FittedLogistic(training, weights, offsets, present, classes, certain)


def _solve(
    training: TrainingSet, truth: Floats, strength: float, weight: Floats, offset: Floats, tolerance: float
) -> tuple[Floats, Floats, float]:
    """Weights [r, classes] and offsets [classes] at one strength, from a start, and the log loss of all rows."""
    (n, classes), split = truth.shape, weight.size
    # Passing over these rows is most of the work, and it is bound by memory: half the bytes, half the time.
    z = training.rotated.astype(np.float32)
    # A class a row: sums over classes are then sums of whole rows.
    own = np.ascontiguousarray(truth.T)
    # The softmax's Hessian is at most (I - 11'/K) / 2; scaling by half of that bound suits most data.
    weight_scale = 1.0 / np.sqrt(0.25 * training.squares + strength)[:, None]
    offset_scale = 1.0 / np.sqrt(0.25 * n)

    def loss(flat: Floats) -> tuple[float, Floats]:
        w = flat[:split].reshape(-1, classes) * weight_scale
        scores = w.T.astype(np.float32) @ z.T + (flat[split:] * offset_scale)[:, None]
        scores -= scores.max(axis=0)
        value = 0.5 * strength * float(np.vdot(w, w)) - float(np.vdot(own, scores))
        error = np.exp(scores, out=scores)
        total = error.sum(axis=0)
        value += float(np.log(total).sum())
        error /= total
        error -= own
        gradient = ((error.astype(np.float32) @ z).T + strength * w) * weight_scale
        return value, np.concatenate([gradient.ravel(), error.sum(axis=1) * offset_scale])

    start = np.concatenate([(weight / weight_scale).ravel(), offset / offset_scale])
    # In these coordinates the curvature is about 1, so a gradient this small is a loss as close as its square.
    # Where a weak penalty lets rows be told apart for certain the optimum lies far out, and is not gone to: what is
    # gained there is shrunk again by the slope.
    flat = minimize(loss, start, tolerance=tolerance * np.sqrt(n))
    weights, offsets = flat[:split].reshape(-1, classes) * weight_scale, flat[split:] * offset_scale
    return weights, offsets, loss(flat)[0] - 0.5 * strength * float(np.vdot(weights, weights))


def log_softmax(scores: Floats) -> Floats:
    """Log-probabilities along the last axis."""
    shifted = scores - scores.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


@dataclass(frozen=True)
class FittedLogistic:
    """Weights [r, present] on the training rows' axes, offsets [present], for the classes that were there.

    ``certain`` says that the training rows are told apart as good as for certain: weaker penalties find about the
    same weights, but for their length.
    """

    training: TrainingSet
    weights: Floats
    offsets: Floats
    present: NDArray[np.int64]
    classes: int
    certain: bool = False

    def predict(self, inputs: NDArray[np.float32]) -> Floats:
        """Log-probabilities float64 [n, classes]."""
        result = np.full((len(inputs), self.classes), NEVER)
        scores = self.training.rotate(inputs) @ self.weights + self.offsets
        result[:, self.present] = np.maximum(log_softmax(scores), NEVER)
        return result
