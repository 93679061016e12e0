"""Ask predicted futures what the robot did: probes fitted to what came, applied to what was predicted.

An inverse model, which reads the action from what was there and what came (Agrawal et al. 2016), is fitted to true
transitions and applied to predicted ones, as it is to generated films to find out what to do (Du et al. 2023). A
model whose predictions do not hold the action cannot be planned with.

Axes: n windows, t tubelets of a window, k horizons, s cells, d width, a numbers of an action or state.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import ProbeError
from worldprobe.intervals import Draws, no_draws, standings
from worldprobe.pipeline.predict.forecast import split_rows, unit_of
from worldprobe.pipeline.predict.futures import FEATURES, MODES, TARGETS, Futures, Pooled
from worldprobe.pipeline.predict.scores import PredictionSetup
from worldprobe.predictors.baselines import RidgePredictor
from worldprobe.predictors.vjepa2 import Mode
from worldprobe.probes.choice import fit_chosen
from worldprobe.probes.linear.ridge import Ridge
from worldprobe.probes.metrics import r2_draws
from worldprobe.probes.question import Question
from worldprobe.probes.splits import Fold, Folds, make_folds
from worldprobe.probes.training import TrainingSets
from worldprobe.results import ConsistencyMethod, ConsistencyResult, ConsistencyTarget

Tokens = NDArray[np.float32]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_NOTHING = "nothing was left to fit on for some windows"
_Way = tuple[ConsistencyMethod, Mode | None]


@dataclass(frozen=True, slots=True, eq=False)
class _Arrays:
    """Of all windows, one kind of features: float32."""

    known: Tokens
    true: Tokens
    told: dict[Mode, Tokens]

    @classmethod
    def of(cls, kept: Sequence[dict[str, Pooled]], kind: str) -> _Arrays:
        parts = [one[kind] for one in kept]
        return cls(
            np.stack([one.known for one in parts]).astype(np.float32),
            np.stack([one.true for one in parts]).astype(np.float32),
            {mode: np.stack([one.told[mode] for one in parts]).astype(np.float32) for mode in MODES},
        )


def consistency_lines(futures: Futures, setup: PredictionSetup) -> Iterator[ConsistencyResult]:
    """R2 of actions and states read from true and predicted futures, by features, horizon and way."""
    if not futures.kept:
        yield from _unmeasured(setup, "no window that was predicted has labels of what the robot did")
        return
    split, _ = unit_of(futures.windows)
    try:
        folds = make_folds(split_rows(futures.windows), kind=split, seed=setup.seed)
    except ProbeError as error:
        yield from _unmeasured(setup, f"nothing to fit on apart from what is scored: {error}")
        return
    for target in TARGETS:
        values = futures.values(target)
        if not values.shape[2]:
            continue
        for kind in FEATURES:
            yield from _lines_of(target, kind, values, _Arrays.of(futures.kept, kind), folds, setup)


def _lines_of(
    target: ConsistencyTarget, kind: str, values: Floats, arrays: _Arrays, folds: Folds, setup: PredictionSetup
) -> Iterator[ConsistencyResult]:
    c = setup.context
    known: NDArray[np.bool_] = np.asarray(np.isfinite(values).all(axis=2))
    tested = np.flatnonzero(known[:, c - 1 :].all(axis=1))
    read, constant = _read(target, values, known, arrays, folds, c)
    scored: list[dict[_Way, Draws]] = []
    for k in range(setup.horizon):
        truth = values[tested, c - 1 + k]
        scored.append({})
        for way, answers in read.items():
            answer = answers[tested, k]
            if not len(tested):
                scored[k][way] = no_draws("in no window all of it is known")
            elif np.isnan(answer).any():
                short = way[0] == "ridge" and c < 2
                scored[k][way] = no_draws("needs a context of 2 tubelets or more" if short else _NOTHING)
            else:
                scored[k][way] = r2_draws(truth, answer, constant[tested], folds.unit[tested], seed=setup.seed)
    beside: tuple[ConsistencyMethod, ...] = ("true", "corrected", "ridge")
    places = [(k, mode) for k in range(setup.horizon) for mode in MODES]
    stands = standings(
        [(scored[k]["predictor", mode], {name: scored[k][name, None] for name in beside}) for k, mode in places]
    )
    against = dict(zip(places, stands, strict=True))
    groups = len(np.unique(folds.unit[tested]))
    for k, ways in enumerate(scored):
        for (method, mode), draws in ways.items():
            found = draws.score()
            yield ConsistencyResult(
                encoder=setup.encoder, target=target, features=kind, method=method, mode=mode, context=c,
                horizon=k + 1, protocol=_protocol(setup), score=found.value, low=found.low, high=found.high,
                n=len(tested), n_groups=groups, dimensions=values.shape[2], split=folds.kind, seed=setup.seed,
                against=against[k, mode] if mode else {}, notes=[found.note] if found.note else [],
            )  # fmt: skip


def _read(
    target: ConsistencyTarget, values: Floats, known: NDArray[np.bool_], arrays: _Arrays, folds: Folds, context: int
) -> tuple[dict[_Way, Floats], Floats]:
    """What a probe fitted to true futures of other groups reads out of each way's, [n, k, a]; the constants [n, a].

    Args:
        values: [n, t - 1, a], and for which of them all numbers are known.
    """
    n, steps, width = values.shape
    horizon = steps + 1 - context
    inputs = _inputs(target, arrays.true[:, :-1], arrays.true[:, 1:]).reshape(n * steps, -1)
    question = Question(target, Ridge(), np.nan_to_num(values).reshape(n * steps, width), blocks=width)

    def rows(windows: Ints) -> Ints:
        every = windows[:, None] * steps + np.arange(steps)
        return np.asarray(every[known[windows]])

    by_row = [
        Fold(rows(fold.train), rows(fold.test), tuple((rows(one), rows(held)) for one, held in fold.inner))
        for fold in folds.folds
    ]
    sets = TrainingSets(inputs, np.repeat(folds.unit, steps), by_row)
    ways: list[_Way] = [
        ("true", None),
        *(("predictor", mode) for mode in MODES),
        ("corrected", None),
        ("ridge", None),
    ]
    read = {way: np.full((n, horizon, width), np.nan) for way in ways}
    constant = np.full((n, width), np.nan)
    for fold, each in zip(folds.folds, by_row, strict=True):
        if not len(each.train) or not all(len(one) and len(held) for one, held in each.inner):
            continue
        training = sets.prepare(each.train, each.inner)
        fitted = fit_chosen(question, training)
        for way, (before, after) in _ways(arrays, fold, context).items():
            flat = _inputs(target, before, after).reshape(len(fold.test) * horizon, -1)
            read[way][fold.test] = fitted.predict(flat).reshape(len(fold.test), horizon, width)
        constant[fold.test] = question.constant(each.train)
        training.forget()
    return read, constant


def _ways(arrays: _Arrays, fold: Fold, context: int) -> dict[_Way, tuple[Tokens, Tokens]]:
    """Of a fold's test windows, each way's tokens before and after each step into the future, [m, k, s, d].

    What is known was encoded alone, and what comes within the whole window: one linear map, fitted on other groups,
    brings the context's last tokens to those of the same frames within the window.
    """
    test, (train, validation) = fold.test, fold.inner[0]
    horizon = arrays.true.shape[1] - context
    last = arrays.known[:, -1:]
    _, correct = RidgePredictor.fit(
        last, arrays.true[:, context - 1 : context], train=train, validation=validation, tubelets=1
    )
    corrected = correct.predict(last[test])

    def stepped(after: Tokens) -> tuple[Tokens, Tokens]:
        return np.concatenate([corrected, after[:, :-1]], axis=1), after

    found: dict[_Way, tuple[Tokens, Tokens]] = {
        ("true", None): (arrays.true[test, context - 1 : -1], arrays.true[test, context:]),
        **{("predictor", mode): stepped(arrays.told[mode][test]) for mode in MODES},
        ("corrected", None): (np.repeat(corrected, horizon, axis=1),) * 2,
    }
    if arrays.known.shape[1] > 1:
        _, ridge = RidgePredictor.fit(arrays.known, arrays.true[:, context:], train=train, validation=validation)
        found["ridge", None] = stepped(ridge.predict(arrays.known[test]))
    return found


def _inputs(target: ConsistencyTarget, before: Tokens, after: Tokens) -> Tokens:
    """What a probe reads, [..., columns]: of a state what there is, else what was and what changed."""
    tokens = after if target == "state" else np.concatenate([before, after - before], axis=-1)
    return tokens.reshape(*tokens.shape[:-2], -1)


def _protocol(setup: PredictionSetup) -> str:
    return (
        f"{setup.protocol}; ridge on tokens of true futures of other groups (of actions and changes: "
        "before, and what changes), applied to predicted ones; before the first step the context's last tokens, "
        "encoded alone, through one linear map to those within the window; an action is the mean over the frames "
        "of the tubelet before"
    )


def _unmeasured(setup: PredictionSetup, why: str) -> Iterator[ConsistencyResult]:
    """A line that says why there is no score."""
    yield ConsistencyResult(
        encoder=setup.encoder, target="action", features="z", method="predictor", mode=setup.mode,
        context=setup.context, horizon=1, protocol=_protocol(setup), score=None, low=None, high=None, n=0,
        n_groups=0, dimensions=0, split="grouped", seed=setup.seed, notes=[why],
    )  # fmt: skip
