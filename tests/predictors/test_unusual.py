"""What is unusual is so beside what is usual, and as rare as it is said to be."""

import numpy as np
import pytest

from worldprobe.predictors.unusual import Usual, held_out, known_before, rare, rarity, window_errors


def films(count, *, seed, windows=9):
    """Windows in which errors go with what is known before: [count, windows, 2] and [count, windows, 3]."""
    generator = np.random.default_rng(seed)
    known = generator.normal(size=(count, windows, 2))
    usual = known[..., :1] + 0.5 * known[..., :1] * known[..., 1:]
    return known, usual + 0.3 * generator.normal(size=(count, windows, 1)) + np.zeros(3)


def test_what_is_known_before_and_errors_are_of_what_they_say():
    generator = np.random.default_rng(0)
    known, true = (generator.normal(size=(3, t, 32, 8)).astype(np.float32) for t in (2, 4))
    predicted = np.repeat(known[:, -1:], 4, axis=1)
    errors = window_errors(predicted, true)
    assert errors.shape == (3, 8)
    apart = np.abs(predicted - true).mean(axis=-1)
    np.testing.assert_allclose(errors[:, :4], np.log(apart.mean(axis=-1) + 0.01), rtol=1e-5)
    np.testing.assert_allclose(errors[:, 4:], np.log(np.sort(apart)[..., -2:].mean(axis=-1) + 0.01), rtol=1e-5)
    before = known_before(known, predicted)
    assert before.shape == (3, 5)
    np.testing.assert_allclose(before[:, :2], np.log(0.01))  # nothing is predicted to change
    assert (before[:, 3] > before[:, 2]).all()
    np.testing.assert_allclose(known_before(known[:, -1:], predicted)[:, 2:4], np.log(0.01))  # a context of one


def test_much_is_no_surprise_where_much_is_usual_and_little_is():
    known, errors = films(200, seed=1)
    usual = Usual.fit(known.reshape(-1, 2), errors.reshape(-1, 3))
    excess = usual.excess(known, errors)
    assert excess.shape == (200, 9)
    assert excess.std() == pytest.approx(1, abs=0.02)
    assert abs(np.corrcoef(excess.ravel(), known[..., 0].ravel())[0, 1]) < 0.1
    busy, calm = (known[:1].copy() for _ in range(2))
    busy[..., 0], calm[..., 0] = 1.5, -1.5
    busy[..., 1] = calm[..., 1] = 0.0
    as_usual = rarity(usual.excess(busy, np.full((1, 9, 3), 1.5)), excess)
    too_little = rarity(usual.excess(busy, np.full((1, 9, 3), -1.5)), excess)
    too_much = rarity(usual.excess(calm, np.full((1, 9, 3), 1.5)), excess)
    assert as_usual < 1 < 2 < min(too_little, too_much)


def test_a_possible_film_is_as_rare_as_it_is_said_to_be():
    possible, others = (np.random.default_rng(seed).laplace(size=(4000, 9)) for seed in (2, 3))
    found = rarity(others, possible)
    for share in (0.5, 0.1, 0.05):
        assert (found >= -np.log10(share)).mean() == pytest.approx(share, rel=0.25)
    far = rarity(np.array([[1e6] * 9, [60.0] * 9]), possible)
    assert np.isfinite(far).all()
    assert far[0] > far[1] > 10
    shares = rare(found, seed=0)
    assert shares["flagged"].value == (found >= np.log10(20)).mean()
    assert shares["rarity"].value == pytest.approx(found.mean())


def test_no_film_is_held_against_its_own_pair():
    known, errors = films(40, seed=4)
    known, errors = known.reshape(20, 2, 9, 2), errors.reshape(20, 2, 9, 3)
    fold = np.arange(20) % 4
    excess, found = held_out(known, errors, fold)
    assert (excess.shape, found.shape) == ((20, 2, 9), (20, 2))
    changed = errors.copy()
    changed[0, 0] += 3.0  # the possible film of a pair of fold 0
    again, rarer = held_out(known, changed, fold)
    np.testing.assert_array_equal(again[fold == 0][1:], excess[fold == 0][1:])
    np.testing.assert_array_equal(again[0, 1], excess[0, 1])
    assert rarer[0, 0] > found[0, 0]
    assert (again[fold != 0] != excess[fold != 0]).all()
    changed[:, 1] += 3.0  # impossible films say nothing of what is usual
    np.testing.assert_array_equal(held_out(known, changed, fold)[1][:, 0], rarer[:, 0])
