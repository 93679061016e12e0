"""Training sets that share their sums give what training sets of their own give."""

import tracemalloc

import numpy as np
import pytest
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.preprocessing import StandardScaler
from tests.builders.checks import some
from tests.builders.known_rows import Known

from worldprobe.probes.detection import power
from worldprobe.probes.evaluate import cross_fit
from worldprobe.probes.linear import design, lapack, picked
from worldprobe.probes.linear.design import Design
from worldprobe.probes.linear.logistic import Logistic
from worldprobe.probes.linear.ridge import Ridge
from worldprobe.probes.linear.shifted import Shifted
from worldprobe.probes.question import Question
from worldprobe.probes.splits import SplitRows, make_folds
from worldprobe.probes.training import TrainingSets


def world(split, n=400, d=12):
    """Columns of different size and offset; the last varies in one group only, so some training sets lose it."""
    rng = np.random.default_rng(0)
    group = np.arange(n) // 10
    inputs = rng.normal(size=(n, d)) * rng.uniform(0.1, 50, d) + rng.normal(size=d) * 100
    inputs[:, -1] = np.where(group == group[-1], 1e5 * rng.normal(size=n), 7.0)
    target = inputs[:, :2] / inputs[:, :2].std(axis=0) + rng.normal(size=(n, 2))
    video = group // 10
    seconds = (np.arange(n) % 100).astype(float)
    data = Known(inputs.astype(np.float32), target, SplitRows(group, video, seconds, 1.5))
    return data, make_folds(data.rows, kind=split, seed=0)


@pytest.mark.parametrize("split", ["grouped", "blocked", "video", "random"])
def test_predictions_are_scikit_learns_on_the_same_rows(split):
    data, folds = world(split)
    answer = cross_fit(data.inputs, [Question("it", Ridge(), data.target)], folds)["it"]
    for fold, strength, slope in some(zip(folds.folds, answer.chosen, answer.slopes, strict=True)):
        assert np.isfinite(strength)
        assert 0.9 < slope <= 1
        train = data.inputs[fold.train].astype(float)
        if np.ptp(train[:, -1]) == 0:
            train[:, -1] = 0
        scaler = StandardScaler().fit(train)
        model = SklearnRidge(alpha=strength).fit(scaler.transform(train), data.target[fold.train])
        rows = data.inputs[fold.test].astype(float)
        if np.ptp(train[:, -1]) == 0:
            rows[:, -1] = 0
        known = data.target[fold.train]
        expected = model.predict(scaler.transform(rows)).clip(known.min(axis=0), known.max(axis=0))
        expected = known.mean(axis=0) + slope * (expected - known.mean(axis=0))
        np.testing.assert_allclose(answer.prediction[fold.test], expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("split", ["grouped", "blocked", "video", "random"])
def test_shared_training_sets_are_those_of_their_rows(split):
    data, folds = world(split)
    sets = TrainingSets(data.inputs, folds.unit, folds.folds)
    centred = data.target - data.target.mean(axis=0)
    for fold in folds.folds:
        training = sets.prepare(fold.train, fold.inner)
        for shared, rows, *_ in training.inner:
            fresh = Design(data.inputs[rows])
            np.testing.assert_allclose(shared.squares, fresh.squares, rtol=1e-8)
            np.testing.assert_array_equal(shared.inputs, fresh.inputs)
            np.testing.assert_array_equal(shared.unit, folds.unit[rows])
            for ours, theirs in zip(
                shared.solve(centred[rows], [1.0, 100.0]), fresh.solve(centred[rows], [1.0, 100.0]), strict=True
            ):
                np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)
            np.testing.assert_allclose(
                shared.rotated @ shared.rotated.T, fresh.rotated @ fresh.rotated.T, rtol=1e-5, atol=1e-3
            )
        training.forget()


