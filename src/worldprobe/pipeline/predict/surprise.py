"""Surprise at rendered pairs of possible and impossible videos."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worldprobe.intervals import Draws, Standing, standings
from worldprobe.pipeline.predict.scores import PredictionSetup
from worldprobe.pipeline.progress import Progress
from worldprobe.predictors.baselines import RidgePredictor, copy_last
from worldprobe.predictors.scores import blocks_of
from worldprobe.predictors.surprise import Slid, cut_clips, scored, slide
from worldprobe.predictors.unusual import held_out, known_before, rare, window_errors
from worldprobe.predictors.vjepa2 import VJEPA2Predictor
from worldprobe.protocols import Encoder
from worldprobe.results import SurpriseMeasure, SurpriseMethod, SurpriseResult
from worldprobe.video.rendered.robots.violations import ROBOT_KINDS, render_robot_pair
from worldprobe.video.rendered.violations import FRAMES, KINDS, Pair, render_pair

Floats = NDArray[np.float64]
HOP = 1
# Kinds that are judged among each other, what all of them together are called, and pairs of two possible videos.
_FAMILIES: dict[str, tuple[tuple[str, ...], str]] = {
    "all": (KINDS, "none"),
    "robot-all": (ROBOT_KINDS, "robot-none"),
}
# Possible videos of each kind that the ridge is fitted to, none of which is scored.
SPARE = 6
_FOLDS = 5
_METRICS: dict[SurpriseMeasure, tuple[str, ...]] = {
    "calibrated": ("relative_accuracy", "auroc", "flagged", "rarity"),
    "mean": ("relative_accuracy", "auroc"),
    "max": ("relative_accuracy", "auroc"),
}
# Of 255: then colours change by about as much as tokens do.
_GREY = 32.0


class Windows(NamedTuple):
    """What windows come to by one method, float64 [..., windows] and [..., windows, values] twice.

    Their mean L1 error; what is known before the future is seen; and their errors, as in ``predictors.unusual``.
    """

    l1: Floats
    known: Floats
    errors: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Surprises:
    """Windows by kind and method, [pairs, 2, windows, ...]: of the possible video, then of the impossible one.

    ``examples`` are each kind's first pair.
    """

    found: dict[str, dict[SurpriseMethod, Windows]]
    examples: dict[str, Pair]


def surprises(
    models: Sequence[tuple[Encoder, VJEPA2Predictor, PredictionSetup]],
    *,
    pairs: int,
    robot_pairs: int = 0,
    progress: Progress,
) -> list[Surprises]:
    """Render so many pairs of each kind, of sprites and of robots, and slide every model over both videos of each.

    A pair is rendered once for all of the models, whose setups differ in their names alone. The first of them is
    measured beside what knows nothing of the world: a ridge, the last tokens again, and change in pixels.

    Returns:
        A model's surprises each, in the order of ``models``.

    Raises:
        PredictionError: a context and horizon that the rendered videos have no room for.
        VideoError: robots cannot be rendered here.
    """
    every: list[tuple[tuple[str, ...], Callable[..., Pair], int]] = [
        (KINDS, render_pair, pairs),
        (ROBOT_KINDS, render_robot_pair, robot_pairs),
    ]
    total, done = sum(len(kinds) * count for kinds, _, count in every), 0
    found: list[dict[str, dict[SurpriseMethod, Windows]]] = [{} for _ in models]
    examples: dict[str, Pair] = {}
    encoder, predictor, setup = models[0]
    for kinds, render, count in every:
        if not count:
            continue
        spare = range(count, count + min(SPARE, count))
        possible = (render(kind, setup.seed, index).possible for index in spare for kind in kinds)
        ridge = _ridge(possible, encoder, predictor, setup) if setup.context > 1 else None
        for kind in kinds:
            rows: list[list[dict[SurpriseMethod, Windows]]] = [[] for _ in models]
            for index in range(count):
                pair = render(kind, setup.seed, index)
                examples.setdefault(kind, pair)
                for video, (number, (by, one, at)) in product((pair.possible, pair.impossible), enumerate(models)):
                    rows[number].append(_windows(by.preprocess(video), one, at, ridge, controls=number == 0))
                done += 1
                progress("surprise", done, total)
            for of_model, some in zip(found, rows, strict=True):
                of_model[kind] = {method: _stacked([row[method] for row in some]) for method in some[0]}
    return [Surprises(of_model, examples) for of_model in found]


def _ridge(
    possible: Iterable[NDArray[np.uint8]], encoder: Encoder, predictor: VJEPA2Predictor, setup: PredictionSetup
) -> RidgePredictor:
    """A ridge of the last two tubelets, fitted to windows of possible videos that do not overlap in what came."""
    slid = [_slid(encoder.preprocess(video), predictor, setup, hop=setup.horizon) for video in possible]
    known, true = (np.concatenate([getattr(one, name) for one in slid]) for name in ("known", "true"))
    held = max(1, len(slid) // 5) * len(slid[0].known)  # whole videos
    rows = np.arange(len(known))
    return RidgePredictor.fit(known, true, train=rows[:-held], validation=rows[-held:])[1]


def _slid(pixels: NDArray[np.uint8], predictor: VJEPA2Predictor, setup: PredictionSetup, *, hop: int) -> Slid:
    return slide(predictor, pixels, context=setup.context, horizon=setup.horizon, hop=hop, mode=setup.mode)


def _windows(
    pixels: NDArray[np.uint8],
    predictor: VJEPA2Predictor,
    setup: PredictionSetup,
    ridge: RidgePredictor | None,
    controls: bool,
) -> dict[SurpriseMethod, Windows]:
    """A video's windows by the predictor, and by what knows nothing of the world."""
    slid = _slid(pixels, predictor, setup, hop=HOP)
    ways: dict[SurpriseMethod, Slid] = {"predictor": slid}
    if controls:
        tubelets = setup.context + setup.horizon
        side = predictor.encoder.grid(tubelets * predictor.tubelet).height
        clips = cut_clips(pixels, tubelets, tubelet=predictor.tubelet, hop=HOP)
        colours = blocks_of(clips, predictor.tubelet, side) / np.float32(_GREY)
        seen = colours[:, : setup.context][:, -2:]
        ways |= {"ridge": slid._replace(predicted=ridge.predict(slid.known))} if ridge else {}
        ways["copy-last"] = slid._replace(predicted=copy_last(slid.known, horizon=setup.horizon))
        ways["pixels"] = Slid(seen, copy_last(seen, horizon=setup.horizon), colours[:, setup.context :])
    return {
        method: Windows(one.l1, known_before(one.known, one.predicted), window_errors(one.predicted, one.true))
        for method, one in ways.items()
    }


