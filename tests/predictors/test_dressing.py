"""Futures around a prediction: they are as wide as errors are where they are, and scored so that honesty pays."""

import numpy as np
import pytest

from worldprobe.predictors.dressing import ErrorSize, dress, energy_score, token_features

TRAIN, TEST = np.arange(160), np.arange(160, 240)


def uneven(seed=0, *, d=6, together=0.0):
    """What is known before [n, 1, s, 2], and errors [n, 1, s, d] that go with it; ``together``: of a window."""
    rng = np.random.default_rng(seed)
    before = rng.normal(size=(240, 1, 9, 2))
    size = 0.3 * np.exp(before[..., 0] - 0.5 * before[..., 0] * before[..., 1])
    noise = rng.normal(size=(240, 1, 9, d)) * (1 - together) + rng.normal(size=(240, 1, 1, d)) * together
    return before, (size[..., None] * noise).astype(np.float32), size


def dressed(before, errors, shape="dressed"):
    return dress(lambda rows: errors[rows], before, train=TRAIN, test=TEST, shapes=[shape], seed=3)[shape]


def test_the_energy_score_is_its_definition_and_a_points_is_its_distance():
    rng = np.random.default_rng(0)
    drawn, true = rng.normal(size=(5, 4, 3)).astype(np.float32), rng.normal(size=(5, 3)).astype(np.float32)
    energy, off = energy_score(drawn, true)
    length = lambda a: np.sqrt((a**2).mean(axis=-1))  # noqa: E731
    for i in range(5):
        pairs = [length(drawn[i, a] - drawn[i, b]) for a in range(4) for b in range(4) if a != b]
        np.testing.assert_allclose(off[i], length(drawn[i] - true[i]), rtol=1e-5)
        assert energy[i] == pytest.approx(off[i].mean() - np.mean(pairs) / 2, rel=1e-5)
    alone, _ = energy_score(drawn[:, :1], true)
    np.testing.assert_allclose(alone, length(drawn[:, 0] - true), rtol=1e-5)


def test_who_is_as_wide_as_it_is_off_scores_best_with_few_futures_as_with_many():
    rng = np.random.default_rng(1)
    true = rng.normal(size=(4000, 6)).astype(np.float32)

    def mean(wide, m):
        return energy_score((wide * rng.normal(size=(4000, m, 6))).astype(np.float32), true)[0].mean()

    assert mean(1.0, 4) < min(mean(0.4, 4), mean(1.8, 4), mean(0.0, 4))
    assert mean(1.0, 2) == pytest.approx(mean(1.0, 16), abs=0.01)


def test_expected_sizes_are_those_of_the_errors_and_radii_hold_what_they_are_to_on_others():
    before, errors, size = uneven()
    usual, seen = ErrorSize.fit(before[TRAIN], np.sqrt((errors[TRAIN].astype(float) ** 2).mean(axis=-1)))
    np.testing.assert_allclose(seen, usual.expected(before[TRAIN]), rtol=1e-6)
    expected = usual.expected(before[TEST]) * usual.root[:, None]
    assert np.corrcoef(np.log(expected.ravel()), np.log(size[TEST].ravel()))[0, 1] > 0.97
    found = dressed(before, errors)
    np.testing.assert_allclose(found.within.mean(axis=(0, 1, 2)), (0.5, 0.9), atol=0.06)
    assert np.median(found.point / found.spread) == pytest.approx(1.0, abs=0.1)
    one = dressed(before, errors, "constant")
    assert np.ptp(one.spread) == 0
    assert found.energy.mean() < 0.95 * one.energy.mean()


def test_what_was_never_seen_is_as_wide_as_what_was_seen_last():
    before, errors, _ = uneven()
    usual, seen = ErrorSize.fit(before[TRAIN], np.sqrt((errors[TRAIN].astype(float) ** 2).mean(axis=-1)))
    far = usual.expected(np.full((1, 1, 1, 2), 1e3))
    assert np.isfinite(far).all()
    assert far.max() < 10 * seen.max()


def test_where_errors_go_together_the_nearest_future_is_nearer_than_noise_of_the_same_size():
    before, errors, _ = uneven(together=0.95, d=1)
    whole, noise = dressed(before, errors), dressed(before, errors, "noise")
    np.testing.assert_allclose(whole.spread, noise.spread)
    assert whole.nearest.mean() < 0.7 * noise.nearest.mean()


def test_nothing_of_a_window_that_is_scored_makes_its_futures():
    before, errors, _ = uneven()
    other = errors.copy()
    other[TEST] = -900.0
    one, two = dressed(before, errors), dressed(before, other)
    np.testing.assert_array_equal(one.radius, two.radius)
    np.testing.assert_array_equal(one.spread, two.spread)
    assert two.point.min() == pytest.approx(900.0)
    assert not two.within.any()


def test_what_is_known_of_tokens_before_is_of_what_it_says():
    rng = np.random.default_rng(0)
    known, predicted = (rng.normal(size=(2, t, 12, 5)).astype(np.float32) for t in (3, 4))
    found = token_features(known, predicted, (3, 4))
    assert found.shape == (2, 4, 12, 7)
    change = np.abs(predicted - known[:, -1:]).mean(axis=-1)
    moved = np.abs(known[:, -1] - known[:, -2]).mean(axis=-1)
    np.testing.assert_allclose(found[..., 0], np.log(change + 0.01), rtol=1e-5)
    np.testing.assert_allclose(found[..., 3], np.log(moved[:, None] + 0.01 + np.zeros((1, 4, 1))), rtol=1e-5)
    # The token in row 1, column 1 of 3 x 4 and those around it; the tubelet's mean.
    around = change.reshape(2, 4, 3, 4)[:, :, :, :3].mean(axis=(2, 3))
    np.testing.assert_allclose(found[:, :, 5, 1], np.log(around + 0.01), rtol=1e-5)
    np.testing.assert_allclose(
        found[..., 2], np.log(change.mean(axis=2, keepdims=True) + 0.01 + 0 * change), rtol=1e-5
    )
    np.testing.assert_allclose(token_features(known[:, -1:], predicted, (3, 4))[..., 3:6], np.log(0.01))
