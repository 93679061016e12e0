"""Batches that fit: halved when memory runs out, and not tried at that size again."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import ConfigError
from worldprobe.protocols import Encoder
from worldprobe.records import Clip


class Batches:
    """Encodes clips with the largest batch that memory has allowed so far.

    Args:
        most: clips a batch to begin with.
    """

    def __init__(self, encoder: Encoder, *, blocks: Sequence[int], most: int) -> None:
        self.encoder, self.blocks, self.most = encoder, blocks, most

    def encode(self, clips: Sequence[Clip]) -> dict[int, NDArray[np.float16]]:
        """Tokens at each block, as ``Encoder.encode`` gives them.

        Raises:
            ConfigError: not even one clip fits.
        """
        parts = []
        start = 0
        while start < len(clips):
            batch = clips[start : start + self.most]
            try:
                parts.append(self.encoder.encode(batch, blocks=self.blocks))
            except RuntimeError as error:
                if not _is_out_of_memory(error):
                    raise
                self._halve(len(batch), error)
                continue
            start += len(batch)
        return {block: np.concatenate([part[block] for part in parts]) for block in self.blocks}

    def _halve(self, tried: int, error: RuntimeError) -> None:
        import torch

        if tried == 1:
            raise ConfigError(
                f"memory does not hold one clip of {self.encoder.name} ({str(error).splitlines()[0]}). "
                "Use fewer --frames, --precision bf16, or another --device."
            ) from error
        self.most = tried // 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        warnings.warn(
            f"{tried} clips of {self.encoder.name} at once are more than memory holds: going on with {self.most}.",
            stacklevel=3,
        )


def _is_out_of_memory(error: RuntimeError) -> bool:
    import torch

    # On a CPU torch raises a plain RuntimeError.
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator: " in str(error)
