"""Probes that are not linear: answers known beforehand, and scikit-learn's neighbours."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from worldprobe.errors import RegistryError
from worldprobe.probes import mlp
from worldprobe.probes.evaluate import cross_fit, draws
from worldprobe.probes.knn import KnnClassification, KnnRegression
from worldprobe.probes.linear.design import Design
from worldprobe.probes.linear.logistic import Logistic
from worldprobe.probes.linear.ridge import Ridge
from worldprobe.probes.mlp import MlpClassification, MlpRegression
from worldprobe.probes.question import Question
from worldprobe.probes.splits import SplitRows, make_folds


def scores(probe, inputs, target, *, classes=0, rows=10):
    group = np.arange(len(inputs)) // rows
    split_rows = SplitRows(group, group, np.arange(len(inputs), dtype=float), 0.5)
    folds = make_folds(split_rows, kind="grouped", seed=0)
    question = Question("it", probe, target, classes)
    found = draws(question, cross_fit(inputs, [question], folds)["it"], folds.unit, seed=0)
    return {name: one.score() for name, one in found.items()}


def fitted_on_most(probe, inputs, target, *, classes=0):
    """Targets and predictions of the last third."""
    cut = len(inputs) * 2 // 3
    fitted = probe.fit(Design(inputs[:cut]), target[:cut], strength=probe.strengths[0], classes=classes)
    return target[cut:], fitted.predict(inputs[cut:])


@pytest.fixture(scope="module")
def radial():
    """How far from the middle: no direction of the features says anything about it."""
    inputs = np.random.default_rng(0).normal(size=(600, 4)).astype(np.float32)
    return inputs, (inputs[:, :2] ** 2).sum(axis=1, keepdims=True).astype(float)


@pytest.fixture(scope="module")
def exclusive_or():
    inputs = np.random.default_rng(1).normal(size=(600, 4)).astype(np.float32)
    return inputs, (inputs[:, :1] * inputs[:, 1:2] > 0).astype(float)


def test_a_radial_target_is_read_by_all_but_the_linear_probe(radial):
    assert scores(Ridge(), *radial)["r2"].high < 0.1
    assert scores(KnnRegression(), *radial)["r2"].low > 0.5
    truth, output = fitted_on_most(MlpRegression(), *radial)
    assert 1 - ((output - truth) ** 2).mean() / truth.var() > 0.8


def test_exclusive_or_is_read_by_all_but_the_linear_probe(exclusive_or):
    linear = scores(Logistic(), *exclusive_or, classes=2)["accuracy"]
    assert linear.low < 0.5 < linear.high + 0.05
    assert scores(KnnClassification(), *exclusive_or, classes=2)["accuracy"].low > 0.75
    truth, output = fitted_on_most(MlpClassification(), *exclusive_or, classes=2)
    assert (output.argmax(axis=1) == truth[:, 0]).mean() > 0.9


def test_the_mlps_decay_is_chosen_on_inner_folds(radial):
    inputs, target = radial[0][:200], radial[1][:200]
    assert scores(MlpRegression("32"), inputs, target)["r2"].low > 0.3


@pytest.mark.parametrize("probe", [MlpRegression(), KnnRegression()], ids=lambda p: p.name)
def test_features_that_hold_nothing_explain_nothing(probe):
    rng = np.random.default_rng(2)
    inputs = rng.normal(size=(240, 30)).astype(np.float32)
    result = scores(probe, inputs, rng.normal(size=(24, 1))[np.arange(240) // 10] + 0.1 * rng.normal(size=(240, 1)))
    assert result["r2"].value < 0.05


@pytest.mark.parametrize("metric", [None, "cosine"])
@pytest.mark.parametrize("strength", [1.0, 3.0, 30.0])
def test_neighbours_are_scikit_learns(metric, strength):
    rng = np.random.default_rng(3)
    x = (rng.normal(size=(90, 5)) * [1, 10, 0.1, 1, 1]).astype(np.float32)
    y, codes = rng.normal(size=(70, 2)), rng.integers(0, 3, 70)
    training = Design(x[:70])
    standard = training.standardize(x)
    kind = {"n_neighbors": int(strength), "metric": metric or "euclidean", "algorithm": "brute"}
    theirs = KNeighborsRegressor(**kind).fit(standard[:70], y).predict(standard[70:])
    ours = KnnRegression(metric).fit(training, y, strength=strength, classes=0).predict(x[70:])
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    votes = KNeighborsClassifier(**kind).fit(standard[:70], codes).predict_proba(standard[70:])
    fitted = KnnClassification(metric).fit(training, codes[:, None].astype(float), strength=strength, classes=4)
    smoothed = np.exp(fitted.predict(x[70:]))
    np.testing.assert_allclose(smoothed.sum(axis=1), 1)
    # One vote of the prior among them: no class moves by more than that, and none is impossible.
    assert np.abs(smoothed[:, :3] - votes).max() <= 1 / (strength + 1) + 1e-9
    assert smoothed.min() > 0


def test_fewer_and_fewer_neighbours_of_one_training_set_are_those_of_a_fresh_one():
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(60, 3)).astype(np.float32), rng.normal(size=(60, 1))
    training, fitted = Design(x), None
    for strength in sorted(KnnRegression.strengths, reverse=True):
        fitted = KnnRegression().fit(training, y, strength=strength, classes=0, start=fitted)
        fresh = KnnRegression().fit(Design(x), y, strength=strength, classes=0)
        for rows in (x[:7], x[7:9]):
            np.testing.assert_array_equal(fitted.predict(rows), fresh.predict(rows))


@pytest.mark.parametrize("probe", [MlpRegression(), KnnRegression()], ids=lambda p: p.name)
def test_infinity_is_the_constant(probe, radial):
    inputs, target = radial
    fitted = probe.fit(Design(inputs), target, strength=np.inf, classes=0)
    np.testing.assert_allclose(fitted.predict(inputs[:3]), target.mean())


@pytest.mark.parametrize("probe", [MlpClassification(), KnnClassification()], ids=lambda p: p.name)
@pytest.mark.parametrize("strength", [0.1, 3.0, np.inf])
def test_a_class_that_was_never_seen_is_unlikely_but_finite(probe, strength, exclusive_or):
    inputs, codes = exclusive_or
    output = probe.fit(Design(inputs), 2 * codes, strength=max(strength, 1), classes=3).predict(inputs[:50])
    assert np.isfinite(output).all()
    assert np.exp(output[:, 1]).max() < 0.2
    np.testing.assert_allclose(np.exp(output).sum(axis=1), 1, atol=1e-4)


def test_an_mlp_depends_on_its_seed_and_on_nothing_else(radial):
    import torch

    inputs, target = radial

    def fit(seed):
        return MlpRegression("8", seed=seed).fit(Design(inputs), target, strength=0.1, classes=0).predict(inputs)

    first = fit(0)
    state = torch.random.get_rng_state()
    torch.manual_seed(123)
    np.testing.assert_array_equal(fit(0), first)
    assert np.abs(fit(1) - first).max() > 1e-3
    torch.random.set_rng_state(state)


@pytest.mark.parametrize("classes", [0, 4])
def test_an_mlps_gradients_are_autograds_to_the_bit(classes):
    import torch

    rng = np.random.default_rng(6)
    shapes = ((16, 7), (16,), (classes or 3, 16), (classes or 3,))
    weights = [torch.tensor(rng.normal(size=shape), dtype=torch.float32, requires_grad=True) for shape in shapes]
    rows = torch.tensor(rng.normal(size=(50, 7)), dtype=torch.float32)
    truth = torch.tensor(rng.integers(0, 4, 50) if classes else rng.normal(size=(50, 3)).astype(np.float32))
    network = torch.nn.Sequential(torch.nn.Linear(7, 16), torch.nn.ReLU(), torch.nn.Linear(16, classes or 3))
    output = torch.func.functional_call(
        network, dict(zip(dict(network.named_parameters()), weights, strict=True)), rows
    )
    loss = (torch.nn.functional.cross_entropy if classes else torch.nn.functional.mse_loss)(output, truth)
    loss.backward()
    with torch.no_grad():
        found = mlp._gradients(weights, rows, truth, classes=bool(classes))
    for weight, gradient in zip(weights, found, strict=True):
        assert torch.equal(weight.grad, gradient)


def test_an_mlp_stops_on_whole_units():
    """Features that name the unit: rows held out alone would let them be learnt by heart."""
    rng = np.random.default_rng(5)
    unit = np.repeat(np.arange(20), 10)
    inputs = (rng.normal(size=(20, 40))[unit] + 0.05 * rng.normal(size=(200, 40))).astype(np.float32)
    target = rng.normal(size=(20, 1))[unit]

    def explained(training):
        output = MlpRegression().fit(training, target, strength=0.01, classes=0).predict(inputs)
        return 1 - ((output - target) ** 2).mean() / target.var()

    assert explained(Design(inputs)) > 0.9
    assert explained(Design(inputs, unit=unit)) < 0.5


def test_they_take_an_argument_and_refuse_what_they_do_not_take():
    assert (MlpRegression().width, MlpRegression("32").width) == (128, 32)
    with pytest.raises(RegistryError, match="width"):
        MlpRegression("wide")
    with pytest.raises(RegistryError, match="euclidean or cosine"):
        KnnRegression("manhattan")
