"""Probes and scores against scikit-learn, and against answers known beforehand."""

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.metrics import balanced_accuracy_score, f1_score
from sklearn.preprocessing import StandardScaler
from tests.builders.known_rows import known

from worldprobe import intervals
from worldprobe.errors import ProbeError
from worldprobe.probes import controls, features, metrics
from worldprobe.probes.evaluate import cross_fit, draws
from worldprobe.probes.linear.design import Design
from worldprobe.probes.linear.logistic import Logistic
from worldprobe.probes.linear.ridge import Ridge
from worldprobe.probes.question import Question
from worldprobe.probes.splits import make_folds

RNG = np.random.default_rng(7)


def test_intervals_end_at_scipys_quantiles():
    for freedom in (1, 2, 7, 40, 1999):
        assert intervals._student(freedom) == stats.t.ppf(1 - intervals.TAIL, freedom)
    assert np.isnan(intervals._student(0))
    assert intervals._normal() == stats.norm.ppf(1 - intervals.TAIL)


@pytest.mark.parametrize("shape", [(120, 30), (40, 200)], ids=["n>d", "n<d"])
def test_ridge_is_scikit_learns_at_every_strength(shape):
    x = (RNG.normal(size=shape) * RNG.uniform(0.1, 10, shape[1]) + 3).astype(np.float32)
    y = x[:, :2] * [1.0, -2.0] + RNG.normal(size=(shape[0], 2))
    probe = Ridge()
    path = [probe.fit(Design(x[:-10]), y[:-10], strength=s, classes=0).predict(x[-10:]) for s in probe.strengths]
    scaler = StandardScaler().fit(x[:-10].astype(float))
    for ours, strength in zip(path[:-1], probe.strengths[:-1], strict=True):
        theirs = SklearnRidge(alpha=strength).fit(scaler.transform(x[:-10]), y[:-10])
        np.testing.assert_allclose(ours, theirs.predict(scaler.transform(x[-10:])), rtol=1e-3, atol=1e-3)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("shape", [(200, 12), (60, 150)], ids=["n>d", "n<d"])
def test_logistic_is_scikit_learns_at_every_strength(shape):
    rng = np.random.default_rng(7)
    x = (rng.normal(size=shape) * rng.uniform(0.1, 10, shape[1])).astype(np.float32)
    y = (x[:, 0] / x[:, 0].std() + rng.normal(size=shape[0])).clip(-1.49, 1.49).round().astype(int) + 1
    probe = Logistic()
    design, target, fitted, path = Design(x[:-20]), y[:-20, None].astype(float), None, {}
    for strength in sorted(probe.strengths, reverse=True):
        fitted = probe.fit(design, target, strength=strength, classes=3, start=fitted)
        path[strength] = fitted.predict(x[-20:])
    path = [path[strength] for strength in probe.strengths]
    fits = [probe.fit(design, target, strength=strength, classes=3) for strength in probe.strengths]
    alone = [fitted.predict(x[-20:]) for fitted in fits]
    scaler = StandardScaler().fit(x[:-20].astype(float))
    for ours, way, strength in zip(alone[:-1], path[:-1], probe.strengths[:-1], strict=True):
        # Its default solver stops short of the optimum where the penalty is very strong.
        theirs = LogisticRegression(C=1 / strength, tol=1e-8, max_iter=500, solver="newton-cholesky")
        theirs.fit(scaler.transform(x[:-20]), y[:-20])
        expected = theirs.predict_proba(scaler.transform(x[-20:]))
        # Rows fewer than columns are told apart for certain as the penalty goes, and the optimum lies far out.
        far = {0.1: 0.01, 0.01: 0.04}.get(strength, 1e-3) if shape[0] < shape[1] else 1e-3
        np.testing.assert_allclose(np.exp(ours), expected, atol=far)
        # On the way through all penalties solutions are less exact, most so where rows are told apart for certain.
        near = {0.1: 0.1, 0.01: 0.2}.get(strength, 0.02) if shape[0] < shape[1] else 0.003
        np.testing.assert_allclose(np.exp(way), expected, atol=near)
    # The strongest leaves a constant, which scikit-learn's solvers do not reach.
    np.testing.assert_allclose(np.exp(alone[-1]), np.exp(path[-1]), atol=1e-9)
    np.testing.assert_allclose(np.exp(path[-1]), np.tile(np.bincount(y[:-20]) / len(y[:-20]), (20, 1)), atol=1e-6)


