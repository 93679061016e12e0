"""V-JEPA 2.1 (Meta 2026) as modules that hold its weights; ``forward.Forward`` runs the encoder.

It differs from V-JEPA 2 in what no shape shows, so one under the other's code gives other features and no error:
RoPE's frequencies are interleaved, rows and columns are scaled to the grid of pretraining, clips and images have an
embedding each, and four blocks (the levels) have a layer norm of their own where V-JEPA 2 has one at the end.

Shapes: B clips, N tokens, D width, K head width, L levels that the predictor reads.
"""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from worldprobe.encoders.forward import places_of, scale_of
from worldprobe.encoders.networks.block import Block, begin, run_blocks


class Encoder(nn.Module):
    """The encoder's weights. ``norms`` are the levels (0 to 3) that have a norm of their own; the last one has."""

    def __init__(self, config: Any, norms: tuple[int, ...]) -> None:
        super().__init__()
        self.config = config
        width, patch = config.hidden_size, config.patch_size
        self.embeddings = nn.Module()
        for name, frames in (("patch_embeddings", config.tubelet_size), ("patch_embeddings_img", 1)):
            kernel, part = (frames, patch, patch), nn.Module()
            part.add_module("proj", nn.Conv3d(config.in_chans, width, kernel_size=kernel, stride=kernel))
            self.embeddings.add_module(name, part)
        _add_modalities(self.embeddings, width)
        heads, blocks = config.num_attention_heads, range(config.num_hidden_layers)
        self.layer = nn.ModuleList(Block(config, width, heads, config.mlp_ratio) for _ in blocks)
        self.norms_block = nn.ModuleDict({str(i): nn.LayerNorm(width, eps=config.layer_norm_eps) for i in norms})


class Predictor(nn.Module):
    """The predictor: L levels of the context's tokens, joined on D, to L levels of any tokens.

    Positions are scaled as the encoder's are: the training code does so, while the builder for ``torch.hub`` leaves
    it out, which is the same at 256 px and another network at 384 (docs/decisions/vjepa21.md).
    """

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        width, levels = config.pred_hidden_size, config.num_distillation_outputs
        known, told = config.hidden_size, config.teacher_embed_dim or levels * config.hidden_size
        self.embeddings = nn.Module()
        embed: nn.Module = nn.Linear(known, width)
        if levels > 1:
            embed = nn.Sequential(nn.Linear(levels * known, known), nn.GELU(), nn.Linear(known, width))
        self.embeddings.add_module("predictor_embed", embed)
        tokens = nn.ParameterList(torch.zeros(1, 1, width) for _ in range(config.pred_num_mask_tokens))
        self.embeddings.add_module("mask_tokens", tokens)
        _add_modalities(self.embeddings, width)
        heads, blocks = config.pred_num_attention_heads, range(config.pred_num_hidden_layers)
        self.layer = nn.ModuleList(Block(config, width, heads, config.pred_mlp_ratio) for _ in blocks)
        self.layernorm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.proj = nn.Linear(width, told)
        self.proj_context = nn.Linear(width, told) if config.use_context_projection else None

    def forward(self, tokens: Tensor, at: list[Tensor], wanted: list[Tensor], *, image: bool = False) -> Any:
        """Predict tokens [B, k, L D] at places [B, k] from those of ``tokens`` [B, N, L D] at places [B, n].

        Called as transformers' ``VJEPA2Predictor`` is. ``context_predictions`` [B, n, L D] are what it says of the
        context itself, where it has been taught to; ``image``: of one picture, not of a clip.
        """
        (known,), (ahead,) = at, wanted
        masks: Any = self.embeddings.mask_tokens
        mask = masks[1 % len(masks)]  # as transformers and the code of the authors have it by default
        hidden = begin(tokens, known, ahead, self.embeddings.predictor_embed, mask)
        added: Any = self.embeddings.img_mod_embed if image else self.embeddings.video_mod_embed
        hidden = hidden + added
        side, heads = self.config.crop_size // self.config.patch_size, self.config.pred_num_attention_heads
        where = places_of(torch.cat((known, ahead), 1), side, scale=scale_of(side, self.config.patch_size))
        hidden = run_blocks(self.layer, hidden, where, heads=heads, interleaved=True)
        hidden = self.layernorm(hidden)
        n = known.shape[1]
        of_context = None if self.proj_context is None else self.proj_context(hidden[:, :n])
        return SimpleNamespace(last_hidden_state=self.proj(hidden[:, n:]), context_predictions=of_context)


class Model(nn.Module):
    """Both, by the names of transformers' ``VJEPA2Model``."""

    def __init__(self, config: Any, norms: tuple[int, ...] | None = None) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config, tuple(range(len(config.hierarchical_layers))) if norms is None else norms)
        self.predictor = Predictor(config)


def fresh(config: Any) -> Model:
    """An untrained model, drawn as the authors' training begins; by torch's global generator."""
    with torch.device("meta"):  # so that nothing is drawn twice
        model = Model(config)
    model = model.to_empty(device="cpu")
    for half in (model.encoder, model.predictor):
        draw(half)
    with torch.no_grad():
        for token in model.predictor.embeddings.mask_tokens:  # type: ignore[union-attr]
            nn.init.zeros_(token)
        for half in (model.encoder, model.predictor):
            for name in ("img_mod_embed", "video_mod_embed"):
                nn.init.normal_(getattr(half.embeddings, name), std=1e-6)
    return model


@torch.no_grad()
def draw(network: Any) -> None:
    """Draw a network's weights as the authors' training begins: each ``layer`` adds less than those before it."""
    for part in network.modules():
        if isinstance(part, nn.LayerNorm):
            part.reset_parameters()
        elif isinstance(part, nn.Linear | nn.Conv3d):
            nn.init.trunc_normal_(part.weight, std=0.02)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    for number, layer in enumerate(network.layer, 1):
        for added in (layer.attention.proj, layer.mlp.fc2):
            added.weight.div_(math.sqrt(2 * number))


def _add_modalities(embeddings: nn.Module, width: int) -> None:
    for name in ("img_mod_embed", "video_mod_embed"):
        embeddings.register_parameter(name, nn.Parameter(torch.zeros(1, 1, width)))
