"""Probes fitted to the tokens of true futures, applied to those of predicted ones and of guesses.

Axes: n windows, m of them, t tubelets of a window, k horizons, s cells, d width, c columns that a probe reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import ProbeError
from worldprobe.execute.threads import side_by_side
from worldprobe.pipeline.predict.futures import MODES, Futures, Pooled
from worldprobe.pipeline.predict.scores import PredictionSetup
from worldprobe.pipeline.predict.windows import split_rows, unit_of
from worldprobe.predictors.baselines import RidgePredictor
from worldprobe.predictors.vjepa2 import Mode
from worldprobe.probes.choice import Validated, fit_chosen
from worldprobe.probes.question import Question
from worldprobe.probes.splits import Fold, Folds, make_folds
from worldprobe.probes.training import TrainingRows, TrainingSets
from worldprobe.results import ConsistencyMethod

Tokens = NDArray[np.float32]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Way = tuple[ConsistencyMethod, Mode | None]
"""How a future was had, and the predictor's mode."""
After = Callable[[int, Question, Validated, TrainingRows], None]
WAYS: tuple[Way, ...] = (
    ("true", None), *(("predictor", mode) for mode in MODES), *(("predictor-corrected", mode) for mode in MODES),
    ("corrected", None), ("ridge", None),
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
    told: Iterable[dict[Way, Tokens]],
    horizon: int,
    folds: Folds,
    *,
    after: After | None = None,
) -> list[tuple[dict[Way, Floats], Floats]]:
    """Fit probes to true futures of other groups and read them out of each way's.

    Args:
        questions: of each window's steps, [n steps, a], known at the same ones.
        inputs: of true futures, [n, steps, c]; ``known`` [n, steps] says of which the targets are known.
        told: of each fold, the inputs of its test windows by each way, [m, k, c] at ``horizon`` horizons.
        after: is called once a probe is fitted, with the fold's number, the question, the probe and what it saw.

    Returns:
        For each question, by way what its probe gives, [n, k, outputs], NaN where it could not be fitted; and its
        constant, [n, a].
    """
    n, steps = known.shape
    by_row = _of_steps(folds, known)
    sets = TrainingSets(inputs.reshape(n * steps, -1), np.repeat(folds.unit, steps), by_row)
    widths = [question.target.shape[1] for question in questions]
    read = [
        {way: np.full((n, horizon, question.classes or width), np.nan) for way in WAYS}
        for question, width in zip(questions, widths, strict=True)
    ]
    constants = [np.full((n, width), np.nan) for width in widths]
    for number, (fold, each, ways) in enumerate(zip(folds.folds, by_row, told, strict=True)):
        if not len(each.train) or not all(len(one) and len(held) for one, held in each.inner):
            continue
        training = sets.prepare(each.train, each.inner)
        training.reduce(whole=any(question.classes for question in questions))

        def fit(
            question: Question, answers: dict[Way, Floats], constant: Floats, *, number: int = number,
            fold: Fold = fold, each: Fold = each, ways: dict[Way, Tokens] = ways, training: TrainingRows = training,
        ) -> None:  # fmt: skip
            fitted = fit_chosen(question, training)
            for way, columns in ways.items():
                found = fitted.predict(columns.reshape(len(fold.test) * horizon, -1))
                answers[way][fold.test] = found.reshape(len(fold.test), horizon, -1)
            constant[fold.test] = question.constant(each.train)
            if after is not None:
                after(number, question, fitted, training)

        works = zip(questions, read, constants, strict=True)
        # Classes take longest: the other questions fill up what time is left.
        side_by_side([partial(fit, *one) for one in sorted(works, key=lambda one: not one[0].classes)])
        training.forget()
    return list(zip(read, constants, strict=True))


def _of_steps(folds: Folds, known: NDArray[np.bool_]) -> list[Fold]:
    """Folds of windows as folds of those of their steps that are known [n, steps], counted window by window."""
    steps = known.shape[1]

    def rows(windows: Ints) -> Ints:
        every = windows[:, None] * steps + np.arange(steps)
        return np.asarray(every[known[windows]])

    return [
        Fold(rows(fold.train), rows(fold.test), tuple((rows(one), rows(held)) for one, held in fold.inner))
        for fold in folds.folds
    ]


