"""Any encoder, shown the whole frame: squashed to its input's size instead of cut out of the middle."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from worldprobe.encoders.named import named
from worldprobe.errors import RegistryError
from worldprobe.geometry import TokenGrid, View
from worldprobe.protocols import Encoder
from worldprobe.records import Clip

PREFIX = "squashed:"
_VERSION = 1  # of the resizing


class Squashed:
    """squashed:E: encoder E, whose every frame is squashed to a square: nothing lies outside, shapes are distorted.

    It has a name and a revision of its own, so that its embeddings never stand for E's.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.name = PREFIX + encoder.name
        self.revision = hashlib.sha256(f"{encoder.revision} squashed v{_VERSION}".encode()).hexdigest()
        self.blocks = encoder.blocks
        self.tubelet = encoder.tubelet
        self.status: Literal["trained", "untrained", "floor"] = encoder.status
        twin = getattr(encoder, "twin", None)
        self.twin = PREFIX + twin if twin else None
        self.device = getattr(encoder, "device", "cpu")
        self.precision = getattr(encoder, "precision", "auto")
        self.origin = {**getattr(encoder, "origin", {}), "squashed": _VERSION}
        for told in ("flop", "parameters", "pixels"):
            if hasattr(encoder, told):
                setattr(self, told, getattr(encoder, told))
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

    def grid(self, frames: int) -> TokenGrid:
        """As E's."""
        return self._encoder.grid(frames)

    def encode(self, clips: Sequence[Clip], *, blocks: Sequence[int]) -> dict[int, NDArray[np.float16]]:
        """As E's."""
        return self._encoder.encode(clips, blocks=blocks)


def squashed(argument: str | None = None, *, device: str = "auto", precision: str = "auto") -> Squashed:
    """``squashed:E``: encoder E, whose every frame is squashed to its input's size instead of cropped."""
    if not argument or argument.startswith(PREFIX):
        raise RegistryError("squashed: which encoder's? For instance squashed:vjepa2-tiny.")
    return Squashed(named(argument, device=device, precision=precision))
