"""Say how sure the places are that are read from predicted futures: futures around them, by errors made elsewhere.

A place is off by what the prediction lacks and by what the probe gets wrong, and only held-out groups show both. So
for each fold every window has an answer of a probe that has not seen its group: windows that are scored by the
fold's own, those that errors are taken from by the probes of the fold's inner folds. No label of a scored group has
any part in how sure its windows are said to be.

Axes: n windows, k horizons, c columns that a probe reads, a numbers of an answer.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from worldprobe.pipeline.predict.dressed import DressedFutures, Method, enough, in_order, of_some, shapes_of
from worldprobe.pipeline.predict.dressed_scores import futures_lines
from worldprobe.pipeline.predict.reading import Arrays
from worldprobe.pipeline.predict.scores import PredictionSetup
from worldprobe.predictors.dressing import Dressed, Shape, dress
from worldprobe.predictors.unusual import known_before
from worldprobe.predictors.vjepa2 import other_mode
from worldprobe.probes.choice import Validated
from worldprobe.probes.question import Question
from worldprobe.probes.slope import Believed, Numbers
from worldprobe.probes.splits import Folds
from worldprobe.probes.training import TrainingRows
from worldprobe.results import FuturesResult

Tokens = NDArray[np.float32]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# Added before the logarithm of a distance in shares of a frame is taken.
_FLOOR = 0.01


class PlaceAnswers:
    """Collect where objects will be by probes that have not seen a window's group, fold by fold.

    Called by ``reading.read_futures`` after each fold's probe is fitted.
    """

    def __init__(self, arrays: Arrays, folds: Folds, setup: PredictionSetup) -> None:
        self._arrays, self._folds, self._setup = arrays, folds, setup
        ahead = [arrays.told[setup.mode], arrays.told[other_mode(setup.mode)], arrays.known[:, -1:]]
        stacked = np.concatenate(ahead, axis=1)  # the predictor's, the other mode's, and the context's last tubelet
        self._columns = stacked.reshape(*stacked.shape[:2], -1)
        self._of: dict[int, Floats] = {}

    def __call__(self, number: int, question: Question, fitted: Validated, training: TrainingRows) -> None:
        """Keep the answers of a fold by its number, if the question is where objects are."""
        if question.name != "xy":
            return
        fold = self._folds.folds[number]
        found = np.full((*self._columns.shape[:2], question.target.shape[1]), np.nan)

        def answer(windows: Ints, probe: Validated | Believed) -> None:
            columns = self._columns[windows]
            answers = probe.predict(columns.reshape(-1, columns.shape[-1]))
            found[windows] = answers.reshape(*columns.shape[:2], -1)

        answer(fold.test, fitted)
        slope = np.full(question.target.shape[1], fitted.choice.slope)
        for (design, rows, *_), (_, held) in zip(training.inner, fold.inner, strict=True):
            target = question.target[rows]
            probe = question.probe.fit(design, target, strength=fitted.choice.strength, classes=0)
            answer(held, Believed(probe, Numbers.of(target), slope))
        self._of[number] = found

    def lines(self, truth: Floats, tested: Ints, features: str) -> Iterator[FuturesResult]:
        """Score futures around places of the windows ``tested`` [m]; the true ones are ``truth`` [n, k, 2]."""
        horizon = truth.shape[1]
        cut = of_some(self._folds, tested)
        if len(self._of) != len(self._folds.folds) or not enough(cut):
            return
        arrays = self._arrays
        last = np.repeat(arrays.known[:, -1:], horizon, axis=1)
        centers: dict[Method, tuple[Tokens, slice | list[int]]] = {
            "predictor": (arrays.told[self._setup.mode], slice(0, horizon)),
            "copy-last": (last, [2 * horizon] * horizon),
        }
        by: dict[tuple[Method, Shape], Dressed] = {}
        for method, (tokens, at) in centers.items():
            seen = known_before(arrays.known[tested], tokens[tested])  # [m, 5]
            parts = []
            for number, fold in enumerate(cut.folds):
                answers = self._of[number][tested]
                places = answers[:, at]
                off = (truth[tested] - places)[:, :, None].astype(np.float32)
                known = np.asarray(np.isfinite(off).all(axis=(1, 2, 3)))
                if not known[fold.test].all() or not known[fold.train].any():
                    return
                before, train = _before(seen, places, answers, horizon), fold.train[known[fold.train]]
                parts.append(
                    dress(
                        off.__getitem__, before, train=train, test=fold.test, shapes=shapes_of(method),
                        seed=self._setup.seed,
                    )
                )  # fmt: skip
            by |= in_order(method, parts, cut)
        done = DressedFutures(tested, cut.unit, cut.kind, by)
        counted = np.ones((len(tested), horizon, 1), dtype=np.bool_)
        # From a root mean square over two numbers to a distance.
        yield from futures_lines(
            done, self._setup, of="xy", counted=counted, features=features, scale=float(np.sqrt(2))
        )


def _before(seen: Floats, places: Floats, answers: Floats, horizon: int) -> Floats:
    """What is known before, [m, k, 1, 7].

    Of the tokens; how far the two modes' places lie apart; and how far from where the object is read to be now.
    """
    other, now = answers[:, horizon : 2 * horizon], answers[:, 2 * horizon :]
    far = [np.log(np.linalg.norm(places - one, axis=2) + _FLOOR) for one in (other, now)]
    every = np.broadcast_to(seen[:, None], (len(seen), horizon, seen.shape[1]))
    found: Floats = np.nan_to_num(np.concatenate([every, np.stack(far, axis=2)], axis=2)[:, :, None])
    return found
