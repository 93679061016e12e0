"""Floors: what a probe reads from representations that know nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from worldprobe.encoders.preprocess import crop_frames, sight
from worldprobe.errors import ConfigError, RegistryError
from worldprobe.geometry import TokenGrid, View, resize_and_crop
from worldprobe.records import Clip

_CROP = 128
_CELLS = 8
_FLOW_SIDE = 64


class _Floor:
    """What all floors share: V-JEPA 2's view of the frame, an 8 x 8 grid, two frames a token."""

    name: str
    blocks = 1
    tubelet = 2
    status: Literal["trained", "untrained", "floor"] = "floor"
    parameters = 0
    sight = sight(_CROP)

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
        """So many frames a token, 8 x 8 cells; a single frame, which image encoders read, is a token's by itself.

        Raises:
            ConfigError: another odd number of frames, which are taken in pairs.
        """
        tubelet = min(self.tubelet, frames)
        if frames < 1 or frames % tubelet:
            raise ConfigError(
                f"{self.name} takes an even number of frames a clip, or one, got {frames}. Use --frames "
                f"{max(self.tubelet, frames - frames % self.tubelet)}."
            )
        return TokenGrid(frames // tubelet, _CELLS, _CELLS, tubelet, _CROP // _CELLS)


class Pixels(_Floor):
    """``pixels``: frames averaged over 8 x 8 cells; a token is its cell's mean colour in both frames."""

    name = "pixels"

    def encode(self, clips: Sequence[Clip], *, blocks: Sequence[int]) -> dict[int, NDArray[np.float16]]:
        """float16 [b, t', 8, 8, 6], in 0 to 1; of a single frame three colours, [b, 1, 8, 8, 3]."""
        pixels = np.stack([clip.pixels for clip in clips])
        b, t = pixels.shape[:2]
        pair = min(2, t)
        side = _CROP // _CELLS
        # Sums of whole numbers are exact in any order, and the fastest with rows first, which lie together.
        rows = pixels.reshape(b, t, 3, _CELLS, side, _CROP).sum(axis=4, dtype=np.uint16)
        sums = rows.reshape(b, t, 3, _CELLS, _CELLS, side).sum(axis=5, dtype=np.uint32)
        cells = sums.astype(np.float32) / np.float32(side * side) / np.float32(255.0)
        tokens = cells.reshape(b, t // pair, pair, 3, _CELLS, _CELLS).transpose(0, 1, 4, 5, 2, 3)
        values = tokens.reshape(b, t // pair, _CELLS, _CELLS, 3 * pair).astype(np.float16)
        return dict.fromkeys(blocks, values)


class Flow(_Floor):
    """``flow``: how intensity changes in time times how it changes in space, summed over 8 x 8 cells.

    Linear in the gradients' products and without a parameter: the right-hand side of the equation of Lucas and
    Kanade (1981). A token covers one frame, and is of that frame and the one before it; of a clip's first frame,
    which has none before, of the next one. ``series.by_clock`` sums those of a tubelet: so each pair of neighbours
    counts for the tubelet in which it ends, whatever the tubelet of the encoder that it stands beside.
    """

    name = "flow"
    tubelet = 1

    def encode(self, clips: Sequence[Clip], *, blocks: Sequence[int]) -> dict[int, NDArray[np.float16]]:
        """float16 [b, t, 8, 8, 2]: across and down, intensities in 0 to 1, over 64 x 64 px; 0 of a single frame."""
        pixels = np.stack([clip.pixels for clip in clips])
        b, t = pixels.shape[:2]
        if t == 1:
            return dict.fromkeys(blocks, np.zeros((b, 1, _CELLS, _CELLS, 2), dtype=np.float16))
        # At 64 px and so smooth, what moves by a px or two between frames changes as its slope says.
        grey = _smooth(_smooth(_halved(pixels)))
        in_time = np.diff(grey, axis=1)
        down, across = np.gradient((grey[:, 1:] + grey[:, :-1]) / 2, axis=(2, 3))
        values = np.zeros((b, t, _CELLS, _CELLS, 2), dtype=np.float16)
        side = _FLOW_SIDE // _CELLS
        for column, in_space in enumerate((across, down)):
            cells = (in_time * in_space).reshape(b, t - 1, _CELLS, side, _CELLS, side)
            values[:, 1:, :, :, column] = cells.sum(axis=(3, 5))
        values[:, :1] = values[:, 1:2]
        return dict.fromkeys(blocks, values)


def _halved(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Colours uint8 [b, t, 3, h, w] to grey in 0 to 1 at half the size."""
    grey = pixels[:, :, 0].astype(np.uint16) + pixels[:, :, 1] + pixels[:, :, 2]
    rows = grey[..., ::2, :] + grey[..., 1::2, :]
    return (rows[..., ::2] + rows[..., 1::2]).astype(np.float32) / np.float32(12 * 255)


def _smooth(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weights 1, 2, 1 down and across pictures [..., h, w]; beyond an edge it goes on as it ends."""
    for axis in (-2, -1):
        along = np.moveaxis(values, axis, 0)
        sums = along + along
        sums[1:] += along[:-1]
        sums[:-1] += along[1:]
        sums[0] += along[0]
        sums[-1] += along[-1]
        values = np.moveaxis(sums / np.float32(4), 0, axis)
    return values


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
        shape = (max(1, spec.frames // 2), _CELLS, _CELLS, self.width)
        return np.asarray(generator.standard_normal(shape, dtype=np.float32), dtype=np.float16)
