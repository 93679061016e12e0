"""What effect would this sample have shown? Signals of known size are planted, and the probe looks for them.

A planted target is part signal, linear in the features, and part the real target moved to other groups, so that
its distribution and its run within a group stay. *Easy* signals go along a random direction of the features'
spread, *hard* ones along one of the whitened features: as likely in an axis of little variance as in any. Planted
targets are columns beside each other, so all share the probe's decompositions. The least share of signal that 80 %
of the plants show is the minimum detectable effect at 80 % power (Cohen 1988, ch. 1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldprobe.probes.controls import donors, shuffled
from worldprobe.probes.detection.by_group import LEAST_Z, group_z
from worldprobe.probes.detection.memory import rolled
from worldprobe.probes.linear.axes import column_scale, principal
from worldprobe.probes.linear.picked import blocks, mean_and_spread
from worldprobe.probes.linear.ridge import Ridge
from worldprobe.probes.metrics import varying
from worldprobe.probes.question import Question
from worldprobe.probes.splits import Folds, Purge
from worldprobe.protocols import Fitted, TrainingSet

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
EFFECTS = (0.05, 0.1, 0.2, 0.5)
POWER = 0.8
PLANTS, NULLS = 8, 20
_KINDS = ("easy", "hard")
_GUESSES, _HALVINGS = 20_000, 12
# Below so many standard deviations over their mean lie 97.5 % of null targets.
_DEVIATIONS = 1.96


@dataclass(frozen=True, slots=True)
class Detectable:
    """The least R² that 80 % of plants show; None where it is over 0.5.

    Attributes:
        easy, hard: along the features' own spread, and along their whitened axes.
        least_z: what ``group_z`` has to exceed here: 97.5 % of targets that belong to other groups stay below; of
            blocks in time, all 20 targets that were moved in time.
    """

    easy: float | None
    hard: float | None
    least_z: float


def planted(inputs: NDArray[np.float32], target: Floats, folds: Folds, *, seed: int) -> Floats:
    """Plant targets in features [n, d]: float64 [n, columns], easy and hard for each effect, then nulls.

    Args:
        target: [n, k], whose columns lend the noise; of classes their indicators.
        folds: between whose units noise is moved; within each video, where units are neighbours in time.
    """
    return planted_each(inputs, [target], folds, seed=seed)[0]


def planted_each(
    inputs: NDArray[np.float32], targets: Sequence[Floats], folds: Folds, *, seed: int
) -> list[Floats]:
    """``planted`` of each target, in the same features: the signals are the same, and what moves noise about."""
    generator = np.random.default_rng(seed)
    signals = np.stack(_signals(inputs, generator), axis=1)  # [n, kinds, PLANTS]
    seeds = [int(one) for one in generator.integers(1 << 31, size=NULLS)]
    moves = [donors(folds.unit, seed=one) for one in seeds] if folds.purge is None else []
    share = np.sqrt(np.array(EFFECTS))[:, None]
    rest = np.sqrt(1 - np.array(EFFECTS))[:, None]
    found = []
    for target in targets:
        columns = target[:, varying(target)]
        own = [columns[:, index % columns.shape[1]] for index in range(NULLS)]
        if folds.purge is None:
            noise = [column[rows] for column, rows in zip(own, moves, strict=True)]
        else:
            noise = [
                _moved(column[:, None], folds.purge, seed=one)[:, 0] for column, one in zip(own, seeds, strict=True)
            ]
        nulls = _standard(np.stack(noise, axis=1))
        # [n, kinds, effects, PLANTS]
        plants = share * signals[:, :, None] + rest * nulls[:, None, None, :PLANTS]
        found.append(np.concatenate([plants.reshape(len(target), -1), nulls], axis=1))
    return found


def _moved(target: Floats, purge: Purge, *, seed: int) -> Floats:
    """A target that no longer belongs to its rows, where neighbours in time stand on both sides."""
    rows = purge.rows
    if _changes(target, rows.video):
        return rolled(target, rows, apart_seconds=purge.seconds, seed=seed)
    # In time there is nothing to roll: what is one number a video is moved to another video.
    return shuffled(target, rows.video, seed=seed)


def _changes(target: Floats, video: Ints) -> bool:
    """Whether a target [n, k] varies within any video [n]."""
    return any(varying(target[video == one]).any() for one in np.unique(video))


def question_of(name: object, plants: Floats) -> Question:
    """Ask a ridge for planted targets, each at a penalty of its own."""
    return Question(("planted", name), _MixedRidge(), plants, blocks=plants.shape[1])


def detectable(
    plants: Floats, prediction: Floats, constant: Floats, folds: Folds, *, target: Floats | None = None
) -> Detectable:
    """What of ``planted`` was found, out of fold, by the same test as the real target is put to.

    Plants vary in every group. A target that is itself in few of them (a class in 2 of 30, say) may not pass the
    test however well it is read: then nothing is said to be detectable.

    Args:
        plants, prediction, constant: [n, columns].
        target: the real one [n, k], of classes their indicators.
    """
    z = group_z(plants, prediction, constant, folds.unit, blocks=plants.shape[1])
    found, nulls = z[:-NULLS].reshape(len(_KINDS), len(EFFECTS), PLANTS), z[-NULLS:]
    # Blocks of one film are not independent, and z of labels that are moved in time is no normal: these 20 are the
    # test, at 1 in 21.
    above = nulls.max() if folds.purge else nulls.mean() + _DEVIATIONS * nulls.std(ddof=1)
    least = max(LEAST_Z, float(above))
    if target is not None and _perfect(target, folds.unit) <= least:
        return Detectable(None, None, least)
    easy, hard = (_least_effect((one > least).mean(axis=1)) for one in found)
    return Detectable(easy, hard, least)


def _perfect(target: Floats, unit: Ints) -> float:
    """``group_z`` of a target [n, k] that is predicted without an error: little where few groups hold all of it."""
    return float(group_z(target, target, np.broadcast_to(target.mean(axis=0), target.shape), unit)[0])


def accuracy_over_chance(effect: float, shares: Sequence[float]) -> float:
    """How far over chance the balanced accuracy of a guess gets that explains so much of each class's indicator.

    Args:
        effect: R² of the indicators.
        shares: of the classes, adding up to 1.
    """
    generator = np.random.default_rng(0)
    share = np.asarray(shares, dtype=np.float64)
    codes = generator.choice(len(share), size=_GUESSES, p=share / share.sum())
    noise = generator.standard_normal((_GUESSES, len(share))) * np.sqrt(effect * (1 - effect) * share * (1 - share))
    guess = share + effect * (np.eye(len(share))[codes] - share) + noise
    right, held = guess.argmax(axis=1) == codes, np.unique(codes)
    return max(0.0, float(np.mean([right[codes == code].mean() for code in held]) - 1 / len(held)))


def effect_of_accuracy(over_chance: float, shares: Sequence[float]) -> float:
    """The R² of class indicators at which a guess is so far over chance: the inverse of ``accuracy_over_chance``.

    1 where no guess gets so far.
    """
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if accuracy_over_chance(middle, shares) >= over_chance else (middle, high)
    return high


class _MixedRidge:
    """Ridge for ``planted`` targets, solved for those alone of which all are sums: it is linear in the target."""

    name, kind, strengths = Ridge.name, Ridge.kind, Ridge.strengths
    side_by_side, by_products = Ridge.side_by_side, Ridge.by_products
    of_a_column = Ridge()

    def fit(
        self, training: TrainingSet, target: Floats, *, strength: float, classes: int, start: Fitted | None = None
    ) -> Fitted:
        """As ``Ridge.fit``."""
        before = start.fitted if isinstance(start, _FittedMixture) else None
        # After a start it is the same target, which the start knows.
        few = _spanning(target) if before is None else target
        return _FittedMixture(Ridge().fit(training, few, strength=strength, classes=classes, start=before))

    def at_all(self, training: TrainingSet, target: Floats) -> Callable[[NDArray[np.float32]], Iterator[Floats]]:
        """As ``Ridge.at_all``."""
        predict = Ridge().at_all(training, _spanning(target))
        return lambda inputs: map(_mixed, predict(inputs))


@dataclass(frozen=True, slots=True)
class _FittedMixture:
    fitted: Fitted

    def predict(self, inputs: NDArray[np.float32]) -> Floats:
        """Values float64 [m, columns]."""
        return _mixed(self.fitted.predict(inputs))


def _spanning(target: Floats) -> Floats:
    """Those planted columns of which all are sums: [n, questions columns] to [n, questions s]."""
    return target.reshape(len(target), -1, len(_MIXTURE[0]))[:, :, _SPANNING].reshape(len(target), -1)


def _mixed(values: Floats) -> Floats:
    """All planted columns of what is so of those that span them: [m, questions s] to [m, questions columns]."""
    return np.asarray((values.reshape(-1, len(_MIXTURE)) @ _MIXTURE).reshape(len(values), -1))


def _mixture() -> tuple[Ints, Floats]:
    """Which planted columns span all [s], and how these are summed up from them, float64 [s, columns]."""
    signal, noise = np.split(np.eye(len(_KINDS) * PLANTS + NULLS), [len(_KINDS) * PLANTS])
    columns = [
        np.sqrt(effect) * signal[kind * PLANTS + index] + np.sqrt(1 - effect) * noise[index]
        for kind in range(len(_KINDS))
        for effect in EFFECTS
        for index in range(PLANTS)
    ]
    parts = np.array([*columns, *noise]).T
    largest = np.arange(len(columns)).reshape(len(_KINDS), len(EFFECTS), PLANTS)[:, -1].ravel()
    spanning = np.concatenate([largest, np.arange(len(columns), parts.shape[1])])
    return spanning, np.linalg.solve(parts[:, spanning], parts)


_SPANNING, _MIXTURE = _mixture()


def _signals(inputs: NDArray[np.float32], generator: np.random.Generator) -> tuple[Floats, Floats]:
    """Random directions of standardised features [n, d], and of whitened ones: [n, PLANTS] each, of spread 1."""
    n, d = inputs.shape
    mean, spread = mean_and_spread(inputs)
    scale, directions = column_scale(spread), generator.standard_normal((d, PLANTS))
    easy = np.zeros((n, PLANTS))
    for some in blocks(n, d):
        easy += ((inputs[:, some] - mean[some]) / scale[some]) @ directions[some]
    if n > d:
        rows = (inputs - mean) / scale
        squares, axes = principal(rows.T @ rows)
        hard = rows @ (axes @ (generator.standard_normal((len(squares), PLANTS)) / np.sqrt(squares)[:, None]))
    else:
        # Of at least as many columns as rows the whitened axes are all there is: any direction of the rows.
        hard = generator.standard_normal((n, PLANTS))
    return _standard(easy), _standard(hard)


def _standard(values: Floats) -> Floats:
    """Columns of mean 0 and spread 1; of features that are all alike there is no signal, and it stays 0."""
    return np.asarray((values - values.mean(axis=0)) / np.where(varying(values), values.std(axis=0), 1.0))


def _least_effect(shares: Floats) -> float | None:
    """The effect at which 80 % of plants are found, between those that were tried; None if the largest is not."""
    enough = np.flatnonzero(shares >= POWER)
    if not len(enough):
        return None
    # Up to the first that is found by enough, shares rise through 80 % once; nothing less than the least was tried.
    tried = slice(max(enough[0] - 1, 0), enough[0] + 1)
    return float(np.interp(POWER, shares[tried], EFFECTS[tried]))
