"""The loss: predict the hidden tokens' latents; and what keeps the latents from collapsing.

The forward passes run transformers' own modules with the tables of RoPE computed once a pass instead of
in every block; the outputs are equal (``tests/whole/test_recipe.py``).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import VJEPA2Model


def tables(ids: Tensor, *, side: int, width: int) -> tuple[Tensor, Tensor]:
    """cos and sin [b, 1, n, width] of V-JEPA 2's RoPE over time, row and column, for token indices [b, n].

    A third of a head's width turns with each axis; what is left over does not turn. The frequencies are
    tiled, not interleaved, as the public models have it.
    """
    part = 2 * ((width // 3) // 2)
    rates = 10_000 ** -(torch.arange(part // 2, device=ids.device) / (part / 2))
    axes = (ids // (side * side), ids // side % side, ids % side)
    angles = torch.cat([(axis[..., None] * rates).repeat(1, 1, 2) for axis in axes], -1)
    angles = F.pad(angles, (0, width - 3 * part))[:, None]
    return angles.cos(), angles.sin()


def blocks(layers: nn.ModuleList, norm: nn.LayerNorm, hidden: Tensor, ids: Tensor, *, side: int) -> Tensor:
    """Tokens [b, n, d] at positions ``ids`` [b, n] through transformer blocks and the final norm."""
    width = layers[0].attention.attention_head_size
    cos, sin = tables(ids, side=side, width=width)
    for layer in layers:
        attention, normed = layer.attention, layer.norm1(hidden)
        query, key, value = (
            project(normed).unflatten(-1, (-1, width)).transpose(1, 2)
            for project in (attention.query, attention.key, attention.value)
        )
        cos, sin = cos.to(value.dtype), sin.to(value.dtype)
        mixed = F.scaled_dot_product_attention(_turn(query, cos, sin), _turn(key, cos, sin), value)
        hidden = hidden + attention.proj(mixed.transpose(1, 2).flatten(-2))
        hidden = hidden + layer.mlp(layer.norm2(hidden))
    return norm(hidden)


def _turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.unflatten(-1, (-1, 2)).unbind(-1)
    return x * cos + torch.stack((-second, first), -1).flatten(-2) * sin


def encode(encoder: nn.Module, embedded: Tensor, ids: Tensor, *, side: int) -> Tensor:
    """Encode only the tokens at ``ids`` [b, n] of embedded clips [b, N, d]: the others are never seen."""
    seen = embedded.gather(1, ids[..., None].expand(-1, -1, embedded.shape[-1]))
    return blocks(encoder.layer, encoder.layernorm, seen, ids, side=side)


def predict(predictor: nn.Module, context: Tensor, context_ids: Tensor, target_ids: Tensor, *, side: int) -> Tensor:
    """Latents [b, m, d] at ``target_ids`` from a context [b, k, d] at ``context_ids``."""
    embeddings = predictor.embeddings
    # Index 1 is what transformers' forward uses.
    mask = embeddings.mask_tokens[1 % embeddings.num_mask_tokens].expand(*target_ids.shape, -1)
    known = embeddings.predictor_embeddings(context)
    hidden = torch.cat((known, mask.to(known.dtype)), 1)
    ids = torch.cat((context_ids, target_ids), 1)
    hidden = blocks(predictor.layer, predictor.layernorm, hidden, ids, side=side)
    return predictor.proj(hidden[:, context_ids.shape[1] :])


@dataclass(frozen=True, slots=True)
class Losses:
    """The parts of one step's loss."""

    blocks: Tensor
    causal: Tensor
    spread: Tensor


def losses(
    model: VJEPA2Model,
    target: nn.Module,
    pixels: Tensor,
    blocks_mask: tuple[Tensor, Tensor],
    causal_mask: tuple[Tensor, Tensor],
) -> Losses:
    """L1 on layer-normed targets for both kinds of masks, and the regulariser.

    Args:
        target: the moving average of the encoder; it alone sees the whole clips.
        pixels: normalised, float32 [b, t, 3, h, w].
    """
    config = model.config
    side = config.crop_size // config.patch_size
    with torch.no_grad():
        embedded = target.embeddings(pixels)
        everything = torch.arange(embedded.shape[1], device=pixels.device).expand(len(pixels), -1)
        tokens = encode(target, embedded, everything, side=side).float()
        goal = F.layer_norm(tokens, tokens.shape[-1:])
    embedded = model.encoder.embeddings(pixels)
    parts = []
    context = None
    for context_ids, target_ids in (blocks_mask, causal_mask):
        context = encode(model.encoder, embedded, context_ids, side=side)
        guess = predict(model.predictor, context, context_ids, target_ids, side=side).float()
        wanted = goal.gather(1, target_ids[..., None].expand(-1, -1, goal.shape[-1]))
        parts.append((guess - wanted).abs().mean())
    # The causal context shows whole frames: pooled over space it is what probes will read.
    assert context is not None
    return Losses(*parts, regulariser(context.float().unflatten(1, (-1, side * side))))


def regulariser(tokens: Tensor) -> Tensor:
    """Variance and covariance terms of VICReg (Bardes et al. 2022), on tokens [b, t, s, d].

    On single tokens, on frames pooled over space, and on the difference between the last and the first
    pooled frame, which keeps the features changing with time. V-JEPA 2 has no such terms.
    """
    with torch.autocast(tokens.device.type, enabled=False):  # sums of many small products need fp32
        return _regulariser(tokens)


def _regulariser(tokens: Tensor) -> Tensor:
    pooled = tokens.mean(2)
    pick = torch.linspace(0, tokens[..., 0].numel() - 1, 2048, device=tokens.device).long()
    change = pooled[:, -1] - pooled[:, 0]
    single = _spread(tokens.flatten(0, 2)[pick], 1.0)
    return single + _spread(pooled.flatten(0, 1), 0.5) + _spread(change, 0.5)


def _spread(x: Tensor, wanted: float) -> Tensor:
    """How far each feature's deviation [n, d] falls short of ``wanted``, and how correlated features are."""
    x = x - x.mean(0)
    deviation = (x.var(0) + 1e-4).sqrt()
    short = F.relu(wanted - deviation).mean() / wanted
    covariance = x.T @ x / (len(x) - 1) / wanted**2
    off = covariance.pow(2).sum() - covariance.diagonal().pow(2).sum()
    return short + 0.04 * off / x.shape[1]


@torch.no_grad()
def pooled_features(encoder: nn.Module, pixels: Tensor, *, side: int) -> Tensor:
    """What a probe's ``z`` would be: whole clips [b, t, 3, h, w] to float32 [b, t', d]."""
    embedded = encoder.embeddings(pixels)
    ids = torch.arange(embedded.shape[1], device=pixels.device).expand(len(pixels), -1)
    tokens = encode(encoder, embedded, ids, side=side).float()
    return tokens.unflatten(1, (-1, side * side)).mean(2)


def effective_rank(features: Tensor) -> float:
    """exp of the entropy of the normalised singular values of centred rows [n, d] (Roy and Vetterli 2007)."""
    values = torch.linalg.svdvals((features - features.mean(0)).double())
    share = values / values.sum().clamp(min=1e-12)
    return float(torch.exp(-(share * share.clamp(min=1e-12).log()).sum()))
