"""V-JEPA 2 (Assran et al. 2025) as modules that hold its weights; ``forward.Forward`` runs the encoder.

Names are those of transformers' classes, which give the same figures, and take longer to import than torch does.

Shapes: B clips, N tokens, D width.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from worldprobe.encoders.forward import places_of
from worldprobe.encoders.networks.block import Block, begin, run_blocks


class Encoder(nn.Module):
    """The encoder's weights."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        width, patch = config.hidden_size, config.patch_size
        kernel = (config.tubelet_size, patch, patch)
        self.embeddings = nn.Module()
        self.embeddings.add_module("patch_embeddings", nn.Module())
        convolution = nn.Conv3d(config.in_chans, width, kernel_size=kernel, stride=kernel)
        self.embeddings.patch_embeddings.add_module("proj", convolution)  # type: ignore[union-attr]
        heads, blocks = config.num_attention_heads, range(config.num_hidden_layers)
        self.layer = nn.ModuleList(Block(config, width, heads, config.mlp_ratio) for _ in blocks)
        self.layernorm = nn.LayerNorm(width, eps=config.layer_norm_eps)


class Predictor(nn.Module):
    """The predictor: the context's tokens to tokens at any places."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        width = config.pred_hidden_size
        self.embeddings = nn.Module()
        self.embeddings.add_module("predictor_embeddings", nn.Linear(config.hidden_size, width))
        masks = nn.Parameter(torch.zeros(config.pred_num_mask_tokens, 1, 1, width))
        self.embeddings.register_parameter("mask_tokens", masks)
        heads, blocks = config.pred_num_attention_heads, range(config.pred_num_hidden_layers)
        self.layer = nn.ModuleList(Block(config, width, heads, config.pred_mlp_ratio) for _ in blocks)
        self.layernorm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.proj = nn.Linear(width, config.hidden_size)

    def forward(self, tokens: Tensor, at: list[Tensor], wanted: list[Tensor]) -> Any:
        """Predict tokens [B, k, D] at places [B, k] from those of ``tokens`` [B, N, D] at places [B, n].

        Called as transformers' ``VJEPA2Predictor`` is, and as its result ``last_hidden_state`` holds the tokens.
        """
        (known,), (ahead,) = at, wanted
        masks: Any = self.embeddings.mask_tokens
        mask = masks[1 % len(masks)]  # transformers' default
        hidden = begin(tokens, known, ahead, self.embeddings.predictor_embeddings, mask)
        side, heads = self.config.crop_size // self.config.patch_size, self.config.pred_num_attention_heads
        where = places_of(torch.cat((known, ahead), 1), side, scale=1.0)
        hidden = run_blocks(self.layer, hidden, where, heads=heads, interleaved=False)
        return SimpleNamespace(last_hidden_state=self.proj(self.layernorm(hidden)[:, known.shape[1] :]))


class Model(nn.Module):
    """Both, by the names of transformers' ``VJEPA2Model``."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.predictor = Encoder(config), Predictor(config)


@torch.no_grad()
def fresh(config: Any) -> Model:
    """An untrained model, the very one that transformers draws; by torch's global generator.

    There every weight is drawn three times: when its layer is made, by the base class, and by V-JEPA 2's own rule.
    The last counts; with the others left out, all that follows would be other numbers.
    """
    model, spread = Model(config), config.initializer_range

    def draw(part: nn.Module) -> None:
        for layer in part.modules():
            if isinstance(layer, nn.Linear | nn.Conv3d):
                nn.init.normal_(layer.weight, std=spread)
                nn.init.trunc_normal_(layer.weight, std=spread)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    draw(model.encoder)
    draw(model.predictor.embeddings)
    if not config.pred_zero_init_mask_tokens:
        nn.init.trunc_normal_(model.predictor.embeddings.mask_tokens, std=spread)  # type: ignore[arg-type]
    for part in (model.predictor.layer, model.predictor.proj):
        draw(part)
    return model
