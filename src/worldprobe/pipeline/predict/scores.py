"""Forecasts become lines: every method, choice of tokens, horizon and metric, each with its interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from worldprobe.intervals import Draws, Scale, no_draws, standings
from worldprobe.pipeline.predict.fitted import Which
from worldprobe.pipeline.predict.forecast import OTHER, Forecast
from worldprobe.predictors.vjepa2 import Mode, other_mode
from worldprobe.probes.metrics import ratio_draws
from worldprobe.results import LeakResult, PredictionMethod, PredictionMetric, PredictionResult

BASELINES: tuple[PredictionMethod, ...] = ("copy-last", "corrected", "linear", "mean", "ridge")
METHODS: tuple[PredictionMethod, ...] = ("predictor", *BASELINES, "fitted")
# The predictor in the mode that was asked for, and in the other one.
_PREDICTED = ("predictor", OTHER)


@dataclass(frozen=True, slots=True)
class PredictionSetup:
    """What all lines of a run share; ``clip`` counts the tubelets of the longest window, 0 for all of it in one."""

    encoder: str
    precision: str
    context: int
    horizon: int
    mode: Mode
    seed: int
    extra: str = ""
    clip: int = 0

    @property
    def protocol(self) -> str:
        """How the prediction was made, and what it is held against."""
        whole = self.context + self.horizon
        targets = f"layer-normed tokens of the whole window of {whole} tubelets"
        if self.context < self.clip < whole:
            targets = f"layer-normed tokens of windows of {self.clip} tubelets, which slide, predictions fed back"
        return (
            f"context of {self.context} tubelets encoded alone; {self.mode}, {self.horizon} tubelets; "
            f"targets: {targets}; {self.precision}{self.extra}"
        )


def lines(done: Forecast, setup: PredictionSetup) -> list[PredictionResult]:
    """L1, cosine and skill of every method; what a change of window does; the rank of the true moment."""
    return [*_at_once(done, setup), *_errors(done, setup), *_ranks(done, setup)]


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


def _at_once(done: Forecast, setup: PredictionSetup) -> Iterator[PredictionResult]:
    """Horizon 0: the context's last tubelet, encoded alone, against the same frames within the window."""
    for method, errors in done.at_once.items():
        for metric, values in errors.items():
            count = np.full(len(values), float(values.shape[2]))
            total = values.sum(axis=(1, 2), dtype=np.float64)
            scale: Scale = "error" if metric == "l1" else "plain"
            draws = ratio_draws(total, count, done.unit, seed=setup.seed, scale=scale, empty="no tokens")
            yield _line(done, setup, method, "all", -1, metric, draws, int(count.sum()))


def _errors(done: Forecast, setup: PredictionSetup) -> Iterator[PredictionResult]:
    which: tuple[Which, ...] = get_args(Which)
    other = other_mode(setup.mode)
    for tokens in which:
        mask = done.counted(tokens)
        scored = [_horizon(done, setup, k, tokens) for k in range(setup.horizon)]
        # Each mode apart: that there is another one takes nothing from the verdict on the one that was asked for.
        stands = {
            own: standings(
                [(one[own]["l1"], {name: one[name]["l1"] for name in BASELINES}) for one in scored],
                less_is_better=True,
            )
            for own in _PREDICTED
        }
        for k, methods in enumerate(scored):
            for method, metrics in methods.items():
                of, name = (replace(setup, mode=other), "predictor") if method == OTHER else (setup, method)
                for metric, draws in metrics.items():
                    line = _line(done, of, name, tokens, k, metric, draws, int(mask[:, k].sum()))
                    if method in stands and metric == "l1":
                        line = line.model_copy(update={"against": stands[method][k]})
                    if (method, metric) == ("fitted", "l1") and draws.value is not None:
                        line = line.model_copy(update={"notes": [_chosen(done.best_fitted[tokens][k])]})
                    yield line


def _horizon(done: Forecast, setup: PredictionSetup, k: int, tokens: Which) -> dict[str, dict[str, Draws]]:
    """L1, cosine and skill of each method on the tokens that count, and the predictor's skill over the best."""
    mask = done.counted(tokens)[:, k]
    count = mask.sum(axis=1).astype(np.float64)

    def over(values: NDArray[np.float64], divisor: NDArray[np.float64], scale: Scale) -> Draws:
        return ratio_draws(values, divisor, done.unit, seed=setup.seed, scale=scale, empty="no token changed")

    def summed(method: str, metric: str) -> NDArray[np.float64]:
        errors = done.fitted[tokens] if method == "fitted" else done.errors[method]
        values = errors[metric][:, k]
        return np.asarray((values * mask).sum(axis=1, dtype=np.float64))

    found: dict[str, dict[str, Draws]] = {}
    for method in (*METHODS, OTHER):
        if method in done.missing:
            found[method] = dict.fromkeys(("l1", "cosine", "skill"), no_draws(done.missing[method]))
            continue
        error = summed(method, "l1")
        found[method] = {
            "l1": over(error, count, "error"),
            "cosine": over(summed(method, "cosine"), count, "plain"),
            "skill": _less(over(error, summed("copy-last", "l1"), "error")),
        }
        if method in _PREDICTED:
            missing = done.missing.get("fitted")
            found[method]["skill_fitted"] = (
                no_draws(missing) if missing else _less(over(error, summed("fitted", "l1"), "error"))
            )
    return found


def _chosen(times: Counter[str]) -> str:
    """``ridge in 4, mean in 1 of 5 folds``: which of the fitted baselines was the best of them."""
    ways = ", ".join(f"{way} in {count}" for way, count in times.most_common())
    return f"{ways} of {times.total()} folds"


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
