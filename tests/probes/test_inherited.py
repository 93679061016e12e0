"""A probe that inherits from Ridge and reads rows itself is given them, and asked for one target at a time."""

import numpy as np
from tests.builders.known_rows import Known

from worldprobe.probes.evaluate import cross_fit
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
