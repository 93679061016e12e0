"""Ask predicted futures what the robot did: probes fitted to what came, applied to what was predicted.

An inverse model, which reads the action from what was there and what came (Agrawal et al. 2016), is fitted to true
transitions and applied to predicted ones, as it is to generated films to find out what to do (Du et al. 2023). A
model whose predictions do not hold the action cannot be planned with.

Axes: n windows, t tubelets of a window, k horizons, s cells, d width, a numbers of an action or state.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from worldprobe.intervals import Draws, Standing, no_draws, standings
from worldprobe.pipeline.predict.futures import FEATURES, MODES, TARGETS
from worldprobe.pipeline.predict.reading import NOTHING, Guesses, Readable, Way, read_futures
from worldprobe.pipeline.predict.scores import PredictionSetup
from worldprobe.probes.linear.ridge import Ridge
from worldprobe.probes.metrics import r2_draws
from worldprobe.probes.question import Question
from worldprobe.results import ConsistencyMethod, ConsistencyResult, ConsistencyTarget

Tokens = NDArray[np.float32]
Floats = NDArray[np.float64]


def consistency_lines(windows: Readable) -> Iterator[ConsistencyResult]:
    """R2 of actions and states read from true and predicted futures, by features, horizon and way."""
    if windows.folds is None:
        yield from _unmeasured(windows.setup, windows.missing)
        return
    for target in TARGETS:
        values = windows.futures.values(target)
        if not values.shape[2]:
            continue
        for kind in FEATURES:
            yield from _lines_of(target, kind, values, windows.guesses(kind), windows.setup)


def _lines_of(
    target: ConsistencyTarget, kind: str, values: Floats, guesses: Guesses, setup: PredictionSetup
) -> Iterator[ConsistencyResult]:
    c, folds = setup.context, guesses.folds
    known: NDArray[np.bool_] = np.asarray(np.isfinite(values).all(axis=2))
    tested = np.flatnonzero(known[:, c - 1 :].all(axis=1))
    read, constant = _read(target, values, known, guesses, setup.horizon)
    scored: list[dict[Way, Draws]] = []
    for k in range(setup.horizon):
        truth = values[tested, c - 1 + k]
        scored.append({})
        for way, answers in read.items():
            answer = answers[tested, k]
            if not len(tested):
                scored[k][way] = no_draws("in no window all of it is known")
            elif np.isnan(answer).any():
                short = way[0] == "ridge" and c < 2
                scored[k][way] = no_draws("needs a context of 2 tubelets or more" if short else NOTHING)
            else:
                scored[k][way] = r2_draws(truth, answer, constant[tested], folds.unit[tested], seed=setup.seed)
    beside: tuple[ConsistencyMethod, ...] = ("true", "corrected", "ridge")
    against: dict[tuple[int, Way], dict[str, Standing]] = {}
    for method in ("predictor", "predictor-corrected"):
        # Apart: what the map makes of a prediction takes nothing from the verdict on the prediction itself.
        places: list[tuple[int, Way]] = [(k, (method, mode)) for k in range(setup.horizon) for mode in MODES]
        stands = standings(
            [(scored[k][way], {name: scored[k][name, None] for name in beside}) for k, way in places]
        )
        against |= zip(places, stands, strict=True)
    groups = len(np.unique(folds.unit[tested]))
    for k, ways in enumerate(scored):
        for way, draws in ways.items():
            found = draws.score()
            yield ConsistencyResult(
                encoder=setup.encoder, target=target, features=kind, method=way[0], mode=way[1], context=c,
                horizon=k + 1, protocol=_protocol(setup), score=found.value, low=found.low, high=found.high,
                n=len(tested), n_groups=groups, dimensions=values.shape[2], split=folds.kind, seed=setup.seed,
                against=against.get((k, way), {}), notes=[found.note] if found.note else [],
            )  # fmt: skip


def _read(
    target: ConsistencyTarget, values: Floats, known: NDArray[np.bool_], guesses: Guesses, horizon: int
) -> tuple[dict[Way, Floats], Floats]:
    """What a probe fitted to true futures of other groups reads out of each way's, [n, k, a]; the constants [n, a].

    Args:
        values: [n, t - 1, a], and for which of them all numbers are known.
    """
    n, steps, width = values.shape
    true = guesses.arrays.true
    inputs = _inputs(target, true[:, :-1], true[:, 1:])
    question = Question(target, Ridge(), np.nan_to_num(values).reshape(n * steps, width), blocks=width)
    told = ({way: _inputs(target, *step) for way, step in ways.items()} for ways in guesses.steps())
    ((read, constant),) = read_futures([question], inputs, known, told, horizon, guesses.folds)
    return read, constant


def _inputs(target: ConsistencyTarget, before: Tokens, after: Tokens) -> Tokens:
    """What a probe reads, [..., columns]: of a state what there is, else what was and what changed."""
    tokens = after if target == "state" else np.concatenate([before, after - before], axis=-1)
    return tokens.reshape(*tokens.shape[:-2], -1)


def _protocol(setup: PredictionSetup) -> str:
    return (
        f"{setup.protocol}; ridge on tokens of true futures of other groups (of actions and changes: "
        "before, and what changes), applied to predicted ones; before the first step the context's last tokens, "
        "encoded alone, through one linear map to those within the window; an action is the mean over the frames "
        "of the tubelet before; predictor-corrected: predicted tokens through one linear map a horizon to true ones"
    )


def _unmeasured(setup: PredictionSetup, why: str) -> Iterator[ConsistencyResult]:
    """A line that says why there is no score."""
    yield ConsistencyResult(
        encoder=setup.encoder, target="action", features="z", method="predictor", mode=setup.mode,
        context=setup.context, horizon=1, protocol=_protocol(setup), score=None, low=None, high=None, n=0,
        n_groups=0, dimensions=0, split="grouped", seed=setup.seed, notes=[why],
    )  # fmt: skip
