"""A convolutional decoder: the mean picture that fits an embedding.

Trained on squared error it draws the average of all frames that the tokens leave possible, so its blur is what
they leave open (and what the network itself cannot draw).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from worldprobe.decoders.tokens import grid_of
from worldprobe.errors import DecoderError
from worldprobe.records import DecoderShape

_HIDDEN = 512
_GRADIENT_WEIGHT = 0.1
_LEAST_CHANNELS = 32


class CnnDecoder(nn.Module):
    """Linear to 512, then transposed convolutions, each doubling the grid, up to the frames.

    The last stage's picture is resized where the frames' size is not the grid's times a power of two.
    """

    name = "cnn"

    def __init__(self, shape: DecoderShape, *, channels: int = 128) -> None:
        super().__init__()
        self.shape, self.options = shape, {"channels": channels}
        ratio = max(shape.size[0] / shape.grid[0], shape.size[1] / shape.grid[1])
        self.enter = nn.Conv2d(shape.width, _HIDDEN, 1)
        self.norm = nn.LayerNorm(_HIDDEN)
        stages: list[nn.Module] = []
        width = _HIDDEN
        for stage in range(max(0, math.ceil(math.log2(ratio)))):
            narrower = max(channels >> stage, min(_LEAST_CHANNELS, channels))
            stages += [nn.ConvTranspose2d(width, narrower, 4, stride=2, padding=1), nn.GELU()]
            width = narrower
        self.stages = nn.Sequential(*stages)
        self.leave = nn.Conv2d(width, 3 * shape.frames, 3, padding=1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens [n, h', w', d] to frames [n, frames, 3, H, W] in 0 to 1."""
        grid = self.enter(grid_of(tokens, self.shape))
        grid = functional.gelu(self.norm(grid.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))
        picture = self.leave(self.stages(grid))
        if picture.shape[-2:] != self.shape.size:
            picture = functional.interpolate(
                picture, size=self.shape.size, mode="bilinear", antialias=True, align_corners=False
            )
        return torch.sigmoid(picture.float()).reshape(-1, self.shape.frames, 3, *self.shape.size)

    def loss(self, tokens: Tensor, frames: Tensor, *, generator: torch.Generator) -> Tensor:
        """Mean squared error and a tenth of the gradient loss; nothing in it is drawn by lot."""
        drawn = self(tokens)
        return functional.mse_loss(drawn, frames) + _GRADIENT_WEIGHT * gradient_loss(drawn, frames)

    def sample(self, tokens: Tensor, *, generator: torch.Generator) -> Tensor:
        """The picture, the same whatever the generator: frames [n, frames, 3, H, W]."""
        drawn: Tensor = self(tokens)
        return drawn


def gradient_loss(drawn: Tensor, frames: Tensor) -> Tensor:
    """Mean absolute error of the differences between neighbouring px, so that edges are worth their place.

    The gradient difference loss of Mathieu et al. 2016 (eq. 6, exponent 1), signs kept.
    """
    across = (drawn.diff(dim=-1) - frames.diff(dim=-1)).abs().mean()
    down = (drawn.diff(dim=-2) - frames.diff(dim=-2)).abs().mean()
    return across + down


def cnn(argument: str | None = None, *, shape: DecoderShape, **options: Any) -> CnnDecoder:
    """``cnn``: transposed convolutions; the mean picture that fits an embedding, in one pass."""
    if argument is not None:
        raise DecoderError(f"cnn takes no argument, got {argument!r}; options go into [decode] of an experiment")
    return CnnDecoder(shape, **options)
