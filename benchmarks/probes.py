"""Nested cross-validation by scikit-learn and by worldprobe on the same data, in turn, in one process.

Both sides choose a penalty on 4 inner grouped folds of each of 5 outer ones and predict every row out of fold:
scikit-learn by `GridSearchCV` over a scaler and its model in an outer loop, worldprobe by `cross_fit`. What both
find is compared; where it differs by more than the tolerance, the benchmark fails.

Prints a table and one last line of JSON: medians of the repeats, in seconds, and the peak memory by case. Threads
are what the environment allows (OMP_NUM_THREADS), the same for both.

    python benchmarks/probes.py [--repeats 5] [--cases ridge-2,ridge-12,logistic-12]
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from worldprobe.probes.evaluate import OutOfFold, cross_fit
from worldprobe.probes.linear.estimators import LogisticProbe
from worldprobe.probes.linear.logistic import Logistic
from worldprobe.probes.linear.ridge import Ridge
from worldprobe.probes.question import Question
from worldprobe.probes.splits import Folds, SplitRows, make_folds

CASES = ("ridge-2", "ridge-12", "logistic-12")
# In R2: worldprobe stretches what each penalty predicts, and may choose a neighbour of scikit-learn's.
RIDGE_TOLERANCE = 5e-3
STRETCHED_TOLERANCE = 1e-3  # of what a fold's predictions are, at the penalty that worldprobe chose
LOGISTIC_TOLERANCE = 2e-3  # in accuracy and in nats


@dataclass(frozen=True)
class Case:
    """A question, the folds, and scikit-learn's model with its grid and scoring."""

    question: Question
    inputs: np.ndarray
    folds: Folds
    model: Any
    grid: dict[str, list[float]]
    scoring: str


