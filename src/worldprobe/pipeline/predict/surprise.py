"""Surprise at rendered pairs of possible and impossible videos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from worldprobe.pipeline.predict.scores import PredictionSetup
from worldprobe.pipeline.progress import Progress
from worldprobe.predictors.surprise import scored, surprise
from worldprobe.predictors.vjepa2 import VJEPA2Predictor
from worldprobe.protocols import Encoder
from worldprobe.results import SurpriseResult
from worldprobe.video.rendered.violations import FRAMES, KINDS, Kind, Pair, render_pair

Floats = NDArray[np.float64]
HOP = 1


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


def surprise_lines(done: Surprises, setup: PredictionSetup) -> list[SurpriseResult]:
    """Relative accuracy and AUROC of every kind and of all together, by mean and by maximum over windows."""
    protocol = (
        f"videos of {FRAMES} frames; windows of {setup.context} + {setup.horizon} tubelets, {HOP} apart, the "
        f"context encoded alone; {setup.mode}; L1 to layer-normed tokens of the window; intervals resample pairs; "
        f"{setup.precision}"
    )
    kinds: list[tuple[str, Floats]] = [*done.found.items(), ("all", np.concatenate(list(done.found.values())))]
    measures: tuple[Literal["mean", "max"], ...] = ("mean", "max")
    metrics: tuple[Literal["relative_accuracy", "auroc"], ...] = ("relative_accuracy", "auroc")
    lines = []
    for name, values in kinds:
        for measure in measures:
            one = values.mean(axis=2) if measure == "mean" else values.max(axis=2)
            found = scored(one[:, 0], one[:, 1], seed=setup.seed)
            lines += [
                SurpriseResult(
                    encoder=setup.encoder, violation=name, measure=measure, metric=metric,
                    score=found[metric].value, low=found[metric].low, high=found[metric].high, n=len(values),
                    context=setup.context, horizon=setup.horizon, protocol=protocol, seed=setup.seed,
                )
                for metric in metrics
            ]  # fmt: skip
    return lines
