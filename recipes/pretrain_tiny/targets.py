"""What a token's own pixels say, worked out without labels: targets of linear heads (masked feature prediction).

Each is a number of means over a token's cell. Pixels are normalised clips float32 [b, 2 t, 3, h, w]; targets are
[b, t * side * side, k], in the encoder's order: time, row, column.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_MOST = 4.0  # standard deviations, at which a target is cut off
_ANGLES = 8
_FAINT = 0.05  # edges of a cell that count as none, in deviations of the pixels


def motion(pixels: Tensor, *, side: int) -> Tensor:
    """Gradient products, 6 a token: It Ix and It Iy within its tubelet and from it to the next, Ix², Iy².

    They are what optical flow is solved from (Lucas and Kanade 1981). After the last tubelet there is none, and its
    second pair is 0.
    """
    grey = pixels.mean(2)
    first, second = grey[:, 0::2], grey[:, 1::2]
    following = torch.cat((first[:, 1:], second[:, -1:]), 1)
    ix, iy = _gradient((first + second) / 2)
    parts = [it * grad for it in (second - first, following - second) for grad in (ix, iy)] + [ix * ix, iy * iy]
    return _cells(torch.stack(parts, 2), side)


def outlines(pixels: Tensor, *, side: int) -> Tensor:
    """How much of a token's edges runs along each of 8 directions, at any contrast, as in HOG and MaskFeat."""
    grey = pixels.mean(2)
    ix, iy = _gradient((grey[:, 0::2] + grey[:, 1::2]) / 2)
    length, angle = torch.hypot(ix, iy), torch.atan2(iy, ix).remainder(math.pi) * (_ANGLES / math.pi)
    bins = torch.arange(_ANGLES, device=pixels.device)[:, None, None]
    # Each edge counts for the two nearest directions.
    away = (angle[:, :, None] - bins).abs()
    share = (1 - torch.minimum(away, _ANGLES - away)).clamp(min=0)
    found = _cells(share * length[:, :, None], side)
    # A cell without edges has none, rather than those of its noise.
    return found / (found.square().sum(-1, keepdim=True) + _FAINT**2).sqrt()


def picture(pixels: Tensor, *, side: int, blocks: int = 4) -> Tensor:
    """The picture itself: mean colours of some blocks a side of a cell, in both frames of its tubelet."""
    b, frames, _, height, _ = pixels.shape
    step = height // side // blocks
    cut = pixels.reshape(b, frames // 2, 2, 3, side, blocks, step, side, blocks, step).mean((6, 9))
    return cut.permute(0, 1, 4, 6, 2, 3, 5, 7).flatten(4).flatten(1, 3)


def _gradient(grey: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences across and down, 0 at the margins."""
    ix, iy = torch.zeros_like(grey), torch.zeros_like(grey)
    ix[..., 1:-1] = (grey[..., 2:] - grey[..., :-2]) / 2
    iy[..., 1:-1, :] = (grey[..., 2:, :] - grey[..., :-2, :]) / 2
    return ix, iy


def _cells(values: Tensor, side: int) -> Tensor:
    """[b, t, k, h, w] averaged over cells to [b, t * side * side, k]."""
    cells = values.unflatten(-1, (side, -1)).unflatten(-3, (side, -1)).mean((-1, -3))
    return cells.permute(0, 1, 3, 4, 2).flatten(1, 3)


def standard(found: Tensor) -> Tensor:
    """Targets by the batch's standard deviation, cut off at 4 of them."""
    spread = found.flatten(0, 1).std(0).clamp(min=1e-6)
    return (found / spread).clamp(-_MOST, _MOST)