def _stacked(videos: list[Windows]) -> Windows:
    """Of possible and impossible videos in turn: [pairs, 2, windows, ...]."""
    return Windows(*(np.stack(one).reshape(-1, 2, *one[0].shape) for one in zip(*videos, strict=True)))


def surprise_lines(done: Surprises, setup: PredictionSetup, twin: Surprises | None = None) -> list[SurpriseResult]:
    """Score surprise at each kind, at all together and at none, by each measure, metric and method.

    The predictor is judged against each of the others, and against its ``twin``, measured on the same pairs: kinds
    among each other, all apart. Of a single pair nothing says what is usual: there is no calibrated measure.
    """
    methods = list(next(iter(done.found.values())))
    lines = []
    for measure, metrics in _METRICS.items():
        videos = {method: _videos(done, method, measure) for method in methods}
        of_twin = _videos(twin, "predictor", measure) if twin else {}
        for metric in metrics:
            scores = {method: _scores(some, metric, setup.seed) for method, some in videos.items()}
            others: dict[str, dict[str, Draws]] = {name: scores[name] for name in methods[1:]}
            others |= {"twin": _scores(of_twin, metric, setup.seed)} if twin else {}
            stands = _stand(scores["predictor"], others)
            for method, kind in product(methods, scores["predictor"]):
                judged = stands[kind] if method == "predictor" else {}
                found = scores[method][kind].score()
                lines.append(
                    SurpriseResult.model_validate(
                        {
                            "encoder": setup.encoder, "violation": kind, "method": method, "measure": measure,
                            "metric": metric, "score": found.value, "low": found.low, "high": found.high,
                            "n": len(videos[method][kind]), "context": setup.context, "horizon": setup.horizon,
                            "protocol": _protocol(setup), "seed": setup.seed, "against_twin": judged.get("twin"),
                            "against": {name: stand for name, stand in judged.items() if name != "twin"},
                        }
                    )
                )  # fmt: skip
    return lines


