"""A robot's 14 dimensions read from a grid, each question alone and all together, in one run.

It is what `worldprobe demo lerobot:FOLDER` does for a small set: 12 episodes of 30 tubelets, 3,072 columns. Each
dimension has shuffled labels and planted effects beside it, a code length and a learning curve. In the same run
scikit-learn does the nested search of the first dimension (`GridSearchCV` over scaler and ridge in an outer loop),
one of the 28 that `scores` does beside the planted ones. Its R2 is printed beside ours, which shrinks by a slope
and differs where rows are few; `benchmarks.probes` holds the two to each other.

    python -m benchmarks.many_targets [--targets 14] [--episodes 12] [--tubelets 30] [--columns 3072] [--repeats 1]

Prints seconds of the processor, medians of the repeats on all sides in turn, their ratios, and how far alone and
together differ at most; one last line of JSON. Fails where they differ by more than 1e-9.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.linalg import LinAlgWarning
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from worldprobe.probes.controls import shuffled
from worldprobe.probes.curves import learning_curves
from worldprobe.probes.detection import power
from worldprobe.probes.evaluate import cross_fit
from worldprobe.probes.evidence import online_code_lengths
from worldprobe.probes.linear.ridge import Ridge
from worldprobe.probes.question import Question
from worldprobe.probes.splits import Folds, SplitRows, make_folds

SAME = 1e-9


def by_sklearn(inputs: np.ndarray, target: np.ndarray, folds: Folds) -> np.ndarray:
    """Out-of-fold values [n] of one target."""
    found = np.zeros(len(target))
    grid = {"ridge__alpha": [strength for strength in Ridge.strengths if np.isfinite(strength)]}
    for fold in folds.folds:
        inner = [(np.searchsorted(fold.train, a), np.searchsorted(fold.train, b)) for a, b in fold.inner]
        search = GridSearchCV(make_pipeline(StandardScaler(), SklearnRidge()), grid, cv=inner, scoring="r2")
        with warnings.catch_warnings():  # of systems that its weakest penalties leave all but singular
            warnings.simplefilter("ignore", LinAlgWarning)
            found[fold.test] = search.fit(inputs[fold.train], target[fold.train]).predict(inputs[fold.test])
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", type=int, default=14)
    parser.add_argument("--episodes", type=int, default=12)
    parser.add_argument("--tubelets", type=int, default=30)
    parser.add_argument("--columns", type=int, default=3072)
    parser.add_argument("--repeats", type=int, default=1)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    rows = given.episodes * given.tubelets
    episode = np.repeat(np.arange(given.episodes), given.tubelets)
    behind = rng.normal(size=(rows, 40)) + 2 * rng.normal(size=(given.episodes, 40))[episode]
    inputs = behind @ rng.normal(size=(40, given.columns)) + rng.normal(size=(rows, given.columns))
    targets = behind[:, : given.targets] + rng.normal(size=(rows, given.targets))
    split = SplitRows(episode, episode, np.tile(np.arange(given.tubelets) / 15, given.episodes), 16 / 30)
    folds = make_folds(split, kind="grouped", seed=0)
    features = inputs.astype(np.float32)
    questions = [Question(number, Ridge(), targets[:, [number]]) for number in range(given.targets)]

    def scores(some: list[Question]) -> list[np.ndarray]:
        mixed = [
            replace(one, name=("shuffled", one.name), target=shuffled(one.target, episode, seed=0)) for one in some
        ]
        plants = [power.question_of(one.name, power.planted(features, one.target, folds, seed=0)) for one in some]
        answers = cross_fit(features, [*some, *mixed, *plants], folds)
        return [
            np.concatenate([answers[one.name].prediction.ravel() for one in three])
            for three in zip(some, mixed, plants, strict=True)
        ]

    def evidence(some: list[Question]) -> list[np.ndarray]:
        codes = online_code_lengths(features, some, folds, seed=0)
        curves = learning_curves(features, some, folds, seed=0)
        return [
            np.array([code.online, *(point.score.value or 0.0 for point in curve.points)])
            for code, curve in zip(codes, curves, strict=True)
        ]

    times: dict[str, list[float]] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        started = time.process_time()
        found = work()
        times.setdefault(name, []).append(time.process_time() - started)
        return found

    off, found = 0.0, {}
    for _ in range(given.repeats):
        for name, work in (("scores", scores), ("codes and curves", evidence)):
            alone = timed(f"{name}, each alone", lambda work=work: [work([one])[0] for one in questions])
            found[name] = together = timed(f"{name}, together", lambda work=work: work(questions))
            for one, other in zip(alone, together, strict=True):
                off = max(off, float(np.max(np.abs(one - other) / np.maximum(1.0, np.abs(one)))))
        theirs = timed("scores of the first by scikit-learn", lambda: by_sklearn(features, targets[:, 0], folds))
    left = [
        float(((targets[:, 0] - one) ** 2).sum() / ((targets[:, 0] - targets[:, 0].mean()) ** 2).sum())
        for one in (theirs, found["scores"][0][:rows])
    ]
    medians = {name: statistics.median(each) for name, each in times.items()}
    for name, seconds in medians.items():
        print(f"{name:36} {seconds:7.2f} s of processors")
    ratios = {
        name: medians[f"{name}, each alone"] / medians[f"{name}, together"]
        for name in ("scores", "codes and curves")
    }
    same = off <= SAME
    print(
        ", ".join(f"{name} together {ratio:.1f} times" for name, ratio in ratios.items())
        + f"; differ by {off:.1e}; R2 {1 - left[0]:.4f} by scikit-learn, {1 - left[1]:.4f} here"
        + ("" if same else "  NOT THE SAME")
    )
    print(
        json.dumps({"cpu_seconds": medians, "ratios": ratios, "difference": off, "r2": [1 - one for one in left]})
    )
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
