"""Batches in an order that follows from the seed alone, so that a run that was cut off goes on where it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from worldprobe.decoders.pairs import Pixels, Source, Tokens

_POOL_BYTES = 192 * 2**20
_MOST_CLIPS = 64

Batch = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Tokens float32 [n, h', w', d] and frames float32 [n, frames, 3, H, W] in 0 to 1."""


def ready(tokens: Tokens, frames: Pixels) -> Batch:
    """As decoders take them."""
    return tokens.astype(np.float32), frames.astype(np.float32) / np.float32(255)


def batches(source: Source, rows: Sequence[int], *, size: int, seed: int, start: int) -> Iterator[Batch]:
    """Batches for ever, from number ``start`` on.

    Each epoch deals the clips out anew into pools of a bounded number of bytes; a pool's pairs are shuffled and
    cut into batches, and what is left of it waits for another epoch.
    """
    rows = list(rows)
    tokens, frames = source.read(rows[0])
    together = max(1, min(_MOST_CLIPS, _POOL_BYTES // (tokens.nbytes + frames.nbytes)))
    pools = [rows[i : i + together] for i in range(0, len(rows), together)]
    counts = [max(1, len(pool) * source.per_row // size) for pool in pools]
    epoch, skip = divmod(start, sum(counts))
    while True:
        order = np.random.default_rng([seed, epoch]).permutation(len(rows))
        for number, count in enumerate(counts):
            if skip >= count:
                skip -= count
                continue
            pool = [rows[i] for i in order[number * together : (number + 1) * together]]
            yield from _pool(source, pool, size, count, np.random.default_rng([seed, epoch, number]), skip)
            skip = 0
        epoch += 1


def _pool(
    source: Source, pool: Sequence[int], size: int, count: int, generator: np.random.Generator, skip: int
) -> Iterator[Batch]:
    pairs = [source.read(row) for row in pool]
    tokens = np.concatenate([one for one, _ in pairs])
    frames = np.concatenate([one for _, one in pairs])
    order = generator.permutation(len(tokens))
    for number in range(skip, count):
        chosen = order[number * size : (number + 1) * size]
        yield ready(tokens[chosen], frames[chosen])
