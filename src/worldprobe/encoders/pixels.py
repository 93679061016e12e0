"""What becomes of a frame before a network sees it: which part, at which size, in which numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from worldprobe.encoders.preprocess import MEAN, STD
from worldprobe.geometry import View

if TYPE_CHECKING:
    from torch import Tensor

Fit = Literal["squash", "crop", "letterbox"]
Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Pixels:
    """How frames become a network's input.

    Attributes:
        size: width and height of the input in px.
        fit: ``squash``: the whole frame at that size, distorted; ``crop``: as small as covers a box of the size's
            shape, whose short side has ``short`` px, then the centre; ``letterbox``: the whole frame undistorted
            from the top left, the rest filled with ``pad``.
        short: px of that box's short side.
        bicubic: how a frame is resized; else bilinear. Either with antialias, on the bytes.
        mean, std: of red, green and blue: the network gets (byte / 255 - mean) / std.
        bgr: whether it gets blue first.
        pad: byte beside a letterboxed frame.
    """

    size: tuple[int, int]
    fit: Fit = "squash"
    short: int = 0
    bicubic: bool = False
    mean: Triple = MEAN
    std: Triple = STD
    bgr: bool = False
    pad: int = 114

    def sized(self, width: int, height: int) -> Pixels:
        """The same for an input of another size: as much of a frame is cut away."""
        short = round(self.short * min(width, height) / min(self.size))
        return replace(self, size=(width, height), short=short)

    def resized(self, width: int, height: int) -> tuple[int, int]:
        """Width and height in px that a frame of this size is brought to, before anything is cut away or added."""
        if self.fit == "squash":
            return self.size
        if self.fit == "letterbox":
            ratio = min(self.size[0] / width, self.size[1] / height)
            return max(1, int(width * ratio)), max(1, int(height * ratio))
        # As small as covers what the crop is cut out of, whose short side has ``short`` px.
        across, down = (round(side * self.short / min(self.size)) for side in self.size)
        if width * down >= height * across:
            return max(across, int(down * width / height)), down
        return across, max(down, int(across * height / width))

    def view(self, width: int, height: int) -> View:
        """What the network sees of a frame of this size in px."""
        resized = self.resized(width, height)
        scale = (resized[0] / width, resized[1] / height)
        return View(scale=scale, offset=tuple(map(float, self._corner(resized))), size=self.size)  # type: ignore[arg-type]

    def frames(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Source frames uint8 [n, h, w, 3] to the network's uint8 [n, 3, height, width], red first."""
        import torch
        from torch.nn.functional import interpolate

        found = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)
        width, height = self.resized(frames.shape[2], frames.shape[1])
        if found.shape[-2:] != (height, width):
            mode = "bicubic" if self.bicubic else "bilinear"
            found = interpolate(found, size=(height, width), mode=mode, antialias=True, align_corners=False)
        if self.fit == "letterbox":
            filled = torch.full((len(found), 3, self.size[1], self.size[0]), self.pad, dtype=torch.uint8)
            filled[:, :, :height, :width] = found
            found = filled
        left, top = self._corner((width, height))
        found = found[:, :, top : top + self.size[1], left : left + self.size[0]]
        return np.asarray(found.contiguous().numpy(), dtype=np.uint8)

    def numbers(self, pixels: Tensor) -> Tensor:
        """uint8 [..., 3, h, w], red first, to what the network takes: float32, its own order of colours."""
        import torch

        mean, std = (255.0 * torch.tensor(x, device=pixels.device)[:, None, None] for x in (self.mean, self.std))
        found = (pixels.to(torch.float32) - mean) / std
        return found.flip(-3) if self.bgr else found

    def _corner(self, resized: tuple[int, int]) -> tuple[int, int]:
        """Px that are cut away on the left and at the top."""
        if self.fit != "crop":
            return 0, 0
        return (resized[0] - self.size[0]) // 2, (resized[1] - self.size[1]) // 2
