"""A transformer block with rotary positions, as V-JEPA 2 and 2.1 have it.

Shapes: B clips, N tokens, H heads, D width, K head width.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from worldprobe.encoders.forward import activation_of, angles


class Block(nn.Module):
    """One transformer block, its parts named as transformers' ``VJEPA2Layer`` names them."""

    def __init__(self, config: Any, width: int, heads: int, ratio: float) -> None:
        super().__init__()
        self.heads, self.activation = heads, activation_of(config.hidden_act)
        self.norm1, self.norm2 = (nn.LayerNorm(width, eps=config.layer_norm_eps) for _ in range(2))
        self.attention, self.mlp = nn.Module(), nn.Module()
        for part in ("query", "key", "value"):
            self.attention.add_module(part, nn.Linear(width, width, bias=bool(config.qkv_bias)))
        self.attention.add_module("proj", nn.Linear(width, width))
        self.mlp.add_module("fc1", nn.Linear(width, int(width * ratio)))
        self.mlp.add_module("fc2", nn.Linear(int(width * ratio), width))

    def forward(self, hidden: Tensor, cosine: Tensor, sine: Tensor, seen: Tensor | None = None) -> Tensor:
        """[B, N, D] to the same shape, by angles' tables float32 [B, 1, N, K].

        Where ``seen`` [N, N] is false a token does not look at another.
        """
        normed = self.norm1(hidden)
        parts = (getattr(self.attention, part)(normed) for part in ("query", "key", "value"))
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        query, key = (_turned(one, cosine, sine) for one in (query, key))
        found = scaled_dot_product_attention(query, key, value, attn_mask=seen).transpose(1, 2).flatten(2)
        hidden = hidden + self.attention.proj(found)  # type: ignore[operator]
        inner = self.activation(self.mlp.fc1(self.norm2(hidden)))  # type: ignore[operator]
        moved: Tensor = hidden + self.mlp.fc2(inner)  # type: ignore[operator]
        return moved


def begin(tokens: Tensor, known: Tensor, ahead: Tensor, embed: Any, mask: Tensor) -> Tensor:
    """What a predictor's blocks begin with: tokens [B, N, D] at the places known [B, n], embedded, then a mask for
    each place ahead [B, k]: [B, n + k, D']."""
    seen = tokens.gather(1, known[..., None].expand(-1, -1, tokens.shape[-1]))
    return torch.cat((embed(seen), mask.expand(len(ahead), ahead.shape[1], -1)), 1)


def run_blocks(
    layers: Iterable[Any], hidden: Tensor, places: tuple[Tensor, Tensor, Tensor], *, heads: int, interleaved: bool
) -> Tensor:
    """Tokens [B, N, D] at places [B, N] (time, row, column) through blocks, to the same shape."""
    turns = angles(places, hidden.shape[-1] // heads, interleaved=interleaved)
    cosine, sine = turns.cos().float()[:, None], turns.sin().float()[:, None]
    for layer in layers:
        hidden = layer(hidden, cosine, sine)
    return hidden


def _turned(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Heads [B, H, N, K] with neighbouring dimensions turned as a pair, in float32 whatever they come in."""
    pairs = x.float().view(*x.shape[:-1], -1, 2)
    across = torch.stack((-pairs[..., 1], pairs[..., 0]), -1).flatten(-2)
    return (x.float() * cosine + across * sine).to(x.dtype)
