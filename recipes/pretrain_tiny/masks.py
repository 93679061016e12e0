"""What is hidden from the context encoder: blocks over all time, or the whole future.

Multi-block masks are V-JEPA's (Bardes et al. 2024): the union of 8 short-range blocks (15 % of a frame
each) or of 2 long-range ones (70 %), the same at every time. Causal masks hide every token from some
tubelet on; public V-JEPA 2 models never saw them.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_BLOCKS = ((8, 0.15), (2, 0.7))
_ASPECTS = (0.75, 1.5)
_LEAST_SEEN = 4  # cells of a frame that stay visible


def multiblock(generator: torch.Generator, *, clips: int, tubelets: int, side: int) -> tuple[Tensor, Tensor]:
    """Token indices int64 of context [clips, k] and targets [clips, m], sorted.

    As in V-JEPA, all clips of a batch get equally many: each context and target is cut to the smallest.
    """
    count, share = _BLOCKS[_randint(generator, 0, len(_BLOCKS))]
    aspect = math.exp(_uniform(generator, *(math.log(a) for a in _ASPECTS)))
    height = min(side, max(1, round(math.sqrt(share * aspect) * side)))
    width = min(side, max(1, round(math.sqrt(share / aspect) * side)))
    line = torch.arange(side)
    hidden = torch.zeros(clips, side, side, dtype=torch.bool)
    for _ in range(count):
        top = torch.randint(side - height + 1, (clips, 1), generator=generator)
        left = torch.randint(side - width + 1, (clips, 1), generator=generator)
        rows = (line >= top) & (line < top + height)
        columns = (line >= left) & (line < left + width)
        hidden |= rows[:, :, None] & columns[:, None, :]
    # A random order of the cells, seen ones first: the first k are seen in every clip, the last m in none.
    order = (hidden.flatten(1) + torch.rand(clips, side * side, generator=generator) * 0.5).argsort(1)
    covered = hidden.flatten(1).sum(1)
    seen = max(_LEAST_SEEN, int((side * side - covered).min()))
    targets = min(int(covered.min()), side * side - seen)
    return _over_time(order[:, :seen], tubelets, side), _over_time(order[:, -targets:], tubelets, side)


def causal(generator: torch.Generator, *, clips: int, tubelets: int, side: int) -> tuple[Tensor, Tensor]:
    """Token indices int64 of context [clips, k], the first tubelets, and targets [clips, m], later ones.

    Half of the time the targets reach to the clip's end, else to some tubelet before.
    """
    context = _randint(generator, 2, max(3, tubelets - 1))
    end = tubelets if _randint(generator, 0, 2) else _randint(generator, context + 1, tubelets + 1)
    each = side * side
    tokens = torch.arange(tubelets * each).expand(clips, -1)
    return tokens[:, : context * each], tokens[:, context * each : end * each]


def _over_time(cells: Tensor, tubelets: int, side: int) -> Tensor:
    """Cells [b, k] of a frame to the tokens [b, t * k] at every time, in order."""
    cells = cells.sort(1).values
    return (torch.arange(tubelets)[None, :, None] * side * side + cells[:, None]).flatten(1)


def _randint(generator: torch.Generator, low: int, high: int) -> int:
    return int(torch.randint(low, high, (), generator=generator))


def _uniform(generator: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))
