"""The linear probes as scikit-learn's estimators: its own checks, parity with its models, rows in parts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from worldprobe.errors import ProbeError
from worldprobe.probes.linear.estimators import LogisticProbe, RidgeProbe
from worldprobe.probes.linear.scatter import Scatter


@parametrize_with_checks([RidgeProbe(), LogisticProbe()])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def rows(n=300, d=20, k=2, seed=0):
    """Columns of very different size and offset, which sums of raw squares would not survive."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n, d)) * rng.uniform(0.01, 100, d) + rng.normal(size=d) * 1000
    return inputs, rng.normal(size=(n, k)) + inputs[:, :k] / inputs[:, :k].std(axis=0) + 1e4


@pytest.mark.parametrize("alpha", [0.0, 0.1, 10.0, 1e4])
@pytest.mark.parametrize("shape", [(300, 20), (15, 40)], ids=["n>d", "n<d"])
def test_ridge_is_scikit_learns(alpha, shape):
    x, y = rows(*shape)
    theirs = make_pipeline(StandardScaler(), Ridge(alpha=alpha, solver="svd")).fit(x, y)
    ours = RidgeProbe(alpha=alpha).fit(x, y)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x), rtol=1e-8)
    # Without a penalty, fewer rows than columns leave the weights open: ours are the smallest.
    if alpha or shape[0] > shape[1]:
        np.testing.assert_allclose(ours.coef_, theirs[1].coef_ / theirs[0].scale_, rtol=1e-6, atol=1e-12)
    assert RidgeProbe(alpha=alpha).fit(x, y[:, 0]).predict(x).shape == (len(x),)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("alpha", [1.0, 100.0])
def test_logistic_is_scikit_learns(alpha):
    x, y = rows()
    names = np.array(["left", "right", "up"])[np.digitize(y[:, 0], np.quantile(y[:, 0], [0.3, 0.6]))]
    theirs = make_pipeline(StandardScaler(), LogisticRegression(C=1 / alpha, tol=1e-8, max_iter=2000)).fit(x, names)
    ours = LogisticProbe(alpha=alpha).fit(x, names)
    assert list(ours.classes_) == list(theirs.classes_)
    np.testing.assert_allclose(ours.predict_proba(x), theirs.predict_proba(x), atol=1e-3)
    assert (ours.predict(x) == theirs.predict(x)).mean() > 0.99


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 299), max_size=6, unique=True).map(sorted))
def test_chunks_give_the_coefficients_of_the_whole(cuts):
    x, y = rows()
    whole, parts = RidgeProbe(alpha=1.0).fit(x, y), RidgeProbe(alpha=1.0)
    for piece in np.split(np.arange(300), cuts):
        parts.partial_fit(x[piece], y[piece])
    np.testing.assert_allclose(parts.coef_, whole.coef_, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(parts.intercept_, whole.intercept_, rtol=1e-8)


def test_chunks_of_float32_give_the_coefficients_of_the_whole():
    x, y = rows(20_000, 8)
    x = x.astype(np.float32)
    whole, parts = RidgeProbe().fit(x, y), RidgeProbe()
    for start in range(0, len(x), 777):
        parts.partial_fit(x[start : start + 777], y[start : start + 777])
    np.testing.assert_allclose(parts.coef_, whole.coef_, rtol=1e-8)


def test_parts_from_several_machines_merge_in_any_order():
    x, y = rows()
    a, b, c = (RidgeProbe().fit(x[part], y[part]) for part in (slice(7), slice(7, 120), slice(120, None)))
    whole = RidgeProbe().fit(x, y)
    for merged in (a.merge(b).merge(c), a.merge(b.merge(c)), c.merge(a).merge(b)):
        assert merged.sums_.count == 300
        np.testing.assert_allclose(merged.coef_, whole.coef_, rtol=1e-8, atol=1e-12)
    # Merging makes a new probe; its parts stay what they were.
    assert (a.sums_.count, b.sums_.count) == (7, 113)
    with pytest.raises(ProbeError, match="20 features and 2 targets, the others of 20 and 1"):
        a.merge(RidgeProbe().fit(x, y[:, :1]))


def test_fit_forgets_and_partial_fit_does_not():
    x, y = rows()
    again = RidgeProbe().fit(x[:50], y[:50]).fit(x, y)
    np.testing.assert_array_equal(again.coef_, RidgeProbe().fit(x, y).coef_)
    assert RidgeProbe().fit(x[:50], y[:50]).partial_fit(x, y).sums_.count == 350


def test_rows_taken_away_leave_the_scatter_of_the_rest():
    x, _ = rows()
    left = Scatter.of(x) - Scatter.of(x[40:90])
    rest = np.delete(x, np.s_[40:90], axis=0)
    assert left.count == 250
    np.testing.assert_allclose(left.mean, rest.mean(axis=0), rtol=1e-10)
    scale = rest.std(axis=0) * np.sqrt(250)
    np.testing.assert_allclose(left.matrix / np.outer(scale, scale), np.corrcoef(rest.T), atol=1e-10)


def test_what_varied_only_in_the_rows_taken_away_is_still():
    x, _ = rows()
    x[:40, 3] += 1e6 * np.arange(40)
    x[40:, 3] = 0.1
    left = Scatter.of(x) - Scatter.of(x[:40])
    assert (left.matrix[3] == 0).all()
    assert (left.matrix[:, 3] == 0).all()
    assert (np.diag(left.matrix) > 0).sum() == 19


@pytest.mark.parametrize("alpha", [-1.0, float("nan")])
def test_a_penalty_that_is_none_is_refused(alpha):
    x, y = rows(50, 3, 1)
    with pytest.raises(ProbeError, match=r"must be 0 or more"):
        RidgeProbe(alpha=alpha).fit(x, y)
    with pytest.raises(ProbeError, match=r"must be positive"):
        LogisticProbe(alpha=alpha).fit(x, y[:, 0] > 1e4)


def test_the_strongest_penalty_leaves_the_constant():
    x, y = rows()
    np.testing.assert_allclose(RidgeProbe(alpha=np.inf).fit(x, y).predict(x), np.tile(y.mean(axis=0), (300, 1)))
    probe = LogisticProbe(alpha=np.inf).fit(x, np.arange(300) % 3 == 0)
    np.testing.assert_allclose(probe.predict_proba(x)[:, 1], 1 / 3)
