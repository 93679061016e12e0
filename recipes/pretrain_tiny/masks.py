"""What is hidden from the context encoder: blocks over all time, the whole future, or all around a window.

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


def causal(
    generator: torch.Generator, *, clips: int, tubelets: int, side: int, window: int, context: int | None = None
) -> tuple[Tensor, Tensor]:
    """Token indices int64 of context [clips, k], the first tubelets of a window of cells, and of the later ones.

    Args:
        window: cells along the window's side; it lies elsewhere in each clip.
        context: tubelets that are seen; drawn, from 2 to all but two, unless given.
    """
    known = context or _randint(generator, 2, max(3, tubelets - 1))
    tokens = _over_time(_window(generator, clips, side, window), tubelets, side)
    return tokens[:, : known * window**2], tokens[:, known * window**2 :]


def through(
    generator: torch.Generator, *, clips: int, tubelets: int, side: int, window: int
) -> tuple[Tensor, Tensor]:
    """Token indices int64 [clips, k] of a window of cells at every time, and no targets [clips, 0]."""
    tokens = _over_time(_window(generator, clips, side, window), tubelets, side)
    return tokens, tokens[:, :0]


def of_step(
    generator: torch.Generator, *, clips: int, tubelets: int, side: int, most: int
) -> tuple[Tensor, Tensor]:
    """The masks of a step of stage 1: most are small, so that a step is quick, a few show all there is.

    Args:
        most: targets; where there are more, as many are drawn for each clip.
    """
    each = {"clips": clips, "tubelets": tubelets, "side": side}
    share = _uniform(generator, 0.0, 1.0)
    if share < 0.3:
        context, target = multiblock(generator, **each)
    elif share < 0.6:
        context, target = causal(generator, **each, window=max(2, side * 5 // 8))
    elif share < 0.67:
        context, target = causal(generator, **each, window=side)
    elif share < 0.92:
        context, target = through(generator, **each, window=max(2, side // 2))
    else:
        context, target = through(generator, **each, window=side)
    return context, some(generator, target, most)


def most_moved(generator: torch.Generator, moved: Tensor, most: int) -> Tensor:
    """Which of each clip's hidden tokens a step of stage 2 asks for: half are those that move most, the rest any.

    Args:
        moved: [b, n], how far each is from what was last seen there.

    Returns:
        Indices int64 [b, most], or of all n, sorted.
    """
    chance = torch.rand(moved.shape, generator=generator)
    first = moved.argsort(1, descending=True)[:, : most // 2]
    return chance.scatter(1, first, 2.0).argsort(1, descending=True)[:, :most].sort(1).values


def some(generator: torch.Generator, tokens: Tensor, most: int) -> Tensor:
    """As many of each clip's tokens [b, n], in order."""
    if tokens.shape[1] <= most:
        return tokens
    order = torch.rand(tokens.shape, generator=generator).argsort(1)[:, :most]
    return tokens.gather(1, order.sort(1).values)


def _window(generator: torch.Generator, clips: int, side: int, window: int) -> Tensor:
    """Cells [clips, window²] of a window of a frame."""
    top, left = (torch.randint(side - window + 1, (clips, 1, 1), generator=generator) for _ in range(2))
    line = torch.arange(window)
    return ((top + line[:, None]) * side + left + line).flatten(1)


def _over_time(cells: Tensor, tubelets: int, side: int) -> Tensor:
    """Cells [b, k] of a frame to the tokens [b, t * k] at every time, in order."""
    cells = cells.sort(1).values
    return (torch.arange(tubelets)[None, :, None] * side * side + cells[:, None]).flatten(1)


def _randint(generator: torch.Generator, low: int, high: int) -> int:
    return int(torch.randint(low, high, (), generator=generator))


def _uniform(generator: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))
