"""Baselines that are fitted to windows of other groups, scored on those that they are not fitted to."""

from __future__ import annotations

import itertools
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from worldprobe.execute.threads import side_by_side
from worldprobe.predictors import baselines, scores
from worldprobe.probes.splits import Fold, Folds

if TYPE_CHECKING:
    from worldprobe.pipeline.predict.forecast import Forecast

Errors = NDArray[np.float32]
Ints = NDArray[np.int64]
Which = Literal["all", "changed"]
Found = dict[tuple[str, str], list[Errors]]
FITTED = ("corrected", "mean", "ridge")
_METRICS = ("l1", "cosine")
_Model = baselines.MeanToken | baselines.RidgePredictor


class _OfFold(NamedTuple):
    """What a fold's fits give: its ridge, errors on validation windows by way, on test windows by way and metric,
    and those of the context's last tokens against the same within the window."""

    ridge: list[baselines.RidgePredictor]
    trial: dict[str, Errors]
    tested: dict[str, dict[str, Errors]]
    begun: dict[str, Errors]


def score_fitted(
    done: Forecast,
    folds: Folds | None,
    known: NDArray[np.float16],
    same: NDArray[np.float16],
    future: NDArray[np.float16],
) -> list[baselines.RidgePredictor]:
    """Score what is fitted, on other groups than it is fitted on; and the best of it, by validation groups.

    Returns the ridge of each fold, fitted to all of its training groups.

    Args:
        known: the contexts' last tubelets, at most 2, [n, c, s, d].
        same: the last of them within the whole window, [n, 1, s, d]; ``future`` the horizons, [n, k, s, d].
    """
    if known.shape[1] < 2:
        done.missing |= dict.fromkeys(("linear", "ridge"), "needs a context of 2 tubelets or more")
    ridges: list[baselines.RidgePredictor] = []
    if folds is None:
        return ridges
    ways = [way for way in FITTED if way not in done.missing]
    ahead = {way: _unscored(future) for way in ways}
    at_once = _unscored(same)
    horizons = range(future.shape[1])
    which: tuple[Which, ...] = get_args(Which)
    done.fitted = {tokens: _unscored(future) for tokens in which}
    done.best_fitted = {tokens: [Counter() for _ in horizons] for tokens in which}

    def of_fold(fold: Fold) -> _OfFold:
        fits = {way: _fit(way, known, same, future, fold) for way in ways}
        return _OfFold(
            [one for one in fits.get("ridge", ())[1:] if isinstance(one, baselines.RidgePredictor)],
            {way: _scored(first, known, future, fold.inner[0][1])["l1"] for way, (first, _) in fits.items()},
            {way: _scored(last, known, future, fold.test) for way, (_, last) in fits.items()},
            _scored(fits["corrected"][1], known, same, fold.test),
        )

    each = side_by_side([partial(of_fold, fold) for fold in folds.folds])
    for fold, (ridge, trial, tested, begun) in zip(folds.folds, each, strict=True):
        validation = fold.inner[0][1]
        ridges += ridge
        for way, metric in itertools.product(ways, _METRICS):
            ahead[way][metric][fold.test] = tested[way][metric]
        for tokens, k in itertools.product(which, horizons):
            best = _best({way: errors[:, k] for way, errors in trial.items()}, done.counted(tokens)[validation, k])
            for metric in _METRICS:
                done.fitted[tokens][metric][fold.test, k] = tested[best][metric][:, k]
            done.best_fitted[tokens][k][best] += 1
        for metric, values in begun.items():
            at_once[metric][fold.test] = values
    if np.isnan(at_once["l1"]).any():
        done.missing |= dict.fromkeys((*ahead, "fitted"), "nothing was left to fit on for some windows")
    else:
        done.errors |= ahead
        done.at_once["corrected"] = at_once
    return ridges


def _best(errors: dict[str, Errors], counted: NDArray[np.bool_]) -> str:
    """The way whose errors [n, s] are least on the tokens that count [n, s]; on all where none does."""
    which = counted if counted.any() else np.ones_like(counted)
    return min(errors, key=lambda way: float(errors[way][which].mean()))


def _fit(
    way: str, known: NDArray[np.float16], same: NDArray[np.float16], future: NDArray[np.float16], fold: Fold
) -> tuple[_Model, _Model]:
    """Fit a baseline to training groups, by which it is chosen, and to the validation groups too, for use."""
    train, validation = fold.inner[0]
    if way == "mean":
        return baselines.MeanToken.fit(future, train), baselines.MeanToken.fit(future, fold.train)
    # Copy-last is corrected by what makes its tokens those of the same frames within the window.
    goal, tubelets = (future, 2) if way == "ridge" else (same, 1)
    return baselines.RidgePredictor.fit(known, goal, train=train, validation=validation, tubelets=tubelets)


def _unscored(goal: NDArray[np.float16]) -> dict[str, Errors]:
    return {metric: np.full(goal.shape[:-1], np.nan, np.float32) for metric in _METRICS}


def _scored(model: _Model, known: NDArray[np.float16], goal: NDArray[np.float16], rows: Ints) -> dict[str, Errors]:
    """Errors of a fitted baseline on these rows, float32 [rows, k, s]."""
    parts: Found = {}
    for start in range(0, len(rows), 16):
        some = rows[start : start + 16]
        true = goal[some].astype(np.float32)
        told = model.predict(known[some].astype(np.float32))
        add_errors(parts, "", np.broadcast_to(told, true.shape), true)
    return {metric: np.concatenate(values) for (_, metric), values in parts.items()}


def add_errors(found: Found, way: str, forecasts: Errors, true: Errors) -> None:
    found.setdefault((way, "l1"), []).append(scores.l1(forecasts, true))
    found.setdefault((way, "cosine"), []).append(scores.cosine(forecasts, true))
