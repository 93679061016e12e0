"""Violation of expectation: is what is impossible harder to predict than what is possible?

As published for V-JEPA (Garrido et al. 2025, arXiv 2502.11831): windows slide over a video, the context of each
is encoded alone, and the surprise of a window is the L1 distance between what is predicted of its rest and the
layer-normed tokens of the whole window. A video's surprise is the mean or the maximum over its windows. There the
best of several context lengths is reported; here the context is fixed before anything is measured.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import PredictionError
from worldprobe.execute.fitting import Fitting
from worldprobe.intervals import Draws, Floats, bootstrap
from worldprobe.predictors import scores
from worldprobe.predictors.vjepa2 import INSTEAD, Mode, VJEPA2Predictor, as_clips

_TOKENS_PER_BATCH = 4096


def surprise(
    predictor: VJEPA2Predictor,
    pixels: NDArray[np.uint8],
    *,
    context: int,
    horizon: int,
    hop: int = 1,
    mode: Mode = "joint",
) -> Floats:
    """The surprise of each window of one video, float64 [windows]; they begin ``hop`` tubelets apart.

    Args:
        pixels: uint8 [t, 3, crop, crop]. Window i has its context at tubelets ``i hop`` to ``i hop + context``.

    Raises:
        PredictionError: a video shorter than one window, or a hop below 1.
    """
    frames, step = (context + horizon) * predictor.tubelet, hop * predictor.tubelet
    if hop < 1 or len(pixels) < frames:
        raise PredictionError(
            f"windows of {context} + {horizon} tubelets ({frames} frames), {hop} apart, of a video of "
            f"{len(pixels)} frames: use a hop of 1 or more, and a context and horizon that fit."
        )
    clips = np.stack([pixels[start : start + frames] for start in range(0, len(pixels) - frames + 1, step)])

    def of(some: NDArray[np.uint8]) -> Floats:
        batch = as_clips(some)
        predicted = predictor.predict(batch, context=context, horizon=horizon, mode=mode)
        true = predictor.targets(batch, context=context)[:, context:].cpu().numpy()
        return np.asarray(scores.l1(predicted, true).mean(axis=(1, 2), dtype=np.float64))

    most = max(1, _TOKENS_PER_BATCH // predictor.encoder.grid(frames).tokens)
    return np.concatenate(Fitting(predictor.encoder.name, most=most, instead=INSTEAD).map(of, clips))


def relative_accuracy(possible: Floats, impossible: Floats) -> float:
    """The share of pairs [n] in which the impossible video surprises more; a draw counts half."""
    return float(_better(impossible - possible).mean())


def auroc(possible: Floats, impossible: Floats) -> float:
    """The chance that any impossible video [n] surprises more than any possible one [m]; a draw counts half."""
    return float(_better(impossible[:, None] - possible[None, :]).mean())


def scored(possible: Floats, impossible: Floats, *, seed: int) -> dict[str, Draws]:
    """Score pairs [n] by both measures, and resamples of the pairs."""
    own, every = _better(impossible - possible), _better(impossible[:, None] - possible[None, :])

    def relative(weights: Floats) -> Floats:
        return np.asarray(weights @ own / weights.sum(axis=1))

    def area(weights: Floats) -> Floats:
        shares = weights / weights.sum(axis=1, keepdims=True)
        return np.asarray(np.einsum("ri,ij,rj->r", shares, every, shares))

    return {
        name: bootstrap(statistic, len(own), seed=seed, scale="share", value=value)
        for name, statistic, value in (
            ("relative_accuracy", relative, relative_accuracy(possible, impossible)),
            ("auroc", area, auroc(possible, impossible)),
        )
    }


def _better(difference: Floats) -> Floats:
    return np.asarray((np.sign(difference) + 1) / 2, dtype=np.float64)
