"""L-BFGS for smooth convex losses (Liu and Nocedal 1989; Nocedal and Wright 2006, algorithm 7.4)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_MEMORY = 12
_MOST_STEPS = 500
_MOST_HALVINGS = 20
_SUFFICIENT = 1e-4  # Armijo's constant


def minimize(loss: Callable[[Floats], tuple[float, Floats]], start: Floats, *, tolerance: float) -> Floats:
    """The minimiser of a convex loss, from a start [n].

    scipy's solver spends as long on its bounds, which we do not have, as on our losses.

    Args:
        loss: value and gradient [n] at a point.
        tolerance: stop where the gradient's norm is below it, or where no step lowers the loss any more.
    """
    point, (value, gradient) = start, loss(start)
    pairs: deque[tuple[Floats, Floats, float]] = deque(maxlen=_MEMORY)
    for _ in range(_MOST_STEPS):
        if float(np.linalg.norm(gradient)) <= tolerance:
            break
        direction = -_inverse_hessian_times(gradient, pairs)
        slope = float(direction @ gradient)
        step = 1.0
        for _ in range(_MOST_HALVINGS):
            there = point + step * direction
            new_value, new_gradient = loss(there)
            if new_value <= value + _SUFFICIENT * step * slope:
                break
            step /= 2
        else:
            break
        moved, turned = there - point, new_gradient - gradient
        curvature = float(moved @ turned)
        if curvature > 1e-12 * float(moved @ moved):
            pairs.append((moved, turned, curvature))
        point, value, gradient = there, new_value, new_gradient
    return point


def _inverse_hessian_times(gradient: Floats, pairs: deque[tuple[Floats, Floats, float]]) -> Floats:
    """The two-loop recursion over the remembered steps."""
    result = gradient.copy()
    shares = []
    for moved, turned, curvature in reversed(pairs):
        share = float(moved @ result) / curvature
        result -= share * turned
        shares.append(share)
    if pairs:
        _, turned, curvature = pairs[-1]
        result *= curvature / float(turned @ turned)
    for (moved, turned, curvature), share in zip(pairs, reversed(shares), strict=True):
        result += (share - float(turned @ result) / curvature) * moved
    return result
