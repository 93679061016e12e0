"""Labels that stay alike in time: what is purged, and what counts as evidence within one film."""

from dataclasses import replace

import numpy as np
import pytest
from tests.builders.checks import some
from tests.builders.film import film

from worldprobe.probes.curves import learning_curve
from worldprobe.probes.detection.memory import correlation_time, remembered, rolled
from worldprobe.probes.detection.power import detectable, planted, question_of
from worldprobe.probes.evaluate import cross_fit, draws, evidence
from worldprobe.probes.evidence import online_code_length
from worldprobe.probes.linear.ridge import Ridge
from worldprobe.probes.question import Question
from worldprobe.probes.splits import SplitRows, make_folds


def folds_of(target, rows, *, seed=0):
    return make_folds(rows, kind="blocked", seed=seed, memory_seconds=correlation_time(target, rows))


@pytest.mark.parametrize("memory", [0.5, 2.0, 5.0])
def test_the_time_constant_is_found(memory):
    found = [
        correlation_time(target, rows) for seed in range(8) for _, target, rows in [film(400, memory, seed=seed)]
    ]
    assert np.median(found) == pytest.approx(memory, rel=0.2)


def test_what_does_not_vary_and_what_is_new_at_each_moment_stays_alike_for_no_time():
    _, target, rows = film(60, 0.0, seed=0)
    assert correlation_time(np.full_like(target, 0.1), rows) == 0
    assert correlation_time(target, rows) < 1 / 12
    codes = (np.arange(len(rows)) // 120 % 2).astype(float)[:, None]
    assert 2 < remembered("blocked", codes, 2, rows) < 6
    assert remembered("grouped", codes, 2, rows) == 0


def test_a_video_of_one_moment_is_no_memory():
    rows = SplitRows(np.arange(6), np.arange(6), np.zeros(6), 0.5)
    assert correlation_time(np.arange(6.0)[:, None], rows) == 0


@pytest.mark.parametrize("seed", range(3))
def test_as_much_is_purged_as_labels_remember_and_half_is_left(seed):
    for seconds, memory, whole in ((600, 5.0, True), (50, 20.0, False)):
        *_, rows = film(seconds, 5.0, seed=seed, rate=4)
        folds = make_folds(rows, kind="blocked", seed=seed, memory_seconds=memory)
        assert folds.purge is not None
        assert (folds.purge.seconds == memory) is whole
        for fold in some(folds.folds):
            assert len(fold.train) >= 0.5 * (len(rows) - len(fold.test))
            for train, held in [(fold.train, fold.test), *some(fold.inner)]:
                apart = np.abs(rows.pts_seconds[train][:, None] - rows.pts_seconds[held][None]).min()
                assert apart > folds.purge.seconds


def test_films_of_one_block_each_are_groups_as_any():
    video = np.repeat(np.arange(40), 8)
    rows = SplitRows(video, video, np.tile(np.arange(8) / 12, 40), 2 / 3)
    folds = make_folds(rows, kind="blocked", seed=0, memory_seconds=5.0)
    assert folds.purge is None
    assert (folds.unit == video).all()


def test_rolled_labels_keep_their_run_in_each_video_and_none_its_moment():
    video = np.repeat([0, 1], [40, 60])
    seconds = np.concatenate([np.arange(40.0), np.arange(60.0)])
    rows = SplitRows(video, video, seconds, 0.5)
    target = np.arange(100.0)[:, None]
    moved = rolled(target, rows, apart_seconds=5.0, seed=0)
    for one in (0, 1):
        here = video == one
        assert sorted(moved[here, 0]) == sorted(target[here, 0])
        by = (moved[here, 0] - target[here, 0]) % here.sum()
        assert len(set(by)) == 1
        assert 5 <= by[0] <= here.sum() - 5


def judged(inputs, target, rows, seed):
    """The z of the real label, and what it has to exceed."""
    folds = folds_of(target, rows, seed=seed)
    plants = planted(inputs, target, folds, seed=seed)
    questions = [Question(0, Ridge(), target), question_of(0, plants)]
    real, found = cross_fit(inputs, questions, folds).values()
    least = detectable(plants, found.prediction, found.constant, folds).least_z
    return evidence(questions[0], real, folds.unit), least


def test_a_film_that_knows_nothing_of_its_label_is_seldom_evidence():
    """50 s of which labels and features remember 5: before, 3 in 4 of such films were evidence."""
    found = [judged(*film(50, 5.0, seed=seed, rate=6, columns=32), seed) for seed in range(24)]
    assert sum(z > least for z, least in found) <= 4  # 1.1 are expected, 5 or more come once in 200


def test_a_film_that_shows_its_label_is_evidence():
    found = []
    for seed in range(6):
        inputs, target, rows = film(200, 2.0, seed=seed, rate=4, columns=32)
        target = 0.5 * target + inputs[:, :4].sum(axis=1, keepdims=True) / 2
        found.append(judged(inputs, target, rows, seed))
    assert sum(z > least for z, least in found) >= 5


def test_codes_and_curves_of_a_film_keep_its_neighbours_apart():
    saved, last, sound = [], [], []
    for seed in range(8):
        inputs, target, rows = film(50, 5.0, seed=seed, columns=32)
        folds, question = folds_of(target, rows, seed=seed), Question(0, Ridge(), target)
        saved.append(online_code_length(inputs, question, folds, seed=seed).saved_bits_per_row)
        curve = learning_curve(inputs, question, folds, seed=seed, fractions=(0.4, 1.0))
        last.append(curve.points[-1].score.value)
        answer = cross_fit(inputs, [question], folds)[0]
        sound.append(draws(question, answer, folds.unit, seed=0)["r2"].value)
    assert np.median(saved) < 0.02
    assert np.mean(last) == pytest.approx(np.mean(sound), abs=0.05)


def test_a_block_that_lies_too_near_to_all_before_is_sent_without_the_probe():
    inputs, target, rows = film(50, 5.0, seed=0, columns=4)
    folds = folds_of(target, rows)
    assert folds.purge is not None
    far = replace(folds, purge=replace(folds.purge, seconds=100.0))
    found = online_code_length(inputs, Question(0, Ridge(), target), far, seed=0)
    assert found.online == found.constant == pytest.approx(found.uniform)


def test_the_leak_is_told_from_equally_many_rows():
    _, target, rows = film(50, 5.0, seed=0)
    sound = folds_of(target, rows)
    leaky = make_folds(rows, kind="random", seed=0).as_large_as(sound, 0)

    def sizes(folds):
        outer = np.mean([len(fold.train) for fold in folds.folds])
        return outer, np.mean([len(train) for fold in folds.folds for train, _ in fold.inner])

    assert sizes(leaky) == pytest.approx(sizes(sound), rel=0.05)
    for fold in some(leaky.folds):
        assert not set(fold.train) & set(fold.test)
        for train, held in some(fold.inner):
            assert set(train) <= set(fold.train)
            assert not set(train) & set(held)
    assert len({train.tobytes() for fold in leaky.folds for train, _ in fold.inner}) == 10


def test_what_is_one_number_a_film_is_moved_between_films():
    """Rolled within its film it would be its own null, and whatever is planted in it would show."""
    rng = np.random.default_rng(0)
    video = np.repeat(np.arange(3), 60)
    rows = SplitRows(video, video, np.tile(np.arange(60.0), 3), 0.5)
    target = rng.normal(size=3)[video][:, None]
    folds = make_folds(rows, kind="blocked", seed=0, memory_seconds=1.0)
    plants = planted(rng.normal(size=(180, 6)).astype(np.float32), target, folds, seed=0)
    nulls = plants[:, -20:]
    assert all(abs(np.corrcoef(null, target[:, 0])[0, 1]) < 0.999 for null in nulls.T)
