"""What all targets of the same features share: each is answered as it is alone, or one after the other."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from worldprobe.execute import threads
from worldprobe.probes import curves
from worldprobe.probes.choice import fit_chosen
from worldprobe.probes.controls import donors, shuffled
from worldprobe.probes.curves import fit_power_law, learning_curves
from worldprobe.probes.detection.power import NULLS, planted, planted_each
from worldprobe.probes.evaluate import cross_fit
from worldprobe.probes.linear import design
from worldprobe.probes.linear.design import Design
from worldprobe.probes.linear.picked import Picked
from worldprobe.probes.linear.ridge import Ridge
from worldprobe.probes.linear.shifted import Shifted
from worldprobe.probes.metrics import r2_draws
from worldprobe.probes.question import Question
from worldprobe.probes.splits import SplitRows, make_folds
from worldprobe.probes.training import TrainingSets

STRENGTHS = [1e-2, 1.0, 1e4]


class OneByOne:
    """A ridge that is asked for a penalty and a target at a time."""

    name, kind, strengths = Ridge.name, Ridge.kind, Ridge.strengths

    def fit(self, training, target, *, strength, classes, start=None):
        return Ridge().fit(training, target, strength=strength, classes=classes)


def sample(d=30, *, groups=10, rows=8, kind="grouped"):
    """Features float32 [n, d] that hold two of three targets [n, 3], one of them faintly, and folds."""
    rng = np.random.default_rng(d)
    group = np.repeat(np.arange(groups), rows)
    inputs = rng.normal(size=(len(group), d)).astype(np.float32)
    targets = rng.normal(size=(len(group), 3))
    targets[:, :2] += inputs[:, :2] * [3.0, 0.5]
    video = group if kind == "grouped" else np.zeros_like(group)
    seconds = np.arange(len(group)) / 4
    return inputs, targets, make_folds(SplitRows(group, video, seconds, 0.5), kind=kind, seed=0)


@pytest.mark.parametrize("d", [12, 100], ids=["n>d", "n<d"])
def test_few_rows_are_predicted_as_many_are(d, monkeypatch):
    inputs, targets, _ = sample(d)
    train, held = np.arange(60), Picked(inputs, np.arange(60, 80)).as_inputs()
    target = targets[train] - targets[train].mean(axis=0)
    by_rows = Design(inputs, rows=train).ridge(target, STRENGTHS)(held)
    monkeypatch.setattr(design, "_SMALL", 0)
    by_target = Design(inputs, rows=train).ridge(target, STRENGTHS)(held)
    for one, other in zip(by_rows, by_target, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-11)


def test_rows_that_repeat_are_predicted_by_axes_where_rounding_leaves_no_other_way():
    inputs = np.repeat(np.random.default_rng(0).normal(size=(6, 40)), 5, axis=0).astype(np.float32)
    target = np.repeat(np.arange(6.0) - 2.5, 5)[:, None]
    (predicted,) = Design(inputs).ridge(target, [1e-12])(inputs)
    np.testing.assert_allclose(predicted, target, atol=1e-5)
    with pytest.raises(np.linalg.LinAlgError, match="shift 1 indefinite"):
        Shifted(-np.eye(3)).solve_rows(np.ones((2, 3)), [2.0, 0.5])


@pytest.mark.parametrize("d", [12, 100], ids=["n>d", "n<d"])
def test_a_ridge_at_all_penalties_is_what_it_is_at_one_after_the_other(d):
    inputs, targets, folds = sample(d)
    training = TrainingSets(inputs, folds.unit).prepare(folds.folds[0].train, folds.folds[0].inner)
    blocks = targets.shape[1]
    one, other = (
        fit_chosen(Question("it", probe, targets, blocks=blocks), training) for probe in (Ridge(), OneByOne())
    )
    np.testing.assert_allclose(one.errors, other.errors, rtol=1e-9)
    assert [choice.strength for choice in one.choices] == [choice.strength for choice in other.choices]
    np.testing.assert_allclose(
        [(choice.slope, choice.loss) for choice in one.choices],
        [(choice.slope, choice.loss) for choice in other.choices],
        rtol=1e-9,
    )
    shown = inputs[folds.folds[0].test]
    np.testing.assert_allclose(one.predict(shown), other.predict(shown), rtol=1e-8, atol=1e-10)


def test_errors_are_those_of_the_rows_held_out():
    inputs, targets, folds = sample()
    training = TrainingSets(inputs, folds.unit).prepare(folds.folds[0].train, folds.folds[0].inner)
    found = fit_chosen(Question("it", Ridge(), targets[:, :1]), training)
    errors = []
    for train, held in folds.folds[0].inner:
        mean, spread = inputs[train].mean(axis=0, dtype=float), inputs[train].std(axis=0, dtype=float)
        x, y = (inputs[train] - mean) / spread, targets[train, 0]
        weights = np.linalg.solve(x.T @ x + found.choice.strength * np.eye(x.shape[1]), x.T @ (y - y.mean()))
        predicted = ((inputs[held] - mean) / spread @ weights + y.mean()).clip(y.min(), y.max())
        believed = y.mean() + found.choice.slope * (predicted - y.mean())
        errors.append(believed - targets[held, 0])
    assert found.errors == pytest.approx(np.mean(np.concatenate(errors) ** 2), rel=1e-6)


@pytest.mark.parametrize("kind", ["grouped", "blocked"])
def test_what_is_planted_for_several_targets_is_planted_for_each(kind):
    inputs, targets, folds = sample(kind=kind)
    apart = [targets[:, :1], targets[:, 1:], np.column_stack([targets[:, :1], np.ones(len(targets))])]
    for together, target in zip(planted_each(inputs, apart, folds, seed=3), apart, strict=True):
        np.testing.assert_array_equal(together, planted(inputs, target, folds, seed=3))
    nulls = [plants[:, -NULLS:] for plants in planted_each(inputs, apart, folds, seed=3)]
    np.testing.assert_array_equal(nulls[0], nulls[2])  # a column that does not vary lends no noise


def test_labels_of_groups_of_any_length_come_from_one_other_group_in_order():
    unit = np.array([7, 7, 3, 3, 3, 3, 9, 7])
    source = donors(unit, seed=1)
    np.testing.assert_array_equal(shuffled(np.arange(8.0)[:, None], unit, seed=1)[:, 0], source)
    lenders = [set(unit[source[unit == one]]) for one in (3, 7, 9)]
    assert sorted(len(one) for one in lenders) == [1, 1, 1]
    assert set().union(*lenders) == {3, 7, 9}
    assert all(one not in lender for one, lender in zip((3, 7, 9), lenders, strict=True))
    assert all((np.diff(source[unit == one]) >= 0).all() for one in (3, 7))


def test_curves_of_folds_side_by_side_are_those_of_one_after_the_other(monkeypatch):
    inputs, targets, folds = sample(100, groups=12)
    questions = [Question(number, Ridge(), targets[:, [number]]) for number in range(3)]
    beside = learning_curves(inputs, questions, folds, seed=0)
    monkeypatch.setattr(threads, "MOST_TOGETHER", 0)
    alone = learning_curves(inputs, questions, folds, seed=0)
    assert [len(curve.points) for curve in beside] == [4, 4, 4]
    for one, other in zip(beside, alone, strict=True):
        assert [(point.rows, point.groups) for point in one.points] == [(p.rows, p.groups) for p in other.points]
        np.testing.assert_allclose(
            [point.score.value for point in one.points], [p.score.value for p in other.points], rtol=1e-9
        )


def test_laws_leave_as_little_of_the_squares_as_any_on_the_grid():
    rng = np.random.default_rng(0)
    n, weight = np.array([10.0, 20, 45, 80, 160]), rng.uniform(0.5, 2.0, 5)
    # Rising, so steeply that the ceiling is at 1, falling, and of no run at all: more than are looked for at once.
    rising = 0.7 - (n / 10) ** -rng.uniform(0.1, 3.0, (80, 1))
    scores = np.concatenate([rising, np.minimum(rising + 0.45, 1.0), -rising, np.zeros((20, 5))])
    scores += rng.normal(scale=0.02, size=scores.shape)
    ceiling, scale, exponent = fit_power_law(n, scores, weight)

    def left(ceiling, scale, exponent):
        return ((ceiling[:, None] - scale[:, None] * n ** -exponent[:, None] - scores) ** 2) @ weight

    found = left(ceiling, scale, exponent)
    assert (ceiling <= 1).all()
    assert (ceiling == 1).any()
    assert (scale >= 0).all()
    for power in curves._EXPONENTS[::7]:
        fall = n**-power
        for top in (1.0, None):
            if top is None:
                slope, mean = np.polyfit(fall, scores.T, 1, w=np.sqrt(weight))
                slope = np.minimum(slope, 0.0)
                mean = np.where(slope < 0, mean, scores @ weight / weight.sum())
                usable = mean <= 1
            else:
                slope, mean = -((1 - scores) @ (weight * fall) / (fall**2 @ weight)).clip(0), np.ones(len(scores))
                usable = np.ones(len(scores), bool)
            other = left(mean, -slope, np.full(len(scores), power))
            assert (found[usable] <= other[usable] * (1 + 1e-9) + 1e-12).all()


def test_one_column_explains_what_it_explains_beside_itself():
    rng = np.random.default_rng(0)
    target, unit = rng.normal(size=(40, 1)), np.arange(40) // 4
    predicted, mean = target + rng.normal(size=(40, 1)), np.zeros((40, 1))
    one = r2_draws(target, predicted, mean, unit, seed=0)
    two = r2_draws(*(np.repeat(each, 2, axis=1) for each in (target, predicted, mean)), unit, seed=0)
    assert one.value == two.value
    np.testing.assert_array_equal(one.draws, two.draws)
    np.testing.assert_array_equal(one.left, two.left)


def test_each_fold_chooses_for_each_target_by_itself():
    inputs, targets, folds = sample(100)
    questions = [Question(number, Ridge(), targets[:, [number]]) for number in range(3)]
    together = cross_fit(inputs, questions, folds)
    slow = cross_fit(inputs, [Question(2, OneByOne(), targets[:, [2]])], folds)[2]
    assert together[2].chosen == slow.chosen
    np.testing.assert_allclose(together[2].prediction, slow.prediction, rtol=1e-8, atol=1e-10)


def test_one_column_is_solved_for_at_one_strength():
    np.testing.assert_allclose(Shifted(np.array([[3.0]])).solve_rows(np.array([[4.0], [8.0]]), [1.0]), [[[1], [2]]])


def test_threads_that_turn_by_the_same_reflectors_do_not_disturb_each_other():
    rng = np.random.default_rng(0)
    half = rng.normal(size=(90, 90))
    one, columns = Shifted(half @ half.T), [rng.normal(size=(90, width)) for width in (1, 2, 3, 5)]
    alone = [one.turn(each) for each in columns]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(one.turn, columns * 500))
    for number, each in enumerate(found):
        np.testing.assert_array_equal(each, alone[number % 4])