@dataclass(frozen=True, slots=True, eq=False)
class Guesses:
    """One kind of features of all windows, and by fold what fitted maps make of them.

    Attributes:
        guessed: of each fold's test windows, each fitted way's tokens at the horizons, [m, k, s, d].
        begun: of the same, the context's last tokens, brought to those within the window, [m, 1, s, d].
    """

    arrays: Arrays
    context: int
    folds: Folds
    guessed: list[dict[Way, Tokens]]
    begun: list[Tokens]

    @classmethod
    def of(cls, arrays: Arrays, folds: Folds, context: int) -> Guesses:
        """Fit on each fold's training groups.

        What is known was encoded alone, and what comes within the whole window: one linear map brings the context's
        last tokens to those of the same frames within the window. What is predicted is a mean, of less spread than
        what comes: a map of its own for each horizon brings it there ("predictor-corrected").
        """
        works = [partial(_guesses, arrays, fold, context) for fold in folds.folds]
        guessed, begun = zip(*side_by_side(works), strict=True)
        return cls(arrays, context, folds, list(guessed), list(begun))

    def ahead(self) -> Iterator[dict[Way, Tokens]]:
        """Of each fold's test windows, each way's tokens at the horizons, [m, k, s, d]."""
        for fold, guessed in zip(self.folds.folds, self.guessed, strict=True):
            yield {
                ("true", None): self.arrays.true[fold.test, self.context :],
                **{("predictor", mode): self.arrays.told[mode][fold.test] for mode in MODES},
                **guessed,
            }

    def steps(self) -> Iterator[dict[Way, tuple[Tokens, Tokens]]]:
        """Of each fold's test windows, each way's tokens before and after each step ahead, [m, k, s, d]."""
        for fold, ways, begun in zip(self.folds.folds, self.ahead(), self.begun, strict=True):
            found = {way: (np.concatenate([begun, after[:, :-1]], axis=1), after) for way, after in ways.items()}
            found["true", None] = self.arrays.true[fold.test, self.context - 1 : -1], ways["true", None]
            yield found


def _guesses(arrays: Arrays, fold: Fold, context: int) -> tuple[dict[Way, Tokens], Tokens]:
    """What fitted maps make of a fold's test windows, [m, k, s, d], and of their contexts' ends, [m, 1, s, d]."""
    test, (train, validation) = fold.test, fold.inner[0]
    horizon = arrays.true.shape[1] - context

    def mapped(tokens: Tokens, tubelet: int) -> Tokens:
        """Tokens [n, s, d] of all windows brought to the true ones of a tubelet; of test windows, [m, 1, s, d]."""
        one, true = tokens[:, None], arrays.true[:, tubelet : tubelet + 1]
        _, ridge = RidgePredictor.fit(one, true, train=train, validation=validation, tubelets=1)
        return ridge.predict(one[test])

    begun = mapped(arrays.known[:, -1], context - 1)
    found: dict[Way, Tokens] = {
        ("predictor-corrected", mode): np.concatenate(
            [mapped(told[:, k], context + k) for k in range(horizon)], axis=1
        )
        for mode, told in arrays.told.items()
    }
    found["corrected", None] = np.repeat(begun, horizon, axis=1)
    if arrays.known.shape[1] > 1:
        _, ridge = RidgePredictor.fit(arrays.known, arrays.true[:, context:], train=train, validation=validation)
        found["ridge", None] = ridge.predict(arrays.known[test])
    return found, begun


class Readable:
    """Windows that were kept, with what is fitted to them once for all that is read.

    Attributes:
        folds: by which everything is fitted and scored; None where there are too few groups, ``missing`` says why.
    """

    def __init__(self, futures: Futures, setup: PredictionSetup) -> None:
        self.futures, self.setup = futures, setup
        self.folds: Folds | None = None
        self.missing = "no window that was predicted has labels of what the robot did"
        self._guesses: dict[str, Guesses] = {}
        if not futures.kept:
            return
        split, _ = unit_of(futures.windows)
        try:
            self.folds = make_folds(split_rows(futures.windows), kind=split, seed=setup.seed)
        except ProbeError as error:
            self.missing = f"nothing to fit on apart from what is scored: {error}"

    def guesses(self, kind: str) -> Guesses:
        """Of one kind of features, where there are folds."""
        assert self.folds is not None
        if kind not in self._guesses:
            arrays = Arrays.of(self.futures.kept, kind)
            self._guesses[kind] = Guesses.of(arrays, self.folds, self.setup.context)
        return self._guesses[kind]
