"""Which block, or which of the last ones together, a decoder draws best from: chosen by the best linear picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from worldprobe.decoders.pairs import Pixels, StoredPairs, Tokens
from worldprobe.encoders.reductions import reduced
from worldprobe.records import Block, DecoderShape, Reduction

# Beside each other; a sum is as wide as one block.
_MOST_WIDTH = 4096
_MOST_VALIDATED = 64


@dataclass(frozen=True, slots=True, eq=False)
class Summed:
    """Several blocks' tokens, each layer-normed, added up as ``--blocks sum:`` has the store hold them."""

    pairs: StoredPairs

    @property
    def blocks(self) -> tuple[Block, ...]:
        return (Reduction("sum", tuple(block for block in self.pairs.blocks if isinstance(block, int))),)

    @property
    def parts(self) -> int:
        return 1

    @property
    def key(self) -> str:
        return f"summed {self.pairs.key}"

    @property
    def per_row(self) -> int:
        return self.pairs.per_row

    def read(self, row: int) -> tuple[Tokens, Pixels]:
        """As ``Source.read``."""
        tokens, frames = self.pairs.read(row)
        parts = np.split(tokens, len(self.pairs.blocks), axis=-1)
        (block,) = self.blocks
        assert isinstance(block, Reduction)
        return reduced(block, dict(zip(block.blocks, parts, strict=True))), frames


def candidates(every: StoredPairs, *, width: int) -> Iterator[StoredPairs | Summed]:
    """Each block; of the last 2, 4, 8, ... and all of them the sum, and the join where it is not too wide.

    Args:
        every: all blocks side by side, of ``width`` values each.
    """
    blocks = every.blocks
    yield from (replace(every, blocks=(block,)) for block in blocks)
    counts = [count for power in range(1, len(blocks).bit_length()) if (count := 2**power) < len(blocks)]
    for count in (*counts, len(blocks)):
        last = replace(every, blocks=blocks[-count:])
        yield Summed(last)
        if count * width <= _MOST_WIDTH:
            yield last


def best_linear(
    found: Iterator[StoredPairs | Summed], *, training: Sequence[int], validation: Sequence[int]
) -> StoredPairs | Summed:
    """The one whose linear picture, solved for on the training rows, is nearest on the validation rows."""
    held = validation[:: -(-len(validation) // _MOST_VALIDATED)]
    return min(found, key=lambda source: _error(source, training, held))


def _error(source: StoredPairs | Summed, training: Sequence[int], held: Sequence[int]) -> float:
    """Mean squared error of the linear picture on held-out rows."""
    import torch

    from worldprobe.decoders.batches import ready
    from worldprobe.decoders.linear import LinearPatches

    tokens, frames = source.read(held[0])
    size = (int(frames.shape[-2]), int(frames.shape[-1]))
    shape = DecoderShape(
        (tokens.shape[1], tokens.shape[2]), tokens.shape[3], size, frames.shape[1], parts=source.parts
    )
    picture = LinearPatches(shape, size=size, values=3 * frames.shape[1])
    picture.fit(source, training, lambda real: real.flatten(1, 2))
    total = 0.0
    with torch.inference_mode():
        for row in held:
            given, real = (torch.from_numpy(one) for one in ready(*source.read(row)))
            total += float(((picture(given).clamp(0, 1) - real.flatten(1, 2)) ** 2).mean())
    return total / len(held)
