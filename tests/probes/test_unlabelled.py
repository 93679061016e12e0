"""What features are like without labels, where the answer is known."""

from functools import reduce
from operator import add

import numpy as np
import pytest

from worldprobe.intervals import bound
from worldprobe.probes.unlabelled import (
    SETS,
    Spread,
    Tokens,
    drift,
    drifted,
    effective_rank,
    lidar,
    likeness,
    rank_of,
    rankme,
    ranks,
)


def turned(rows, seed=0):
    """The same rows under a rotation: no measure here may depend on the axes."""
    axes = np.linalg.qr(np.random.default_rng(seed).standard_normal((rows.shape[1], rows.shape[1])))[0]
    return rows @ axes


@pytest.mark.parametrize("directions", [1, 3, 12])
def test_the_effective_rank_counts_equal_directions(directions):
    rows = np.zeros((4096, 12))
    rows[:, :directions] = np.random.default_rng(1).standard_normal((4096, directions))
    assert effective_rank(Spread.of(turned(rows))) == pytest.approx(directions, rel=0.02)


def test_a_common_mean_is_one_direction_to_rankme_and_none_to_the_effective_rank():
    rows = np.random.default_rng(0).standard_normal((4096, 8))
    far = Spread.of(rows + 1000)
    assert effective_rank(far) == pytest.approx(8, rel=0.02)
    assert rankme(far) < 1.1
    assert rankme(Spread.of(rows)) == pytest.approx(8, rel=0.02)


def test_the_rank_of_nothing_is_nothing():
    assert effective_rank(Spread.of(np.ones((20, 3)))) == 0
    assert rank_of(np.zeros(4)) == 0


@pytest.mark.parametrize("directions", [1, 4])
def test_lidar_counts_the_directions_in_which_videos_differ(directions):
    """All 10 vary within a video alike; only some differ between videos."""
    rng = np.random.default_rng(2)
    means = np.zeros((400, 1, 10))
    means[..., :directions] = 3 * rng.standard_normal((400, 1, directions))
    rows = means + 0.1 * rng.standard_normal((400, 6, 10))
    videos = [Spread.of(one) for one in turned(rows.reshape(-1, 10)).reshape(400, 6, 10)]
    assert lidar(reduce(add, videos)) == pytest.approx(directions, rel=0.05)


@pytest.mark.parametrize(("videos", "moments"), [(1, 5), (3, 1)])
def test_lidar_without_anything_to_compare_says_so(videos, moments):
    rows = np.random.default_rng(0).standard_normal((videos, moments, 4))
    score = ranks([Spread.of(one) for one in rows])["lidar"]
    assert score.value is None
    assert "two videos" in score.note


def test_intervals_are_of_videos_and_cover():
    """Few videos that are each alike throughout: moments are many, and say no more."""
    rng, scores = np.random.default_rng(0), []
    wide = np.array([3.0, 1.0, 0.3])
    for _ in range(60):
        videos = [Spread.of(np.repeat(wide * rng.standard_normal((1, 3)), 50, axis=0)) for _ in range(6 * SETS)]
        sets = [reduce(add, videos[first::SETS]) for first in range(SETS)]
        scores.append(ranks(sets)["effective rank"])
    middle = np.mean([one.value for one in scores])
    assert sum(one.low <= middle <= one.high for one in scores) >= 52
    assert ranks(videos[:2])["effective rank"].interval is None


def test_tokens_of_equal_length_have_an_entropy_of_one_and_a_long_one_lowers_it():
    tokens = np.zeros((2, 4, 4, 3), np.float16)
    tokens[..., 0] = 2.0
    even, one = Tokens(), Tokens()
    even.add(tokens)
    tokens[:, 1, 2] *= 200
    one.add(tokens)
    assert even.sums["norm entropy"] / even.counts["norm entropy"] == pytest.approx(1.0)
    # One token has 200 of 215 shares.
    share = np.array([200 / 215, *[1 / 215] * 15])
    expected = -(share * np.log(share)).sum() / np.log(16)
    assert one.sums["norm entropy"] / one.counts["norm entropy"] == pytest.approx(expected, rel=1e-3)


def test_similarity_by_distance_of_a_checkerboard_that_turns_with_time():
    sign = (-1.0) ** np.add.outer(np.add.outer(np.arange(4), np.arange(5)), np.arange(6))
    tokens = (sign[..., None] * np.array([1.0, 2.0])).astype(np.float16)
    found = Tokens()
    found.add(tokens)
    means = {name: score.value for name, score in likeness([found]).items()}
    assert means.pop("norm entropy") == pytest.approx(1.0)
    assert means == pytest.approx(
        {
            "similarity 1 apart": -1, "similarity 2 apart": 1, "similarity 4 apart": 1,
            "similarity 1 later": -1, "similarity 2 later": 1,
        }, abs=1e-3,
    )  # fmt: skip


def test_drift_is_nothing_where_one_is_the_other_turned_and_all_where_they_have_nothing_in_common():
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((300, 8)).astype(np.float32)
    assert drift(rows, (5 * turned(rows) + 3).astype(np.float32)) == pytest.approx(0, abs=1e-4)
    assert drift(rows, rng.standard_normal((300, 8)).astype(np.float32)) == pytest.approx(1, abs=0.05)
    # The common estimate would be 0.2 here: with more columns than rows all look alike.
    wide, other = rng.standard_normal((2, 100, 400)).astype(np.float32)
    assert drift(wide, other) == pytest.approx(1, abs=0.1)


def test_the_interval_of_drift_is_that_of_leaving_out_sets_of_videos():
    rng = np.random.default_rng(4)
    one = (rng.standard_normal((200, 6)) * [5, 3, 2, 1, 1, 1] + 7).astype(np.float32)
    other = (one + rng.standard_normal((200, 6))).astype(np.float16)
    videos = np.repeat(np.arange(40), 5)
    found = drifted(one, other, videos)
    assert found.value == pytest.approx(drift(one, other))
    # The estimate is the same of rows that are centred together and of rows that are centred apart.
    left = np.array([drift(one[videos % 10 != k], other[videos % 10 != k]) for k in range(10)])
    low, high = bound(found.value, left, "plain")
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)
    assert found.low < found.value < found.high
    assert drifted(one, other, np.zeros(200, int)).interval is None


def test_drift_of_nothing_has_a_note_in_place_of_a_value():
    found = drifted(np.ones((20, 3)), np.ones((20, 3)), np.arange(20))
    assert (found.value, found.note) == (None, "drift needs features that vary")


@pytest.mark.parametrize("rows", [np.ones((9, 2)), np.eye(3)])
def test_drift_of_what_does_not_vary_says_so(rows):
    with pytest.raises(ValueError, match="drift needs"):
        drift(rows.astype(np.float32), rows.astype(np.float32))
