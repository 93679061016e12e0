"""Ridge regression (Hoerl and Kennard 1970), at all strengths for the price of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import RegistryError
from worldprobe.execute.threads import lazy
from worldprobe.protocols import Fitted, TrainingSet

Floats = NDArray[np.float64]
# Of rows [m, d], less the mean, at each strength: [m, k].
Predict = Callable[[NDArray[np.float32]], list[Floats]]


class Ridge:
    """Minimises ``|y - x w - b|^2 + strength |w|^2`` on standardised inputs; ``b`` is not penalised.

    The same model as scikit-learn's ``StandardScaler`` then ``Ridge(alpha=strength)``. In principal axes
    the solution is ``w = z'y / (s^2 + strength)`` for each axis apart, so a strength more costs nothing.
    """

    name = "ridge"
    kind: Literal["regression", "classification"] = "regression"
    strengths: tuple[float, ...] = (*np.logspace(-2, 7, 13).tolist(), np.inf)
    # Each column of a target is found as if it were alone: targets may stand side by side (``choice.fit_all``).
    side_by_side = True
    # Rows are read through the training set alone, which need not have copies of them (``picked.Picked``).
    by_products = True

    def __init__(self, argument: str | None = None) -> None:
        if argument is not None:
            raise RegistryError(f"ridge takes no argument, got {argument!r}")

    def fit(
        self, training: TrainingSet, target: Floats, *, strength: float, classes: int, start: Fitted | None = None
    ) -> FittedRidge:
        """Fit to a target [n, k]. After a ``start`` all strengths are solved for together."""
        if isinstance(start, FittedRidge) and start.path.training is training and strength in start.path.strengths:
            return FittedRidge(start.path, strength, together=True)
        return FittedRidge(Path(training, target, self.strengths), strength, together=False)

    def at_all(self, training: TrainingSet, target: Floats) -> Callable[[NDArray[np.float32]], Iterator[Floats]]:
        """Fit to a target [n, k] at every finite strength: predicts rows [m, d] at each, the strongest first."""
        mean = target.mean(axis=0)
        predict = training.ridge(target - mean, sorted(filter(np.isfinite, self.strengths), reverse=True))
        return lambda inputs: (found + mean for found in predict(inputs))


class Path:
    """A training set and target [n, k], and what all strengths of a probe make of them."""

    def __init__(self, training: TrainingSet, target: Floats, strengths: Sequence[float]) -> None:
        self.training, self.strengths = training, tuple(strengths)
        self._finite = [strength for strength in self.strengths if np.isfinite(strength)]
        self.mean: Floats = target.mean(axis=0)
        self._target = target - self.mean
        self._last: tuple[NDArray[np.float32], list[Floats]] | None = None

    def at(self, strength: float) -> Predict:
        """The regression at one strength alone."""
        return self.training.ridge(self._target, [strength])

    def values(self, inputs: NDArray[np.float32], strength: float) -> Floats:
        """Of rows [m, d], less the mean, at one of the strengths: [m, k]."""
        # Every strength is asked of the same rows one after the other; together they are one product.
        if self._last is None or self._last[0] is not inputs:
            self._last = (inputs, self._all(inputs))
        return self._last[1][self._finite.index(strength)]

    @lazy
    def _all(self) -> Predict:
        return self.training.ridge(self._target, self._finite)


@dataclass(frozen=True)
class FittedRidge:
    """One strength of a path, solved for together with the others or alone."""

    path: Path
    strength: float
    together: bool

    def predict(self, inputs: NDArray[np.float32]) -> Floats:
        """Values float64 [m, k]."""
        if not np.isfinite(self.strength):
            return np.tile(self.path.mean, (len(inputs), 1))
        if self.together:
            return self.path.values(inputs, self.strength) + self.path.mean
        return self._alone(inputs)[0] + self.path.mean

    @lazy
    def _alone(self) -> Predict:
        return self.path.at(self.strength)
