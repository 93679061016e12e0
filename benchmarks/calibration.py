"""Is the ruler right? Null and effects of known size, simulated, through the functions that probing itself calls.

Prints, for groups of 8 rows with features and noise that go together within a group (``icc``):

1. evidence: how often a target is called evidence (``evaluate.evidence`` above the bound that ``power.detectable``
   sets), how often its interval lies above 0, and how often it has no width, by the R² that is there;
2. verdicts: how often the best of several readings is called above its control (``intervals.above_by_chance``),
   none being better, and how often one that is;
3. coverage of 95 % intervals (``intervals.Draws.score``), of R² and of accuracy.

The last line is JSON. `--short` takes a minute, the whole about half an hour on one core.

    python -m benchmarks.calibration [--short] [--seed 0]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from worldprobe.intervals import above_by_chance
from worldprobe.probes import metrics
from worldprobe.probes.detection.by_group import LEAST_Z, group_z
from worldprobe.probes.detection.power import detectable, planted, question_of
from worldprobe.probes.evaluate import cross_fit
from worldprobe.probes.linear.ridge import Ridge
from worldprobe.probes.question import Question
from worldprobe.probes.splits import SplitRows, make_folds

Floats = NDArray[np.float64]
ROWS = 8
EFFECTS = (0.0, 0.1, 0.2, 0.4)


@dataclass(frozen=True)
class Evidence:
    """How often a target that explains ``effect`` was found; ``score`` is the mean R²."""

    groups: int
    columns: int
    icc: float
    hard: bool
    effect: float
    targets: int
    found: float
    z: float
    low: float
    no_width: float
    score: float


@dataclass(frozen=True)
class Above:
    """How often any of ``readings`` was called above the control, the first being better by ``advantage``."""

    groups: int
    readings: int
    advantage: float
    trials: int
    found: float


@dataclass(frozen=True)
class Coverage:
    """How often the 95 % interval held the true score of a fixed predictor."""

    groups: int
    score: str
    truth: float
    trials: int
    held: float


def within(rng: np.random.Generator, groups: int, columns: int, icc: float) -> Floats:
    """Standard normal values of groups of 8 rows that share ``icc`` of their variance: [rows, columns]."""
    shared = np.repeat(rng.standard_normal((groups, columns)), ROWS, axis=0)
    return np.asarray(np.sqrt(icc) * shared + np.sqrt(1 - icc) * rng.standard_normal(shared.shape))


def evidence(
    groups: int, columns: int, icc: float, *, hard: bool, targets: int, draws: int, seed: int
) -> Iterable[Evidence]:
    """Probe ``targets`` targets of each effect on each of ``draws`` sets of features.

    Args:
        hard: the features' variances fall as 1 / k², and the signal lies in all axes alike; else all are alike.
    """
    rng = np.random.default_rng(seed)
    rows: list[Floats] = []
    for _ in range(draws):
        axes = within(rng, groups, columns, icc)
        spread = 1.0 / np.arange(1, columns + 1) if hard else np.ones(columns)
        effects = np.repeat(EFFECTS, targets)
        along = axes @ rng.standard_normal((columns, len(effects)))
        noise = within(rng, groups, len(effects), icc)
        target = np.sqrt(effects) * along / along.std(axis=0) + np.sqrt(1 - effects) * noise
        turn, _ = np.linalg.qr(rng.standard_normal((columns, columns)))
        inputs = ((axes * spread) @ turn).astype(np.float32)
        group = np.repeat(np.arange(groups), ROWS)
        folds = make_folds(SplitRows(group, group, np.zeros(len(group)), 1.0), kind="grouped", seed=seed)
        plants = question_of(0, planted(inputs, noise[:, :1], folds, seed=seed))
        question = Question("targets", Ridge(), target, blocks=len(effects))
        answers = cross_fit(inputs, [question, plants], folds)
        answer, known = answers["targets"], answers[plants.name]
        least = detectable(plants.target, known.prediction, known.constant, folds).least_z
        z = group_z(target, answer.prediction, answer.constant, folds.unit, blocks=len(effects))
        for index, effect in enumerate(effects):
            one = (target[:, [index]], answer.prediction[:, [index]], answer.constant[:, [index]])
            score = metrics.r2(*one, folds.unit, seed=seed)
            low, high = score.low or 0.0, score.high or 0.0
            rows.append(
                np.array([effect, z[index] > least, z[index] > LEAST_Z, low > 0, low == high, score.value or 0.0])
            )
    table = np.array(rows)
    for effect in EFFECTS:
        of = table[table[:, 0] == effect]
        yield Evidence(groups, columns, icc, hard, effect, len(of), *of[:, 1:].mean(axis=0).tolist())


def above(groups: int, readings: int, advantage: float, *, trials: int, seed: int, alike: float = 0.5) -> Above:
    """Hold ``readings`` predictors of R² 0.3, residuals correlated ``alike``, against a control of 0.3."""
    rng = np.random.default_rng(seed)
    r2 = np.full(readings + 1, 0.3)
    r2[0] += advantage
    left = 1 - r2
    residuals = alike * np.sqrt(np.outer(left, left))
    np.fill_diagonal(residuals, left)
    # The best prediction of y and what is left of y are uncorrelated, so y goes along with what is left as far as
    # this varies.
    joint = np.block([[np.ones((1, 1)), left[None]], [left[:, None], residuals]])
    values, vectors = np.linalg.eigh(joint)
    root = vectors * np.sqrt(values.clip(0))
    unit = np.arange(groups)
    found = 0
    for trial in range(trials):
        drawn = rng.standard_normal((groups, readings + 2)) @ root.T
        target = drawn[:, :1]
        scores = [
            metrics.r2_draws(target, target - drawn[:, [index]], np.zeros_like(target), unit, seed=seed + trial)
            for index in range(1, readings + 2)
        ]
        found += any(above_by_chance([(one, scores[-1]) for one in scores[:-1]]))
    return Above(groups, readings, advantage, trials, found / trials)


def coverage(groups: int, score: str, truth: float, *, trials: int, seed: int) -> Coverage:
    """Bound the score of a fixed predictor on new groups, of 8 rows (R²) or of 1 to 29 (accuracy).

    Args:
        score: ``r2``; ``whole`` for the accuracy of groups that are right or wrong as a whole; ``accuracy`` for
            groups in which the share of right rows varies (intraclass correlation 0.3).
    """
    rng = np.random.default_rng(seed)
    held = 0
    for trial in range(trials):
        if score == "r2":
            unit = np.repeat(np.arange(groups), ROWS)
            signal, noise = rng.standard_normal((2, groups))
            target = (np.sqrt(truth) * signal + np.sqrt(1 - truth) * noise)[unit][:, None]
            prediction = (np.sqrt(truth) * signal)[unit][:, None]
            found = metrics.r2(target, prediction, np.zeros_like(target), unit, seed=seed + trial)
        else:
            unit = np.repeat(np.arange(groups), rng.integers(1, 30, groups))
            spread = 1 / 0.3 - 1
            share = (
                (rng.random(groups) < truth).astype(float)
                if score == "whole"
                else rng.beta(truth * spread, (1 - truth) * spread, groups)
            )
            right = rng.random(len(unit)) < share[unit]
            codes = rng.integers(0, 2, len(unit))
            scores = metrics.classification(codes, np.where(right, codes, 1 - codes), unit, classes=2, seed=trial)
            found = scores["accuracy"]
        # Classes that are one by chance have no score, and nothing wrong is said of them.
        held += found.interval is None or found.interval[0] <= truth <= found.interval[1]
    return Coverage(groups, score, truth, trials, held / trials)


def printed(title: str, lines: Iterable[Evidence | Above | Coverage]) -> list[Evidence | Above | Coverage]:
    """Print each line as it comes."""
    print(title, flush=True)
    kept = []
    for line in lines:
        values = (f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in asdict(line).items())
        print("  " + "  ".join(values), flush=True)
        kept.append(line)
    return kept


def cells(*, short: bool) -> Sequence[tuple[int, int, float, bool]]:
    """Groups, columns, correlation within groups, and whether the signal lies in axes of little variance."""
    if short:
        return [(20, 16, 0.9, False), (60, 16, 1.0, False), (60, 192, 0.9, False), (200, 16, 0.9, True)]
    return [
        (groups, columns, icc, hard)
        for hard in (False, True)
        for columns in (16, 192, 1024)
        for groups in (20, 60, 200)
        for icc in (0.9, 1.0)
    ]


def main() -> None:
    """Run all three parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    short, seed = options.short, options.seed
    targets, draws, trials = (20, 1, 100) if short else (20, 5, 600)
    found = printed(
        "evidence",
        (
            line
            for groups, columns, icc, hard in cells(short=short)
            for line in evidence(groups, columns, icc, hard=hard, targets=targets, draws=draws, seed=seed)
        ),
    )
    found += printed(
        "verdicts",
        (
            above(groups, readings, advantage, trials=trials // 2, seed=seed)
            for advantage in (0.0, 0.03, 0.1)
            for groups in ((60, 200) if short else (10, 20, 60, 200, 1000))
            for readings in ((1, 12) if advantage == 0 else (1,))
        ),
    )
    found += printed(
        "coverage",
        (
            coverage(groups, score, truth, trials=trials, seed=seed)
            for score, truth in (("r2", 0.1), ("r2", 0.5), ("whole", 0.9), ("accuracy", 0.5), ("accuracy", 0.9))
            for groups in (5, 10, 20, 40, 100)
        ),
    )
    print(json.dumps([{"part": type(line).__name__.lower(), **asdict(line)} for line in found]))


if __name__ == "__main__":
    main()
