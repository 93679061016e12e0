"""Violation of expectation: is what is impossible harder to predict than what is possible?

As published for V-JEPA (Garrido et al. 2025, arXiv 2502.11831): windows slide over a video, the context of each
is encoded alone, and the surprise of a window is the L1 distance between what is predicted of its rest and the
layer-normed tokens of the whole window. A video's surprise is the mean or the maximum over its windows, or how
unusual they are (``unusual``). There the best of several context lengths is reported; here the context is fixed
before anything is measured.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import PredictionError
from worldprobe.execute.fitting import Fitting
from worldprobe.intervals import Draws, Floats, bootstrap
from worldprobe.predictors import scores
from worldprobe.predictors.vjepa2 import INSTEAD, Mode, VJEPA2Predictor, as_clips

_TOKENS_PER_BATCH = 4096


class Slid(NamedTuple):
    """Layer-normed tokens of a video's windows: the context's last two tubelets, what is predicted, what came.

    float32 [windows, 2 (or a context of 1), s, d] and [windows, horizon, s, d] twice.
    """

    known: scores.Tokens
    predicted: scores.Tokens
    true: scores.Tokens

    @property
    def l1(self) -> Floats:
        """The surprise of each window: its mean L1 error, float64 [windows]."""
        return np.asarray(scores.l1(self.predicted, self.true).mean(axis=(1, 2), dtype=np.float64))


def slide(
    predictor: VJEPA2Predictor,
    pixels: NDArray[np.uint8],
    *,
    context: int,
    horizon: int,
    hop: int = 1,
    mode: Mode = "joint",
) -> Slid:
    """The tokens of each window of one video; windows begin ``hop`` tubelets apart.

    Args:
        pixels: uint8 [t, 3, crop, crop]. Window i has its context at tubelets ``i hop`` to ``i hop + context``.

    Raises:
        PredictionError: a video shorter than one window, or a hop below 1.
    """
    clips = cut_clips(pixels, context + horizon, tubelet=predictor.tubelet, hop=hop)

    def of(some: NDArray[np.uint8]) -> Slid:
        batch = as_clips(some)
        known = predictor.context_tokens(batch, context)
        predicted = predictor.forecast(known, horizon=horizon, mode=mode)
        true = predictor.targets(batch, context=context)[:, context:]
        return Slid(*(one.cpu().numpy() for one in (predictor.normed(known[:, -2:]), predicted, true)))

    most = max(1, _TOKENS_PER_BATCH // predictor.encoder.grid(clips.shape[1]).tokens)
    parts = Fitting(predictor.encoder.name, most=most, instead=INSTEAD).map(of, clips)
    return Slid(*(np.concatenate(one) for one in zip(*parts, strict=True)))


def cut_clips(pixels: NDArray[np.uint8], tubelets: int, *, tubelet: int, hop: int) -> NDArray[np.uint8]:
    """Windows of so many tubelets, ``hop`` apart: uint8 [t, ...] to [windows, t', ...].

    Raises:
        PredictionError: a video shorter than one window, or a hop below 1.
    """
    frames, step = tubelets * tubelet, hop * tubelet
    if hop < 1 or len(pixels) < frames:
        raise PredictionError(
            f"windows of {tubelets} tubelets ({frames} frames), {hop} apart, of a video of {len(pixels)} frames: "
            "use a hop of 1 or more, and a context and horizon that fit."
        )
    return np.stack([pixels[start : start + frames] for start in range(0, len(pixels) - frames + 1, step)])


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
