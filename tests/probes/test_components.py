"""Features reduced to principal components, which each training set finds in its own rows alone."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from worldprobe.probes.choice import fit_chosen
from worldprobe.probes.curves import learning_curve
from worldprobe.probes.evaluate import cross_fit
from worldprobe.probes.evidence import online_code_length
from worldprobe.probes.knn import KnnClassification, KnnRegression
from worldprobe.probes.linear.design import Design
from worldprobe.probes.linear.logistic import Logistic
from worldprobe.probes.linear.ridge import Ridge
from worldprobe.probes.linear.scatter import Scatter
from worldprobe.probes.mlp import MlpRegression
from worldprobe.probes.question import Question
from worldprobe.probes.splits import SplitRows, make_folds
from worldprobe.probes.training import TrainingSets

K = 3


def world(n=300, d=20, seed=0):
    """Three strong directions under noise, columns of several sizes; a target of one of them, and groups of ten."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(n, 3)) * [3.0, 2.0, 1.5]
    inputs = (hidden @ rng.normal(size=(3, d)) + 0.3 * rng.normal(size=(n, d))) * rng.uniform(0.1, 9, d) + 5
    target = hidden[:, 1:2] + 0.2 * rng.normal(size=(n, 1))
    return inputs.astype(np.float32), target, np.arange(n) // 10


def grouped(unit):
    rows = SplitRows(unit, unit, np.arange(len(unit)).astype(float), 1.0)
    return make_folds(rows, kind="grouped", seed=0)


@pytest.mark.parametrize(("n", "d"), [(300, 20), (40, 60)])
@pytest.mark.parametrize("known", [True, False])
def test_ridge_is_scikit_learns_after_its_pca(n, d, known):
    """Of more rows than columns and of fewer, from the sums of rows and without them."""
    inputs, target, _ = world(n, d)
    cut = n - 10
    scatter = Scatter.of(inputs[:cut]) if known and cut >= d else None
    design = Design(inputs[:cut], scatter=scatter, components=K)
    assert design.squares.shape == (K,)
    for strength in (0.1, 10.0, 1000.0):
        model = make_pipeline(StandardScaler(), PCA(K, svd_solver="full"), SklearnRidge(alpha=strength))
        expected = model.fit(inputs[:cut].astype(float), target[:cut]).predict(inputs[cut:].astype(float))
        found = Ridge().fit(design, target[:cut], strength=strength, classes=0).predict(inputs[cut:])
        np.testing.assert_allclose(found, expected.reshape(found.shape), rtol=1e-4, atol=1e-4)
        (weights,) = design.solve(target[:cut] - target[:cut].mean(axis=0), [strength])
        again = design.apply(inputs[cut:], weights) + target[:cut].mean(axis=0)
        np.testing.assert_allclose(again, found, rtol=1e-6, atol=1e-6)


def test_logistic_regression_is_scikit_learns_after_its_pca():
    inputs, target, _ = world()
    codes = (target > -1).astype(float) + (target > 1)
    model = make_pipeline(StandardScaler(), PCA(K, svd_solver="full"), LogisticRegression(C=0.1, tol=1e-8))
    expected = model.fit(inputs[:250].astype(float), codes[:250, 0]).predict_proba(inputs[250:].astype(float))
    design = Design(inputs[:250], components=K)
    found = Logistic().fit(design, codes[:250], strength=10.0, classes=3).predict(inputs[250:])
    np.testing.assert_allclose(np.exp(found), expected, atol=2e-3)


@pytest.mark.parametrize("probe", [Ridge(), KnnRegression()])
def test_as_many_components_as_there_can_be_change_nothing(probe):
    inputs, target, unit = world(60, 8)
    folds, question = grouped(unit), Question("it", probe, target)
    every = cross_fit(inputs, [question], folds)["it"]
    np.testing.assert_array_equal(
        cross_fit(inputs, [question], folds, components=8)["it"].prediction, every.prediction
    )
    few = cross_fit(inputs, [question], folds, components=2)["it"].prediction
    assert not np.allclose(few, every.prediction)


def test_neighbours_are_near_along_the_components():
    inputs, target, _ = world()
    design = Design(inputs[:200], components=K)
    scaled = make_pipeline(StandardScaler(), PCA(K, svd_solver="full")).fit(inputs[:200].astype(float))
    rows, others = (scaled.transform(part.astype(float)) for part in (inputs[:200], inputs[200:]))
    nearest = ((others[:, None] - rows[None]) ** 2).sum(axis=2).argmin(axis=1)
    found = KnnRegression().fit(design, target[:200], strength=1.0, classes=0).predict(inputs[200:])
    np.testing.assert_array_equal(found, target[:200][nearest])
    # In units of the spread of all components together, so that a network's inputs are of the usual size.
    assert (design.standardize(inputs[:200]) ** 2).mean() == pytest.approx(1)


def test_a_network_takes_the_components_and_no_more():
    inputs, target, unit = world(60, 20)
    fitted = MlpRegression("4").fit(
        Design(inputs[:50], unit=unit[:50], components=K), target[:50], strength=0.01, classes=0
    )
    assert fitted.model[0].in_features == K
    assert fitted.predict(inputs[50:]).shape == (10, 1)


