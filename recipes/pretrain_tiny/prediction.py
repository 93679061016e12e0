"""How well the predictor tells the future's latents, beside repeating the last ones."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from transformers import VJEPA2Model

from worldprobe.encoders.preprocess import normalize

# A token has changed when its pixels differ by this much on average (of 255) from the context's last.
CHANGED = 8.0
CONTEXT, HORIZON = 4, 4  # tubelets
_RESAMPLES = 1000


@torch.no_grad()
def errors(model: VJEPA2Model, pixels: Tensor) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """L1 on layer-normed targets of one batch of clips uint8 [b, t, 3, h, w].

    The context is encoded from its own frames alone, so it cannot have seen the future; the horizons are
    predicted jointly, as the causal masks of the training do.

    Returns:
        float64 [b, horizon, tokens, 2], the predictor's error and copy-last's; bool [b, horizon, tokens],
        which tokens changed.
    """
    config = model.config
    side, tubelet = config.crop_size // config.patch_size, config.tubelet_size
    each = side * side
    video = normalize(pixels)
    context = model.encoder(video[:, : CONTEXT * tubelet]).last_hidden_state
    ids = torch.arange((CONTEXT + HORIZON) * each).expand(len(video), -1)
    guess = model.predictor(
        context, [ids[:, : CONTEXT * each].contiguous()], [ids[:, CONTEXT * each :].contiguous()]
    ).last_hidden_state.unflatten(1, (HORIZON, each))
    whole = model.encoder(video[:, : (CONTEXT + HORIZON) * tubelet]).last_hidden_state
    goal = F.layer_norm(whole, whole.shape[-1:])[:, CONTEXT * each :].unflatten(1, (HORIZON, each))
    last = F.layer_norm(context, context.shape[-1:])[:, None, -each:]
    error = torch.stack([(guess - goal).abs().mean(-1), (last - goal).abs().mean(-1)], -1)
    cells = pixels.float().unflatten(1, (-1, tubelet)).unflatten(-1, (side, -1)).unflatten(-3, (side, -1))
    moved = (cells[:, CONTEXT : CONTEXT + HORIZON] - cells[:, CONTEXT - 1 : CONTEXT]).abs().mean((2, 3, 5, 7))
    return error.double().numpy(), (moved.flatten(2) > CHANGED).numpy()


def table(model: VJEPA2Model, batches: Iterable[Tensor], *, seed: int) -> list[dict[str, float | int | str]]:
    """A row per horizon and choice of tokens: both errors with 95 % intervals by resampling clips, their ratio."""
    found = [errors(model, pixels) for pixels in batches]
    error, changed = (np.concatenate(part) for part in zip(*found, strict=True))
    draws = np.random.default_rng(seed).multinomial(len(error), np.full(len(error), 1 / len(error)), _RESAMPLES)
    rows: list[dict[str, float | int | str]] = []
    for tokens, chosen in (("changed", changed), ("all", np.ones_like(changed))):
        for horizon in range(HORIZON):
            counts = chosen[:, horizon].sum(1)
            sums = (error[:, horizon] * chosen[:, horizon, :, None]).sum(1)
            resampled = (draws @ sums) / (draws @ counts)[:, None]
            mean = sums.sum(0) / counts.sum()
            low, high = np.quantile(resampled, [0.025, 0.975], axis=0)
            rows.append(
                {
                    "tokens": tokens, "horizon": horizon + 1, "n": int(counts.sum()),
                    "predictor": mean[0], "predictor_low": low[0], "predictor_high": high[0],
                    "copy_last": mean[1], "copy_last_low": low[1], "copy_last_high": high[1],
                    "ratio": mean[0] / mean[1],
                }
            )  # fmt: skip
    return rows
