"""A third party's decoder: one colour a frame."""

import torch
from torch import nn


class Flat(nn.Module):
    """flat: the colour that the mean token tells."""

    name = "tests.builders.flat_decoder:Flat"

    def __init__(self, argument=None, *, shape):
        super().__init__()
        self.shape, self.options = shape, {}
        self.colour = nn.Linear(shape.width, 3 * shape.frames)

    def loss(self, tokens, frames, *, generator):
        return ((self.sample(tokens, generator=generator) - frames) ** 2).mean()

    def sample(self, tokens, *, generator):
        colour = torch.sigmoid(self.colour(tokens.mean(dim=(1, 2))).float())
        return colour.reshape(-1, self.shape.frames, 3, 1, 1).expand(-1, -1, -1, *self.shape.size)
