"""Ways of telling the future that know nothing of it: no score of a predictor means anything without them.

All of them work on layer-normed tokens. ``copy_last`` and ``linear`` need the context alone; the mean token, the
ridge and the map that corrects copy-last are fitted on groups other than those they are scored on. A baseline may
be given more than the predictor is: the fitted ones have seen tokens of this kind of video, and the mean token
those of its cell.

Axes: n clips, c context tubelets, k horizons, s tokens of a tubelet, d width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import PredictionError

Tokens = NDArray[np.float32]
Real = TypeVar("Real", np.float32, np.float64)
PENALTIES: tuple[float, ...] = tuple(np.logspace(-2, 7, 10).tolist())
# Clips are added up this many at a time: all of a film's tokens at once would not fit.
_CHUNK = 16


def copy_last(known: Tokens, *, horizon: int) -> Tokens:
    """The last tokens of the context again: [n, c, s, d] to [n, horizon, s, d]."""
    return np.repeat(known[:, -1:], horizon, axis=1)


def linear(known: Tokens, *, horizon: int) -> Tokens:
    """The last step carried on: ``last + k (last - the one before)``, [n, c, s, d] to [n, horizon, s, d].

    Raises:
        PredictionError: a context of one tubelet, in which there is no step.
    """
    if known.shape[1] < 2:
        raise PredictionError("linear extrapolation needs a context of 2 tubelets or more, got 1")
    steps = np.arange(1, horizon + 1, dtype=np.float32)[None, :, None, None]
    return np.asarray(known[:, -1:] + steps * (known[:, -1:] - known[:, -2:-1]), dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class MeanToken:
    """The mean of each cell's tokens at each horizon, [k, s, d]."""

    mean: Tokens

    @classmethod
    def fit(cls, future: NDArray[np.floating], rows: NDArray[np.int64]) -> MeanToken:
        """To the clips ``rows`` of all clips' targets [n, k, s, d]."""
        total = np.zeros(future.shape[1:], dtype=np.float64)
        for part in _parts(rows):
            total += future[part].sum(axis=0, dtype=np.float64)
        return cls((total / len(rows)).astype(np.float32))

    def predict(self, known: Tokens) -> Tokens:
        """[n, c, s, d] to [n, k, s, d]."""
        return np.broadcast_to(self.mean, (len(known), *self.mean.shape))


@dataclass(frozen=True, slots=True, eq=False)
class RidgePredictor:
    """Each cell's future tokens as a linear function of its last few: one function for all cells.

    Hoerl and Kennard 1970, on inputs [last, last but one, ...] less their means; ``weights`` [tubelets d, k d].
    """

    weights: NDArray[np.float32]
    offset: NDArray[np.float32]
    penalty: float
    horizon: int
    tubelets: int

    @classmethod
    def fit(
        cls,
        known: NDArray[np.floating],
        future: NDArray[np.floating],
        *,
        train: NDArray[np.int64],
        validation: NDArray[np.int64],
        tubelets: int = 2,
    ) -> tuple[RidgePredictor, RidgePredictor]:
        """Fit to ``train`` with the penalty that is best on ``validation``; and again with both, for use.

        Args:
            known: all clips' contexts, [n, c, s, d]; the last ``tubelets`` are looked at.
            future: all clips' targets, [n, k, s, d].
            train, validation: clips of other groups than each other and than those to be scored.

        Raises:
            PredictionError: a shorter context.
        """
        if known.shape[1] < tubelets:
            raise PredictionError(
                f"the ridge looks at the last {tubelets} tubelets of the context, which has {known.shape[1]}"
            )
        fitted, held = (_Sums.of(known, future, rows, tubelets) for rows in (train, validation))
        turned = held.in_axes_of(fitted)
        errors = [turned.squared_error(*fitted.solve_in_axes(penalty)) for penalty in PENALTIES]
        penalty = PENALTIES[int(np.argmin(errors))]
        on_train, on_both = (
            cls(weights.astype(np.float32), offset.astype(np.float32), penalty, future.shape[1], tubelets)
            for weights, offset in (fitted.solve(penalty), (fitted + held).solve_once(penalty))
        )
        return on_train, on_both

    def predict(self, known: Tokens) -> Tokens:
        """[n, c, s, d] to [n, k, s, d]."""
        n, _, s, d = known.shape
        predicted = _inputs(known, self.tubelets) @ self.weights + self.offset
        return np.asarray(predicted.reshape(n, s, self.horizon, d).transpose(0, 2, 1, 3), dtype=np.float32)


