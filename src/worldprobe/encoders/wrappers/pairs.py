"""An encoder of single frames, read in pairs: its tokens of two neighbouring frames lie side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from worldprobe.encoders.wrappers.wrapper import Wrapper, wrapped
from worldprobe.errors import ConfigError, RegistryError
from worldprobe.geometry import TokenGrid
from worldprobe.protocols import Encoder
from worldprobe.records import Clip

PREFIX = "pairs:"
_VERSION = 1  # of how tokens are joined


class Pairs(Wrapper):
    """pairs:E: encoder E of single frames; a token is a cell's in two neighbouring frames, one after the other.

    So its moments are those of a video encoder whose tokens cover two frames, and neither is averaged: what differs
    between the two frames can be read from it, as it can from the video encoder and from ``pixels``.
    """

    def __init__(self, encoder: Encoder) -> None:
        if encoder.tubelet != 1:
            raise RegistryError(
                f"{PREFIX}{encoder.name}: a token of {encoder.name} covers {encoder.tubelet} frames already; "
                f"{PREFIX} is for encoders of single frames"
            )
        super().__init__(encoder, kind="pairs", version=_VERSION)
        self.tubelet = 2

    def grid(self, frames: int) -> TokenGrid:
        """E's, half as long.

        Raises:
            ConfigError: an odd number of frames, or one that E does not take.
        """
        if frames < 2 or frames % 2:
            raise ConfigError(
                f"{self.name} joins 2 frames to a token, {frames} frames a clip do not divide. Use --frames "
                f"{max(2, frames - frames % 2)}."
            )
        grid = self._encoder.grid(frames)
        return replace(grid, time=grid.time // 2, tubelet=2)

    def encode(self, clips: Sequence[Clip], *, blocks: Sequence[int]) -> dict[int, NDArray[np.float16]]:
        """E's tokens of two frames side by side: float16 [b, t / 2, h', w', 2 d]."""
        return _joined(self._encoder.encode(clips, blocks=blocks))

    def encode_with_classes(
        self, clips: Sequence[Clip], *, blocks: Sequence[int]
    ) -> tuple[dict[int, NDArray[np.float16]], dict[int, NDArray[np.float16]]]:
        """E's patch tokens and class tokens, each of two frames side by side."""
        patches, classes = super().encode_with_classes(clips, blocks=blocks)
        return _joined(patches), _joined(classes)


def _joined(outputs: dict[int, NDArray[np.float16]]) -> dict[int, NDArray[np.float16]]:
    found = {}
    for block, values in outputs.items():
        b, t, h, w, d = values.shape
        both = values.reshape(b, t // 2, 2, h, w, d)
        found[block] = np.concatenate([both[:, :, 0], both[:, :, 1]], axis=-1)
    return found


def pairs(argument: str | None = None, *, device: str = "auto", precision: str = "auto") -> Pairs:
    """``pairs:E``: encoder E of single frames, two of whose tokens lie side by side."""
    return Pairs(
        wrapped(argument, prefix=PREFIX, example="facebook/dinov2-base", device=device, precision=precision)
    )