def trap(n=600, seed=0):
    """Twelve columns: six share what the target is; eight others share something in the last fifth of groups alone.

    Standardised over all rows the eight are what varies together most; in the training rows they are noise.
    """
    rng = np.random.default_rng(seed)
    signal, unit = rng.normal(size=(n, 1)), np.arange(n) // 6
    last = unit >= 0.8 * unit.max()
    shared = signal + 0.3 * rng.normal(size=(n, 6))
    beside = rng.normal(size=(n, 20)) + np.where(last[:, None], 4.0 * rng.normal(size=(n, 1)), 0.0)
    inputs = np.concatenate([shared, beside], axis=1).astype(np.float32)
    return inputs, signal, unit, np.flatnonzero(~last), np.flatnonzero(last)


def explained(truth, found):
    return 1 - ((truth - found) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()


def test_a_direction_of_the_test_fold_alone_is_no_component():
    """A component of all rows would be what the test fold varies along, and lose what the training rows tell."""
    inputs, target, unit, train, test = trap()
    question = Question("it", Ridge(), target)
    inner = [(train[unit[train] % 3 != part], train[unit[train] % 3 == part]) for part in range(3)]
    training = TrainingSets(inputs, unit, components=1).prepare(train, inner)
    assert explained(target[test], fit_chosen(question, training).predict(inputs[test])) > 0.8
    # What leaks is this: the same probe on the component of all rows.
    leaked = PCA(1).fit_transform(StandardScaler().fit_transform(inputs)).astype(np.float32)
    blind = TrainingSets(leaked, unit).prepare(train, inner)
    assert explained(target[test], fit_chosen(question, blind).predict(leaked[test])) < 0.2


def test_test_rows_change_nothing_of_what_is_fitted():
    """Whether sums of rows are added up or had by taking the test rows' away from all rows'."""
    inputs, target, unit, train, test = trap()
    other = inputs.copy()
    other[test] = np.random.default_rng(1).permutation(other[test]) * 50 - 7
    inner = [(train[unit[train] % 3 != part], train[unit[train] % 3 == part]) for part in range(3)]
    question, predictions = Question("it", Ridge(), target), []
    for rows in (inputs, other):
        training = TrainingSets(rows, unit, components=2).prepare(train, inner)
        predictions.append(fit_chosen(question, training).predict(inputs[test]))
    np.testing.assert_allclose(predictions[0], predictions[1], rtol=1e-5, atol=1e-6)


def test_inner_folds_find_components_of_their_own():
    inputs, _, unit, train, _ = trap()
    held = train[unit[train] % 3 == 0]
    training = TrainingSets(inputs, unit, components=2).prepare(train, [(np.setdiff1d(train, held), held)])
    ((inner, rows, _, _),) = training.inner
    np.testing.assert_allclose(inner.squares, Design(inputs[rows], components=2).squares, rtol=1e-6)
    assert not np.allclose(inner.squares, training.design.squares, rtol=0.05)


@pytest.mark.parametrize("components", [1, 5, None])
def test_labels_that_have_nothing_to_do_with_features_are_not_read(components):
    inputs, _, unit, *_ = trap()
    rng = np.random.default_rng(2)
    labels = np.repeat(rng.normal(size=(unit.max() + 1, 1)), 6, axis=0)
    answer = cross_fit(inputs, [Question("it", Ridge(), labels)], grouped(unit), components=components)["it"]
    error = ((labels - answer.prediction) ** 2).sum() / ((labels - answer.constant) ** 2).sum()
    assert 1 - error < 0.02


def test_code_and_curve_are_of_the_components():
    """The target lies along the weakest of three directions: two components do not hold it."""
    inputs, _, unit = world(400)
    rng = np.random.default_rng(0)
    target = (rng.normal(size=(400, 3)) * [3.0, 2.0, 1.5])[:, 2:]
    folds, question = grouped(unit), Question("it", Ridge(), target)
    codes = {k: online_code_length(inputs, question, folds, seed=0, components=k).online for k in (1, 20, None)}
    assert codes[20] == codes[None] < codes[1]
    curves = {k: learning_curve(inputs, question, folds, seed=0, components=k).points[-1] for k in (1, 20, None)}
    scores = {k: point.score.value for k, point in curves.items()}
    assert scores[20] == scores[None] > 0.5 > 0.3 > scores[1]


def test_rows_that_do_not_vary_are_as_they_are():
    design = Design(np.full((12, 5), 3.0, np.float32), components=2)
    assert design.squares.shape == (0,)
    np.testing.assert_array_equal(design.standardize(np.full((2, 5), 3.0, np.float32)), np.zeros((2, 5)))
    found = (
        Ridge().fit(design, np.arange(12.0)[:, None], strength=1.0, classes=0).predict(np.zeros((2, 5), np.float32))
    )
    np.testing.assert_allclose(found, 5.5)


@pytest.mark.parametrize("d", [8, 90])
@pytest.mark.parametrize("probe", [Logistic, KnnClassification])
def test_components_of_features_that_do_not_vary_are_answered_as_the_features(probe, d):
    rng = np.random.default_rng(0)
    inputs, unit = np.full((60, d), 2.0, np.float32), np.arange(60) // 5
    question, folds = Question("it", probe(), rng.integers(0, 3, (60, 1)).astype(float), 3), grouped(unit)
    found, plain = (cross_fit(inputs, [question], folds, components=k)["it"] for k in (3, None))
    np.testing.assert_array_equal(found.prediction, plain.prediction)
    if probe is Logistic:
        np.testing.assert_array_equal(found.prediction, found.constant)
        code, known = (online_code_length(inputs, question, folds, seed=0, components=k).online for k in (3, None))
        assert code == known
        curves = [learning_curve(inputs, question, folds, seed=0, components=k).points[-1] for k in (3, None)]
        assert curves[0].score == curves[1].score
