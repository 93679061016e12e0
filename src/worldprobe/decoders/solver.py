"""Draw along a flow's path, from noise to what a network says is beneath it, in few steps.

By the angle a at which noise and data are mixed (Salimans and Ho 2022, appendix D), z = cos a data + sin a noise,
the path is solved by variation of constants (Lu et al. 2022, "DPM-Solver"):
z(b) = sin b / sin a z(a) + sin b * the integral from b to a of cleaned(t) / sin^2 t dt. Euler steps along straight
lines take ``cleaned`` as constant, which narrows even a normal distribution: 4 of them to 0.72 of its spread.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

Cleaner = Callable[[Tensor, Tensor], Tensor]
"""Mixed values (1 - s) data + s noise [n, ...], and s [n], to the data's mean given these."""


def draw(cleaned: Cleaner, noise: Tensor, *, steps: int) -> Tensor:
    """Draw data of unit spread [n, ...], one for each draw of noise [n, ...] of unit spread.

    ``cleaned`` is taken as linear in cos a, which is exact for data that are settled, where it is constant, and for
    normal ones, where it is cos a z. Its slope is that since the step before (as in the multistep solver of Lu et
    al. 2022, "DPM-Solver++"); at the first, where all is noise, that of a normal distribution. A single step draws
    the mean.
    """
    angles = [math.pi / 2 * (1 - step / steps) for step in range(steps + 1)]
    state = noise
    before: tuple[Tensor, float] | None = None
    for now, then in pairwise(angles):
        length = math.sin(now) + math.cos(now)  # z over it is the mixture at s = sin a / length
        sigma = torch.full((len(state),), math.sin(now) / length, device=state.device)
        found = cleaned(state / length, sigma)
        if before is None:
            slope = state if steps > 1 else torch.zeros_like(state)
        else:
            slope = (found - before[0]) / (math.cos(now) - math.cos(before[1]))
        before = found, now
        # With c = cos: the integrals of 1 / sin^2 and cos / sin^2, times sin b, which stay finite at b = 0.
        level = math.cos(then) - math.cos(now) * math.sin(then) / math.sin(now)
        lean = 1 - math.sin(then) / math.sin(now)
        state = state * (math.sin(then) / math.sin(now)) + (found - math.cos(now) * slope) * level + slope * lean
    return state
