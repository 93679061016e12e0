"""Probes fitted to the tokens of true futures, applied to those of predicted ones and of guesses.

Axes: n windows, m of them, t tubelets of a window, k horizons, s cells, d width, c columns that a probe reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldprobe.pipeline.predict.futures import MODES, Pooled
from worldprobe.predictors.baselines import RidgePredictor
from worldprobe.predictors.vjepa2 import Mode
from worldprobe.probes.choice import fit_chosen
from worldprobe.probes.question import Question
from worldprobe.probes.splits import Fold, Folds
from worldprobe.probes.training import TrainingSets
from worldprobe.results import ConsistencyMethod

Tokens = NDArray[np.float32]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Way = tuple[ConsistencyMethod, Mode | None]
"""How a future was had, and the predictor's mode."""
WAYS: tuple[Way, ...] = (
    ("true", None), *(("predictor", mode) for mode in MODES), ("corrected", None), ("ridge", None),
)  # fmt: skip
NOTHING = "nothing was left to fit on for some windows"


@dataclass(frozen=True, slots=True, eq=False)
class Arrays:
    """One kind of features of all windows: known [n, 2 or 1, s, d], true [n, t, s, d], by mode [n, k, s, d]."""

    known: Tokens
    true: Tokens
    told: dict[Mode, Tokens]

    @classmethod
    def of(cls, kept: Sequence[dict[str, Pooled]], kind: str) -> Arrays:
        """Stack windows' features of a kind."""
        parts = [one[kind] for one in kept]
        return cls(
            np.stack([one.known for one in parts]).astype(np.float32),
            np.stack([one.true for one in parts]).astype(np.float32),
            {mode: np.stack([one.told[mode] for one in parts]).astype(np.float32) for mode in MODES},
        )


def read_futures(
    questions: Sequence[Question],
    inputs: Tokens,
    known: NDArray[np.bool_],
    told: Sequence[dict[Way, Tokens]],
    folds: Folds,
) -> list[tuple[dict[Way, Floats], Floats]]:
    """Fit probes to true futures of other groups and read them out of each way's.

    Args:
        questions: of each window's steps, [n steps, a], known at the same ones.
        inputs: of true futures, [n, steps, c]; ``known`` [n, steps] says of which the targets are known.
        told: of each fold, the inputs of its test windows by each way, [m, k, c].

    Returns:
        For each question, by way what its probe gives, [n, k, outputs], NaN where it could not be fitted; and its
        constant, [n, a].
    """
    n, steps = known.shape

    def rows(windows: Ints) -> Ints:
        every = windows[:, None] * steps + np.arange(steps)
        return np.asarray(every[known[windows]])

    by_row = [
        Fold(rows(fold.train), rows(fold.test), tuple((rows(one), rows(held)) for one, held in fold.inner))
        for fold in folds.folds
    ]
    sets = TrainingSets(inputs.reshape(n * steps, -1), np.repeat(folds.unit, steps), by_row)
    horizon = told[0]["true", None].shape[1]
    widths = [question.target.shape[1] for question in questions]
    read = [
        {way: np.full((n, horizon, question.classes or width), np.nan) for way in WAYS}
        for question, width in zip(questions, widths, strict=True)
    ]
    constants = [np.full((n, width), np.nan) for width in widths]
    for fold, each, ways in zip(folds.folds, by_row, told, strict=True):
        if not len(each.train) or not all(len(one) and len(held) for one, held in each.inner):
            continue
        training = sets.prepare(each.train, each.inner)
        for question, answers, constant in zip(questions, read, constants, strict=True):
            fitted = fit_chosen(question, training)
            for way, columns in ways.items():
                found = fitted.predict(columns.reshape(len(fold.test) * horizon, -1))
                answers[way][fold.test] = found.reshape(len(fold.test), horizon, -1)
            constant[fold.test] = question.constant(each.train)
        training.forget()
    return list(zip(read, constants, strict=True))


def futures_of(arrays: Arrays, fold: Fold, context: int) -> dict[Way, tuple[Tokens, Tokens]]:
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

    found: dict[Way, tuple[Tokens, Tokens]] = {
        ("true", None): (arrays.true[test, context - 1 : -1], arrays.true[test, context:]),
        **{("predictor", mode): stepped(arrays.told[mode][test]) for mode in MODES},
        ("corrected", None): (np.repeat(corrected, horizon, axis=1),) * 2,
    }
    if arrays.known.shape[1] > 1:
        _, ridge = RidgePredictor.fit(arrays.known, arrays.true[:, context:], train=train, validation=validation)
        found["ridge", None] = stepped(ridge.predict(arrays.known[test]))
    return found