@dataclass(slots=True, eq=False)
class _Sums:
    """All that a ridge regression has to know of its rows; ``gram`` and ``cross`` are not centred."""

    count: int
    inputs: NDArray[np.float64]
    target: NDArray[np.float64]
    gram: NDArray[np.float64]
    cross: NDArray[np.float64]
    squares: float
    _axes: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]] | None = None

    @classmethod
    def of(
        cls, known: NDArray[np.floating], future: NDArray[np.floating], rows: NDArray[np.int64], tubelets: int
    ) -> _Sums:
        d, k = tubelets * future.shape[-1], future.shape[1] * future.shape[-1]
        sums = cls(0, np.zeros(d), np.zeros(k), np.zeros((d, d)), np.zeros((d, k)), 0.0)
        for part in _parts(rows):
            # Of predicted tokens some directions hardly vary: in single precision the Gram matrix is off by as much
            # as the least penalty, and may be singular with it.
            x = _inputs(known[part].astype(np.float64), tubelets).reshape(-1, d)
            y = future[part].astype(np.float64).transpose(0, 2, 1, 3).reshape(len(x), k)
            sums.count += len(x)
            sums.inputs += x.sum(0)
            sums.target += y.sum(0)
            sums.gram += x.T @ x
            sums.cross += x.T @ y
            sums.squares += float((y**2).sum())
        return sums

    def __add__(self, other: _Sums) -> _Sums:
        names = ("count", "inputs", "target", "gram", "cross", "squares")
        return _Sums(*(getattr(self, name) + getattr(other, name) for name in names))

    def solve(self, penalty: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weights [tubelets d, k d] and offset [k d]; one decomposition serves every penalty."""
        values, axes, turned = self.axes
        weights = axes @ (turned / (values[:, None] + penalty))
        return weights, self.target / self.count - self.inputs / self.count @ weights

    def solve_in_axes(self, penalty: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The same of inputs that are turned into the decomposition's axes, which saves a product a penalty."""
        values, axes, turned = self.axes
        weights = turned / (values[:, None] + penalty)
        return weights, self.target / self.count - (self.inputs / self.count @ axes) @ weights

    def in_axes_of(self, other: _Sums) -> _Sums:
        """These rows with their inputs turned into the axes of another's decomposition."""
        axes = other.axes[1]
        gram, cross = axes.T @ self.gram @ axes, axes.T @ self.cross
        return replace(self, inputs=self.inputs @ axes, gram=gram, cross=cross, _axes=None)

    @property
    def axes(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Eigenvalues and axes of the centred Gram matrix, and the centred cross products in these axes."""
        if self._axes is None:
            mean, goal = self.inputs / self.count, self.target / self.count
            values, axes = np.linalg.eigh(self.gram - self.count * np.outer(mean, mean))
            self._axes = values.clip(0), axes, axes.T @ (self.cross - self.count * np.outer(mean, goal))
        return self._axes

    def solve_once(self, penalty: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The same for a single penalty, at a tenth of a decomposition."""
        from scipy.linalg import solve

        mean, goal = self.inputs / self.count, self.target / self.count
        gram = self.gram - self.count * np.outer(mean, mean)
        gram[np.diag_indices_from(gram)] += penalty
        weights = np.asarray(solve(gram, self.cross - self.count * np.outer(mean, goal), assume_a="pos"))
        return weights, goal - mean @ weights

    def squared_error(self, weights: NDArray[np.float64], offset: NDArray[np.float64]) -> float:
        """Summed over these rows, of ``x @ weights + offset``."""
        fit = float((weights * (self.gram @ weights)).sum() - 2 * (weights * self.cross).sum())
        shift = float(
            2 * (self.inputs @ weights) @ offset - 2 * self.target @ offset + self.count * offset @ offset
        )
        return self.squares + fit + shift


def _inputs(known: NDArray[Real], tubelets: int) -> NDArray[Real]:
    """[n, c, s, d] to [n, s, tubelets d]: the last token of each cell beside those before."""
    return np.concatenate([known[:, -back] for back in range(1, tubelets + 1)], axis=-1)


def _parts(rows: NDArray[np.int64]) -> Sequence[NDArray[np.int64]]:
    return [rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK)]
