"""Nested cross-validation by scikit-learn and by worldprobe on the same data, alternating in one process.

Prints a table and one last line of JSON with `sklearn_seconds`, `worldprobe_seconds` and their ratio by case.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from worldprobe.probes.evaluate import Question, cross_fit
from worldprobe.probes.logistic import Logistic
from worldprobe.probes.ridge import Ridge
from worldprobe.probes.splits import Folds, make_folds
from worldprobe.records import Examples

ROUNDS = 3


def data(n: int, d: int) -> tuple[Examples, np.ndarray]:
    """Groups of ten rows; two columns of the target and four classes are partly linear in the features."""
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(n, d)).astype(np.float32)
    target = inputs[:, :2] @ rng.normal(size=(2, 2)) + rng.normal(size=(n, 2))
    classes = (inputs[:, :4] + rng.normal(size=(n, 4))).argmax(axis=1)
    group = np.arange(n) // 10
    examples = Examples(inputs, target, group, group, np.arange(n, dtype=float), 0.5)
    return examples, classes[:, None].astype(float)


def sklearn_way(inputs: np.ndarray, target: np.ndarray, folds: Folds, model: object, grid: dict[str, list]) -> None:
    for fold in folds.folds:
        position = {int(row): index for index, row in enumerate(fold.train)}
        inner = [([position[int(r)] for r in a], [position[int(r)] for r in b]) for a, b in fold.inner]
        search = GridSearchCV(make_pipeline(StandardScaler(), model), grid, cv=inner)
        search.fit(inputs[fold.train], target[fold.train]).predict(inputs[fold.test])


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    results = {}
    for name, n, d in (("ridge", 4000, 512), ("logistic", 1500, 256)):
        examples, classes = data(n, d)
        folds = make_folds(examples, kind="grouped", seed=0)
        if name == "ridge":
            question = Question("xy", Ridge(), examples.target)
            model, target = SklearnRidge(), examples.target
            grid = {"ridge__alpha": [s for s in Ridge.strengths if np.isfinite(s)]}
        else:
            question = Question("class", Logistic(), classes, classes=4)
            model, target = LogisticRegression(max_iter=1000), classes[:, 0]
            grid = {"logisticregression__C": [1 / s for s in Logistic.strengths if np.isfinite(s)]}
        theirs, ours = [], []
        for _ in range(ROUNDS):
            theirs.append(seconds(lambda: sklearn_way(examples.inputs, target, folds, model, grid)))  # noqa: B023
            ours.append(seconds(lambda: cross_fit(examples.inputs, [question], folds)))  # noqa: B023
        a, b = statistics.median(theirs), statistics.median(ours)
        results[name] = {
            "sklearn_seconds": round(a, 3),
            "worldprobe_seconds": round(b, 3),
            "ratio": round(a / b, 2),
        }
        print(f"{name:9} {n} x {d}: scikit-learn {a:7.2f} s, worldprobe {b:7.2f} s, {a / b:5.1f} times")
    print(json.dumps(results))


if __name__ == "__main__":
    main()
