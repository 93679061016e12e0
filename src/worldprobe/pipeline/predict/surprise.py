"""Surprise at rendered pairs of possible and impossible videos."""

from __future__ import annotations

from dataclasses import dataclass
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
from worldprobe.video.rendered.violations import FRAMES, KINDS, Kind, Pair, render_pair

Floats = NDArray[np.float64]
HOP = 1
_ALL = "all"


@dataclass(frozen=True, slots=True, eq=False)
class Surprises:
    """Windows' surprise by kind, float64 [pairs, 2, windows]: the possible video, then the impossible one.

    ``examples`` are each kind's first pair.
    """

    found: dict[Kind, Floats]
    examples: dict[Kind, Pair]


def surprises(
    encoder: Encoder, predictor: VJEPA2Predictor, *, pairs: int, setup: PredictionSetup, progress: Progress
) -> Surprises:
    """Render so many pairs of each kind and slide windows over both videos of each.

    Raises:
        PredictionError: a context and horizon that the rendered videos have no room for.
    """
    found: dict[Kind, Floats] = {}
    examples: dict[Kind, Pair] = {}
    for number, kind in enumerate(KINDS):
        rows = []
        for index in range(pairs):
            pair = render_pair(kind, setup.seed, index)
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
            progress(f"surprise {encoder.name}", number * pairs + index + 1, len(KINDS) * pairs)
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
        for family in ([*done.found], [_ALL]):
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


def _kinds(done: Surprises) -> dict[str, Floats]:
    """Windows' surprise of each kind, and of all pairs."""
    found: dict[str, Floats] = dict(done.found.items())
    return found | {_ALL: np.concatenate(list(found.values()))}


def _scores(done: Surprises, measure: str, metric: str, seed: int) -> dict[str, Draws]:
    """One measure and metric of each kind, and of all pairs."""
    found = {}
    for kind, values in _kinds(done).items():
        one = values.mean(axis=2) if measure == "mean" else values.max(axis=2)
        found[kind] = scored(one[:, 0], one[:, 1], seed=seed)[metric]
    return found
