"""Floors: what a probe reads from representations that know nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from worldprobe.encoders.preprocess import crop_frames
from worldprobe.errors import ConfigError, RegistryError
from worldprobe.geometry import TokenGrid, View, resize_and_crop
from worldprobe.records import Clip

_CROP = 128
_CELLS = 8


class _Floor:
    """What both floors share: V-JEPA 2's view of the frame, an 8 x 8 grid, two frames a token."""

    name: str
    blocks = 1
    tubelet = 2
    status: Literal["trained", "untrained", "floor"] = "floor"
    parameters = 0

    def __init__(self, argument: str | None = None, *, device: str = "auto", precision: str = "auto") -> None:
        if argument is not None:
            raise RegistryError(f"{self.name} takes no argument, got {argument!r}")
        self.revision = hashlib.sha256(f"{self.name} v1 {_CROP} {_CELLS}".encode()).hexdigest()

    def view(self, width: int, height: int) -> View:
        """What is seen of a frame of this size in px."""
        return resize_and_crop(width, height, crop=_CROP)[1]

    def preprocess(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Source frames uint8 [n, h, w, 3] to uint8 [n, 3, 128, 128]."""
        return crop_frames(frames, crop=_CROP)

    def grid(self, frames: int) -> TokenGrid:
        """Frames in pairs, 8 x 8 cells. Raises ConfigError for an odd number of frames."""
        if frames < self.tubelet or frames % self.tubelet:
            raise ConfigError(f"{self.name} takes an even number of frames a clip, got {frames}")
        return TokenGrid(frames // self.tubelet, _CELLS, _CELLS, self.tubelet, _CROP // _CELLS)


class Pixels(_Floor):
    """``pixels``: frames averaged over 8 x 8 cells; a token is its cell's mean colour in both frames."""

    name = "pixels"

    def encode(self, clips: Sequence[Clip], *, blocks: Sequence[int]) -> dict[int, NDArray[np.float16]]:
        """float16 [b, t', 8, 8, 6], in 0 to 1."""
        pixels = np.stack([clip.pixels for clip in clips])
        b, t = pixels.shape[:2]
        side = _CROP // _CELLS
        cells = pixels.reshape(b, t, 3, _CELLS, side, _CELLS, side).mean(axis=(4, 6), dtype=np.float32) / 255.0
        tokens = cells.reshape(b, t // 2, 2, 3, _CELLS, _CELLS).transpose(0, 1, 4, 5, 2, 3)
        values = tokens.reshape(b, t // 2, _CELLS, _CELLS, 6).astype(np.float16)
        return dict.fromkeys(blocks, values)


class Gaussian(_Floor):
    """``gaussian``: noise that depends on the clip's identity only; the original protocol's baseline."""

    name = "gaussian"
    width = 192

    def encode(self, clips: Sequence[Clip], *, blocks: Sequence[int]) -> dict[int, NDArray[np.float16]]:
        """float16 [b, t', 8, 8, 192], standard normal, the same for the same clip in every run."""
        values = np.stack([self._noise(clip) for clip in clips])
        return dict.fromkeys(blocks, values)

    def _noise(self, clip: Clip) -> NDArray[np.float16]:
        spec = clip.spec
        key = hashlib.sha256(f"{spec.video.id} {spec.start} {spec.frames} {spec.stride}".encode()).digest()
        generator = np.random.default_rng(int.from_bytes(key[:8], "little"))
        shape = (spec.frames // 2, _CELLS, _CELLS, self.width)
        return np.asarray(generator.standard_normal(shape, dtype=np.float32), dtype=np.float16)
