"""The losses: tell seen and hidden tokens' motion and picture, predict hidden tokens' latents, keep features apart.

The forward passes run transformers' own modules with the tables of RoPE computed once a pass instead of in every
block, and the patches as one matrix product instead of a convolution; the outputs are equal
(``tests/whole/test_recipe.py``).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from recipes.pretrain_tiny import targets
from recipes.pretrain_tiny.settings import Settings
from recipes.pretrain_tiny.targets import standard
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


def patches(pixels: Tensor, *, side: int) -> Tensor:
    """Normalised clips [b, 2 t, 3, h, w] cut into tokens' patches [b, t * side * side, 3 * 2 * p * p]."""
    cut = pixels.unflatten(1, (-1, 2)).unflatten(-1, (side, -1)).unflatten(-3, (side, -1))
    return cut.permute(0, 1, 4, 6, 3, 2, 5, 7).flatten(4).flatten(1, 3)


def gathered(tokens: Tensor, ids: Tensor) -> Tensor:
    """Tokens at ``ids`` [b, n] of [b, N, d]."""
    return tokens.gather(1, ids[..., None].expand(-1, -1, tokens.shape[-1]))


def encode(encoder: nn.Module, cut: Tensor, ids: Tensor, *, side: int) -> Tensor:
    """Encode only the tokens at ``ids`` [b, n] of clips cut into patches [b, N, k]: the others are never seen."""
    project = encoder.embeddings.patch_embeddings.proj
    embedded = F.linear(gathered(cut, ids), project.weight.flatten(1), project.bias)
    return blocks(encoder.layer, encoder.layernorm, embedded, ids, side=side)


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


class Heads(nn.ModuleDict):
    """One linear map for each target that has a weight, from layer-normed tokens; dropped at export."""

    def __init__(self, settings: Settings) -> None:
        sizes = {"motion": 6, "outlines": 8, "picture": 6 * settings.blocks_told**2}
        weights = {"motion": settings.motion, "outlines": settings.outlines, "picture": settings.picture}
        super().__init__(
            {name: nn.Linear(settings.hidden_size, sizes[name]) for name, weight in weights.items() if weight > 0}
        )
        self.weights = {name: weights[name] for name in self}


def teach(
    model: VJEPA2Model,
    target: nn.Module,
    heads: Heads,
    pixels: Tensor,
    mask: tuple[Tensor, Tensor],
    settings: Settings,
    regulariser_weight: float,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Stage 1: what a step's loss is, and its parts by name.

    Args:
        target: the moving average of the encoder, which alone sees the whole clips, for latents.
        pixels: normalised, float32 [b, t, 3, h, w].
        mask: token indices of context and targets; there may be no targets.
    """
    side = settings.side
    seen_ids, hidden_ids = mask
    cut = patches(pixels, side=side)
    context = encode(model.encoder, cut, seen_ids, side=side)
    seen = F.layer_norm(context.float(), context.shape[-1:])
    guess = None
    if hidden_ids.shape[1] and settings.hidden + settings.latent > 0:
        guess = predict(model.predictor, context, seen_ids, hidden_ids, side=side).float()
    parts: dict[str, Tensor] = {}
    loss = seen.sum() * 0  # a step without targets has nothing to learn, and goes through all the same
    for name, weight in heads.weights.items():
        wanted = _target(name, pixels, settings)
        parts[name] = F.mse_loss(heads[name](seen), gathered(wanted, seen_ids))
        loss = loss + weight * parts[name]
        if guess is not None and settings.hidden > 0:
            parts[f"hidden {name}"] = F.mse_loss(heads[name](guess), gathered(wanted, hidden_ids))
            loss = loss + weight * settings.hidden * parts[f"hidden {name}"]
    if guess is not None and settings.latent > 0:
        parts["latent"] = (guess - gathered(latents(target, cut, side=side), hidden_ids)).abs().mean()
        loss = loss + settings.latent * parts["latent"]
    whole = seen_ids.shape[1] % settings.tubelets == 0 and bool(
        (seen_ids[0, -1] // side**2) == settings.tubelets - 1
    )
    if regulariser_weight > 0 and whole:
        # Only clips that are seen to their end: of two or three tubelets nothing would have to change.
        parts["spread"] = regulariser(context.float().unflatten(1, (settings.tubelets, -1)))
        loss = loss + regulariser_weight * parts["spread"]
    return loss, parts


def _target(name: str, pixels: Tensor, settings: Settings) -> Tensor:
    if name == "picture":
        return standard(targets.picture(pixels, side=settings.side, blocks=settings.blocks_told))
    return standard({"motion": targets.motion, "outlines": targets.outlines}[name](pixels, side=settings.side))


@torch.no_grad()
def latents(encoder: nn.Module, cut: Tensor, *, side: int) -> Tensor:
    """Layer-normed tokens [b, N, d] of whole clips cut into patches."""
    everything = torch.arange(cut.shape[1], device=cut.device).expand(len(cut), -1)
    tokens = encode(encoder, cut, everything, side=side).float()
    return F.layer_norm(tokens, tokens.shape[-1:])


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
    cut = patches(pixels, side=side)
    ids = torch.arange(cut.shape[1], device=pixels.device).expand(len(pixels), -1)
    tokens = encode(encoder, cut, ids, side=side).float()
    return tokens.unflatten(1, (-1, side * side)).mean(2)


def effective_rank(features: Tensor) -> float:
    """exp of the entropy of the normalised singular values of centred rows [n, d] (Roy and Vetterli 2007)."""
    values = torch.linalg.svdvals((features - features.mean(0)).double())
    share = values / values.sum().clamp(min=1e-12)
    return float(torch.exp(-(share * share.clamp(min=1e-12).log()).sum()))
