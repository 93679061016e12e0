"""Read properties of the scene out of predicted futures: where an object will be, how large, of which class.

A probe is fitted to the tokens of true futures of other groups and applied to predicted ones, as heads for depth
and segmentation are to predicted features by those who evaluate world models (Karypidis et al. 2024,
"DINO-Foresight"; Baldassarre et al. 2025, "Back to the features"). Beside it: the same probe on the true future
(the ceiling), on the context's last tokens again and on a ridge's guess; labels carried on at a constant speed,
which need no encoder; and a constant.

Axes: n windows, t tubelets of a window, k horizons, a numbers of a target.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldprobe.intervals import Draws, Standing, no_draws, standings
from worldprobe.labels import targets
from worldprobe.pipeline.predict.futures import FEATURES, MODES
from worldprobe.pipeline.predict.places import PlaceAnswers
from worldprobe.pipeline.predict.reading import NOTHING, Readable, Tokens, Way, read_futures
from worldprobe.pipeline.predict.scores import PredictionSetup
from worldprobe.pipeline.predict.windows import Window
from worldprobe.pipeline.probe.moments import LabelledTubelets, align
from worldprobe.pipeline.probe.questions import dimensions
from worldprobe.pipeline.probe.targets import target, unaskable
from worldprobe.predictors.vjepa2 import Mode
from worldprobe.probes import metrics
from worldprobe.probes.linear.logistic import Logistic
from worldprobe.probes.linear.ridge import Ridge
from worldprobe.probes.question import Question
from worldprobe.probes.splits import Folds
from worldprobe.protocols import Encoder
from worldprobe.records import Labels
from worldprobe.results import (
    READOUT_ERRORS,
    ConsistencyMethod,
    FuturesResult,
    ReadoutMethod,
    ReadoutMetric,
    ReadoutResult,
)
from worldprobe.store import Series

Floats = NDArray[np.float64]
# What a robot did is asked by ``consistency``, which knows of transitions.
_NOT_ASKED = ("state", "action", "relative-action")
_NAMES: dict[ConsistencyMethod, ReadoutMethod] = {
    "true": "truth", "predictor": "predictor", "predictor-corrected": "predictor-corrected",
    "corrected": "copy-last", "ridge": "ridge",
}  # fmt: skip
_BESIDE: tuple[ReadoutMethod, ...] = ("truth", "copy-last", "ridge", "constant-velocity", "mean")


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """A task of every tubelet of every window: float64 [n, t, a], NaN or class -1 where it is not known."""

    task: str
    values: Floats
    known: NDArray[np.bool_]
    classes: int

    @property
    def question(self) -> Question:
        """Of every tubelet of every window, [n t, a]."""
        flat = np.nan_to_num(self.values).reshape(-1, self.values.shape[2])
        return Question(self.task, Logistic() if self.classes else Ridge(), flat, classes=self.classes)

    @property
    def metrics(self) -> tuple[ReadoutMetric, ...]:
        """By what it is scored; by the first it is judged."""
        if self.classes:
            return ("balanced_accuracy",)
        if self.task in targets.CIRCULAR_TASKS:
            return ("angular_error",)
        return ("distance", "r2") if self.task == "xy" else ("r2",)


def readout_lines(
    windows: Readable, labels: Labels, tasks: Sequence[str], encoder: Encoder, *, several: bool = False
) -> Iterator[ReadoutResult | FuturesResult]:
    """Scores of tasks read from true and predicted futures, by features, horizon and method.

    Args:
        windows: those that were kept.
        labels: of their videos; each window's main subject is asked about.
        encoder: whose view of a frame and grid of tokens the windows have.
        several: also whether futures around the places that are read say how sure these are.
    """
    setup, kept, folds = windows.setup, windows.futures, windows.folds
    if folds is None:
        return  # the lines of consistency and of the fitted baselines say why
    tubelets = setup.context + setup.horizon
    moments, row = _moments(kept.windows, labels, encoder)
    asked = dimensions([task for task in tasks if task not in _NOT_ASKED], moments)
    known = [one for task in asked if (one := _known(task, moments, row, folds, len(kept.windows), tubelets))]
    # What is known at the same tubelets is fitted together, so that rows are decomposed once.
    alike: dict[bytes, list[_Known]] = {}
    for one in known:
        alike.setdefault(one.known.tobytes(), []).append(one)
    for kind in FEATURES if known else ():
        guesses = windows.guesses(kind)
        true = guesses.arrays.true
        for some in alike.values():
            told = ({way: _flat(tokens) for way, tokens in ways.items()} for ways in guesses.ahead())
            questions = [one.question for one in some]
            places = PlaceAnswers(guesses.arrays, folds, setup) if several else None
            read = read_futures(questions, _flat(true), some[0].known, told, setup.horizon, folds, after=places)
            for one, (answers, constant) in zip(some, read, strict=True):
                yield from _lines_of(one, kind, answers, constant, folds, setup)
                if places and one.task == "xy":
                    yield from places.lines(one.values[:, setup.context :], _tested(one, setup), kind)


def _flat(tokens: Tokens) -> Tokens:
    """What a probe reads: [n, t, s, d] to [n, t, s d]."""
    return tokens.reshape(*tokens.shape[:2], -1)


def _moments(
    windows: Sequence[Window], labels: Labels, encoder: Encoder
) -> tuple[LabelledTubelets, NDArray[np.int64]]:
    """The windows' labelled tubelets, and of which window each is, int64 [rows]."""
    by_video: dict[str, list[int]] = {}
    for number, window in enumerate(windows):
        by_video.setdefault(window.spec.video.id, []).append(number)
    series = []
    for numbers in by_video.values():
        first = windows[numbers[0]]
        ref = first.spec.video
        series.append(
            Series(
                video=ref,
                specs=tuple(windows[number].spec for number in numbers),
                encoder=encoder.name,
                revision="",
                status="",
                twin=None,
                input="native",
                pool="none",
                grid=encoder.grid(first.spec.frames),
                view=encoder.view(ref.width, ref.height),
                shots=first.shots,
            )
        )
    moments = align(series, labels)
    of = list(by_video.values())
    at = zip(moments.video.tolist(), moments.clip.tolist(), strict=True)
    return moments, np.array([of[video][clip] for video, clip in at], dtype=np.int64)


