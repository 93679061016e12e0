"""Any encoder, shown the whole frame: squashed to its input's size instead of cut out of the middle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from worldprobe.encoders.wrappers.wrapper import Wrapper, wrapped
from worldprobe.geometry import View
from worldprobe.protocols import Encoder

PREFIX = "squashed:"
_VERSION = 1  # of the resizing


class Squashed(Wrapper):
    """squashed:E: encoder E, whose every frame is squashed to a square: nothing lies outside, shapes are distorted.

    It has a name and a revision of its own, so that its embeddings never stand for E's.
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__(encoder, kind="squashed", version=_VERSION)
        self._size = encoder.view(64, 64).size

    def view(self, width: int, height: int) -> View:
        """The whole of a frame of this size in px."""
        return View((self._size[0] / width, self._size[1] / height), (0.0, 0.0), self._size)

    def preprocess(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Source frames uint8 [n, h, w, 3] to uint8 [n, 3, h', w'], bilinear with antialias on the bytes."""
        import torch
        from torch.nn.functional import interpolate

        pixels = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)
        size = (self._size[1], self._size[0])
        if pixels.shape[-2:] != size:
            pixels = interpolate(pixels, size=size, mode="bilinear", antialias=True, align_corners=False)
        return np.asarray(pixels.contiguous().numpy(), dtype=np.uint8)


def squashed(argument: str | None = None, *, device: str = "auto", precision: str = "auto") -> Squashed:
    """``squashed:E``: encoder E, whose every frame is squashed to its input's size instead of cropped."""
    return Squashed(wrapped(argument, prefix=PREFIX, example="vjepa2-tiny", device=device, precision=precision))
