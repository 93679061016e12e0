"""Forecasts become lines: every method, choice of tokens, horizon and metric, each with its interval."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from worldprobe.intervals import Draws, Scale, no_draws
from worldprobe.pipeline.predict.forecast import Forecast
from worldprobe.predictors.vjepa2 import Mode
from worldprobe.probes.metrics import ratio_draws
from worldprobe.results import LeakResult, PredictionMethod, PredictionMetric, PredictionResult

Which = Literal["all", "changed"]
METHODS: tuple[PredictionMethod, ...] = ("predictor", "copy-last", "linear", "mean", "ridge")


@dataclass(frozen=True, slots=True)
class PredictionSetup:
    """What all lines of a run share."""

    encoder: str
    precision: str
    context: int
    horizon: int
    mode: Mode
    seed: int
    extra: str = ""

    @property
    def protocol(self) -> str:
        """How the prediction was made, and what it is held against."""
        targets = f"layer-normed tokens of the whole window of {self.context + self.horizon} tubelets"
        return (
            f"context of {self.context} tubelets encoded alone; {self.mode}, {self.horizon} tubelets; "
            f"targets: {targets}; {self.precision}{self.extra}"
        )


def lines(done: Forecast, setup: PredictionSetup) -> list[PredictionResult]:
    """L1, cosine and skill of every method; the rank of the true moment of those that can tell one."""
    return [*_errors(done, setup), *_ranks(done, setup)]


def leak_lines(done: Forecast, setup: PredictionSetup) -> list[LeakResult]:
    """What changing the future alone changed."""
    calls: tuple[Literal["prefix", "plain forward"], ...] = ("prefix", "plain forward")
    return [
        LeakResult(
            encoder=setup.encoder, call=call, context=setup.context, horizon=setup.horizon, clips=clips,
            context_change=found.context, prediction_change=found.prediction,
        )
        for call in calls for found, clips in [done.leaks[call]]
    ]  # fmt: skip


def _errors(done: Forecast, setup: PredictionSetup) -> Iterator[PredictionResult]:
    which: tuple[Which, ...] = get_args(Which)
    for tokens in which:
        mask = done.changed if tokens == "changed" else np.ones_like(done.changed)
        for k in range(setup.horizon):
            count = mask[:, k].sum(axis=1).astype(np.float64)
            copied = _summed(done, "copy-last", "l1", k, mask)
            for method in METHODS:
                if method in done.missing:
                    for metric in ("l1", "cosine", "skill"):
                        draws = no_draws(done.missing[method])
                        yield _line(done, setup, method, tokens, k, metric, draws, int(count.sum()))
                    continue
                error, likeness = (_summed(done, method, metric, k, mask) for metric in ("l1", "cosine"))
                empty = "no token changed"
                scored = {
                    "l1": ratio_draws(error, count, done.unit, seed=setup.seed, scale="error", empty=empty),
                    "cosine": ratio_draws(likeness, count, done.unit, seed=setup.seed, scale="plain", empty=empty),
                    "skill": _less(
                        ratio_draws(error, copied, done.unit, seed=setup.seed, scale="error", empty=empty)
                    ),
                }
                for metric, draws in scored.items():
                    yield _line(done, setup, method, tokens, k, metric, draws, int(count.sum()))


def _ranks(done: Forecast, setup: PredictionSetup) -> Iterator[PredictionResult]:
    """Top-1, top-5 and mean rank of the true moment among its video's, and what a blind choice would have."""
    moments = done.moments.astype(np.float64)
    ones = np.ones(len(moments))
    for k in range(setup.horizon):
        for method in ("predictor", "copy-last", "chance"):
            if method == "chance":
                found = {
                    "top1": 1 / moments, "top5": np.minimum(5 / moments, 1.0), "mean_rank": (moments + 1) / 2,
                }  # fmt: skip
            else:
                rank = done.ranks[method][:, k].astype(np.float64)
                found = {"top1": 1.0 * (rank <= 1), "top5": 1.0 * (rank <= 5), "mean_rank": rank}
            for metric, values in found.items():
                scale: Scale = "error" if metric == "mean_rank" else "share"
                draws = ratio_draws(values, ones, done.unit, seed=setup.seed, scale=scale, empty="no moments")
                yield _line(done, setup, method, "all", k, metric, draws, len(moments))


def _summed(done: Forecast, method: str, metric: str, k: int, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """A window's sum over the tokens that count, float64 [n]."""
    values = done.errors[method][metric][:, k]
    return np.asarray((values * mask[:, k]).sum(axis=1, dtype=np.float64))


def _less(ratio: Draws) -> Draws:
    """Skill of a ratio of errors."""
    return ratio.combine(ratio, lambda error, _: 1.0 - error, scale="explained")


def _line(
    done: Forecast, setup: PredictionSetup, method: str, tokens: Which, k: int, metric: str, draws: Draws, n: int
) -> PredictionResult:
    found = draws.score()
    methods: dict[str, PredictionMethod] = {one: one for one in get_args(PredictionMethod)}
    metrics: dict[str, PredictionMetric] = {one: one for one in get_args(PredictionMetric)}
    return PredictionResult(
        encoder=setup.encoder,
        method=methods[method],
        tokens=tokens,
        context=setup.context,
        horizon=k + 1,
        mode=setup.mode,
        protocol=setup.protocol,
        metric=metrics[metric],
        score=found.value,
        low=found.low,
        high=found.high,
        n=n,
        n_groups=len(np.unique(done.unit)),
        split=done.split,
        seed=setup.seed,
        notes=[found.note] if found.note else [],
    )