def _known(
    task: str, moments: LabelledTubelets, row: NDArray[np.int64], folds: Folds, n: int, tubelets: int
) -> _Known | None:
    """A task by window and tubelet; None where it cannot be asked."""
    if not len(moments) or not targets.holds(task, moments.measured, moments.factors):
        return None
    found = target(moments, task, folds.unit[row])
    if unaskable(task, found):
        return None
    values = np.full((n, tubelets, found.values.shape[1]), np.nan)
    values[row[found.usable], moments.tubelet[found.usable]] = found.values[found.usable]
    known = np.asarray(np.isfinite(values).all(axis=2))
    return _Known(task, values, known, len(found.classes))


def _tested(asked: _Known, setup: PredictionSetup) -> NDArray[np.int64]:
    """The same windows at every horizon and for every method: the last two tubelets of their context are known."""
    return np.flatnonzero(asked.known[:, max(0, setup.context - 2) :].all(axis=1))


def _lines_of(
    asked: _Known, kind: str, read: dict[Way, Floats], constant: Floats, folds: Folds, setup: PredictionSetup
) -> Iterator[ReadoutResult]:
    """Lines of a task, of what its probe gives by each way [n, k, outputs] and of its constants [n, a]."""
    c = setup.context
    tested = _tested(asked, setup)
    answers = _answers(asked, read, constant, c, setup.horizon)
    groups = len(np.unique(folds.unit[tested]))
    for metric in asked.metrics:
        scored = [
            {
                way: _draws(asked, metric, asked.values[tested, c + k], answer[tested, k], constant[tested],
                            folds.unit[tested], setup.seed)
                for way, answer in answers.items()
            }
            for k in range(setup.horizon)
        ]  # fmt: skip
        # Apart, so that what the map makes of a prediction takes nothing from the verdict on the prediction itself.
        against = _against(scored, "predictor", metric) | _against(scored, "predictor-corrected", metric)
        for k, ways in enumerate(scored):
            for (method, mode), draws in ways.items():
                found = draws.score()
                yield ReadoutResult(
                    encoder=setup.encoder, task=asked.task, features=kind, method=method, mode=mode, context=c,
                    horizon=k + 1, metric=metric, protocol=_protocol(setup), score=found.value, low=found.low,
                    high=found.high, n=len(tested), n_groups=groups, split=folds.kind, seed=setup.seed,
                    against=against.get((k, method, mode), {}), notes=[found.note] if found.note else [],
                )  # fmt: skip


