"""How a score grows with the groups that the probe has seen, and whether more of them would help."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from worldprobe.execute.threads import together
from worldprobe.intervals import TAIL, Draws, Score
from worldprobe.probes.choice import fit_all
from worldprobe.probes.evaluate import OutOfFold, Step, draws, require_finite, unwatched
from worldprobe.probes.linear.picked import Picked
from worldprobe.probes.question import Question
from worldprobe.probes.splits import Fold, Folds
from worldprobe.probes.training import TrainingSets

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
FRACTIONS = (0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
# Closer to the ceiling than this is there; less gained than this by doubling is not worth the labels.
CLOSE = 0.01
_EXPONENTS = np.geomspace(0.05, 4.0, 300)
_LEAST_POINTS = 4
# Curves whose laws are looked for together, so that all exponents' numbers stay near the processor.
_TOGETHER = 100
# Of a fold's training set: rows, groups, and what each question's probe says of the test rows.
_Seen = tuple[int, int, list[Floats]]
_LEAST_VARIANCE = 1e-8
Verdict = Literal["yes", "no", "cannot tell"]


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """``score(n) = ceiling - scale n^-exponent`` (Hestness et al. 2017, section 3), never above 1 or falling."""

    ceiling: float
    scale: float
    exponent: float

    def at(self, n: float) -> float:
        """The score at n rows."""
        return float(self.ceiling - self.scale * n**-self.exponent)

    @property
    def plateau(self) -> float:
        """The n where the score comes within 0.01 of the ceiling; at least 1, perhaps beyond the data."""
        return float(max(self.scale / CLOSE, 1.0) ** (1 / self.exponent))


@dataclass(frozen=True, slots=True)
class LearningScore:
    """The score of probes that saw this many rows and groups in training, the mean over the folds."""

    rows: float
    groups: float
    score: Score


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """Points in increasing n, the law through them (None: too few), and what it says.

    ``more_data_would_help`` is about twice the groups: "yes" if the law gains more than 0.01 by doubling n in
    97.5 % of the resamples, "no" if in 97.5 % it gains no more, else "cannot tell". It cannot tell either
    where the last point does not beat the constant, or where there are fewer than 4 points.
    """

    metric: str
    points: tuple[LearningScore, ...]
    law: PowerLaw | None
    more_data_would_help: Verdict
    gain_by_doubling: Score


def learning_curve(
    inputs: NDArray[np.float32],
    question: Question,
    folds: Folds,
    *,
    seed: int,
    fractions: tuple[float, ...] = FRACTIONS,
    components: int | None = None,
    step: Step = unwatched,
) -> LearningCurve:
    """``learning_curves`` of one question."""
    return learning_curves(
        inputs, [question], folds, seed=seed, fractions=fractions, components=components, step=step
    )[0]


def learning_curves(
    inputs: NDArray[np.float32],
    questions: Sequence[Question],
    folds: Folds,
    *,
    seed: int,
    fractions: tuple[float, ...] = FRACTIONS,
    components: int | None = None,
    step: Step = unwatched,
) -> list[LearningCurve]:
    """R2 or balanced accuracy by how many whole groups the probe saw, on the same test rows throughout.

    Each fraction's groups are among those of the next. The penalty is chosen anew at each, on inner folds of
    the groups there are. R2 is against the mean of all training rows at every n, so that scores compare. All
    questions see the same training sets, which are decomposed once.

    Args:
        inputs: [n, d].
        questions: of the same rows.
        fractions: of each fold's training groups, increasing, ending with 1; those of under 2 groups are left out.
        components: as of ``TrainingSets``.
        step: called after each fold of each fraction, for each question.

    Raises:
        ProbeError: features that are not finite.
    """
    assert list(fractions) == sorted(set(fractions))
    require_finite(inputs)
    sets = TrainingSets(inputs, folds.unit, components=components)
    orders = [
        np.random.default_rng([seed, index]).permutation(np.unique(folds.unit[fold.train]))
        for index, fold in enumerate(folds.folds)
    ]
    fewest = min(len(order) for order in orders)
    shares = [fraction for fraction in fractions if round(fraction * fewest) >= 2]

    def answers(fold: Fold, order: Ints) -> list[_Seen]:
        """What is seen of a fold's training groups at each share, and said of its test rows by each question."""
        found, shown = list[_Seen](), Picked(inputs, fold.test)
        for share in shares:
            kept = order[: round(share * len(order))]
            train = fold.train[np.isin(folds.unit[fold.train], kept)]
            training = sets.prepare(train, folds.inner(train, seed))
            outputs = []
            for fitted in fit_all(questions, training):
                outputs.append(fitted.predict(shown))
                step()
            found.append((len(train), len(kept), outputs))
        return found

    works = [partial(answers, fold, order) for fold, order in zip(folds.folds, orders, strict=True)]
    by_fold = together(works, nbytes=inputs.nbytes)
    curves = [_Curve(question, folds, seed) for question in questions]
    for seen in zip(*by_fold, strict=True):
        for number, curve in enumerate(curves):
            curve.add([(rows, groups, outputs[number]) for rows, groups, outputs in seen])
    return [curve.judged() for curve in curves]


