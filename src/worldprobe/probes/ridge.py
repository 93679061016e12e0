"""Ridge regression in principal axes (Hoerl and Kennard 1970)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import RegistryError
from worldprobe.protocols import TrainingSet

Floats = NDArray[np.float64]


class Ridge:
    """Minimises ``|y - x w - b|^2 + strength |w|^2`` on standardised inputs; ``b`` is not penalised.

    The same model as scikit-learn's ``StandardScaler`` then ``Ridge(alpha=strength)``. In principal axes
    the solution is ``w = z'y / (s^2 + strength)`` for each axis apart, so a strength more costs nothing.
    """

    name = "ridge"
    kind: Literal["regression", "classification"] = "regression"
    strengths: tuple[float, ...] = (*np.logspace(-2, 7, 13).tolist(), np.inf)

    def __init__(self, argument: str | None = None) -> None:
        if argument is not None:
            raise RegistryError(f"ridge takes no argument, got {argument!r}")

    def fit(
        self, training: TrainingSet, target: Floats, *, strength: float, classes: int, start: object = None
    ) -> FittedRidge:
        """Fit to a target [n, k]. The solution is direct; ``start`` only spares another pass over the rows."""
        if isinstance(start, FittedRidge) and start.training is training:
            mean, products = start.mean, start.products
        else:
            mean = target.mean(axis=0)
            products = training.project(target - mean)
        return FittedRidge(training, products / (training.squares[:, None] + strength), mean, products)


@dataclass(frozen=True)
class FittedRidge:
    """Weights [r, k] on the training rows' axes, the offset [k], and the products z'y [r, k] they come from."""

    training: TrainingSet
    weights: Floats
    mean: Floats
    products: Floats

    def predict(self, inputs: NDArray[np.float32]) -> Floats:
        """Values float64 [n, k]."""
        return np.asarray(self.training.apply(inputs, self.weights) + self.mean)