_Place = tuple[ReadoutMethod, Mode | None]
_Answers = dict[_Place, Floats]


def _against(
    scored: Sequence[dict[_Place, Draws]], method: ReadoutMethod, metric: ReadoutMetric
) -> dict[tuple[int, ReadoutMethod, Mode | None], dict[str, Standing]]:
    """How a method of both modes stands to what is beside it, at every horizon."""
    places = [(k, method, mode) for k in range(len(scored)) for mode in MODES]
    stands = standings(
        [(scored[k][method, mode], {name: scored[k][name, None] for name in _BESIDE}) for k, _, mode in places],
        less_is_better=metric in READOUT_ERRORS,
    )
    return dict(zip(places, stands, strict=True))


def _answers(asked: _Known, read: dict[Way, Floats], constant: Floats, context: int, horizon: int) -> _Answers:
    """What each method says, [n, k, a] in the target's own numbers, a class as its number."""
    answers: _Answers = {
        (_NAMES[method], mode): _as_target(found, asked.classes) for (method, mode), found in read.items()
    }
    answers["constant-velocity", None] = _carried_on(asked, context, horizon)
    answers["mean", None] = np.repeat(constant[:, None], horizon, axis=1)
    return answers


def _as_target(found: Floats, classes: int) -> Floats:
    """The most likely class as its number, NaN where there is no answer; numbers as they are."""
    if not classes:
        return found
    best = np.argmax(np.nan_to_num(found, nan=-np.inf), axis=2)[..., None].astype(np.float64)
    return np.where(np.isnan(found).any(axis=2, keepdims=True), np.nan, best)


def _carried_on(asked: _Known, context: int, horizon: int) -> Floats:
    """The context's labels carried on, [n, k, a]: places at its last two tubelets' speed, all else as it is."""
    last = asked.values[:, context - 1]
    step = np.zeros_like(last)
    if asked.task == "xy":
        step = last - asked.values[:, context - 2] if context > 1 else np.full_like(last, np.nan)
    return last[:, None] + np.arange(1, horizon + 1)[None, :, None] * step[:, None]


def _draws(
    asked: _Known, metric: ReadoutMetric, truth: Floats, answer: Floats, constant: Floats,
    unit: NDArray[np.int64], seed: int,
) -> Draws:  # fmt: skip
    """A method's score at one horizon: truth, answer and constant [n, a]."""
    if not len(truth):
        return no_draws("in no window all of it is known")
    if np.isnan(answer).any():
        return no_draws(NOTHING)
    if metric == "balanced_accuracy":
        codes, told = truth[:, 0].astype(np.int64), answer[:, 0].astype(np.int64)
        return metrics.classification_draws(codes, told, unit, classes=asked.classes, seed=seed)[metric]
    if metric == "angular_error":
        return metrics.angular_error_draws(truth, answer, unit, seed=seed)
    if metric == "distance":
        apart = np.linalg.norm(truth - answer, axis=1)
        return metrics.ratio_draws(apart, np.ones(len(apart)), unit, seed=seed, scale="error", empty=NOTHING)
    return metrics.r2_draws(truth, answer, constant, unit, seed=seed)


def _protocol(setup: PredictionSetup) -> str:
    return (
        f"{setup.protocol}; ridge or logistic regression on tokens of true futures of other groups, applied to "
        "predicted ones; predictor-corrected: to these through one linear map a horizon to true ones, fitted on "
        "other groups; copy-last: the context's last tokens, encoded alone, through one linear map to those "
        "within the window; constant velocity: the context's labels carried on"
    )
