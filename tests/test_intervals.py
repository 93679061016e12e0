"""The one bootstrap: its numbers stay what they were, and paired scores are drawn on the same resamples."""

import numpy as np
import pytest

from worldprobe.decoders import metrics as drawn
from worldprobe.intervals import RESAMPLES, Score, bootstrap, no_draws
from worldprobe.predictors import surprise
from worldprobe.probes import evidence, metrics

GROUPS = 23
# Value, low and high, as probes, decoders and surprise had them when each had a bootstrap of its own.
BEFORE = {
    "r2": (0.77484414491555, 0.739217962886176, 0.8030269874361109),
    "angular_error": (26.9161262346607, 22.90611019231156, 31.252226732351236),
    "accuracy": (0.7329192546583851, 0.6770186335403726, 0.788975155279503),
    "balanced_accuracy": (0.735714581264482, 0.6809845294907854, 0.7983574479815191),
    "macro_f1": (0.7360731928466832, 0.6778253868423496, 0.795663627751761),
    "error": (1.411354058001489, 1.2711469111484448, 1.575170598479957),
    "skill": (0.23455768383197775, 0.17091337784173158, 0.2940979160266998),
    "difference": (0.14937993665486116, 0.10390468669523326, 0.19186135367321794),
    "sharpness": (1.4113540580014894, 1.2711469111484444, 1.5751705984799569),
    "psnr": (0.06569684999173626, -0.09483675556855593, 0.22992994790770385),
    "relative_accuracy": (0.6086956521739131, 0.391304347826087, 0.782608695652174),
    "auroc": (0.6124763705103969, 0.434735349716446, 0.765595463137998),
}


def found() -> dict[str, Score]:
    rng = np.random.default_rng(GROUPS)
    unit = np.repeat(np.arange(GROUPS), 7)
    n = len(unit)
    target = rng.normal(size=(n, 3))
    prediction = target + rng.normal(size=(n, 3)) * 0.5
    truth = rng.integers(0, 4, n)
    predicted = np.where(rng.random(n) < 0.6, truth, rng.integers(0, 4, n))
    above, below = rng.random(n), rng.random(n) * (rng.random(n) > 0.3)
    values = rng.normal(size=n)
    values[::5] = np.nan
    possible, impossible = rng.normal(size=GROUPS), rng.normal(size=GROUPS) + 0.5
    one, other = (metrics.ratio_draws(of, np.ones(n), unit, seed=3, empty="nothing") for of in (above, below))
    draws = {
        "r2": metrics.r2_draws(target, prediction, np.full((n, 3), 0.1), unit, seed=3),
        "angular_error": metrics.angular_error_draws(target[:, :2], prediction[:, :2], unit, seed=3),
        **metrics.classification_draws(truth, predicted, unit, classes=4, seed=3),
        "error": metrics.ratio_draws(above, below, unit, seed=3, empty="nothing"),
    }
    return {
        **{name: of.score() for name, of in draws.items()},
        "skill": evidence.skill(one, other),
        "difference": evidence.difference(one, other),
        "sharpness": drawn.ratio(above, below, unit, seed=3),
        "psnr": drawn.mean(values, unit, seed=3),
        **surprise.scored(possible, impossible, seed=3),
    }


def test_every_score_has_the_interval_that_it_had():
    scores = found()
    assert list(scores) == list(BEFORE)
    for name, score in scores.items():
        assert (score.value, score.low, score.high) == pytest.approx(BEFORE[name], rel=1e-12), name


def test_resamples_are_of_whole_groups_and_the_same_under_a_seed():
    seen = []

    def statistic(weights):
        seen.append(weights)
        return weights[:, 0]

    draws = bootstrap(statistic, 5, seed=1)
    assert draws.value == 1.0
    (everything, resamples) = seen
    assert everything.tolist() == [[1.0] * 5]
    assert resamples.shape == (RESAMPLES, 5)
    assert (resamples.sum(axis=1) == 5).all()
    np.testing.assert_array_equal(draws.draws, bootstrap(statistic, 5, seed=1).draws)
    assert (draws.draws != bootstrap(statistic, 5, seed=2).draws).any()


def test_a_score_that_is_not_defined_has_no_interval_and_says_why():
    absent = bootstrap(lambda weights: weights.sum(axis=1) * np.nan, 5, seed=0, undefined="nothing varies")
    assert absent.score() == no_draws("nothing varies").score() == Score(value=None, note="nothing varies")
    assert absent.score().interval is None
    # Resamples in which nothing can be divided are left out of the interval.
    some = bootstrap(lambda weights: weights[:, 0] / (weights[:, 0] > 0), 5, seed=0).score()
    assert some.low == 1.0
