"""Batches that fit: halved when memory runs out, and not tried at that size again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from worldprobe.execute.fitting import Fitting
from worldprobe.protocols import Encoder
from worldprobe.records import Clip

_INSTEAD = "Use fewer --frames, --precision bf16, or another --device."


class Batches:
    """Encodes clips with the largest batch that memory has allowed so far.

    Args:
        most: clips a batch to begin with.
    """

    def __init__(self, encoder: Encoder, *, blocks: Sequence[int], most: int) -> None:
        self.encoder, self.blocks = encoder, blocks
        self._fitting = Fitting(encoder.name, most=most, instead=_INSTEAD)

    def encode(self, clips: Sequence[Clip]) -> dict[int, NDArray[np.float16]]:
        """Tokens at each block, as ``Encoder.encode`` gives them.

        Raises:
            ConfigError: not even one clip fits.
        """
        parts = self._fitting.map(lambda batch: self.encoder.encode(batch, blocks=self.blocks), clips)
        return {block: np.concatenate([part[block] for part in parts]) for block in self.blocks}
