"""A convolutional decoder: the mean picture that fits an embedding.

Trained on squared error it draws the average of all frames that the tokens leave possible, so its blur is what
they leave open (and what the network itself cannot draw). It begins with the best linear picture (``linear``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from worldprobe.decoders.linear import LinearPatches
from worldprobe.decoders.pairs import Source
from worldprobe.decoders.trunk import Trunk, require_counts
from worldprobe.errors import DecoderError
from worldprobe.records import DecoderShape

GRADIENT_WEIGHT = 0.1


class CnnDecoder(nn.Module):
    """Linear to 512, transposed convolutions up to the frames; ``channels`` are the first stage's.

    With ``linear`` they add to the best linear picture. Without it a sigmoid follows, and with a shape of one
    frame, fed a clip's tokens averaged over time (``pairs.Averaged``), it is the decoder of the original protocol.
    """

    name = "cnn"
    recipe: ClassVar = {"steps": 1000, "learning_rate": 1e-3}

    def __init__(self, shape: DecoderShape, *, channels: int = 128, linear: bool = True) -> None:
        super().__init__()
        self.shape, self.options = shape, {"channels": channels, "linear": linear}
        values = 3 * shape.frames
        self.trunk = Trunk(shape, size=shape.size, channels=channels)
        self.leave = nn.Conv2d(self.trunk.features, values, 3, padding=1)
        self.linear = LinearPatches(shape, size=shape.size, values=values) if linear else None

    def prepare(self, source: Source, rows: Sequence[int]) -> None:
        """Solve for the linear picture on the training rows, before the first step."""
        if self.linear is not None:
            self.linear.fit(source, rows, lambda frames: frames.flatten(1, 2))
            for one in self.leave.parameters():
                nn.init.zeros_(one)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens [n, h', w', d] to frames [n, frames, 3, H, W] in 0 to 1."""
        return self._unbounded(tokens).clamp(0, 1)

    def loss(self, tokens: Tensor, frames: Tensor, *, generator: torch.Generator) -> Tensor:
        """Mean squared error and a tenth of the gradient loss; nothing in it is drawn by lot."""
        predicted = self._unbounded(tokens)
        return functional.mse_loss(predicted, frames) + GRADIENT_WEIGHT * gradient_loss(predicted, frames)

    def sample(self, tokens: Tensor, *, generator: torch.Generator) -> Tensor:
        """The picture, the same whatever the generator: frames [n, frames, 3, H, W]."""
        predicted: Tensor = self(tokens)
        return predicted

    def _unbounded(self, tokens: Tensor) -> Tensor:
        """Frames as they are learnt: a clamp has no gradient beyond its ends."""
        picture = self.leave(self.trunk(tokens)).float()
        picture = torch.sigmoid(picture) if self.linear is None else picture + self.linear(tokens)
        return picture.reshape(-1, self.shape.frames, 3, *self.shape.size)


def gradient_loss(predicted: Tensor, frames: Tensor) -> Tensor:
    """Mean absolute error of the differences between neighbouring px, so that edges are worth their place.

    The gradient difference loss of Mathieu et al. 2016 (eq. 6, exponent 1), signs kept.
    """
    across = (predicted.diff(dim=-1) - frames.diff(dim=-1)).abs().mean()
    down = (predicted.diff(dim=-2) - frames.diff(dim=-2)).abs().mean()
    return across + down


def cnn(
    argument: str | None = None, *, shape: DecoderShape, channels: int = 128, linear: bool = True
) -> CnnDecoder:
    """``cnn``: transposed convolutions; the mean picture that fits an embedding, in one pass."""
    if argument is not None:
        raise DecoderError(f"cnn takes no argument, got {argument!r}; options go into [decode] of an experiment")
    require_counts("cnn", channels=channels)
    if not isinstance(linear, bool):
        raise DecoderError(f"cnn: linear is true or false, got {linear!r}")
    return CnnDecoder(shape, channels=channels, linear=linear)
