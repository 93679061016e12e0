"""What cannot be probed: each a clear error, or a result that says so, and never a silent zero."""

import numpy as np
import pytest
from tests.builders.checks import some
from tests.builders.known_rows import Known

from worldprobe.errors import ProbeError
from worldprobe.pipeline.probe.answers import Answered, ProbeTask, lines
from worldprobe.pipeline.probe.plan import Plan
from worldprobe.pipeline.probe.targets import Target
from worldprobe.probes.evaluate import cross_fit
from worldprobe.probes.evidence import online_code_length
from worldprobe.probes.knn import KnnClassification, KnnRegression
from worldprobe.probes.linear.logistic import Logistic
from worldprobe.probes.linear.ridge import Ridge
from worldprobe.probes.mlp import MlpClassification, MlpRegression
from worldprobe.probes.question import Question
from worldprobe.probes.splits import SplitRows, make_folds

REGRESSIONS = [Ridge(), MlpRegression("4"), KnnRegression()]
CLASSIFICATIONS = [Logistic(), MlpClassification("4"), KnnClassification()]
PLAN = Plan("e", ("it",), ("z",), ("majority",), "grouped")


def examples(target, *, groups=12, rows=6, inputs=None):
    rng = np.random.default_rng(0)
    n = groups * rows
    inputs = rng.normal(size=(n, 5)) if inputs is None else inputs
    group = np.repeat(np.arange(groups), rows)
    target = np.asarray(target, dtype=float).reshape(n, -1)
    return Known(inputs.astype(np.float32), target, SplitRows(group, group, np.arange(n, dtype=float), 0.5))


def results(data, probe, *, classes=()):
    """The lines of one task."""
    folds = make_folds(data.rows, kind="grouped", seed=0)
    question = Question("it", probe, data.target, len(classes))
    answer = cross_fit(data.inputs, [question], folds)["it"]
    task = "class" if classes else "size"
    asked = ProbeTask(
        task, probe.name, Target(data.target, np.ones(len(data.rows), bool), classes), question, folds, None, ()
    )
    return lines([Answered(PLAN, asked, "e/block0.out", "z", "none", "e", question, answer, folds)])


@pytest.mark.parametrize("probe", REGRESSIONS, ids=lambda p: p.name)
def test_a_constant_target_has_no_score_and_says_why(probe):
    (line,) = results(examples(np.full(72, 3.0)), probe)
    assert (line.score, line.low, line.high) == (None, None, None)
    assert "the target is constant" in line.notes


@pytest.mark.parametrize("probe", CLASSIFICATIONS, ids=lambda p: p.name)
def test_one_class_has_no_score_and_says_why(probe):
    found = results(examples(np.zeros(72)), probe, classes=("cat",))
    assert [line.metric for line in found] == ["balanced_accuracy", "accuracy", "macro_f1"]
    for line in some(found):
        assert line.score is None
        assert "one class only" in line.notes


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("probe", [*REGRESSIONS, *CLASSIFICATIONS], ids=lambda p: p.name)
def test_features_that_are_not_finite_are_refused(probe, bad):
    data = examples(np.arange(72) % 2)
    data.inputs[7, 2] = bad
    classes = 2 if probe.kind == "classification" else 0
    folds = make_folds(data.rows, kind="grouped", seed=0)
    with pytest.raises(ProbeError, match="1 of 72 examples hold NaN or infinite features"):
        cross_fit(data.inputs, [Question("it", probe, data.target, classes)], folds)
    with pytest.raises(ProbeError, match="1 of 72"):
        online_code_length(data.inputs, Question("it", probe, data.target, classes), folds, seed=0)


def test_a_group_that_is_everything_cannot_be_held_out():
    data = examples(np.arange(72), groups=1, rows=72)
    with pytest.raises(ProbeError, match="5 grouped folds were asked for, found 1 group of examples"):
        make_folds(data.rows, kind="grouped", seed=0)
    with pytest.raises(ProbeError, match="at least 3 videos, found 1"):
        make_folds(data.rows, kind="video", seed=0)


@pytest.mark.parametrize("groups", [2, 4])
def test_fewer_groups_than_folds_are_too_few(groups):
    with pytest.raises(ProbeError, match=f"found {groups} groups"):
        make_folds(examples(np.arange(groups * 6), groups=groups).rows, kind="grouped", seed=0)


def test_fewer_rows_than_folds_are_too_few():
    with pytest.raises(ProbeError, match="found 3 groups"):
        make_folds(examples(np.arange(3), groups=3, rows=1).rows, kind="grouped", seed=0)


@pytest.mark.parametrize("probe", CLASSIFICATIONS, ids=lambda p: p.name)
def test_a_class_that_is_only_in_the_test_groups_is_said(probe):
    codes = np.repeat(np.arange(12) % 2, 6)
    codes[:6] = 2  # one group alone holds it: when that is held out, no training group does
    found = results(examples(codes), probe, classes=("cat", "dog", "fox"))
    assert [line.metric for line in found] == ["balanced_accuracy", "accuracy", "macro_f1"]
    for line in some(found):
        assert line.score is not None
        assert "fox is not trained on in some fold: 6 of its 6 moments cannot be answered right" in line.notes
