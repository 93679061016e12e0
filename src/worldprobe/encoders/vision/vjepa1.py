"""V-JEPA (Bardes et al. 2024), the first: its positions are added to the tokens, where V-JEPA 2 turns them.

Parts are named as the authors' checkpoints name them. Shapes: B clips, N tokens, D width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from worldprobe.encoders.preprocess import first_settings
from worldprobe.errors import ConfigError

_FRAMES = 16  # of a clip, of every published model


class _Block(nn.Module):
    def __init__(self, width: int, heads: int, inner: int, eps: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = (nn.LayerNorm(width, eps=eps) for _ in range(2))
        self.attn = nn.ModuleDict({"qkv": nn.Linear(width, 3 * width), "proj": nn.Linear(width, width)})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, inner), "fc2": nn.Linear(inner, width)})

    def forward(self, hidden: Tensor) -> Tensor:
        """[B, N, D] to the same shape."""
        parts = self.attn["qkv"](self.norm1(hidden)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        found = scaled_dot_product_attention(*parts.unbind(0)).transpose(1, 2).flatten(2)
        hidden = hidden + self.attn["proj"](found)
        moved: Tensor = hidden + self.mlp["fc2"](gelu(self.mlp["fc1"](self.norm2(hidden))))
        return moved


class VJEPA1(nn.Module):
    """The encoder; a config has the fields of transformers' VideoMAE."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        width, eps = config.hidden_size, config.layer_norm_eps
        kernel = (config.tubelet_size, config.patch_size, config.patch_size)
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv3d(3, width, kernel_size=kernel, stride=kernel)})
        self.pos_embed = nn.Parameter(_positions(config), requires_grad=False)
        self.blocks = nn.ModuleList(
            _Block(width, config.num_attention_heads, config.intermediate_size, eps)
            for _ in range(config.num_hidden_layers)
        )
        self.norm = nn.LayerNorm(width, eps=eps)
        for number, block in enumerate(self.blocks, 1):  # as the authors' training begins
            assert isinstance(block, _Block)
            for part in block.modules():
                if isinstance(part, nn.Linear):
                    nn.init.trunc_normal_(part.weight, std=0.02)
                    nn.init.zeros_(part.bias)
            for added in (block.attn["proj"], block.mlp["fc2"]):
                assert isinstance(added, nn.Linear)
                added.weight.data.div_(math.sqrt(2 * number))

    def forward(self, pixel_values: Tensor) -> Tensor:
        """[B, t, 3, h, w] to [B, N, D], tokens in order of time, row, column."""
        hidden = self.patch_embed["proj"](pixel_values.transpose(1, 2)).flatten(2).transpose(1, 2)
        hidden = hidden + self.pos_embed
        for block in self.blocks:
            hidden = block(hidden)
        normed: Tensor = self.norm(hidden)
        return normed


def written_of(raw: Mapping[str, Tensor], *, heads: int, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What config.json and preprocessor_config.json say of an encoder's weights, by their names.

    Raises:
        ConfigError: weights without positions, or with those of no square grid of 16 frames.
    """
    width, _, tubelet, patch, _ = raw["patch_embed.proj.weight"].shape
    places = raw["pos_embed"].shape[1] if "pos_embed" in raw else 0
    rows = math.isqrt(places * tubelet // _FRAMES)
    if not places or rows**2 * (_FRAMES // tubelet) != places:
        raise ConfigError(f"{name}: its {places} positions are of no square grid of {_FRAMES} frames")
    side = rows * patch
    depth = sum(key.endswith(".attn.qkv.weight") for key in raw)
    config = {
        "model_type": "vjepa1", "hidden_size": width, "num_hidden_layers": depth, "num_attention_heads": heads,
        "intermediate_size": raw["blocks.0.mlp.fc1.weight"].shape[0], "image_size": side, "patch_size": patch,
        "tubelet_size": tubelet, "num_frames": _FRAMES, "layer_norm_eps": 1e-6,
    }  # fmt: skip
    return config, first_settings(side)


def _positions(config: Any) -> Tensor:
    """Sines and cosines of time, row and column, a third of the width each: float32 [1, N, D]."""
    rows, times = config.image_size // config.patch_size, config.num_frames // config.tubelet_size
    part = 2 * math.ceil(config.hidden_size / 6)
    rates = 10000.0 ** -(torch.arange(part // 2, dtype=torch.float64) / (part / 2))
    places = torch.cartesian_prod(*(torch.arange(count).double() for count in (times, rows, rows)))
    turns = places[..., None] * rates  # [N, 3, part / 2]
    found = torch.cat((turns.sin(), turns.cos()), -1).flatten(1)[:, : config.hidden_size]
    return found.float()[None]
