"""A probe that inherits from Ridge and reads rows itself is given them, and asked for one target at a time."""

import numpy as np
import pytest
from tests.builders.known_rows import Known

from worldprobe.errors import ProbeError
from worldprobe.probes.curves import learning_curve
from worldprobe.probes.evaluate import cross_fit
from worldprobe.probes.evidence import online_code_length
from worldprobe.probes.linear.logistic import Logistic
from worldprobe.probes.linear.ridge import Ridge
from worldprobe.probes.question import Question
from worldprobe.probes.splits import SplitRows, make_folds


class FirstColumn(Ridge):
    """Predicts what stands in the first column; knows of one target only."""

    name = "first"

    def fit(self, training, target, *, strength, classes, start=None):
        assert target.shape[1] == 1
        return self

    def predict(self, inputs):
        return np.asarray(inputs, dtype=float)[:, :1]


def test_what_the_parent_can_do_is_not_asked_of_it():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(120, 5)).astype(np.float32)
    target = inputs[:, :1].astype(float)
    data = Known(inputs, target, SplitRows(np.arange(120) // 6, np.arange(120) // 6, np.arange(120.0), 1.0))
    questions = [Question(name, FirstColumn(), target) for name in ("one", "two")]
    answers = cross_fit(inputs, questions, make_folds(data.rows, kind="grouped", seed=0))
    for answer in answers.values():  # extremes are held within what was seen
        assert np.corrcoef(answer.prediction[:, 0], target[:, 0])[0, 1] > 0.98


PENALTIES = (2.0, 300.0, np.inf)


class OwnRidge(Ridge):
    strengths = PENALTIES


class OwnLogistic(Logistic):
    strengths = PENALTIES


def with_penalties(probe):
    probe.strengths = PENALTIES
    return probe


@pytest.mark.parametrize("components", [None, 3])
@pytest.mark.parametrize(
    ("own", "classes"),
    [(OwnRidge(), 0), (with_penalties(Ridge()), 0), (OwnLogistic(), 3), (with_penalties(Logistic()), 3)],
)
def test_penalties_of_its_own_are_those_chosen_from(own, classes, components):
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(120, 6)).astype(np.float32)
    # Two numbers, of which one is told by the features and one is not: their penalties differ.
    told = inputs[:, :2] + rng.normal(size=(120, 2)) * [0.1, 9.0]
    target = np.digitize(told[:, :1], [-0.4, 0.4]).astype(float) if classes else told
    unit = np.arange(120) // 6
    folds = make_folds(SplitRows(unit, unit, np.arange(120.0), 1.0), kind="grouped", seed=0)
    question = Question("own", own, target, classes, blocks=1 if classes else 2)
    found = cross_fit(inputs, [question], folds, components=components)["own"]
    assert set(found.chosen) <= set(PENALTIES)
    online_code_length(inputs, question, folds, seed=0, components=components)
    learning_curve(inputs, question, folds, seed=0, components=components)


def test_probes_of_one_class_may_differ_in_their_penalties():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(120, 6)).astype(np.float32)
    target, unit = inputs[:, :1] + rng.normal(size=(120, 1)), np.arange(120) // 6
    folds = make_folds(SplitRows(unit, unit, np.arange(120.0), 1.0), kind="grouped", seed=0)
    questions = [Question("usual", Ridge(), target), Question("own", with_penalties(Ridge()), target)]
    beside = cross_fit(inputs, questions, folds)["own"].prediction
    np.testing.assert_allclose(beside, cross_fit(inputs, questions[1:], folds)["own"].prediction, atol=1e-9)


@pytest.mark.parametrize("penalties", [(), (np.inf, np.nan), (np.inf, -1.0)])
def test_penalties_that_are_none_are_refused(penalties):
    probe = Ridge()
    probe.strengths = penalties
    with pytest.raises(ProbeError, match=r"Ridge\.strengths holds .*one penalty or more"):
        Question("own", probe, np.zeros((3, 1)))
