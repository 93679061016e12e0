"""Is it there, and what would have shown."""

import numpy as np
import pytest
from tests.builders.checks import some

from worldprobe.probes.controls import nuisance, shuffled
from worldprobe.probes.detection.by_group import LEAST_Z, group_z, indicators
from worldprobe.probes.detection.power import (
    EFFECTS,
    NULLS,
    PLANTS,
    accuracy_over_chance,
    detectable,
    effect_of_accuracy,
    planted,
    question_of,
)
from worldprobe.probes.evaluate import cross_fit, evidence
from worldprobe.probes.linear.logistic import Logistic
from worldprobe.probes.linear.ridge import Ridge
from worldprobe.probes.question import Question
from worldprobe.probes.splits import SplitRows, make_folds


def sample(groups=60, rows=6, columns=24, *, seed=0, signal=0.0):
    """Features that fade from axis to axis, and a target of which a share is linear in the last of these."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), rows)
    axes = rng.normal(size=(groups, columns))[group] + 0.4 * rng.normal(size=(len(group), columns))
    noise = rng.normal(size=groups)[group]
    along = axes[:, -8:].sum(axis=1)
    target = np.sqrt(signal) * along / along.std() + np.sqrt(1 - signal) * noise
    inputs = (axes / np.arange(1, columns + 1)).astype(np.float32)
    folds = make_folds(SplitRows(group, group, np.zeros(len(group)), 1.0), kind="grouped", seed=seed)
    return inputs, target[:, None], folds


def test_z_is_the_sum_of_groups_over_their_scatter():
    target = np.array([[1.0], [-1.0], [2.0], [-2.0]])
    found = group_z(target, 0.5 * target, np.zeros((4, 1)), np.array([0, 0, 1, 2]))
    # Groups add up 2, 4 and 4, whatever the unit of the target.
    assert found[0] == pytest.approx(10 / 6)
    assert group_z(target, np.zeros((4, 1)), np.zeros((4, 1)), np.arange(4))[0] == 0
    twice = np.concatenate([target, -target], axis=1)
    both = group_z(twice, np.concatenate([target, target], axis=1), np.zeros((4, 2)), np.arange(4), blocks=2)
    assert both[0] == -both[1] > 0


def test_what_is_there_is_found_where_the_score_alone_is_not_above_the_constant():
    found = [
        evidence(question, cross_fit(inputs, [question], folds)[0], folds.unit)
        for seed in range(6)
        for inputs, target, folds in [sample(seed=seed, signal=0.4)]
        for question in [Question(0, Ridge(), target)]
    ]
    assert sum(z > LEAST_Z for z in found) >= 5


def test_labels_of_other_groups_are_seldom_evidence():
    inputs, target, folds = sample(signal=0.5)
    questions = [Question(seed, Ridge(), shuffled(target, folds.unit, seed=seed)) for seed in range(60)]
    answers = cross_fit(inputs, questions, folds)
    found = [evidence(question, answers[question.name], folds.unit) > LEAST_Z for question in some(questions)]
    assert sum(found) <= 6  # 2.5 % are expected; 7 or more of 60 come once in a thousand


def test_classes_are_tested_on_their_indicators():
    inputs, target, folds = sample(signal=0.8)
    codes = (target > 0).astype(float)
    question = Question(0, Logistic(), codes, classes=2)
    answer = cross_fit(inputs, [question], folds)[0]
    assert evidence(question, answer, folds.unit) > LEAST_Z
    moved = Question(0, Logistic(), shuffled(codes, folds.unit, seed=2), classes=2)
    assert evidence(moved, cross_fit(inputs, [moved], folds)[0], folds.unit) < 3
    assert (indicators(np.array([0, 2]), 3) == [[1, 0, 0], [0, 0, 1]]).all()


def test_targets_side_by_side_are_answered_as_each_alone():
    inputs, target, folds = sample(signal=0.5)
    other = shuffled(target, folds.unit, seed=1)
    together = Question("both", Ridge(), np.concatenate([target, other], axis=1), blocks=2)
    both = cross_fit(inputs, [together], folds)["both"].prediction
    for index, one in enumerate((target, other)):
        alone = cross_fit(inputs, [Question(0, Ridge(), one)], folds)[0].prediction
        np.testing.assert_allclose(both[:, [index]], alone, rtol=1e-6, atol=1e-9)


def test_more_groups_show_smaller_effects_and_easy_ones_show_first():
    found = []
    for groups in (30, 240):
        inputs, target, folds = sample(groups=groups)
        plants = planted(inputs, target, folds, seed=0)
        assert plants.shape == (len(inputs), 2 * len(EFFECTS) * PLANTS + NULLS)
        question = question_of(0, plants)
        answer = cross_fit(inputs, [question], folds)[question.name]
        found.append(detectable(plants, answer.prediction, answer.constant, folds))
    few, many = found
    assert many.easy is not None
    assert many.hard is not None
    assert (few.easy or 1) > many.easy
    assert (few.hard or 1) > many.hard
    assert min(few.least_z, many.least_z) >= LEAST_Z


def test_of_a_class_in_few_groups_nothing_is_detectable_since_not_even_the_labels_themselves_would_pass():
    inputs, target, folds = sample(groups=60)
    plants = planted(inputs, target, folds, seed=0)
    question = question_of(0, plants)
    answer = cross_fit(inputs, [question], folds)[question.name]
    given = (plants, answer.prediction, answer.constant, folds)
    known = detectable(*given)
    assert known.hard is not None
    for groups, found in ((2, None), (4, None), (30, known.hard)):
        labels = indicators((folds.unit < groups).astype(np.int64), 2)
        mean = np.broadcast_to(labels.mean(axis=0), labels.shape)
        passes = group_z(labels, labels, mean, folds.unit)[0] > known.least_z
        assert (detectable(*given, target=labels).hard, passes) == (found, found is not None)


def test_features_that_are_all_alike_hide_what_is_planted():
    _, target, folds = sample(groups=20)
    inputs = np.ones((len(target), 3), np.float32)
    plants = planted(inputs, target, folds, seed=0)
    question = question_of(0, plants)
    answer = cross_fit(inputs, [question], folds)[question.name]
    found = detectable(plants, answer.prediction, answer.constant, folds)
    assert found.easy is None
    assert found.hard is None


def test_planted_targets_are_answered_as_by_a_ridge_on_each():
    inputs, target, folds = sample(groups=40)
    plants = planted(inputs, target, folds, seed=0)
    spanned, each = question_of(0, plants), Question("each", Ridge(), plants, blocks=plants.shape[1])
    answers = cross_fit(inputs, [spanned, each], folds)
    np.testing.assert_allclose(answers[spanned.name].prediction, answers["each"].prediction, rtol=1e-6, atol=1e-8)


def test_accuracy_over_chance_grows_from_nothing_to_all_that_is_left():
    shares = [0.5, 0.3, 0.2]
    found = [accuracy_over_chance(effect, shares) for effect in (0.0, 0.1, 0.5, 1.0)]
    assert found[0] == 0
    assert found == sorted(found)
    assert found[-1] == pytest.approx(2 / 3, abs=0.02)


def test_time_since_the_shot_began_is_a_nuisance():
    """60 shots of 16 moments; the label is how far each shot has gone."""
    group = np.repeat(np.arange(60), 16)
    seconds = np.tile(np.arange(16) / 4, 60) + 100.0 * group
    target = np.sin(np.tile(np.arange(16) / 4, 60))[:, None]
    folds = make_folds(SplitRows(group, group // 6, seconds, 0.5), kind="grouped", seed=0)
    question = Question(0, Ridge(), target)
    answer = cross_fit(nuisance(group // 6, seconds, 0.5, group), [question], folds)[0]
    residual = ((target - answer.prediction) ** 2).sum() / ((target - answer.constant) ** 2).sum()
    assert residual < 0.1


def test_the_effect_that_an_accuracy_needs_is_found_again():
    shares = [0.4, 0.3, 0.2, 0.1]
    effect = effect_of_accuracy(0.2, shares)
    assert accuracy_over_chance(effect, shares) == pytest.approx(0.2, abs=0.01)
    assert effect_of_accuracy(0.9, shares) == 1.0
