"""Score futures that were sampled: is what they say of how sure a prediction is worth anything?

Axes: n windows, k horizons, s tokens of a tubelet (1 of a place).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from worldprobe.intervals import Draws, Scale, standings
from worldprobe.pipeline.predict.dressed import DressedFutures, Method
from worldprobe.pipeline.predict.scores import PredictionSetup
from worldprobe.predictors.dressing import FUTURES, Dressed
from worldprobe.probes.metrics import ratio_draws
from worldprobe.results import FuturesMetric, FuturesResult, FuturesShape

Of = Literal["all", "changed", "xy"]
_BINS = 8
_QUARTER = 0.25


def futures_lines(
    done: DressedFutures, setup: PredictionSetup, *, of: Of, counted: NDArray[np.bool_], features: str = "",
    scale: float = 1.0,
) -> Iterator[FuturesResult]:  # fmt: skip
    """Lines of every method, shape, metric and horizon.

    Args:
        counted: the tokens that count, [n, k, s], of the windows that were dressed.
        scale: from root mean squares over d to the length that is printed.
    """
    horizons = range(counted.shape[1])
    scored = [_scored(done, counted, k, of, setup.seed, scale) for k in horizons]
    beside = [key for key in scored[0] if key[2] == "energy" and key[:2] != ("predictor", "dressed")]
    stands = standings(
        [
            (one["predictor", "dressed", "energy"], {_name(*key[:2]): one[key] for key in beside})
            for one in scored
            if ("predictor", "dressed", "energy") in one
        ],
        less_is_better=True,
    )
    for k, ways in enumerate(scored):
        for (method, shape, metric), draws in ways.items():
            found = draws.score()
            own = (method, shape) == ("predictor", "dressed")
            whole = of == "xy" or metric == "nearest"
            bins = _calibration(done.by[method, "dressed"], counted, k, scale) if metric == "spread" else []
            yield FuturesResult(
                encoder=setup.encoder, of=of, features=features, method=method, shape=shape, context=setup.context,
                horizon=k + 1, mode=setup.mode, protocol=_protocol(setup, of), metric=metric, score=found.value,
                low=found.low, high=found.high, n=len(counted) if whole else int(counted[:, k].sum()),
                n_groups=len(np.unique(done.unit)), split=done.split, seed=setup.seed,
                against=stands[k] if own and metric == "energy" else {},
                calibration=bins, notes=[found.note] if found.note else [],
            )  # fmt: skip


_Key = tuple[Method, FuturesShape, FuturesMetric]


def _name(method: str, shape: str) -> str:
    """What stands beside the predictor's dressed futures: another shape of its own, or another method's dressed."""
    return shape if method == "predictor" else method


def _scored(
    done: DressedFutures, counted: NDArray[np.bool_], k: int, of: Of, seed: int, scale: float
) -> dict[_Key, Draws]:
    """Scores at one horizon."""
    mask = counted[:, k]
    count = mask.sum(axis=1).astype(np.float64)

    def mean(values: NDArray[Any], bound: Scale, over: NDArray[np.bool_] = mask) -> Draws:
        total = np.where(over, values, 0).sum(axis=1, dtype=np.float64)
        divisor = count if over is mask else over.sum(axis=1).astype(np.float64)
        return ratio_draws(total, divisor, done.unit, seed=seed, scale=bound, empty="no token changed")

    found: dict[_Key, Draws] = {}
    for (method, shape), one in done.by.items():
        if shape == "dressed":
            found[method, "point", "energy"] = mean(scale * one.point[:, k], "error")
        found[method, shape, "energy"] = mean(scale * one.energy[:, k], "error")
        if of != "changed" and method == "predictor" and shape != "constant":
            ones = np.ones(len(count))
            nearest = scale * one.nearest[:, k].astype(np.float64)
            found[method, shape, "nearest"] = ratio_draws(
                nearest, ones, done.unit, seed=seed, scale="error", empty="no windows"
            )
        if shape != "dressed":
            continue
        found[method, shape, "within50"] = mean(one.within[:, k, :, 0], "share")
        found[method, shape, "within90"] = mean(one.within[:, k, :, 1], "share")
        if method == "predictor":
            found[method, shape, "radius90"] = mean(scale * one.radius[:, k, :, 1], "error")
            found[method, shape, "spread"] = mean(scale * one.spread[:, k], "error")
            if mask.any():
                low, high = np.quantile(one.spread[:, k][mask], [_QUARTER, 1 - _QUARTER])
                off = scale * one.point[:, k]
                found[method, shape, "surest"] = mean(off, "error", mask & (one.spread[:, k] <= low))
                found[method, shape, "unsure"] = mean(off, "error", mask & (one.spread[:, k] >= high))
    return found


def _calibration(
    one: Dressed, counted: NDArray[np.bool_], k: int, scale: float
) -> list[tuple[float, float, float]]:
    """The size expected, the size found and their share, from the surest to the least sure."""
    mask = counted[:, k]
    expected, found = scale * one.spread[:, k][mask], scale * one.point[:, k][mask]
    if not len(expected):
        return []
    parts = np.array_split(np.argsort(expected, kind="stable"), min(_BINS, len(expected)))
    return [(float(expected[at].mean()), float(found[at].mean()), len(at) / len(expected)) for at in parts]


def _protocol(setup: PredictionSetup, of: Of) -> str:
    what = "places read by a ridge on tokens of true futures of other groups" if of == "xy" else "tokens"
    return (
        f"{setup.protocol}; {what}; {FUTURES} futures, each the prediction plus a whole window's errors in another "
        "group, scaled by the size that a ridge on what is known before expects there and here; lengths are "
        f"{'distances in shares of a frame' if of == 'xy' else 'root mean squares over the numbers of a token'}"
    )
