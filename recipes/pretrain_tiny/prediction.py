"""How well the predictor tells the future's latents, beside repeating the last ones: by the package's own path."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from transformers import VJEPA2Model

from worldprobe.encoders.vjepa2 import VJEPA2Encoder
from worldprobe.intervals import standings
from worldprobe.predictors import VJEPA2Predictor, baselines, scores
from worldprobe.predictors.vjepa2 import layer_normed
from worldprobe.probes.metrics import ratio_draws

CONTEXT, HORIZON = 4, 4  # tubelets


def errors(model: VJEPA2Model, pixels: Tensor) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """L1 on layer-normed targets of one batch of clips uint8 [b, t, 3, h, w].

    The horizons are predicted jointly, as the causal masks of the training do.

    Returns:
        float64 [b, horizon, tokens, 2], the predictor's error and copy-last's; bool [b, horizon, tokens],
        which tokens changed.
    """
    own = copy.deepcopy(model)  # the package's encoder takes a model's weights over
    encoder = VJEPA2Encoder(
        own, name="measured", revision="", status="trained", device="cpu", precision="fp32",
        predictor=lambda: own.predictor,
    )  # fmt: skip
    predictor = VJEPA2Predictor.from_encoder(encoder)
    clips = pixels[:, : (CONTEXT + HORIZON) * encoder.tubelet]
    known = predictor.context_tokens(clips, CONTEXT)
    true = predictor.targets(clips)[:, CONTEXT:].numpy()
    told = predictor.forecast(known, horizon=HORIZON).numpy()
    last = baselines.copy_last(layer_normed(known).numpy(), horizon=HORIZON)
    error = np.stack([scores.l1(told, true), scores.l1(last, true)], -1).astype(np.float64)
    side = encoder.crop // encoder.patch
    changed = scores.changed(clips.numpy(), context=CONTEXT, horizon=HORIZON, tubelet=encoder.tubelet, side=side)
    return error, changed


def table(model: VJEPA2Model, batches: Iterable[Tensor], *, seed: int) -> list[dict[str, float | int | str]]:
    """A row per horizon and choice of tokens: both errors with 95 % intervals by resampling clips, their ratio.

    ``below``: whether the predictor's lies below copy-last's, by paired differences over all horizons.
    """
    found = [errors(model, pixels) for pixels in batches]
    error, changed = (np.concatenate(part) for part in zip(*found, strict=True))
    clip = np.arange(len(error))
    rows: list[dict[str, float | int | str]] = []
    for tokens, chosen in (("changed", changed), ("all", np.ones_like(changed))):
        counts = chosen.sum(2, dtype=np.float64)
        ways = [
            [
                ratio_draws(sums, count, clip, seed=seed, scale="error", empty="no token changed")
                for sums, count in zip((error[..., way] * chosen).sum(2).T, counts.T, strict=True)
            ]
            for way in range(2)
        ]
        pairs = list(zip(*ways, strict=True))
        stands = standings([(ours, {"copy-last": copied}) for ours, copied in pairs], less_is_better=True)
        for horizon, (pair, stand) in enumerate(zip(pairs, stands, strict=True)):
            n = int(counts[:, horizon].sum())
            row: dict[str, float | int | str] = {"tokens": tokens, "horizon": horizon + 1, "n": n}
            for name, draws in zip(("predictor", "copy_last"), pair, strict=True):
                score = draws.score()
                assert score.value is not None, score.note
                assert score.low is not None
                assert score.high is not None
                row |= {name: score.value, f"{name}_low": score.low, f"{name}_high": score.high}
            row["ratio"] = float(row["predictor"]) / float(row["copy_last"])
            row["below"] = stand["copy-last"] == "above"
            rows.append(row)
    return rows
