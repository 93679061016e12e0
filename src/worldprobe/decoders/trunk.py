"""From a grid of tokens up to a grid of px: what both decoders have in common."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional

from worldprobe.decoders.tokens import grid_of
from worldprobe.errors import DecoderError
from worldprobe.records import DecoderShape

HIDDEN = 512
_LEAST_CHANNELS = 32


class Trunk(nn.Module):
    """Linear to 512, layer norm, GELU, then transposed convolutions, each doubling the grid.

    Args:
        size: height and width to come to; features are resized where it is not the grid's times a power of two.
        channels: of the first stage; each later one has half as many, but no fewer than 32.
    """

    def __init__(self, shape: DecoderShape, *, size: tuple[int, int], channels: int) -> None:
        super().__init__()
        self.shape, self.size = shape, size
        ratio = max(size[0] / shape.grid[0], size[1] / shape.grid[1])
        self.enter = nn.Conv2d(shape.width, HIDDEN, 1)
        self.norm = nn.LayerNorm(HIDDEN)
        stages: list[nn.Module] = []
        self.features = HIDDEN
        for stage in range(max(0, math.ceil(math.log2(ratio)))):
            narrower = max(channels >> stage, min(_LEAST_CHANNELS, channels))
            stages += [nn.ConvTranspose2d(self.features, narrower, 4, stride=2, padding=1), nn.GELU()]
            self.features = narrower
        self.stages = nn.Sequential(*stages)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens [n, h', w', d] to features [n, features, H, W]."""
        grid = self.enter(grid_of(tokens, self.shape))
        grid = functional.gelu(self.norm(grid.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))
        found: Tensor = self.stages(grid)
        if found.shape[-2:] == self.size:
            return found
        return functional.interpolate(found, size=self.size, mode="bilinear", antialias=True, align_corners=False)


def require_counts(decoder: str, **options: object) -> None:
    """Raises DecoderError for an option of ``[decode]`` that has to be a whole number from 1 on, and is not."""
    for name, value in options.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise DecoderError(f"{decoder}: {name} is a whole number from 1 on, got {value!r}")
