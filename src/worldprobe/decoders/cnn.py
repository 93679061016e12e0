"""A convolutional decoder: the mean picture that fits an embedding.

Trained on squared error it draws the average of all frames that the tokens leave possible, so its blur is what
they leave open (and what the network itself cannot draw).
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from worldprobe.decoders.trunk import Trunk, require_counts
from worldprobe.errors import DecoderError
from worldprobe.records import DecoderShape

GRADIENT_WEIGHT = 0.1


class CnnDecoder(nn.Module):
    """Linear to 512, transposed convolutions up to the frames, a sigmoid; ``channels`` are the first stage's.

    With a shape of one frame, fed a clip's tokens averaged over time (``pairs.Averaged``), it is the decoder of
    the original protocol.
    """

    name = "cnn"
    recipe: ClassVar = {"steps": 1000, "learning_rate": 1e-3}

    def __init__(self, shape: DecoderShape, *, channels: int = 128) -> None:
        super().__init__()
        self.shape, self.options = shape, {"channels": channels}
        self.trunk = Trunk(shape, size=shape.size, channels=channels)
        self.leave = nn.Conv2d(self.trunk.features, 3 * shape.frames, 3, padding=1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens [n, h', w', d] to frames [n, frames, 3, H, W] in 0 to 1."""
        picture = self.leave(self.trunk(tokens))
        return torch.sigmoid(picture.float()).reshape(-1, self.shape.frames, 3, *self.shape.size)

    def loss(self, tokens: Tensor, frames: Tensor, *, generator: torch.Generator) -> Tensor:
        """Mean squared error and a tenth of the gradient loss; nothing in it is drawn by lot."""
        predicted = self(tokens)
        return functional.mse_loss(predicted, frames) + GRADIENT_WEIGHT * gradient_loss(predicted, frames)

    def sample(self, tokens: Tensor, *, generator: torch.Generator) -> Tensor:
        """The picture, the same whatever the generator: frames [n, frames, 3, H, W]."""
        predicted: Tensor = self(tokens)
        return predicted


def gradient_loss(predicted: Tensor, frames: Tensor) -> Tensor:
    """Mean absolute error of the differences between neighbouring px, so that edges are worth their place.

    The gradient difference loss of Mathieu et al. 2016 (eq. 6, exponent 1), signs kept.
    """
    across = (predicted.diff(dim=-1) - frames.diff(dim=-1)).abs().mean()
    down = (predicted.diff(dim=-2) - frames.diff(dim=-2)).abs().mean()
    return across + down


def cnn(argument: str | None = None, *, shape: DecoderShape, channels: int = 128) -> CnnDecoder:
    """``cnn``: transposed convolutions; the mean picture that fits an embedding, in one pass."""
    if argument is not None:
        raise DecoderError(f"cnn takes no argument, got {argument!r}; options go into [decode] of an experiment")
    require_counts("cnn", channels=channels)
    return CnnDecoder(shape, channels=channels)