class _Curve:
    """One question's points, as they come."""

    def __init__(self, question: Question, folds: Folds, seed: int) -> None:
        self.question, self._unit, self._seed = question, folds.unit, seed
        self._metric = "balanced_accuracy" if question.classes else "r2"
        self._constants = _constants(question, folds)
        self._folds = folds.folds
        self._points: list[LearningScore] = []
        self._draws: list[Draws] = []

    def add(self, seen: Sequence[tuple[int, int, Floats]]) -> None:
        """Score a point: of each fold how many rows and groups were seen, and what is said of its test rows."""
        prediction = np.full_like(self._constants, np.nan)
        for fold, (_, _, output) in zip(self._folds, seen, strict=True):
            prediction[fold.test] = output.argmax(axis=1)[:, None] if self.question.classes else output
        found = self._scored(prediction)
        rows, groups = np.mean([(rows, groups) for rows, groups, _ in seen], axis=0)
        self._draws.append(found)
        self._points.append(LearningScore(float(rows), float(groups), found.score()))

    def judged(self) -> LearningCurve:
        """The curve through all points."""
        return judge(self._metric, tuple(self._points), self._draws, self._scored(self._constants))

    def _scored(self, prediction: Floats) -> Draws:
        given = OutOfFold(prediction, self._constants, ())
        return draws(self.question, given, self._unit, seed=self._seed)[self._metric]


def _constants(question: Question, folds: Folds) -> Floats:
    """What each row is predicted by the training rows' constant: [n, k], or classes [n, 1]."""
    constants = np.zeros((len(question.target), 1 if question.classes else question.target.shape[1]))
    for fold in folds.folds:
        constants[fold.test] = question.constant(fold.train)
    return constants


def judge(
    metric: str, points: tuple[LearningScore, ...], curve_draws: list[Draws], constant: Draws
) -> LearningCurve:
    """Fit the law to the points and to each of their resamples, and say what the latter agree on."""
    nothing = Score(value=None, note="too few points for a law")
    if len(points) < _LEAST_POINTS or any(one.value is None for one in curve_draws):
        return LearningCurve(metric, points, None, "cannot tell", nothing)
    n = np.array([point.rows for point in points])
    samples = np.stack([one.draws for one in curve_draws], axis=1)
    whole = ~np.isnan(samples).any(axis=1)
    weight = 1 / np.maximum(samples[whole].var(axis=0), _LEAST_VARIANCE)
    value = np.array([[one.value for one in curve_draws]], dtype=np.float64)
    ceiling, scale, exponent = fit_power_law(n, np.concatenate([value, samples[whole]]), weight)
    gain = scale * (n[-1] ** -exponent - (2 * n[-1]) ** -exponent)
    law = PowerLaw(float(ceiling[0]), float(scale[0]), float(exponent[0]))
    doubling = Draws(float(gain[0]), gain[1:]).score()
    beats = np.nanquantile(curve_draws[-1].draws - constant.draws, TAIL) > 0
    verdict: Verdict = "cannot tell"
    if beats and doubling.low is not None and doubling.high is not None:
        verdict = "yes" if doubling.low > CLOSE else "no" if doubling.high <= CLOSE else "cannot tell"
    return LearningCurve(metric, points, law, verdict, doubling)


def fit_power_law(n: Floats, scores: Floats, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """Weighted least squares of ``ceiling - scale n^-exponent``, for many curves at once.

    At a given exponent the law is linear in the other two, so these are solved for (variable projection: Golub
    and Pereyra 1973) and the exponent is looked for on a grid: nothing to start from, no local minimum.

    Args:
        n: [points], positive.
        scores: [curves, points].
        weight: [points].

    Returns:
        Ceiling (at most 1), scale (at least 0) and exponent, [curves] each.
    """
    weight = weight / weight.sum()
    # Scaled to 1 at the smallest n, so that the numbers stay near 1 at every exponent: [exponents, points].
    fall = (n / n[0]) ** -_EXPONENTS[:, None]
    found = [_best_laws(scores[at : at + _TOGETHER], fall, weight) for at in range(0, len(scores), _TOGETHER)]
    top, slope, best = (np.concatenate(each) for each in zip(*found, strict=True))
    exponent = _EXPONENTS[best]
    return top, slope * n[0] ** exponent, exponent


def _best_laws(scores: Floats, fall: Floats, weight: Floats) -> tuple[Floats, Floats, Ints]:
    """Ceiling, slope and index of the exponent [curves] at which least is left of the squares."""
    mean, middle = scores @ weight, fall @ weight
    apart, centred, short = fall - middle[:, None], scores - mean[:, None], 1 - scores
    along, square = (centred @ (weight * apart).T).clip(max=0.0), apart**2 @ weight  # curves by exponents
    slope = along / -square
    top = slope * middle
    top += mean[:, None]
    # What a slope takes off the squares is what goes along with it, squared, over its own.
    along *= slope
    along += (centred**2 @ weight)[:, None]
    capped, full = (short @ (weight * fall).T).clip(min=0.0), fall**2 @ weight
    at_most = top > 1
    level = capped / full
    capped *= level
    np.copyto(along, (short**2 @ weight)[:, None] - capped, where=at_most)
    best = along.argmin(axis=1)
    rows = np.arange(len(scores))
    over = at_most[rows, best]
    return (
        np.where(over, 1.0, top[rows, best]), np.where(over, level[rows, best], slope[rows, best]), best
    )  # fmt: skip
