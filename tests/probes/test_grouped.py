"""The probe of a run as an estimator: scikit-learn's own checks, its tools, and the probe that runs fit."""

import numpy as np
import pytest
from sklearn.base import is_classifier, is_regressor
from sklearn.model_selection import GroupKFold, cross_validate
from sklearn.utils.estimator_checks import parametrize_with_checks

from worldprobe.errors import ProbeError
from worldprobe.probes.choice import fit_chosen
from worldprobe.probes.linear.grouped import GroupedProbe
from worldprobe.probes.linear.logistic import Logistic
from worldprobe.probes.linear.ridge import Ridge
from worldprobe.probes.question import Question
from worldprobe.probes.splits import partition
from worldprobe.probes.training import TrainingSets


@parametrize_with_checks([GroupedProbe(), GroupedProbe("classification")])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def rows(groups=12, each=10, d=6, seed=0):
    """Inputs float32 [n, d], of which two numbers and three classes can be read, and their groups."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(groups * each, d)).astype(np.float32)
    numbers = inputs[:, :2] @ [[1.0, 0.3], [0.2, 2.0]] + rng.normal(size=(len(inputs), 2))
    names = np.array(["calm", "loud", "shrill"])[np.digitize(numbers[:, 0], [-0.5, 0.5])]
    return inputs, numbers, names, np.repeat(np.arange(groups), each)


@pytest.mark.parametrize("d", [6, 200], ids=["n>d", "n<d"])
@pytest.mark.parametrize("kind", ["regression", "classification"])
def test_it_predicts_what_the_probe_of_a_run_does_on_the_same_inner_folds(kind, d):
    inputs, numbers, names, groups = rows(d=d)
    new = rows(d=d, seed=1)[0]
    everything = np.arange(len(inputs))
    codes = np.unique(names, return_inverse=True)[1][:, None].astype(float)
    question = Question("q", Ridge(), numbers) if kind == "regression" else Question("q", Logistic(), codes, 3)
    training = TrainingSets(inputs, groups).prepare(everything, partition(groups, everything, 4, 0))
    known = fit_chosen(question, training)
    probe = GroupedProbe(kind).fit(inputs, numbers if kind == "regression" else names, groups)
    assert (probe.alpha_, probe.slope_) == pytest.approx((known.choice.strength, known.choice.slope), rel=1e-3)
    if kind == "regression":
        np.testing.assert_allclose(probe.predict(new), known.predict(new), rtol=1e-4, atol=1e-4)
    else:
        np.testing.assert_allclose(probe.predict_proba(new), np.exp(known.predict(new)), atol=1e-3)
        assert set(probe.predict(new)) <= set(names)


@pytest.mark.parametrize("seed", range(3))
def test_groups_keep_a_penalty_from_being_chosen_on_copies_of_what_was_trained_on(seed):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(40), 10)
    inputs = rng.normal(size=(40, 30))[groups] + 0.01 * rng.normal(size=(400, 30))
    target = rng.normal(size=40)[groups]
    grouped, alone = GroupedProbe().fit(inputs, target, groups), GroupedProbe().fit(inputs, target)
    assert grouped.alpha_ > 10 * alone.alpha_
    assert grouped.slope_ < 0.5 < 0.9 < alone.slope_


def test_it_says_what_it_is_and_scikit_learns_tools_take_it_with_groups():
    inputs, numbers, names, groups = rows()
    assert is_regressor(GroupedProbe())
    assert is_classifier(GroupedProbe("classification"))
    assert not hasattr(GroupedProbe(), "predict_proba")
    found = cross_validate(
        GroupedProbe("classification"), inputs, names, groups=groups, params={"groups": groups}, cv=GroupKFold(4)
    )
    assert len(found["test_score"]) == 4
    assert found["test_score"].mean() > 0.5
    probe = GroupedProbe().fit(inputs, numbers, groups)
    middle = numbers.mean(axis=0)
    expected = 1 - ((numbers - probe.predict(inputs)) ** 2).sum(axis=0) / ((numbers - middle) ** 2).sum(axis=0)
    assert probe.score(inputs, numbers) == pytest.approx(expected.mean())


@pytest.mark.parametrize(
    ("kind", "target", "groups", "says"),
    [
        ("ridge", [1.0, 2, 3], [0, 1, 2], "kind is"),
        ("regression", [1.0, 2, 3], [0, 0, 0], "only one group"),
        ("regression", [1.0, 2, 3], [0, 1], "one group a row"),
        ("classification", ["a", "a", "a"], [0, 1, 2], "only one class"),
    ],
)
def test_what_cannot_be_fitted_is_refused(kind, target, groups, says):
    with pytest.raises(ProbeError, match=says):
        GroupedProbe(kind).fit([[1.0], [2.0], [4.0]], target, groups)


def test_what_a_mask_hides_is_neither_fitted_nor_scored():
    rng = np.random.default_rng(0)
    inputs, groups = rng.normal(size=(24, 3)), np.repeat(np.arange(8), 3)
    numbers, hidden = inputs[:, 0], np.arange(24) == 2
    masked, of_inputs = np.ma.masked_array(numbers, hidden), np.ma.masked_array(inputs, inputs > 1)
    probe = GroupedProbe().fit(np.ma.masked_array(inputs), numbers, groups)
    for refused in (
        lambda: GroupedProbe().fit(of_inputs, numbers, groups),
        lambda: GroupedProbe().fit(inputs, masked, groups),
        lambda: probe.predict(of_inputs),
        lambda: probe.score(inputs, masked),
    ):
        with pytest.raises(ValueError, match="are masked in"):
            refused()
