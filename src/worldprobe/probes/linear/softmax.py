"""Softmax regression along a path of penalties, on rows whose products are reduced to three diagonals.

The L2-penalised log loss of the softmax is made least by L-BFGS (Nocedal and Wright 2006, section 7.2) before a
preconditioner that knows the rows' products ``T``: with each row's Hessian taken for their mean, the loss's is
``H x T + strength``, ``H`` the mean covariance of the classes' shares, which is tridiagonal in these coordinates.

Weights that add up to something over the classes only cost penalty, so they are sought where they add up to
nothing: in one direction less than there are classes.

Shapes: ``n`` rows, ``r`` axes, ``c`` classes, ``k = c - 1`` directions. Points are flat, [k r + k]: weights [k, r]
and an offset for each direction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.probes.linear.lbfgs import Pairs

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
# OpenBLAS multiplies small matrices as they are, and copies larger ones first, which of a few columns takes several
# times as long as the product. So many multiplications are small, where the product has so many values at most.
_SMALL, _FEW = 900_000, 1100
# Rows of at most so many values, 1 MB, are still in the cache for the product backward after that forward.
_NEAR = 2**18
# A mean Hessian of less than this would trust a few rows that are not certain yet to speak for all.
_LEAST_CURVATURE = 0.01
_MOST_STEPS = 500
# After so many steps the mean Hessian is looked at again, and taken where it is so many times as small.
_STEPS_BETWEEN, _APART = 8, 3.0
_MOST_HALVINGS = 20
_SUFFICIENT = 1e-4  # Armijo's constant


@dataclass(frozen=True, slots=True, eq=False)
class Axes:
    """Centred rows in coordinates in which their products are tridiagonal.

    Attributes:
        rows: float32 [n, r].
        diagonal, beside: of the products ``T``, float64 [r] and [r - 1].
        dual: whether weights are on rows rather than columns. ``rows`` are then ``Q`` of ``X X' = Q T Q'``, scores
            ``Q T w`` and the squared length of weights ``w' T w``; else ``rows`` are ``X Q`` of ``X' X = Q T Q'``,
            scores ``X Q w``, and the squared length is ``w' w``.
    """

    rows: Singles
    diagonal: Floats
    beside: Floats
    dual: bool

    def stretch(self, weights: Floats) -> Floats:
        """Weights [..., r] as they multiply ``rows``, and as inner products have one of two factors."""
        if not self.dual:
            return weights
        found = weights * self.diagonal
        found[..., 1:] += weights[..., :-1] * self.beside
        found[..., :-1] += weights[..., 1:] * self.beside
        return found


class Path:
    """Follow the least loss from one penalty to the next.

    Args:
        axes: of the rows.
        truth: 1 where a row is of a class, else 0: float64 [c, n].
    """

    def __init__(self, axes: Axes, truth: Floats) -> None:
        self._axes, self._truth = axes, truth
        shares = truth.mean(axis=1)
        # Directions in which shares vary by themselves; the last of these vectors is the one that says nothing.
        self._turn = np.linalg.svd(_covariance(shares, np.outer(shares, shares)))[0][:, :-1]
        self._k, self._r, self._n = self._turn.shape[1], len(axes.diagonal), truth.shape[1]
        logs = np.log(shares)
        self._level = float(logs.mean())
        self.point = np.zeros(self._k * (self._r + 1))
        self.point[-self._k :] = self._turn.T @ logs
        self._scores = np.zeros((self._k, self._n))
        self._stretched = np.zeros_like(self.point)
        # Rows are centred: weights that are the same on all of them have no scores and no length, yet grow by
        # rounding until they drown the others.
        lost = axes.rows.sum(axis=0, dtype=np.float64) if axes.dual else np.zeros(self._r)
        self._lost = lost / (np.linalg.norm(lost) or 1.0)
        self._pairs = Pairs(len(self.point))
        self.strength = 0.0
        self.loss, self._raw, _ = self._pass(self.point, self.point, 0.0)

    @property
    def weights(self) -> Floats:
        """On the axes, float64 [r, c]."""
        return np.asarray((self._turn @ self._weights(self.point)).T)

    @property
    def offsets(self) -> Floats:
        """Of the classes, [c]."""
        return np.asarray(self._turn @ self.point[-self._k :] + self._level)

    def go(self, strength: float, tolerance: float) -> None:
        """Go to the least loss at a strength, until the gradient's length is below the tolerance.

        It is measured so that half its square is about what the loss still has to fall.
        """
        curvature = self._curve()
        solve = self._preconditioner(curvature, strength)
        self._pairs.begin(strength - self.strength, self._penalised, self._stretch, solve)
        self.strength = strength
        squared = self._product(self.point, self._stretched)
        value = self.loss + 0.5 * strength * squared
        for number in range(1, _MOST_STEPS + 1):
            # Where rows become certain, on a long way, the Hessian becomes another.
            if number % _STEPS_BETWEEN == 0:
                now = self._curve()
                if (now < curvature / _APART).any():
                    curvature, solve = now, self._preconditioner(now, strength)
                    self._pairs.begin(0.0, self._penalised, self._stretch, solve)
            gradient = self._settled(self._raw + strength * self._penalised(self.point))
            wide, near = self._stretch(gradient), solve(gradient)
            if float(wide @ near) <= tolerance**2:
                break
            direction = self._pairs.direction(gradient, wide, near)
            along = self._stretch(direction)
            slope, step = float(direction @ wide), 1.0
            once, twice = self._product(self.point, along), self._product(direction, along)
            for _ in range(_MOST_HALVINGS):
                loss, raw, scores = self._pass(direction, along, step)
                moved = squared + 2 * step * once + step**2 * twice
                if loss + 0.5 * strength * moved <= value + _SUFFICIENT * step * slope:
                    break
                step /= 2
            else:
                break
            self._pairs.move(step * direction)
            self.point = self.point + step * direction
            self._stretched = self._stretched + step * along
            self.loss, self._raw, self._scores, squared = loss, raw, scores, moved
            value = loss + 0.5 * strength * squared

    def _weights(self, flat: Floats) -> Floats:
        return flat[: -self._k].reshape(self._k, self._r)

    def _penalised(self, flat: Floats) -> Floats:
        """Points [..., k r + k] without the offsets, on which there is no penalty."""
        found = flat.copy()
        found[..., -self._k :] = 0.0
        return found

    def _settled(self, flat: Floats) -> Floats:
        """Points [..., k r + k] without what has no scores."""
        if not self._axes.dual:
            return flat
        found = flat.copy()
        weights = found[..., : -self._k].reshape(*flat.shape[:-1], self._k, self._r)
        weights -= (weights @ self._lost)[..., None] * self._lost
        found[..., : -self._k] = weights.reshape(*flat.shape[:-1], -1)
        return found

    def _product(self, flat: Floats, stretched: Floats) -> float:
        """Of the weights of two points, one of them stretched."""
        return float(flat[: -self._k] @ stretched[: -self._k])

    def _stretch(self, flat: Floats) -> Floats:
        """Points [..., k r + k] as one factor of an inner product."""
        if not self._axes.dual:
            return flat
        found = flat.copy()
        shape = (*flat.shape[:-1], self._k, self._r)
        found[..., : -self._k] = self._axes.stretch(flat[..., : -self._k].reshape(shape)).reshape(*shape[:-2], -1)
        return found

    def _curve(self) -> Floats:
        """The mean Hessian in each direction, [k]."""
        shares = self._shares
        found = _covariance(shares.mean(axis=1), shares @ shares.T / self._n)
        return np.asarray(np.maximum(np.einsum("ck,cd,dk->k", self._turn, found, self._turn), _LEAST_CURVATURE))

    def _preconditioner(self, curvature: Floats, strength: float) -> Any:
        """Solves with the mean Hessian for right sides [m, k r + k]."""
        from scipy.linalg import lapack

        axes, gaps = self._axes, np.zeros((self._k, self._r))
        gaps[:, :-1] = curvature[:, None] * axes.beside
        floor = 1e-12 * float(axes.diagonal.max(initial=0.0))
        main = curvature[:, None] * axes.diagonal + max(strength, floor)
        diagonal = np.concatenate([main.ravel(), curvature * self._n])
        beside = np.concatenate([gaps.ravel(), np.zeros(self._k - 1)])
        diagonal, beside, failed = lapack.dpttrf(diagonal, beside, overwrite_d=True, overwrite_e=True)
        assert not failed, f"dpttrf stopped at {failed}"

        def solve(right: Floats) -> Floats:
            flat = right if right.ndim == 1 else right.T
            return self._settled(np.asarray(lapack.dpttrs(diagonal, beside, flat)[0].T))

        return solve

    def _pass(self, direction: Floats, along: Floats, step: float) -> tuple[float, Floats, Floats]:
        """Log loss, gradient [k r + k] and scores [k, n], so many steps from the point; ``along``: stretched."""
        k, rows = self._k, self._axes.rows
        offsets = self.point[-k:] + step * direction[-k:]
        weights = self._weights(along).astype(np.float32)
        scores, shares = np.empty((k, self._n)), np.empty_like(self._truth)
        gradient, value, sums = np.zeros((k, self._r), dtype=np.float32), 0.0, np.zeros(k)
        some = max(16, min(_SMALL // (k * self._r), _FEW // k) // 16 * 16)
        chunk = self._n if rows.size <= 8 * _NEAR else some * max(1, _NEAR // (self._r * some))
        for start in range(0, self._n, chunk):
            here = slice(start, start + chunk)
            near, now = rows[here], scores[:, here]
            if step:
                moved = np.empty(now.shape, dtype=np.float32)
                for at in range(0, len(near), some):
                    np.matmul(weights, near[at : at + some].T, out=moved[:, at : at + some])
                np.multiply(moved, step, out=now)
                now += self._scores[:, here]
            else:
                now[:] = self._scores[:, here]
            own, share = self._truth[:, here], shares[:, here]
            full = self._turn @ now
            full += (self._turn @ offsets)[:, None]
            value -= float(np.einsum("cn,cn->", own, full))
            top = full.max(axis=0)
            full -= top
            np.exp(full, out=share)
            total = share.sum(axis=0)
            value += float(top.sum() + np.log(total).sum())
            share /= total
            error = self._turn.T @ (share - own)
            sums += error.sum(axis=1)
            error = error.astype(np.float32)
            for at in range(0, len(near), some):
                gradient += error[:, at : at + some] @ near[at : at + some]
        self._shares = shares
        return value, np.concatenate([gradient.ravel(), sums]), scores


def _covariance(mean: Floats, products: Floats) -> Floats:
    """Of one-of-c draws with these mean shares [c] and mean products of shares [c, c]."""
    return np.asarray(np.diag(mean) - products)
