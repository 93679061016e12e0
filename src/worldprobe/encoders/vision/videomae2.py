"""VideoMAE v2 as its authors publish it: VideoMAE's network under other names, beside code that is never run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

KIND = "VideoMAEv2"  # what its ``model_type`` begins with
_SHAPE = {
    "embed_dim": "hidden_size", "depth": "num_hidden_layers", "num_heads": "num_attention_heads",
    "img_size": "image_size", "patch_size": "patch_size", "tubelet_size": "tubelet_size",
}  # fmt: skip
# Their ends, and what they are called in transformers' VideoMAE.
_NAMES = {
    "norm1": "layernorm_before", "norm2": "layernorm_after", "attn.proj": "attention.output.dense",
    "mlp.fc1": "intermediate.dense", "mlp.fc2": "output.dense", "attn.q_bias": "attention.attention.query.bias",
    "attn.v_bias": "attention.attention.value.bias",
}  # fmt: skip
_BLOCK = re.compile(r"blocks\.(\d+)\.(.+?)(\.weight|\.bias)?")


def config_of(written: Mapping[str, Any]) -> dict[str, Any]:
    """VideoMAE's config of the same network.

    Raises:
        KeyError, TypeError: something of its shape is not said.
    """
    shape = written["model_config"]
    found = {name: shape[theirs] for theirs, name in _SHAPE.items()}
    return {
        **found,
        "model_type": "videomae",
        "num_frames": shape.get("all_frames", shape.get("num_frames", 16)),
        "intermediate_size": int(shape["embed_dim"] * shape["mlp_ratio"]),
        "qv_bias": bool(shape["qkv_bias"]),
        "layer_norm_eps": 1e-6,
        "use_mean_pooling": True,
    }


def renamed(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights by their names in transformers' VideoMAE; what has none there keeps its own."""
    found: dict[str, Tensor] = {}
    for key, value in weights.items():
        key = key.removeprefix("model.")
        if key.startswith("patch_embed.proj."):
            found[key.replace("patch_embed.proj", "embeddings.patch_embeddings.projection")] = value
        elif (parts := _BLOCK.fullmatch(key)) and parts[2] == "attn.qkv" and parts[3] == ".weight":
            for name, one in zip(("query", "key", "value"), value.chunk(3), strict=True):
                found[f"encoder.layer.{parts[1]}.attention.attention.{name}.weight"] = one
        elif parts and parts[2] in _NAMES:
            found[f"encoder.layer.{parts[1]}.{_NAMES[parts[2]]}{parts[3] or ''}"] = value
        else:
            found[key] = value
    return found