def features(n: int, d: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """What lies behind the features [n, d], its variance falling as in an encoder's, and the features: turned."""
    behind = rng.normal(size=(n, d)) / np.sqrt(1 + np.arange(d))
    turn, _ = np.linalg.qr(rng.normal(size=(d, d)))
    return behind, (behind @ turn).astype(np.float32)


def make(name: str, rows: int, columns: int) -> Case:
    """Groups of ten rows; targets are partly linear in the features."""
    rng = np.random.default_rng(0)
    kind, _, count = name.partition("-")
    behind, inputs = features(rows, columns, rng)
    signal = behind[:, :40] @ rng.normal(size=(40, int(count)))
    target = signal + signal.std() * rng.normal(size=signal.shape)
    group = np.arange(rows) // 10
    folds = make_folds(SplitRows(group, group, np.arange(rows, dtype=float), 0.5), kind="grouped", seed=0)
    if kind == "ridge":
        alphas = [s for s in Ridge.strengths if np.isfinite(s)]
        return Case(Question(name, Ridge(), target), inputs, folds, SklearnRidge(), {"ridge__alpha": alphas}, "r2")
    codes = target.argmax(axis=1)[:, None].astype(float)
    grid = {"logisticregression__C": [1 / s for s in Logistic.strengths if np.isfinite(s)]}
    model = LogisticRegression(max_iter=1000)
    return Case(Question(name, Logistic(), codes, int(count)), inputs, folds, model, grid, "neg_log_loss")


def by_sklearn(case: Case) -> np.ndarray:
    """Out-of-fold values [n, k], or probabilities [n, classes]."""
    target = case.question.target[:, 0] if case.question.classes else case.question.target
    found = np.zeros((len(target), case.question.classes or case.question.target.shape[1]))
    for fold in case.folds.folds:
        inner = [(np.searchsorted(fold.train, a), np.searchsorted(fold.train, b)) for a, b in fold.inner]
        model = make_pipeline(StandardScaler(), case.model)
        search = GridSearchCV(model, case.grid, cv=inner, scoring=case.scoring)
        search.fit(case.inputs[fold.train], target[fold.train])
        rows = case.inputs[fold.test]
        found[fold.test] = search.predict_proba(rows) if case.question.classes else search.predict(rows)
    return found


def by_worldprobe(case: Case) -> OutOfFold:
    """Out-of-fold values [n, k], or classes [n, 1]."""
    return cross_fit(case.inputs, [case.question], case.folds)[case.question.name]


def compare(case: Case, theirs: np.ndarray, ours: OutOfFold) -> tuple[dict[str, list[float]], bool]:
    """What both found, by metric, and whether it is the same within the tolerance."""
    target = case.question.target
    if not case.question.classes:
        total = ((target - target.mean(axis=0)) ** 2).sum(axis=0)
        both = [float((1 - ((target - one) ** 2).sum(axis=0) / total).mean()) for one in (theirs, ours.prediction)]
        return {"r2": both}, abs(both[0] - both[1]) <= RIDGE_TOLERANCE and stretched(case, ours)
    codes = target[:, 0]
    # `cross_fit` keeps classes; the log loss is that of the same fits, made once more outside of the timing.
    probabilities = np.zeros_like(theirs)
    for fold, strength in zip(case.folds.folds, ours.chosen, strict=True):
        probe = LogisticProbe(alpha=strength).fit(case.inputs[fold.train], codes[fold.train])
        probabilities[fold.test] = probe.predict_proba(case.inputs[fold.test])
    accuracy = [float((theirs.argmax(axis=1) == codes).mean()), float((ours.prediction[:, 0] == codes).mean())]
    # In float32 they add up to 1 only nearly.
    theirs = theirs / theirs.sum(axis=1, keepdims=True)
    losses = [float(log_loss(codes, one)) for one in (theirs, probabilities)]
    found = {"accuracy": accuracy, "log_loss": losses}
    return found, all(abs(a - b) <= LOGISTIC_TOLERANCE for a, b in found.values())


def stretched(case: Case, ours: OutOfFold) -> bool:
    """Whether ours are scikit-learn's predictions at the same penalties, stretched from the training rows' mean."""
    for fold, strength in zip(case.folds.folds, ours.chosen, strict=True):
        known = case.question.target[fold.train]
        model = make_pipeline(StandardScaler(), SklearnRidge(alpha=strength)).fit(case.inputs[fold.train], known)
        theirs, own = (
            one - known.mean(axis=0) for one in (model.predict(case.inputs[fold.test]), ours.prediction[fold.test])
        )
        slope = (own * theirs).sum() / (theirs**2).sum()
        if np.linalg.norm(own - slope * theirs) > STRETCHED_TOLERANCE * np.linalg.norm(own):
            return False
    return True


def timed(work: Callable[[], Any]) -> tuple[tuple[float, float], Any]:
    """Seconds by the clock and of all processors, and the result. The latter say more on a machine that is busy."""
    started, used = time.perf_counter(), time.process_time()
    result = work()
    return (time.perf_counter() - started, time.process_time() - used), result


def peak_bytes() -> int:
    """The most memory this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def run(name: str, rows: int, columns: int, repeats: int) -> tuple[dict[str, Any], bool]:
    """Time one case; worldprobe goes first, so that the memory after it is its own."""
    case = make(name, rows, columns)
    ours, theirs = [], []
    for repeat in range(repeats):
        seconds, answer = timed(lambda: by_worldprobe(case))
        ours.append(seconds)
        if not repeat:
            peak = peak_bytes()
        seconds, values = timed(lambda: by_sklearn(case))
        theirs.append(seconds)
    found, same = compare(case, values, answer)
    (a, a_cpu), (b, b_cpu) = (
        [statistics.median(part) for part in zip(*one, strict=True)] for one in (theirs, ours)
    )
    print(
        f"{name:12} {rows} x {columns}: scikit-learn {a:8.2f} s, worldprobe {b:7.2f} s, {a / b:5.1f} times "
        f"({a_cpu:.1f} and {b_cpu:.1f} s of processors); "
        + ", ".join(f"{metric} {one:.4f} and {other:.4f}" for metric, (one, other) in found.items())
        + ("" if same else "  NOT THE SAME"),
        flush=True,
    )
    record = {
        "sklearn_seconds": round(a, 3), "worldprobe_seconds": round(b, 3), "ratio": round(a / b, 2),
        "sklearn_cpu_seconds": round(a_cpu, 3), "worldprobe_cpu_seconds": round(b_cpu, 3),
        "rows": rows, "columns": columns, "repeats": repeats, "peak_rss_bytes": peak, "equal": same,
    }  # fmt: skip
    return record, same


def main() -> int:
    parser = argparse.ArgumentParser(description="scikit-learn and worldprobe on the same nested cross-validation")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cases", default=",".join(CASES), help="of " + ", ".join(CASES))
    parser.add_argument("--rows", type=int, default=12_523)
    parser.add_argument("--columns", type=int, default=1024)
    parser.add_argument("--logistic-rows", type=int, default=3000, help="fewer: scikit-learn takes long")
    parser.add_argument("--logistic-columns", type=int, default=256)
    asked = parser.parse_args()
    results, all_same = {}, True
    for name in asked.cases.split(","):
        if name not in CASES:
            parser.error(f"no case {name!r}: use {', '.join(CASES)}")
        small = name.startswith("logistic")
        rows, columns = (asked.logistic_rows, asked.logistic_columns) if small else (asked.rows, asked.columns)
        results[name], same = run(name, rows, columns, asked.repeats)
        all_same = all_same and same
    print(json.dumps(results))
    return 0 if all_same else 1


if __name__ == "__main__":
    sys.exit(main())
