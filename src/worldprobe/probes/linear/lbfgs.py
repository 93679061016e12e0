"""L-BFGS in its compact form (Byrd, Nocedal and Schnabel 1994; Nocedal and Wright 2006, theorem 7.4)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Apply = Callable[[Floats], Floats]
_MEMORY = 16
# Room for more, so that they are moved to the front only once in a while.
_ROOM = _MEMORY + 4


class Pairs:
    """Remember steps, and how far the gradient turned on each, and make directions of them.

    Gradients come in three forms: as they are; "wide", as one of the two factors of an inner product; and "near",
    as the preconditioner, which has to be self-adjoint, makes them. Where the function goes on with another
    penalty, what is remembered is put right and stays of use.

    Args:
        size: of points.
    """

    def __init__(self, size: int) -> None:
        from scipy.linalg.lapack import dtrtrs

        self._solve = dtrtrs
        # Those from ``first`` to ``stop`` are remembered, the latest last.
        self._first = self._stop = 0
        self._step, self._turned, self._wide, self._near = (np.zeros((_ROOM, size)) for _ in range(4))
        # Inner products of steps with turns, and of turns with near ones.
        self._along, self._across = (np.zeros((_ROOM, _ROOM), order="F") for _ in range(2))
        self._last: tuple[Floats, Floats, Floats] | None = None
        self._moved: Floats | None = None

    def begin(self, more: float, penalised: Apply, widen: Apply, precondition: Apply) -> None:
        """Go on with so much more of a penalty, and its preconditioner. All three map rows [m, size]."""
        self._last = self._moved = None
        if self._first == self._stop:
            return
        now = slice(self._first, self._stop)
        penalty = more * penalised(self._step[now])
        self._turned[now] += penalty
        self._wide[now] += widen(penalty)
        self._near[now] = precondition(self._turned[now])
        self._along[now, now] = self._step[now] @ self._wide[now].T
        self._across[now, now] = self._wide[now] @ self._near[now].T
        if not (self._along.diagonal()[now] > 0).all():  # rounding
            self._first = self._stop = 0

    def move(self, step: Floats) -> None:
        """Remember a step [size], whose turn is the next gradient less the last."""
        self._moved = step

    def direction(self, gradient: Floats, wide: Floats, near: Floats) -> Floats:
        """Where to go from a point with this gradient [size]: less the inverse Hessian times it."""
        last, self._last = self._last, (gradient, wide, near)
        if last is not None and self._moved is not None:
            self._add(self._moved, gradient - last[0], wide - last[1], near - last[2])
        if self._first == self._stop:
            return -near
        now = slice(self._first, self._stop)
        along, across = self._along[now, now], self._across[now, now]
        scale = float(along[-1, -1] / across[-1, -1])
        inner = self._solve(along, self._step[now] @ wide)[0]
        outer = along.diagonal() * inner + scale * (across @ inner - self._wide[now] @ near)
        outer = self._solve(along, outer, trans=1)[0]
        found = outer @ self._step[now]
        found += scale * (near - inner @ self._near[now])
        return np.asarray(-found)

    def _add(self, step: Floats, turned: Floats, wide: Floats, near: Floats) -> None:
        if float(step @ wide) <= 1e-12 * float(step @ step):
            return
        if self._stop - self._first == _MEMORY:
            self._first += 1
        if self._stop == _ROOM:
            kept = slice(self._first, self._stop)
            self._first, self._stop = 0, self._stop - self._first
            now = slice(0, self._stop)
            for one in (self._step, self._turned, self._wide, self._near):
                one[now] = one[kept].copy()
            for square in (self._along, self._across):
                square[now, now] = square[kept, kept].copy()
        at, now = self._stop, slice(self._first, self._stop + 1)
        self._stop += 1
        self._step[at], self._turned[at], self._wide[at], self._near[at] = step, turned, wide, near
        self._along[now, at], self._across[now, at] = self._step[now] @ wide, self._near[now] @ wide
        self._across[at, now] = self._across[now, at]