@pytest.mark.parametrize("shape", [(90, 12), (60, 150), (60, 1)], ids=["n>d", "n<d", "one column"])
@pytest.mark.parametrize("classes", [2, 4])
def test_the_optimum_has_no_gradient_in_any_coordinates(shape, classes):
    rng = np.random.default_rng(3)
    x, codes = rng.normal(size=shape).astype(np.float32), np.arange(shape[0]) % classes
    x[:, 0] += codes
    design = Design(x)
    # A penalty come to from a stronger one, which what was learnt there must not lead astray, and one alone.
    start = Logistic().fit(design, codes[:, None].astype(float), strength=np.inf, classes=classes)
    for strength in (1000.0, 30.0):
        start = Logistic().fit(
            design, codes[:, None].astype(float), strength=strength, classes=classes, start=start
        )
    alone = Logistic().fit(design, codes[:, None].astype(float), strength=30.0, classes=classes)
    for fitted, close in ((start, 0.05), (alone, 0.002)):
        weights, standard = fitted.coefficients(), design.standardize(x)
        np.testing.assert_allclose(weights.sum(axis=1), 0, atol=1e-5)
        scores = standard @ weights + fitted.offsets
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(fitted.predict(x), np.log(shares), atol=1e-5)
        error = shares - np.eye(classes)[codes]
        assert np.abs(standard.T @ error + 30.0 * weights).max() < close * np.sqrt(shape[0])
        assert np.abs(error.sum(axis=0)).max() < close * np.sqrt(shape[0])


def test_logistic_gives_a_class_it_never_saw_next_to_no_probability():
    x = RNG.normal(size=(40, 3)).astype(np.float32)
    output = Logistic().fit(Design(x), (np.arange(40) % 2 * 2.0)[:, None], strength=1.0, classes=3).predict(x)
    assert np.isfinite(output).all()
    assert np.exp(output[:, 1]).max() < 1e-9


def test_position_written_linearly_into_the_features_is_read_back():
    group = np.repeat(np.arange(40), 10)
    xy = RNG.uniform(size=(400, 2))
    inputs = xy @ RNG.normal(size=(2, 64)) + 0.01 * RNG.normal(size=(400, 64))
    data = known(inputs, xy, group)
    question = Question("xy", Ridge(), data.target)
    folds = make_folds(data.rows, kind="grouped", seed=0)
    result = draws(question, cross_fit(data.inputs, [question], folds)["xy"], folds.unit, seed=0)["r2"].score()
    assert result.value > 0.99
    assert result.low <= result.value <= result.high


