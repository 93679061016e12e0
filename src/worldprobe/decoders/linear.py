"""The best linear picture: each cell's px as a linear function of its own token, solved for and not trained.

A ridge regression has a minimum that steps of a gradient hardly come near, since tokens' directions differ in size
by orders of magnitude. Decoders begin with it, and learn what is missing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from worldprobe.decoders.batches import ready
from worldprobe.decoders.pairs import Source
from worldprobe.decoders.tokens import grid_of
from worldprobe.records import DecoderShape

PENALTIES = tuple(10.0**power for power in range(-6, 1))
_HELD_OUT = 5
_MOST_TOKENS = 2**18


class LinearPatches(nn.Module):
    """A linear map from a token to the values of its cell, for all cells the same; 0.5 everywhere until ``fit``.

    Args:
        size: height and width to come to; patches are resized where the grid does not divide it.
        values: channels of each px.
    """

    def __init__(self, shape: DecoderShape, *, size: tuple[int, int], values: int) -> None:
        super().__init__()
        self.shape, self.size = shape, size
        self.patch = math.ceil(max(size[0] / shape.grid[0], size[1] / shape.grid[1]))
        outputs = values * self.patch**2
        self.weight = nn.Parameter(torch.zeros(outputs, shape.width), requires_grad=False)
        self.bias = nn.Parameter(torch.full((outputs,), 0.5), requires_grad=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens [n, h', w', d] to values float32 [n, values, H, W]."""
        # A sum over many directions that cancel: bf16 would not hold it.
        with torch.autocast(tokens.device.type, enabled=False):
            cells = functional.conv2d(grid_of(tokens.float(), self.shape), self.weight[:, :, None, None], self.bias)
            return _resized(functional.pixel_shuffle(cells, self.patch), self.size)

    def fit(self, source: Source, rows: Sequence[int], target: Callable[[Tensor], Tensor]) -> None:
        """Solve for the weights on some rows; every fifth of them chooses the penalty.

        Args:
            target: frames float32 [n, frames, 3, H, W] in 0 to 1 to what is to be drawn, [n, values, H, W].
        """
        cells = self.shape.grid[0] * self.shape.grid[1] * source.per_row
        rows = rows[:: -(-len(rows) * cells // _MOST_TOKENS)]
        parts = [_Sums.zero(self.shape.width + 1, len(self.bias)) for _ in range(2)]
        for number, row in enumerate(rows):
            tokens, frames = (torch.from_numpy(one) for one in ready(*source.read(row)))
            inputs = grid_of(tokens, self.shape).permute(0, 2, 3, 1).flatten(0, 2).double()
            whole = _resized(target(frames), (self.shape.grid[0] * self.patch, self.shape.grid[1] * self.patch))
            outputs = functional.pixel_unshuffle(whole, self.patch).permute(0, 2, 3, 1).flatten(0, 2).double()
            parts[number % _HELD_OUT == _HELD_OUT - 1].add(inputs, outputs)
        most, held = parts
        # Without rows to hold out the middle one will do.
        penalty = min(PENALTIES, key=lambda one: held.error(most.solve(one))) if held.count else PENALTIES[3]
        solved = most.plus(held).solve(penalty).T.float()
        self.weight.data, self.bias.data = solved[:, :-1].contiguous(), solved[:, -1].contiguous()


class _Sums:
    """What a ridge regression needs of rows, of which the last input is 1 and has no penalty."""

    def __init__(self, inputs: Tensor, both: Tensor, outputs: float, count: int) -> None:
        self.inputs, self.both, self.outputs, self.count = inputs, both, outputs, count

    @classmethod
    def zero(cls, inputs: int, outputs: int) -> _Sums:
        kind = torch.float64
        return cls(torch.zeros(inputs, inputs, dtype=kind), torch.zeros(inputs, outputs, dtype=kind), 0.0, 0)

    def add(self, inputs: Tensor, outputs: Tensor) -> None:
        inputs = functional.pad(inputs, (0, 1), value=1.0)
        self.inputs += inputs.T @ inputs
        self.both += inputs.T @ outputs
        self.outputs += float((outputs**2).sum())
        self.count += len(inputs)

    def plus(self, other: _Sums) -> _Sums:
        return _Sums(
            self.inputs + other.inputs,
            self.both + other.both,
            self.outputs + other.outputs,
            self.count + other.count,
        )

    def solve(self, penalty: float) -> Tensor:
        """Weights [inputs, outputs]; the penalty is in shares of the inputs' mean square."""
        scale = self.inputs.diagonal()[:-1].mean().clamp(min=1e-12)
        added = torch.full((len(self.inputs),), penalty, dtype=torch.float64) * scale
        added[-1] = 0.0
        weights: Tensor = torch.linalg.solve(self.inputs + torch.diag(added), self.both)
        return weights

    def error(self, weights: Tensor) -> float:
        """Sum of squared errors of these weights on these rows."""
        return float(self.outputs - 2 * (weights * self.both).sum() + (weights * (self.inputs @ weights)).sum())


def _resized(values: Tensor, size: tuple[int, int]) -> Tensor:
    if values.shape[-2:] == size:
        return values
    return functional.interpolate(values, size=size, mode="bilinear", antialias=True, align_corners=False)
