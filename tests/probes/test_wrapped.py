"""The probes that are not linear as scikit-learn's estimators: its own checks, and what they add to them."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from worldprobe.errors import ProbeError, WorldprobeError
from worldprobe.probes.attentive import AttentiveProbe
from worldprobe.probes.wrapped import KnnClassifier, KnnRegressor, MlpClassifier, MlpRegressor

NARROW = {"width": 16}


@parametrize_with_checks([MlpRegressor(**NARROW), MlpClassifier(**NARROW), KnnRegressor(), KnnClassifier()])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def test_an_attentive_probe_is_cloned_with_its_parameters():
    """scikit-learn's checks feed tables [n, d], and this one reads tokens [n, t, d]: its parameters alone apply."""
    probe = AttentiveProbe(learning_rates=(1e-3,), weight_decays=(0.1, 0.2), epochs=3, seed=5)
    copy = clone(probe)
    assert copy is not probe
    assert copy.get_params() == probe.get_params()
    assert copy.configurations == ((1e-3, 0.1), (1e-3, 0.2))


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (MlpRegressor(width=0), "width >= 1"),
        (MlpRegressor(decay=-1.0), "decay >= 0"),
        (KnnRegressor(neighbours=0), "1 to 100"),
        (KnnRegressor(neighbours=500), "1 to 100"),
        (KnnRegressor(metric="manhattan"), "euclidean or cosine"),
    ],
)
def test_parameters_that_cannot_be_are_refused(estimator, message):
    with pytest.raises(WorldprobeError, match=message):
        estimator.fit(np.eye(6), np.arange(6.0))


def test_whole_groups_are_held_out_to_stop_at():
    """Inputs that name the group and nothing else: rows of the same group on both sides would teach the target."""
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(40), 10)
    x = rng.normal(size=(40, 20))[group] + 0.01 * rng.normal(size=(400, 20))
    y = rng.normal(size=40)[group]
    by_group, by_row = MlpRegressor(**NARROW).fit(x, y, groups=group), MlpRegressor(**NARROW).fit(x, y)
    assert by_row.score(x, y) > 0.8
    assert by_group.score(x, y) < 0.6
    with pytest.raises(ProbeError, match="400 rows, 3 groups"):
        MlpRegressor(**NARROW).fit(x, y, groups=[0, 1, 2])
