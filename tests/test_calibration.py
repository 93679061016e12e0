"""The ruler against known answers, by the functions of ``benchmarks.calibration``, in its short form."""

import pytest
from benchmarks.calibration import EFFECTS, above, coverage, evidence


def test_nothing_is_seldom_called_evidence_and_much_is_often():
    found = {one.effect: one for one in evidence(60, 16, 0.9, hard=False, targets=50, draws=2, seed=5)}
    assert sorted(found) == list(EFFECTS)
    # 2.5 % are expected. Of 100, 9 or more come once in a thousand.
    assert found[0.0].found <= 0.08
    assert found[0.0].low <= 0.04
    assert found[0.4].found >= 0.7
    assert found[0.4].score > 0.1 > found[0.0].score


def test_a_signal_in_axes_of_little_variance_is_found():
    found = {one.effect: one for one in evidence(100, 16, 0.9, hard=True, targets=25, draws=1, seed=3)}
    assert found[0.0].found <= 0.16
    assert found[0.4].found >= 0.9
    assert found[0.4].score > 0.2


@pytest.mark.parametrize("readings", [1, 12])
def test_the_best_of_many_readings_is_not_called_above_too_often(readings):
    # 2.5 % are expected. Of 100, 9 or more come once in a thousand.
    assert above(60, readings, 0.0, trials=100, seed=0).found <= 0.08


def test_an_advantage_is_seen_where_there_are_groups_enough():
    assert above(1000, 1, 0.1, trials=30, seed=0).found >= 0.6


@pytest.mark.parametrize("groups", [5, 10, 20, 100])
@pytest.mark.parametrize(("score", "truth"), [("r2", 0.1), ("r2", 0.5), ("whole", 0.9), ("accuracy", 0.5)])
def test_intervals_hold_the_truth_as_often_as_they_say(score, truth, groups):
    # 95 % are expected. Of 150, under 133 come once in a thousand.
    assert coverage(groups, score, truth, trials=150, seed=0).held >= 0.885
