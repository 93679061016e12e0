"""A known answer comes out, and whatever breaks on the way stops the run."""

import numpy as np
import pytest

from worldprobe.errors import ProbeError
from worldprobe.pipeline.probe import self_test as module


@pytest.fixture(autouse=True)
def _afresh():
    module.self_test.cache_clear()
    yield
    module.self_test.cache_clear()


def test_what_is_half_there_is_found_and_nothing_is_not():
    module.self_test()
    score, z, nothing = module.known_answer()
    assert score == pytest.approx(0.5, abs=0.1)
    assert z > 5
    assert nothing == pytest.approx(0, abs=0.05)


def _labels_of_other_moments(monkeypatch):
    """Speeds that stand beside other shots' boxes."""
    real = module.align

    def align(*args):
        moments = real(*args)
        moments.speed[:] = np.roll(moments.speed, len(moments) // 2, axis=0)
        return moments

    monkeypatch.setattr(module, "align", align)


def _folds_that_leak(monkeypatch):
    """Predictions by what was fitted on the very rows."""
    real = module.cross_fit

    def cross_fit(inputs, questions, folds):
        answers = real(inputs, questions, folds)
        for question in questions:
            answers[question.name].prediction[:] = question.target
        return answers

    monkeypatch.setattr(module, "cross_fit", cross_fit)


@pytest.mark.parametrize("fault", [_labels_of_other_moments, _folds_that_leak])
def test_a_wrong_answer_stops_the_run(fault, monkeypatch):
    fault(monkeypatch)
    with pytest.raises(ProbeError, match=r"the self-test failed: a velocity .* came out as"):
        module.self_test()
