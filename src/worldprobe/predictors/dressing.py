"""Several futures around one prediction: it is dressed with errors that were made elsewhere.

A prediction is one future and does not say how sure it is. Dressed (Roulston and Smith 2003, "Combining dynamical
and statistical ensembles") it becomes many: to it are added the errors that were made in windows of other groups,
whole, so that what goes together in space, in time and among the numbers of a token stays together. Each error is
scaled from how large errors are expected to be where it was made to how large they are expected to be here, by what
is known before the future is seen.

Axes: n windows, m futures, k horizons, s tokens of a tubelet (1 of a place), d width, f what is known before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from worldprobe.intervals import Floats

Tokens = NDArray[np.float32]
Ints = NDArray[np.int64]
Shape = Literal["dressed", "constant", "noise"]
"""Errors made elsewhere, scaled; the same as they were; independent normal numbers of the expected size."""
SHAPES: tuple[Shape, ...] = get_args(Shape)
Errors = Callable[[Ints], Tokens]
"""What came less what was predicted, of these windows: float32 [n, k, s, d]."""
FUTURES = 8
LEVELS = (0.5, 0.9)
# Added before the logarithm is taken: far below what a token changes by, above what grain does.
_FLOOR = 0.01
_PENALTY = 30.0
# Numbers of a future that are worked on at once.
_MOST = 2**21


def token_features(known: Tokens, predicted: Tokens, grid: tuple[int, int]) -> Floats:
    """What a token's error is usually in proportion to, float64 [n, k, s, 7], all of it known before.

    How much the token is predicted to change and how much its cell changed last, each also over its 3 x 3
    neighbourhood and over the tubelet; and how far the predicted token lies from its tubelet's mean.

    Args:
        known: the context's tokens [n, c, s, d], of which the last two tubelets are looked at.
        predicted: [n, k, s, d]. grid: rows and columns of the s tokens.
    """
    last, before = known[:, -1:], known[:, -2:][:, :1]
    change = np.abs(predicted - last).mean(axis=-1)
    moved = np.broadcast_to(np.abs(last - before).mean(axis=-1), change.shape)
    apart = np.abs(predicted - predicted.mean(axis=2, keepdims=True)).mean(axis=-1)
    parts = [change, _around(change, grid), _whole(change), moved, _around(moved, grid), _whole(moved), apart]
    return np.log(np.stack(parts, axis=-1, dtype=np.float64) + _FLOOR)


@dataclass(frozen=True, slots=True, eq=False)
class ErrorSize:
    """How large errors are expected to be: a ridge (Hoerl and Kennard 1970) for the logarithm of each, by horizon.

    Attributes:
        fits: of each horizon, what turns what is known before, its squares and products into that logarithm.
        levels: within how many times the expected size a share of ``LEVELS`` of the errors lies, [k, 2]: radii that
            are calibrated on what this was fitted to, as locally weighted conformal prediction has them (Lei et al.
            2018, section 5.2).
        mean, root: mean and root mean square of the errors in units of the expected size, [k].
    """

    fits: tuple[_Fit, ...]
    levels: Floats
    mean: Floats
    root: Floats

    @classmethod
    def fit(cls, before: Floats, sizes: Floats) -> tuple[ErrorSize, Floats]:
        """To what is known before [n, k, s, f], with f 0 for one size of all, and errors' sizes [n, k, s].

        Returns what is expected of these, [n, k, s], beside it.
        """
        n, horizons, s = sizes.shape
        found = [
            _Fit.to(before[:, k].reshape(n * s, -1 if before.shape[-1] else 0), sizes[:, k].ravel())
            for k in range(horizons)
        ]
        expected = np.stack([one.reshape(n, s) for _, one in found], axis=1)
        units = sizes / expected
        levels = np.quantile(units, LEVELS, axis=(0, 2)).T
        root = np.sqrt((units**2).mean(axis=(0, 2)))
        return cls(tuple(fit for fit, _ in found), levels, units.mean(axis=(0, 2)), root), expected

    def expected(self, before: Floats) -> Floats:
        """[n, k, s, f] to expected sizes [n, k, s], to which ``levels``, ``mean`` and ``root`` are relative."""
        return np.stack([fit.expected(before[:, k]) for k, fit in enumerate(self.fits)], axis=1)


class Dressed(NamedTuple):
    """Scores of n windows, sizes in root mean squares over d; float32, or bool.

    Attributes:
        point: how far the prediction itself lies from what came, [n, k, s].
        spread: how far it was expected to, [n, k, s].
        energy: the energy score of the futures, [n, k, s].
        nearest: how far the nearest of the futures is off, on average over its tokens, [n, k].
        radius: within which ``LEVELS`` of the errors were expected, [n, k, s, 2]; ``within``: whether this one is.
    """

    point: Tokens
    spread: Tokens
    energy: Tokens
    nearest: Tokens
    radius: Tokens
    within: NDArray[np.bool_]


def dress(
    errors: Errors,
    before: Floats,
    *,
    train: Ints,
    test: Ints,
    shapes: Sequence[Shape],
    seed: int,
) -> dict[Shape, Dressed]:
    """Draw futures of some windows, of each shape, and score them.

    Args:
        errors: of any of the windows, of which those of ``train`` are what futures are made of.
        before: what is known of all of them before the future is seen, [n, k, s, f].
        train: windows of other groups than those of ``test``.
    """
    sizes = np.concatenate([_sizes(errors(rows)) for rows in _some(errors, train)])
    expected: dict[bool, tuple[ErrorSize, Floats, Floats]] = {}
    found: dict[Shape, Dressed] = {}
    for shape in shapes:
        even = shape == "constant"
        if even not in expected:
            known = before[..., :0] if even else before
            usual, there = ErrorSize.fit(known[train], sizes)
            expected[even] = usual, there, usual.expected(known[test])
        found[shape] = _futures(errors, train, test, *expected[even], shape, np.random.default_rng(seed))
    return found


def _futures(
    errors: Errors, train: Ints, test: Ints, usual: ErrorSize, there: Floats, here: Floats, shape: Shape,
    rng: np.random.Generator,
) -> Dressed:  # fmt: skip
    """Of one shape; errors are expected to be as large as ``there`` in the windows of train, ``here`` in those of
    test."""
    parts = []
    for at in _some(errors, np.arange(len(test))):
        error = errors(test[at])
        drawn = np.empty((*error.shape[:-1], FUTURES, error.shape[-1]), dtype=np.float32)
        for i in range(FUTURES):
            drawn[..., i, :] = _draw(errors, train, here[at], there, usual, error.shape, shape, rng)
        parts.append(_scored(drawn, error, here[at], usual))
    return Dressed(*(np.concatenate(one) for one in zip(*parts, strict=True)))


def energy_score(drawn: Tokens, true: Tokens) -> tuple[Tokens, Tokens]:
    """Score futures [..., m, d] by what came [..., d]: energy [...], and how far each future is off [..., m].

    ``mean |x - y| - mean |x - x'| / 2`` (Gneiting and Raftery 2007, eq. 22), with x and x' two different futures,
    so that few futures score on average as many do (Ferro 2014). Of one future alone it is how far that is off.
    Lengths are root mean squares over d.
    """
    *_, m, d = drawn.shape
    off = drawn - true[..., None, :]
    products = off @ off.swapaxes(-1, -2) / d  # differences of futures are those of how they are off
    squares = np.diagonal(products, axis1=-2, axis2=-1)
    among = np.sqrt(np.maximum(squares[..., :, None] + squares[..., None, :] - 2 * products, 0.0)).sum(
        axis=(-1, -2)
    )
    apart = np.sqrt(squares)
    energy = apart.mean(axis=-1) - among / (2 * max(m * (m - 1), 1))
    return np.asarray(energy, np.float32), np.asarray(apart, np.float32)


def _draw(
    errors: Errors, train: Ints, here: Floats, there: Floats, usual: ErrorSize, shape: tuple[int, ...], of: Shape,
    rng: np.random.Generator,
) -> Tokens:  # fmt: skip
    """One future of each of some windows, less what is predicted of it: float32 [b, k, s, d]."""
    if of == "noise":
        size = (here * usual.root[:, None]).astype(np.float32)
        return np.asarray(size[..., None] * rng.standard_normal(shape, dtype=np.float32))
    donors = rng.integers(len(train), size=len(here))
    scale = (here / there[donors]).astype(np.float32)
    return np.asarray(scale[..., None] * errors(train[donors]))


def _scored(drawn: Tokens, error: Tokens, expected: Floats, usual: ErrorSize) -> Dressed:
    energy, off = energy_score(drawn, error)
    point = _sizes(error).astype(np.float32)
    radius = (expected[..., None] * usual.levels[:, None]).astype(np.float32)
    return Dressed(
        point=point,
        spread=(expected * usual.mean[:, None]).astype(np.float32),
        energy=energy,
        nearest=off.mean(axis=2).min(axis=2),
        radius=radius,
        within=point[..., None] <= radius,
    )


class _Fit(NamedTuple):
    """A ridge from squares and products of standardised columns, which are cut to what was seen."""

    mean: Floats
    scale: Floats
    low: Floats
    high: Floats
    centre: Floats
    weights: Floats
    offset: float

    @classmethod
    def to(cls, before: Floats, sizes: Floats) -> tuple[_Fit, Floats]:
        """Fit to [r, f] and [r]; what is expected of these rows [r] beside it."""
        mean: Floats = before.mean(axis=0)
        scale: Floats = before.std(axis=0) + 1e-6
        units: Floats = (before - mean) / scale
        inputs, target = _squares(units), np.log(sizes + _FLOOR)
        centre, offset = inputs.mean(axis=0), float(target.mean())
        inputs -= centre
        gram = inputs.T @ inputs
        # Every column is penalised as if it had a deviation of 1.
        gram[np.diag_indices_from(gram)] += _PENALTY * np.maximum(inputs.var(axis=0), 1e-6)
        weights = np.asarray(np.linalg.solve(gram, inputs.T @ (target - offset)), dtype=np.float64)
        fit = cls(mean, scale, units.min(axis=0), units.max(axis=0), centre, weights, offset)
        return fit, np.exp(inputs @ weights + offset)

    def expected(self, before: Floats) -> Floats:
        """[..., f] to [...]."""
        # Squares of what was never seen would go anywhere.
        units = ((before - self.mean) / self.scale).clip(self.low, self.high)
        return np.asarray(np.exp((_squares(units) - self.centre) @ self.weights + self.offset))


def _squares(inputs: Floats) -> Floats:
    """Each of [..., f] and the product of any two."""
    rows, columns = np.triu_indices(inputs.shape[-1])
    return np.concatenate([inputs, inputs[..., rows] * inputs[..., columns]], axis=-1)


def _sizes(errors: Tokens) -> Floats:
    """Root mean squares over d, float64 [...]."""
    return np.asarray(np.sqrt(np.einsum("...d,...d->...", errors, errors, dtype=np.float64) / errors.shape[-1]))


def _some(errors: Errors, rows: Ints) -> Iterator[Ints]:
    """As many rows at a time as memory is spared."""
    if not len(rows):
        return
    each = max(1, _MOST // max(1, errors(np.zeros(1, np.int64)).size))
    for start in range(0, len(rows), each):
        yield rows[start : start + each]


def _around(values: Tokens, grid: tuple[int, int]) -> Tokens:
    """The mean over each token's 3 x 3 neighbourhood, [n, k, s]; at an edge its own tokens count again."""
    there = values.reshape(*values.shape[:2], *grid)
    padded = np.pad(there, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    rows, columns = grid
    shifted = [padded[:, :, i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
    return np.asarray(np.mean(shifted, axis=0).reshape(values.shape), dtype=np.float32)


def _whole(values: Tokens) -> Tokens:
    return np.broadcast_to(values.mean(axis=2, keepdims=True), values.shape)
