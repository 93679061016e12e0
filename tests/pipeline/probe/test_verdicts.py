"""What readings allow to be said, from probes to the words of a verdict."""

import numpy as np
import pytest
from tests.builders.checks import some
from tests.builders.known_rows import known

from worldprobe.controls import Control
from worldprobe.findings.scores import rows_of
from worldprobe.pipeline.probe.answers import Answered, ProbeTask, beside_controls, lines
from worldprobe.pipeline.probe.evidence import about
from worldprobe.pipeline.probe.fit import answer
from worldprobe.pipeline.probe.plan import Plan
from worldprobe.pipeline.probe.targets import Target
from worldprobe.pipeline.probe.verdicts import verdicts_of
from worldprobe.probes import controls
from worldprobe.probes.detection.by_group import LEAST_Z
from worldprobe.probes.evidence import selectivity
from worldprobe.probes.linear.logistic import Logistic
from worldprobe.probes.question import Question
from worldprobe.probes.splits import make_folds
from worldprobe.results import PowerResult

RUN: tuple[Control, ...] = ("majority", "shuffled", "gaussian")
PLAN = Plan(encoder="e", tasks=("class",), features=("z",), controls=RUN, split="grouped")


def readings(inputs, codes, group, classes) -> list[Answered]:
    """A logistic probe of classes [n], beside three controls."""
    data = known(inputs, codes, group)
    folds = make_folds(data.rows, kind="grouped", seed=0)
    target = Target(data.target, np.ones(len(group), bool), classes)
    question = Question(("class", "logistic"), Logistic(), data.target, len(classes))
    task = ProbeTask("class", "logistic", target, question, folds, None, ())
    found = {
        "none": answer(data.inputs, [task], shuffle=True),
        "gaussian": answer(controls.gaussian(data.inputs.shape, seed=0), [task]),
    }
    return beside_controls(PLAN, [task], found, "e/block0.out", "z", twin=None)


@pytest.mark.parametrize("seed", range(3))
def test_a_rare_class_that_is_known_is_evidence_and_above_the_majority(seed, tmp_path):
    """One row in ten, told at an AUROC of 0.86: accuracy 0.91 against the majority's 0.91."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(200), 5)
    codes = (rng.random(len(group)) < 0.1).astype(float)
    inputs = rng.standard_normal((len(group), 8))
    inputs[:, 0] += 1.53 * codes
    answered = readings(inputs, codes, group, ("many", "few"))
    (verdict,) = verdicts_of(answered, [])
    assert (verdict.metric, verdict.verdict) == ("balanced_accuracy", "above every control")
    (row,) = rows_of(lines(answered), tmp_path, [verdict])
    assert row.main.metric == "balanced_accuracy"
    assert row.main.verdict.short.startswith("above")
    accuracy = next(line for line in some(row.others) if line.metric == "accuracy")
    assert accuracy.score.value == pytest.approx(accuracy.controls["majority"].value, abs=0.02)


def test_a_rare_class_that_is_not_known_is_no_evidence():
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(200), 5)
    codes = (rng.random(len(group)) < 0.1).astype(float)
    (verdict,) = verdicts_of(readings(rng.standard_normal((len(group), 8)), codes, group, ("many", "few")), [])
    assert verdict.verdict == "too few to tell"


def test_what_another_probe_would_have_shown_denies_nothing():
    """A ridge or a logistic regression that sees an effect says nothing of what a nearest neighbour would see."""
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(200), 5)
    codes = (rng.random(len(group)) < 0.5).astype(float)
    answered = readings(rng.standard_normal((len(group), 8)), codes, group, ("some", "others"))
    real = next(one for one in answered if one.control == "none")
    seen = PowerResult(**about(real), easy=0.05, hard=0.1, least_z=LEAST_Z, groups_needed=60)
    (alike,) = verdicts_of(answered, [seen])
    (other,) = verdicts_of(answered, [seen.model_copy(update={"probe": "knn"})])
    assert (alike.verdict, other.verdict) == ("no evidence", "too few to tell")


def test_shuffled_labels_of_groups_of_different_lengths_are_held_against_what_a_constant_scores_on_them(tmp_path):
    """Long groups are of one class: moved to other groups it is rarer, which says nothing of the features."""
    shares, found = [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        lengths = np.sort(rng.integers(5, 61, 40))
        group = np.repeat(np.arange(40), lengths)
        codes = (np.arange(40) % 10 >= 4 - 3 * (np.arange(40) >= 20)).astype(float)[group]
        answered = readings(rng.standard_normal((len(group), 4)), codes, group, ("few", "many"))
        real, shuffled = (next(one for one in answered if one.control == name) for name in ("none", "shuffled"))
        shares.append(abs(real.draws["accuracy"].value - shuffled.draws["accuracy"].value))
        found += [
            (real.main.value - shuffled.main.value),
            selectivity(real.over_constant, shuffled.over_constant).value,
        ]
    assert max(shares) > 0.05
    assert np.abs(found).max() < 0.05