def test_one_strength_alone_is_the_same_as_among_others():
    data, folds = world("grouped")
    fold = folds.folds[0]
    centred = data.target[fold.train] - data.target[fold.train].mean(axis=0)

    def training():
        return TrainingSets(data.inputs, folds.unit).prepare(fold.train, fold.inner).design

    alone, among = training().solve(centred, [10.0])[0], training().solve(centred, [1.0, 10.0])[1]
    np.testing.assert_allclose(alone, among, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("split", ["grouped", "blocked", "random"])
def test_inner_folds_are_the_other_outer_folds(split):
    _, folds = world(split)
    sets = [train.tobytes() for fold in folds.folds for train, _ in fold.inner]
    assert (len(sets), len(set(sets))) == (20, 10)
    for fold in some(folds.folds):
        held = np.concatenate([held for _, held in fold.inner])
        assert len(np.unique(held)) == len(held)
        assert set(held) == set(fold.train)
        for train, one in some(fold.inner):
            assert not set(train) & (set(one) | set(fold.test))
            assert not set(folds.unit[train]) & set(folds.unit[one]) or split == "random"


def test_training_sets_that_occur_twice_are_decomposed_once(monkeypatch):
    data, folds = world("grouped")
    reduced = []

    class Counted(Shifted):
        def __init__(self, matrix):
            reduced.append(matrix.shape)
            super().__init__(matrix)

    monkeypatch.setattr(design, "Shifted", Counted)
    questions = [Question("one", Ridge(), data.target), Question("two", Ridge(), -data.target[:, :1])]
    cross_fit(data.inputs, questions, folds)
    # 10 inner sets; the outer ones are solved at one strength each.
    assert reduced == [(12, 12)] * 10


@pytest.mark.parametrize("size", [1, 2, 3, 40])
def test_systems_shifted_along_the_diagonal_are_solved_at_every_shift(size):
    rng = np.random.default_rng(size)
    half = rng.normal(size=(size, size))
    matrix, right, shifts = half @ half.T, rng.normal(size=(size, 3)), [1e-2, 1.0, 1e6]
    before = matrix.copy()
    solutions = Shifted(matrix).solve(right, shifts)
    np.testing.assert_allclose(Shifted(matrix).solve(right, shifts[1:2])[0], solutions[1], rtol=1e-9, atol=1e-14)
    for solution, shift in zip(solutions, shifts, strict=True):
        expected = np.linalg.solve(matrix + shift * np.eye(size), right)
        np.testing.assert_allclose(solution, expected, rtol=1e-8, atol=1e-14)
    np.testing.assert_array_equal(matrix, before)


@pytest.mark.parametrize("shape", [(60, 12), (20, 40)], ids=["n>d", "n<d"])
def test_weights_and_predictions_by_axes_and_by_reduction_are_the_same(shape):
    rng = np.random.default_rng(1)
    inputs, target = rng.normal(size=shape).astype(np.float32), rng.normal(size=(shape[0], 2))
    target -= target.mean(axis=0)
    by_axes, by_reduction = Design(inputs), Design(inputs)
    assert len(by_axes.squares)  # asked for, so they are there and are used
    for one, other in zip(
        by_axes.solve(target, [0.01, 1.0, 1e4]), by_reduction.solve(target, [0.01, 1.0, 1e4]), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-12)
    others = rng.normal(size=(7, shape[1])).astype(np.float32)
    for one in (by_axes, by_reduction):
        predicted = one.ridge(target, [0.01, 1.0, 1e4])(others)
        for values, weights in zip(predicted, by_axes.solve(target, [0.01, 1.0, 1e4]), strict=True):
            np.testing.assert_allclose(values, by_axes.apply(others, weights), rtol=1e-6, atol=1e-9)


def test_a_shared_set_answers_every_kind_of_probe_at_once():
    data, folds = world("grouped")
    codes = (data.target[:, :1] > 0).astype(float)
    together = [Question("size", Ridge(), data.target), Question("class", Logistic(), codes, 2)]
    both = cross_fit(data.inputs, together, folds)
    for question in together:
        alone = cross_fit(data.inputs, [question], folds)[question.name]
        np.testing.assert_allclose(both[question.name].prediction, alone.prediction, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("d", [12, 500], ids=["n>d", "n<d"])
def test_regressions_side_by_side_are_what_each_is_alone(d):
    data, folds = world("grouped", n=200, d=d)
    rng = np.random.default_rng(2)
    targets = [data.target[:, :1], rng.normal(size=(200, 1)), data.target, 1e3 * data.target[:, 1:] - 5.0]
    questions = [Question(number, Ridge(), target) for number, target in enumerate(targets)]
    plants = [power.planted(data.inputs, target, folds, seed=0) for target in targets[:2]]
    questions += [power.question_of(number, planted) for number, planted in enumerate(plants)]
    together = cross_fit(data.inputs, questions, folds)
    assert len({together[number].chosen for number in range(4)}) > 1
    for question in questions:
        alone, beside = cross_fit(data.inputs, [question], folds)[question.name], together[question.name]
        assert beside.chosen == alone.chosen
        np.testing.assert_allclose(beside.slopes, alone.slopes, rtol=1e-9)
        scale = np.abs(question.target).max()
        np.testing.assert_allclose(beside.prediction, alone.prediction, rtol=1e-9, atol=1e-9 * scale)


def test_wide_features_are_not_copied(monkeypatch):
    monkeypatch.setattr(design, "_FEW", 0)
    monkeypatch.setattr(picked, "_BLOCK", 2**16)
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((100, 40_000), dtype=np.float32)
    target, group = inputs[:, :2].sum(axis=1, dtype=float)[:, None], np.arange(100) // 4
    folds = make_folds(SplitRows(group, group, np.arange(100.0), 0.5), kind="grouped", seed=0)
    codes = (target > 0).astype(float)
    questions = [Question("size", Ridge(), target), Question("class", Logistic(), codes, 2)]

    tracemalloc.start()
    try:
        planted = power.question_of("it", power.planted(inputs, target, folds, seed=0))
        cross_fit(inputs, [*questions, planted], folds)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    # Of what is kept of training sets only means and spreads grow with the columns.
    assert peak < inputs.nbytes, peak


def test_blocks_of_columns_add_up_to_all_of_them(monkeypatch):
    rng = np.random.default_rng(0)
    inputs, target = rng.normal(size=(40, 331)).astype(np.float32), rng.normal(size=(40, 2))
    rows, others = np.arange(0, 40, 2), picked.Picked(inputs, np.arange(1, 40, 2))
    target = target[rows] - target[rows].mean(axis=0)
    whole = Design(inputs, rows=rows)
    expected = whole.ridge(target, [0.1, 10.0])(others.values())
    monkeypatch.setattr(design, "_FEW", 0)
    monkeypatch.setattr(picked, "_BLOCK", 1)  # as narrow as they get
    assert len(list(picked.blocks(20, 331))) > 3
    parts = Design(inputs, rows=rows)
    np.testing.assert_array_equal(parts.mean, whole.mean)
    np.testing.assert_array_equal(parts.scale, whole.scale)
    for one, other in zip(parts.ridge(target, [0.1, 10.0])(others.as_inputs()), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)
    for one, other in zip(parts.solve(target, [0.1, 10.0]), whole.solve(target, [0.1, 10.0]), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("size", [2, 3, 40])
def test_lapack_called_without_the_interpreter_gives_what_scipy_does(size, own, monkeypatch):
    """The same routine, and where SciPy has it with other integers SciPy's own wrapper."""
    from scipy.linalg import lapack as scipys

    if not own:
        monkeypatch.setattr(lapack, "_routine", lambda name, arguments: None)
    rows = np.random.default_rng(size).normal(size=(size, size))
    matrix = rows @ rows.T + np.eye(size)
    right = rows[:, :2]
    wanted = scipys.dsytrd(matrix, lower=1, lwork=int(scipys.dsytrd_lwork(size, lower=1)[0]))
    for found, known in zip(lapack.tridiagonal(matrix), wanted, strict=False):
        assert np.array_equal(found, known)
    assert lapack.solve_positive(matrix.copy(), right) == pytest.approx(np.linalg.solve(matrix, right))
    with pytest.raises(np.linalg.LinAlgError):
        lapack.solve_positive(np.diag(np.arange(size) - 0.5), right)


def test_a_routine_of_other_arguments_is_not_called():
    assert lapack._routine("dsytrd", "cididddiii") is None
    assert lapack._routine("no such", "ci") is None
