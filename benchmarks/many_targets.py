"""Code lengths and learning curves of a robot's 14 dimensions, each question alone and all together, in one run.

12 episodes of 30 tubelets, 3,072 columns: what `worldprobe demo lerobot:FOLDER` asks of a grid of a small set.

    python -m benchmarks.many_targets [--targets 14] [--episodes 12] [--tubelets 30] [--columns 3072]

Prints seconds, their ratio, and how far the two differ at most; one last line of JSON.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from worldprobe.probes.curves import learning_curves
from worldprobe.probes.evidence import online_code_lengths
from worldprobe.probes.linear.ridge import Ridge
from worldprobe.probes.question import Question
from worldprobe.probes.splits import SplitRows, make_folds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", type=int, default=14)
    parser.add_argument("--episodes", type=int, default=12)
    parser.add_argument("--tubelets", type=int, default=30)
    parser.add_argument("--columns", type=int, default=3072)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    rows = given.episodes * given.tubelets
    episode = np.repeat(np.arange(given.episodes), given.tubelets)
    behind = rng.normal(size=(rows, 40)) + 2 * rng.normal(size=(given.episodes, 40))[episode]
    inputs = behind @ rng.normal(size=(40, given.columns)) + rng.normal(size=(rows, given.columns))
    targets = behind[:, : given.targets] + rng.normal(size=(rows, given.targets))
    questions = [Question(number, Ridge(), targets[:, [number]]) for number in range(given.targets)]
    split = SplitRows(episode, episode, np.tile(np.arange(given.tubelets) / 15, given.episodes), 16 / 30)
    folds = make_folds(split, kind="grouped", seed=0)
    features = inputs.astype(np.float32)

    def work(some: list[Question]) -> list[float]:
        codes = online_code_lengths(features, some, folds, seed=0)
        curves = learning_curves(features, some, folds, seed=0)
        scores = [point.score.value or 0.0 for curve in curves for point in curve.points]
        return [code.online for code in codes] + scores

    times = {}
    started = time.perf_counter()
    alone = [work([question]) for question in questions]
    times["alone"] = time.perf_counter() - started
    started = time.perf_counter()
    together = work(questions)
    times["together"] = time.perf_counter() - started
    points = (len(together) - len(questions)) // len(questions)
    beside = [one[0] for one in alone] + [value for one in alone for value in one[1 : 1 + points]]
    off = float(np.max(np.abs(np.array(together) - beside) / np.maximum(1.0, np.abs(beside))))
    ratio = times["alone"] / times["together"]
    print(
        f"alone {times['alone']:.1f} s, together {times['together']:.1f} s: {ratio:.1f} times; differ by {off:.1e}"
    )
    print(json.dumps({**times, "ratio": ratio, "difference": off}))


if __name__ == "__main__":
    main()
