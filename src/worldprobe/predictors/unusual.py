"""How unusual the errors of a prediction are, given what is known before the future is seen.

An error by itself says how much happens: a scene that is empty, or stays as it is, is easy to predict. So the
errors of a window are held against what they usually are where as much was predicted to change, as much had moved
and the picture was as varied; usual is what a ridge says that was fitted to possible films. Too little error is
unusual as well as too much: what usually follows did not.

Axes: n windows, c context tubelets, k horizons, s tokens of a tubelet, d width.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from worldprobe.intervals import Draws, Floats, bootstrap
from worldprobe.predictors import scores

Tokens = NDArray[np.float32]
# Added before the logarithm is taken: far below what a token changes by, above what grain does.
_FLOOR = 0.01
# The share of a tubelet's tokens that are taken apart as those of the largest errors: about an object.
_LARGEST = 16
_PENALTY = 30.0
_EULER = 0.5772156649015329
# As rare as one possible film in 20.
_RARE = float(np.log10(20))
# Beyond this many scales the tail of an extreme value is exponential to double precision.
_FAR = 30.0


def window_errors(predicted: Tokens, true: Tokens) -> Floats:
    """Logarithms of a window's L1 errors at each horizon, float64 [n, 2 k]: of all tokens, and of the largest.

    Args:
        predicted, true: [n, k, s, d].
    """
    return _both(scores.l1(predicted, true))


def known_before(known: Tokens, predicted: Tokens) -> Floats:
    """What errors are usually in proportion to, float64 [n, 5], of a context and what is predicted to follow it.

    How much is predicted to change, over all tokens and where most is; how much moved at the context's end,
    likewise; how much its last tokens differ from each other.

    Args:
        known: the context's tokens [n, c, s, d], of which the last two tubelets are looked at.
        predicted: [n, k, s, d].
    """
    last = known[:, -1:]
    change = _both(scores.l1(predicted, last)).reshape(len(predicted), 2, -1).mean(axis=2)
    moved = _both(scores.l1(last, known[:, -2:][:, :1]))
    varied = np.log(last[:, 0].std(axis=1).mean(axis=-1, keepdims=True) + _FLOOR)
    return np.concatenate([change, moved, varied], axis=1, dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Usual:
    """What errors usually are: a ridge (Hoerl and Kennard 1970) from squares and products of what is known before.

    ``spread`` is the deviation of a window's mean residual on what it was fitted to.
    """

    mean: Floats
    scale: Floats
    centre: Floats
    weights: Floats
    offset: Floats
    spread: float

    @classmethod
    def fit(cls, known: Floats, errors: Floats) -> Usual:
        """To windows of possible films: what is known before [n, f], and their errors [n, m]."""
        mean, scale = known.mean(axis=0), known.std(axis=0) + 1e-6
        inputs = _squares((known - mean) / scale)
        centre, offset = inputs.mean(axis=0), errors.mean(axis=0)
        centred = inputs - centre
        gram = centred.T @ centred
        # Every column is penalised as if it had a deviation of 1.
        gram[np.diag_indices_from(gram)] += _PENALTY * np.maximum(centred.var(axis=0), 1e-6)
        weights = np.linalg.solve(gram, centred.T @ (errors - offset))
        residual = (errors - offset - centred @ weights).mean(axis=1)
        return cls(mean, scale, centre, weights, offset, float(residual.std()) + 1e-9)

    def excess(self, known: Floats, errors: Floats) -> Floats:
        """How many deviations a window's errors lie above the usual ones: [..., f] and [..., m] to [...]."""
        inputs = _squares((known - self.mean) / self.scale) - self.centre
        residual = errors - self.offset - inputs @ self.weights
        return np.asarray(residual.mean(axis=-1) / self.spread)


def rarity(excess: Floats, possible: Floats) -> Floats:
    """How rare a film is among possible ones, as -log10 of a share: 2 is one in a hundred.

    A film is as rare as the rarer of its largest and its least excess, each by the tail of an extreme value's
    distribution (Gumbel 1958) that has the mean and deviation of the possible films'; both ends count, so the share
    is doubled.

    Args:
        excess: of films' windows, [..., windows].
        possible: of possible films, [films, windows], two or more.
    """
    ends = [_tail(sign * excess, sign * possible) for sign in (1.0, -1.0)]
    return np.asarray(np.maximum(np.maximum(*ends) - np.log10(2), 0.0))


def held_out(known: Floats, errors: Floats, fold: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Excess [n, 2, windows] and rarity [n, 2] of pairs of films by what is usual in possible films of other folds.

    Args:
        known, errors: [n, 2, windows, f] and [n, 2, windows, m]; the first film of each pair is possible.
        fold: of each pair, int64 [n]; two or more folds.
    """
    excess, found = np.zeros(errors.shape[:3]), np.zeros(errors.shape[:2])
    for one in np.unique(fold):
        rest, rows = fold != one, fold == one
        usual = Usual.fit(*(np.concatenate(values[rest, 0]) for values in (known, errors)))
        excess[rows] = usual.excess(known[rows], errors[rows])
        found[rows] = rarity(excess[rows], usual.excess(known[rest, 0], errors[rest, 0]))
    return excess, found


def rare(rarities: Floats, *, seed: int) -> dict[str, Draws]:
    """How rare films [n] are: the share that one possible film in 20 is as rare as, and their mean rarity."""
    flagged = (rarities >= _RARE).astype(np.float64)

    def mean(of: Floats, weights: Floats) -> Floats:
        return np.asarray(weights @ of / weights.sum(axis=1))

    return {
        "flagged": bootstrap(partial(mean, flagged), len(flagged), seed=seed, scale="share"),
        "rarity": bootstrap(partial(mean, rarities), len(rarities), seed=seed, scale="plain"),
    }


def _both(errors: NDArray[np.float32]) -> Floats:
    """Logarithms of the mean over all tokens, and over the largest of them: [n, k, s] to [n, 2 k]."""
    most = max(1, errors.shape[-1] // _LARGEST)
    largest = np.partition(errors, -most, axis=-1)[..., -most:]
    return np.log(np.concatenate([errors.mean(axis=-1), largest.mean(axis=-1)], axis=1, dtype=np.float64) + _FLOOR)


def _squares(inputs: Floats) -> Floats:
    """Each of [..., f] and the product of any two."""
    rows, columns = np.triu_indices(inputs.shape[-1])
    return np.concatenate([inputs, inputs[..., rows] * inputs[..., columns]], axis=-1)


def _tail(excess: Floats, possible: Floats) -> Floats:
    """-log10 of the share of possible films whose largest excess is as large."""
    largest = possible.max(axis=-1)
    scale = max(np.sqrt(6) * float(largest.std(ddof=1)) / np.pi, 1e-9)
    units = (excess.max(axis=-1) - largest.mean()) / scale + _EULER
    near = -np.log10(-np.expm1(-np.exp(-np.clip(units, -_FAR, _FAR))))
    return np.asarray(np.where(units > _FAR, units / np.log(10), near))
