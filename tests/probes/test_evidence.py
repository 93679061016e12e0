"""Skill, selectivity, code lengths and learning curves on answers known beforehand."""

from dataclasses import fields as fields_of

import numpy as np
import pytest

from worldprobe import intervals
from worldprobe.errors import ProbeError
from worldprobe.probes import controls, curves, metrics
from worldprobe.probes.curves import PowerLaw, fit_power_law, learning_curve
from worldprobe.probes.evaluate import cross_fit, draws
from worldprobe.probes.evidence import online_code_length, online_code_lengths, selectivity, skill
from worldprobe.probes.linear.logistic import Logistic
from worldprobe.probes.linear.ridge import Ridge
from worldprobe.probes.question import Question
from worldprobe.probes.splits import Folds, SplitRows, make_folds


def world(groups=60, rows=6, d=12, noise=0.3, seed=0):
    """Features, a target linear in them up to noise, and groups."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(groups * rows, d)).astype(np.float32)
    target = inputs[:, :1] @ [[1.0]] + noise * rng.normal(size=(len(inputs), 1))
    return inputs, target, np.repeat(np.arange(groups), rows)


def grouped(inputs, target, group):
    rows = SplitRows(group, group, np.arange(len(inputs), dtype=float), 0.5)
    return make_folds(rows, kind="grouped", seed=0)


def of(group):
    """What a code reads of a split: what it keeps together."""
    return Folds("grouped", (), group)


def out_of_fold(inputs, question, folds):
    answer = cross_fit(inputs, [question], folds)[question.name]
    return draws(question, answer, folds.unit, seed=0)


def test_skill_is_the_share_of_what_the_control_leaves():
    inputs, target, group = world()
    folds = grouped(inputs, target, group)
    question = Question("it", Ridge(), target)
    real = out_of_fold(inputs, question, folds)["r2"]
    # A control that sees the target through more noise.
    weak = target + np.random.default_rng(1).normal(size=target.shape)
    control = out_of_fold(weak.astype(np.float32), question, folds)["r2"]
    found = skill(real, control)
    assert found.value == pytest.approx((real.value - control.value) / (1 - control.value))
    assert 0 < found.low < found.value < found.high < 1
    assert (skill(real, real).low, skill(real, real).high) == (0, 0)


def test_skill_says_why_there_is_none():
    perfect = intervals.Draws(1.0, np.ones(1000))
    assert skill(perfect, perfect).value is None
    assert "perfect" in skill(perfect, perfect).note
    assert skill(perfect, intervals.no_draws("the target is constant")).note == "the target is constant"


def test_resamples_are_paired():
    """Two probes that err on the same groups differ by less than either varies."""
    _, target, group = world(noise=0.5)
    unit, rng = group, np.random.default_rng(3)
    error = rng.normal(size=target.shape) * np.repeat(rng.exponential(size=60), 6)[:, None]
    baseline = np.zeros_like(target)
    a = metrics.r2_draws(target, target + error, baseline, unit, seed=0)
    b = metrics.r2_draws(target, target + 1.1 * error, baseline, unit, seed=0)
    difference = selectivity(a, b)
    assert difference.value == pytest.approx(a.value - b.value)
    assert difference.low > 0
    assert a.score().low < b.value


def test_selectivity_of_what_is_learnt_and_of_what_is_not():
    inputs, target, group = world()
    folds = grouped(inputs, target, group)
    moved = controls.shuffled(target, group, seed=0)
    real, shuffled = (out_of_fold(inputs, Question("it", Ridge(), one), folds)["r2"] for one in (target, moved))
    assert selectivity(real, shuffled).low > 0.7
    again = controls.shuffled(target, group, seed=1)
    other = out_of_fold(inputs, Question("it", Ridge(), again), folds)["r2"]
    assert selectivity(other, shuffled).low <= 0 <= selectivity(other, shuffled).high


def test_a_linear_target_is_compressed_as_far_as_its_noise_allows():
    inputs, target, group = world(groups=200, noise=0.25)
    found = online_code_length(inputs, Question("it", Ridge(), target), of(group), seed=0)
    # A normal of a quarter of the deviation saves log2(sqrt(1 + 1/16) / (1/4)) bits; the first 1/16 saves nothing.
    assert found.saved_bits_per_row == pytest.approx(2.04 * 15 / 16, abs=0.1)
    assert found.compression > 1.2
    assert found.constant == pytest.approx(found.uniform, rel=0.02)
    assert found.rows == 1200


@pytest.mark.parametrize("seed", range(3))
def test_noise_is_not_compressed(seed):
    inputs, _, group = world(seed=seed)
    rng = np.random.default_rng(100 + seed)
    number = online_code_length(inputs, Question("it", Ridge(), rng.normal(size=(360, 1))), of(group), seed=seed)
    assert number.saved_bits_per_row < 0.01
    assert number.compression < 1.01
    codes = rng.integers(0, 4, (360, 1)).astype(float)
    classes = online_code_length(inputs, Question("it", Logistic(), codes, 4), of(group), seed=seed)
    assert classes.uniform == 360 * 2
    assert classes.compression_of_constant < 1.01
    assert classes.compression < 1.01


def test_classes_that_the_features_tell_are_compressed():
    inputs, target, group = world(groups=120, noise=0.05)
    codes = (target > 0).astype(float)
    found = online_code_length(inputs, Question("it", Logistic(), codes, 2), of(group), seed=0)
    assert found.compression > 2
    assert found.compression_of_constant == pytest.approx(found.compression, rel=0.02)


def test_a_class_that_first_appears_late_still_has_a_finite_code():
    inputs, _, group = world()
    codes = (group % 2).astype(float)[:, None]
    codes[group == 17] = 2.0
    found = online_code_length(inputs, Question("it", Logistic(), codes, 3), of(group), seed=0)
    assert np.isfinite([found.online, found.constant]).all()


def test_code_lengths_that_do_not_exist_are_refused():
    inputs, target, group = world()
    with pytest.raises(ProbeError, match="it is constant"):
        online_code_length(inputs, Question("it", Ridge(), np.ones((360, 1))), of(group), seed=0)
    with pytest.raises(ProbeError, match="at least 4 groups, found 3"):
        online_code_length(inputs, Question("it", Ridge(), target), of(group % 3), seed=0)


@pytest.mark.parametrize("law", [PowerLaw(0.8, 3.0, 0.5), PowerLaw(0.95, 20.0, 1.0), PowerLaw(1.0, 1.5, 0.2)])
def test_the_ceiling_of_a_curve_is_recovered(law):
    n = np.array([50, 100, 200, 400, 700, 1000.0])
    rng = np.random.default_rng(0)
    exact = np.array([[law.at(one) for one in n]])
    ceiling, scale, exponent = fit_power_law(n, exact, np.ones(6))
    assert ceiling[0] == pytest.approx(law.ceiling, abs=0.01)
    assert PowerLaw(ceiling[0], scale[0], exponent[0]).at(2000) == pytest.approx(law.at(2000), abs=2e-3)
    noisy = exact + 0.002 * rng.normal(size=(50, 6))
    assert np.median(fit_power_law(n, noisy, np.ones(6))[0]) == pytest.approx(law.ceiling, abs=0.06)
    assert law.ceiling - law.at(law.plateau) == pytest.approx(0.01)


def test_no_ceiling_is_above_1():
    n = np.array([10, 20, 40, 80.0])
    ceiling, scale, _ = fit_power_law(n, np.array([[0.3, 0.5, 0.7, 0.9]]), np.ones(4))
    assert ceiling[0] == 1
    assert scale[0] > 0


def test_a_curve_that_falls_is_flat():
    ceiling, scale, _ = fit_power_law(np.array([10, 20, 40, 80.0]), np.array([[0.4, 0.3, 0.2, 0.1]]), np.ones(4))
    assert (ceiling[0], scale[0]) == (pytest.approx(0.25), 0)


def judged(means, spread, constant=0.0, shared=True):
    rng = np.random.default_rng(0)
    wobble = rng.normal(size=1000) * spread
    drawn = [intervals.Draws(m, m + (wobble if shared else spread * rng.normal(size=1000))) for m in means]
    n = [50 * 2**index for index in range(len(means))]
    points = tuple(curves.LearningScore(float(a), float(a), b.score()) for a, b in zip(n, drawn, strict=True))
    return curves.judge("r2", points, drawn, intervals.Draws(constant, np.full(1000, constant)))


def test_whether_more_data_would_help_follows_its_rule():
    rising, flat = [0.2, 0.35, 0.46, 0.54, 0.60], [0.70, 0.78, 0.795, 0.799, 0.80]
    assert judged(rising, 0.02).more_data_would_help == "yes"
    assert judged(flat, 0.001).more_data_would_help == "no"
    torn = judged([0.5, 0.55, 0.59, 0.62, 0.645], 0.05, shared=False)
    assert torn.gain_by_doubling.low <= 0.01 < torn.gain_by_doubling.value
    assert torn.more_data_would_help == "cannot tell"
    assert judged(flat, 0.001, constant=0.8).more_data_would_help == "cannot tell"
    few = judged(rising[:3], 0.02)
    assert (few.law, few.more_data_would_help) == (None, "cannot tell")


def test_a_learning_curve_rises_to_what_the_noise_allows():
    inputs, target, group = world(groups=120, rows=4, d=40, noise=0.5)
    curve = learning_curve(inputs, Question("it", Ridge(), target), grouped(inputs, target, group), seed=0)
    groups = [point.groups for point in curve.points]
    assert groups == sorted(groups)
    assert groups[-1] == 96
    assert curve.points[-1].rows == 384
    assert curve.points[0].score.value < curve.points[-1].score.value - 0.1
    assert 0.7 < curve.points[-1].score.value <= 0.81
    assert curve.law.ceiling == pytest.approx(0.8, abs=0.08)
    whole = out_of_fold(inputs, Question("it", Ridge(), target), grouped(inputs, target, group))["r2"]
    # All groups: the same protocol as everywhere, but for how the inner folds fall.
    assert curve.points[-1].score.value == pytest.approx(whole.value, abs=0.01)


def test_a_curve_on_noise_cannot_tell():
    inputs, _, group = world()
    codes = np.random.default_rng(5).integers(0, 3, (360, 1)).astype(float)
    question = Question("it", Logistic(), codes, 3)
    assert (
        learning_curve(inputs, question, grouped(inputs, codes, group), seed=0).more_data_would_help
        == "cannot tell"
    )


def test_questions_together_have_the_curves_and_codes_that_each_has_alone():
    inputs, target, group = world(groups=20, d=200)  # rows fewer than columns, as in small sets
    other = np.random.default_rng(3).normal(size=target.shape)
    codes = (target > 0).astype(float)
    questions = [
        Question("it", Ridge(), target), Question("noise", Ridge(), other), Question("class", Logistic(), codes, 2),
    ]  # fmt: skip
    folds = grouped(inputs, target, group)
    steps: list[int] = []

    curves_together = curves.learning_curves(inputs, questions, folds, seed=0, step=lambda: steps.append(1))
    codes_together = online_code_lengths(inputs, questions, folds, seed=0)

    assert len(steps) == 3 * 5 * len(curves_together[0].points)
    for number, question in enumerate(questions):
        # Products of several columns add up in another order than those of one.
        alone, together = learning_curve(inputs, question, folds, seed=0), curves_together[number]
        assert together.more_data_would_help == alone.more_data_would_help
        assert numbers_of(together) == pytest.approx(numbers_of(alone), rel=1e-9, abs=1e-11)
        code = online_code_length(inputs, question, folds, seed=0)
        assert numbers_of(codes_together[number]) == pytest.approx(numbers_of(code), rel=1e-9)


def numbers_of(found):
    """Every number in a record, in order."""
    record = dict(found).values() if isinstance(found, intervals.Score) else None
    parts = []
    for value in record or (getattr(found, field.name) for field in fields_of(found)):
        several = value if isinstance(value, tuple) else (value,)
        for one in several:
            if isinstance(one, int | float):
                parts.append(one)
            elif not isinstance(one, str | None):
                parts += numbers_of(one)
    return parts