def _stand(own: dict[str, Draws], others: dict[str, dict[str, Draws]]) -> dict[str, dict[str, Standing]]:
    """How each kind's score stands to those of others, judged among the kinds of its family."""
    found: dict[str, dict[str, Standing]] = {}
    for kinds in _judged(own):
        readings = [(own[kind], {name: other[kind] for name, other in others.items()}) for kind in kinds]
        found |= dict(zip(kinds, standings(readings), strict=True))
    return found


def _protocol(setup: PredictionSetup) -> str:
    return (
        f"videos of {FRAMES} frames; windows of {setup.context} + {setup.horizon} tubelets, {HOP} apart, the "
        f"context encoded alone; {setup.mode}; L1 to layer-normed tokens of the window; calibrated on possible "
        f"videos of other pairs; intervals resample pairs; {setup.precision}"
    )


def _families(kinds: Iterable[str]) -> list[tuple[list[str], str, str]]:
    """Kinds that are there by family, and what all of it and pairs without a violation are called."""
    there = set(kinds)
    some = [([kind for kind in known if kind in there], whole, none) for whole, (known, none) in _FAMILIES.items()]
    return [one for one in some if one[0]]


def _judged(scores: dict[str, Draws]) -> list[list[str]]:
    """What is judged among each other: the kinds of a family; all of it, and none, apart."""
    parts = [part for kinds, whole, none in _families(scores) for part in (kinds, [whole], [none])]
    return [part for part in parts if part[0] in scores]


def _videos(done: Surprises, method: SurpriseMethod, measure: SurpriseMeasure) -> dict[str, Floats]:
    """Each video's surprise [pairs, 2] by kind; of all pairs of a family; and of two possible videos each.

    These last are the possible videos of a kind, two and two.
    """
    found: dict[str, Floats] = {}
    for kinds, whole, none in _families(done.found):
        windows = [done.found[kind][method] for kind in kinds]
        counts = [len(one.l1) for one in windows]
        every = Windows(*(np.concatenate(one) for one in zip(*windows, strict=True)))
        if measure == "calibrated":
            if min(counts) < 2:
                continue
            fold = np.concatenate([np.arange(count) % min(_FOLDS, *counts) for count in counts])
            values = held_out(every.known, every.errors, fold)[1]
        else:
            values = every.l1.mean(axis=2) if measure == "mean" else every.l1.max(axis=2)
        by_kind = dict(zip(kinds, np.split(values, np.cumsum(counts)[:-1]), strict=True))
        found |= {**by_kind, whole: values}
        two = [one[: len(one) // 2 * 2, 0].reshape(-1, 2) for one in by_kind.values()]
        if any(map(len, two)):
            found[none] = np.concatenate(two)
    return found


def _scores(videos: dict[str, Floats], metric: str, seed: int) -> dict[str, Draws]:
    """One metric of each kind, of all pairs, and of none."""
    if metric in ("flagged", "rarity"):
        return {kind: rare(values[:, 1], seed=seed)[metric] for kind, values in videos.items()}
    return {kind: scored(values[:, 0], values[:, 1], seed=seed)[metric] for kind, values in videos.items()}