def noise(seed, groups=30, rows=8):
    """Features that hold nothing, and labels that stick together within a group, as real ones do."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), rows)
    target = rng.normal(size=groups)[group] + 0.1 * rng.normal(size=len(group))
    codes = rng.integers(0, 4, groups)[group][:, None].astype(float)
    return known(rng.normal(size=(len(group), 100)), target, group), codes


@pytest.mark.parametrize("split", ["grouped", "blocked", "random"])
def test_features_that_hold_nothing_explain_nothing(split):
    held = 0
    for seed in range(20):
        data, _ = noise(seed)
        question = Question("size", Ridge(), data.target)
        folds = make_folds(data.rows, kind=split, seed=seed)
        answer = cross_fit(data.inputs, [question], folds)["size"]
        result = draws(question, answer, folds.unit, seed=0)["r2"].score()
        assert result.value < 0.05
        held += result.low <= 0 <= result.high
    # A 95 % interval may miss now and then: 16 of 20 or fewer happens by chance once in forty.
    assert held >= 16


@pytest.mark.parametrize("seed", range(3))
def test_features_that_hold_nothing_classify_like_the_majority(seed):
    data, codes = noise(seed)
    question = Question("class", Logistic(), codes, classes=4)
    folds = make_folds(data.rows, kind="grouped", seed=seed)
    answer = cross_fit(data.inputs, [question], folds)["class"]
    accuracy = draws(question, answer, folds.unit, seed=0)["accuracy"].score()
    # The majority of the other groups is met less often than by chance, a quarter.
    assert accuracy.low <= 0.25 <= accuracy.high


def test_what_lies_in_axes_of_little_variance_is_read_where_the_penalty_alone_cannot_reach_it():
    """As velocity lies in pixels: in principal axes 100 to 130 of 384, 200 scenes of 8 moments."""
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(200), 8)
    axes = rng.normal(size=(200, 150))[group] + 0.3 * rng.normal(size=(1600, 150))
    inputs = axes * np.arange(1, 151) ** -1.5
    signal = axes[:, 100:130] @ rng.normal(size=30)
    target = signal / signal.std() + rng.normal(size=200)[group]
    data = known(inputs, target, group)
    folds = make_folds(data.rows, kind="grouped", seed=0)
    answer = cross_fit(data.inputs, [Question("velocity", Ridge(), data.target)], folds)["velocity"]
    assert draws(Question("velocity", Ridge(), data.target), answer, folds.unit, seed=0)["r2"].score().low > 0
    assert np.isfinite(answer.chosen).all()


def test_a_random_split_leaks_what_neighbours_share():
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(30), 10)
    # The features identify the group and say nothing general about the target.
    inputs = rng.normal(size=(30, 50))[group] + 0.1 * rng.normal(size=(300, 50))
    data = known(inputs, rng.normal(size=30)[group], group)
    question = Question("size", Ridge(), data.target)
    scores = {}
    for kind in ("grouped", "random"):
        folds = make_folds(data.rows, kind=kind, seed=0)
        answer = cross_fit(data.inputs, [question], folds)["size"]
        scores[kind] = draws(question, answer, folds.unit, seed=0)["r2"].score()
    assert scores["grouped"].low <= 0.05
    assert scores["random"].low > 0.5


def test_classification_scores_are_scikit_learns():
    truth, predicted = RNG.integers(0, 5, 300), RNG.integers(0, 5, 300)
    truth[truth == 3] = 2
    scores = metrics.classification(truth, predicted, np.arange(300) // 10, classes=6, seed=0)
    assert scores["accuracy"].value == pytest.approx((truth == predicted).mean())
    seen = np.isin(predicted, truth)
    assert seen.any()
    with pytest.warns(UserWarning, match="y_pred contains classes not in y_true"):
        assert scores["balanced_accuracy"].value == pytest.approx(balanced_accuracy_score(truth, predicted))
    assert scores["macro_f1"].value == pytest.approx(f1_score(truth, predicted, average="macro"))


def test_predicting_the_training_mean_scores_zero_and_constant_targets_score_nothing():
    y = RNG.normal(size=(50, 2))
    unit = np.arange(50) // 5
    baseline = np.tile(y[:10].mean(axis=0), (50, 1))
    result = metrics.r2(y, baseline, baseline, unit, seed=0)
    assert (result.value, result.low, result.high) == (0, 0, 0)
    constant = metrics.r2(np.ones((50, 1)), np.ones((50, 1)), np.ones((50, 1)), unit, seed=0)
    assert constant.value is None
    assert "constant" in constant.note


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(3)
    hits = 0
    for trial in range(200):
        # 40 groups of 10 rows, all right or all wrong together, right with probability 0.7.
        right = np.repeat(rng.random(40) < 0.7, 10)
        truth = np.tile([0, 1], 200)
        scores = metrics.classification(truth, np.where(right, truth, 1 - truth), np.repeat(np.arange(40), 10),
                                        classes=2, seed=trial)  # fmt: skip
        hits += scores["accuracy"].low <= 0.7 <= scores["accuracy"].high
    assert 0.88 <= hits / 200 <= 0.99


def test_shuffled_labels_leave_no_group_its_own():
    unit = np.repeat(np.arange(12), [3, 5] * 6)
    moved = controls.shuffled(unit[:, None].astype(float), unit, seed=1)[:, 0]
    assert (moved != unit).all()
    assert set(moved) == set(range(12))


def test_grid_features_keep_position_and_z_does_not():
    tokens = RNG.normal(size=(3, 8, 8, 5)).astype(np.float16)
    turned = tokens[:, ::-1]
    assert features.pooled(tokens, "grid").shape == (3, 80)
    np.testing.assert_allclose(features.pooled(tokens, "z"), features.pooled(turned, "z"), atol=1e-3)
    assert not np.allclose(features.pooled(tokens, "grid"), features.pooled(turned, "grid"), atol=0.1)
    cell = features.pooled(tokens, "grid").reshape(3, 4, 4, 5)[1, 2, 3]
    np.testing.assert_allclose(cell, tokens[1, 4:6, 6:8].astype(np.float32).mean(axis=(0, 1)), atol=1e-6)
    with pytest.raises(ProbeError, match="--pool none"):
        features.pooled(tokens.mean(axis=(1, 2)), "grid")


def test_features_that_are_not_finite_are_refused():
    data = known(np.full((50, 3), np.nan), RNG.normal(size=50), np.arange(50) // 5)
    with pytest.raises(ProbeError, match="50 of 50"):
        cross_fit(
            data.inputs, [Question("xy", Ridge(), data.target)], make_folds(data.rows, kind="grouped", seed=0)
        )


def test_a_weak_penalty_is_fitted_from_nothing_where_columns_outnumber_rows():
    """Weights that are the same on all centred rows have no scores, and grow if nothing takes them away."""
    rng = np.random.default_rng(4)
    rows, others = rng.standard_normal((2, 400, 500)).astype(np.float32)
    codes = (rows @ rng.standard_normal((500, 3)) + 3 * rng.standard_normal((400, 3))).argmax(axis=1)
    design = Design(rows)
    for strength in (0.01, 1.0):
        fitted = Logistic().fit(design, codes[:, None].astype(float), strength=strength, classes=3)
        exact = LogisticRegression(C=1 / strength, tol=1e-10, max_iter=20_000).fit(design.standardize(rows), codes)
        expected = exact.predict_proba(design.standardize(others))
        np.testing.assert_allclose(np.exp(fitted.predict(others)), expected, atol=0.06)
