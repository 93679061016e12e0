"""Surprise at rendered pairs of possible and impossible videos."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from worldprobe.intervals import Draws, Standing, standings
from worldprobe.pipeline.predict.scores import PredictionSetup
from worldprobe.pipeline.progress import Progress
from worldprobe.predictors.surprise import scored, surprise
from worldprobe.predictors.vjepa2 import VJEPA2Predictor
from worldprobe.protocols import Encoder
from worldprobe.results import SurpriseResult
from worldprobe.video.rendered.robots.violations import ROBOT_KINDS, render_robot_pair
from worldprobe.video.rendered.violations import FRAMES, KINDS, Pair, render_pair

Floats = NDArray[np.float64]
HOP = 1
# Kinds that are judged among each other, and what all of them together are called.
_FAMILIES: dict[str, tuple[str, ...]] = {"all": KINDS, "robot-all": ROBOT_KINDS}


@dataclass(frozen=True, slots=True, eq=False)
class Surprises:
    """Windows' surprise by kind, float64 [pairs, 2, windows]: the possible video, then the impossible one.

    ``examples`` are each kind's first pair.
    """

    found: dict[str, Floats]
    examples: dict[str, Pair]


def surprises(
    encoder: Encoder,
    predictor: VJEPA2Predictor,
    *,
    pairs: int,
    robot_pairs: int = 0,
    setup: PredictionSetup,
    progress: Progress,
) -> Surprises:
    """Render so many pairs of each kind, of sprites and of robots, and slide windows over both videos of each.

    Raises:
        PredictionError: a context and horizon that the rendered videos have no room for.
        VideoError: robots cannot be rendered here.
    """
    every: list[tuple[str, Callable[[int], Pair], int]] = [
        *((kind, partial(render_pair, kind, setup.seed), pairs) for kind in KINDS),
        *((kind, partial(render_robot_pair, kind, setup.seed), robot_pairs) for kind in ROBOT_KINDS),
    ]
    todo = [one for one in every if one[2]]
    total, done = sum(count for *_, count in todo), 0
    found: dict[str, Floats] = {}
    examples: dict[str, Pair] = {}
    for kind, render, count in todo:
        rows = []
        for index in range(count):
            pair = render(index)
            examples.setdefault(kind, pair)
            rows.append(
                [
                    surprise(
                        predictor, encoder.preprocess(video), context=setup.context, horizon=setup.horizon, hop=HOP,
                        mode=setup.mode,
                    )
                    for video in (pair.possible, pair.impossible)
                ]
            )  # fmt: skip
            done += 1
            progress(f"surprise {encoder.name}", done, total)
        found[kind] = np.array(rows)
    return Surprises(found, examples)


def surprise_lines(done: Surprises, setup: PredictionSetup, twin: Surprises | None = None) -> list[SurpriseResult]:
    """Relative accuracy and AUROC of every kind and of all together, by mean and by maximum over windows.

    Beside a ``twin``, measured on the same pairs, each is judged against its: kinds among each other, all apart.
    """
    protocol = (
        f"videos of {FRAMES} frames; windows of {setup.context} + {setup.horizon} tubelets, {HOP} apart, the "
        f"context encoded alone; {setup.mode}; L1 to layer-normed tokens of the window; intervals resample pairs; "
        f"{setup.precision}"
    )
    pairs = {kind: len(values) for kind, values in _kinds(done).items()}
    measures: tuple[Literal["mean", "max"], ...] = ("mean", "max")
    metrics: tuple[Literal["relative_accuracy", "auroc"], ...] = ("relative_accuracy", "auroc")
    lines = []
    for measure, metric in product(measures, metrics):
        own = _scores(done, measure, metric, setup.seed)
        others = _scores(twin, measure, metric, setup.seed) if twin else {}
        stands: dict[str, dict[str, Standing]] = {}
        for family in _families(done):
            readings = [(own[kind], {"twin": others[kind]} if twin else {}) for kind in family]
            stands |= zip(family, standings(readings), strict=True)
        for kind, n in pairs.items():
            found = own[kind].score()
            lines.append(
                SurpriseResult.model_validate(
                    {
                        "encoder": setup.encoder, "violation": kind, "measure": measure, "metric": metric,
                        "score": found.value, "low": found.low, "high": found.high, "n": n,
                        "context": setup.context, "horizon": setup.horizon, "protocol": protocol,
                        "seed": setup.seed, "against_twin": stands[kind].get("twin"),
                    }
                )
            )  # fmt: skip
    return lines


def _families(done: Surprises) -> list[list[str]]:
    """What is judged among each other: the kinds of a family, and all of it apart."""
    there = {whole: [kind for kind in kinds if kind in done.found] for whole, kinds in _FAMILIES.items()}
    return [part for whole, kinds in there.items() if kinds for part in (kinds, [whole])]


def _kinds(done: Surprises) -> dict[str, Floats]:
    """Windows' surprise of each kind, and of all pairs of a family."""
    found: dict[str, Floats] = {}
    for kinds, (whole,) in zip(_families(done)[::2], _families(done)[1::2], strict=True):
        found |= {kind: done.found[kind] for kind in kinds}
        found[whole] = np.concatenate([done.found[kind] for kind in kinds])
    return found


def _scores(done: Surprises, measure: str, metric: str, seed: int) -> dict[str, Draws]:
    """One measure and metric of each kind, and of all pairs."""
    found = {}
    for kind, values in _kinds(done).items():
        one = values.mean(axis=2) if measure == "mean" else values.max(axis=2)
        found[kind] = scored(one[:, 0], one[:, 1], seed=seed)[metric]
    return found
