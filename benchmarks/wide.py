"""Peak memory of probing 5,000 rows of 1,024 to 65,536 columns (a grid of ViT-g has 22,528), a process for each.

Ridge and logistic regression on made-up features with their controls (labels shuffled, planted effects, and noise
of the features' shape, which is as large as they are): nested cross-validation on the first of five outer folds,
or as many as are asked for; more than two need no more memory. Beside it, in a process of its own, scikit-learn's
scaler and ridge, a dozen penalties on one training set, which is a hundredth of that work.

    python -m benchmarks.wide [--rows 5000] [--columns 1024,4096,16384] [--folds 1] [--sklearn-columns 16384]

Prints seconds of the processor and peak memory beside that of the features, and one last line of JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from worldprobe.probes.controls import gaussian, shuffled
from worldprobe.probes.detection import power
from worldprobe.probes.evaluate import cross_fit
from worldprobe.probes.linear.logistic import Logistic
from worldprobe.probes.linear.ridge import Ridge
from worldprobe.probes.question import Question
from worldprobe.probes.splits import Folds, SplitRows, make_folds


def features(rows: int, columns: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Features float32 [n, d] of 40 factors beneath noise, made a piece at a time, and the factors [n, 40]."""
    rng = np.random.default_rng(0)
    factors, weights = rng.normal(size=(rows, 40)), rng.normal(size=(40, columns)).astype(np.float32)
    inputs = rng.standard_normal((rows, columns), dtype=np.float32)
    for start in range(0, rows, 256):
        inputs[start : start + 256] += factors[start : start + 256].astype(np.float32) @ weights
    return inputs, factors


def split(rows: int, folds: int) -> Folds:
    """The first of five outer folds of groups of ten rows."""
    group = np.arange(rows) // 10
    whole = make_folds(SplitRows(group, group, np.arange(rows, dtype=float), 0.5), kind="grouped", seed=0)
    return replace(whole, folds=whole.folds[:folds])


def by_worldprobe(rows: int, columns: int, folds: int) -> None:
    """Questions, shuffled ones and planted effects on the features, then the questions on noise."""
    inputs, factors = features(rows, columns)
    target = factors[:, :2] + np.random.default_rng(1).normal(size=(rows, 2))
    codes = factors[:, :4].argmax(axis=1)[:, None].astype(float)
    some, unit = split(rows, folds), np.arange(rows) // 10
    questions = [Question("xy", Ridge(), target), Question("class", Logistic(), codes, 4)]
    mixed = [
        replace(one, name=("shuffled", one.name), target=shuffled(one.target, unit, seed=0)) for one in questions
    ]
    planted = power.question_of("xy", power.planted(inputs, target, some, seed=0))
    cross_fit(inputs, [*questions, *mixed, planted], some)
    cross_fit(gaussian(inputs.shape, seed=0), questions, some)


def by_sklearn(rows: int, columns: int, folds: int) -> None:
    """One training set at a dozen penalties."""
    from sklearn.linear_model import Ridge as SklearnRidge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    inputs, factors = features(rows, columns)
    for fold in split(rows, folds).folds:
        for alpha in Ridge.strengths[:-1]:
            model = make_pipeline(StandardScaler(), SklearnRidge(alpha=alpha))
            model.fit(inputs[fold.train], factors[fold.train, :2]).predict(inputs[fold.test])


def measured(side: str, rows: int, columns: int, folds: int) -> tuple[float, float]:
    """Peak resident memory in GB and seconds of processors of a process."""
    call = f"from benchmarks.wide import measure; measure({side!r}, {rows}, {columns}, {folds})"
    done = subprocess.run([sys.executable, "-c", call], capture_output=True, text=True, check=True)
    peak, seconds = map(float, done.stdout.split()[-2:])
    return peak, seconds


def measure(side: str, rows: int, columns: int, folds: int) -> None:
    """Do one side's work in this process, and print what it took."""
    (by_worldprobe if side == "worldprobe" else by_sklearn)(rows, columns, folds)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(used.ru_maxrss * 1024 / 1e9, used.ru_utime + used.ru_stime)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--columns", default="1024,4096,16384")
    parser.add_argument("--folds", type=int, default=1)
    parser.add_argument("--sklearn-columns", default="16384")
    given = parser.parse_args()
    found = {}
    theirs = set(filter(None, given.sklearn_columns.split(",")))
    for columns in given.columns.split(","):
        size = 4 * given.rows * int(columns) / 1e9
        for side in ("worldprobe", *(["scikit-learn"] if columns in theirs else [])):
            peak, seconds = measured(side, given.rows, int(columns), given.folds)
            found[f"{side} {columns}"] = {"peak_gb": round(peak, 2), "cpu_seconds": round(seconds, 1)}
            print(
                f"{given.rows} x {columns:>6} ({size:.2f} GB): {side:12} peak {peak:5.2f} GB, "
                f"{seconds:7.1f} s of processors",
                flush=True,
            )
    print(json.dumps(found))


if __name__ == "__main__":
    main()
