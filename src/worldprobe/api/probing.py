"""Probe features of any kind beside their controls, by the rules of a run."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score

from worldprobe.api.arrays import Labels, features_of, groups_of, labels_of, require_same_index, seed_of
from worldprobe.api.report import ProbeReport
from worldprobe.controls import Control
from worldprobe.pipeline.probe.answers import Answers, ProbeTask, beside_controls, lines
from worldprobe.pipeline.probe.evidence import evidence_of, power_of, with_power, worked_out
from worldprobe.pipeline.probe.fit import answer
from worldprobe.pipeline.probe.plan import Plan
from worldprobe.pipeline.probe.questions import questions_of
from worldprobe.pipeline.probe.targets import Target, of_classes
from worldprobe.pipeline.probe.verdicts import verdicts_of
from worldprobe.probes import controls as made
from worldprobe.probes.choice import fit_chosen
from worldprobe.probes.linear.estimators import InputError
from worldprobe.probes.linear.grouped import Kind, explained
from worldprobe.probes.linear.logistic import Logistic
from worldprobe.probes.linear.ridge import Ridge
from worldprobe.probes.metrics import varying
from worldprobe.probes.question import Question
from worldprobe.probes.splits import OUTER_FOLDS, SplitRows
from worldprobe.probes.training import TrainingSets

GIVEN: dict[Control, str] = {
    "pixels": "the raw input made small, with no encoder",
    "random-init": "the features of the same architecture untrained",
    "nuisance": "what should not matter, such as source, batch, length or time",
    "flow": "positive: features that are known to hold the property",
}
"""The controls that are given as features of their own, and what each is of whatever was encoded."""
_MADE: tuple[Control, ...] = ("majority", "shuffled", "gaussian")


def probe(
    features: Any,
    labels: Any,
    groups: Any,
    *,
    controls: Mapping[str, Any] | None = None,
    kinds: Mapping[str, Kind] | Kind | None = None,
    evidence: Sequence[Literal["code", "learning"]] = (),
    name: str = "features",
    seed: int = 0,
) -> ProbeReport:
    """Probe labels from features, whole groups held out, each score beside its controls and judged as in a run.

    Five outer folds hold out whole groups; penalties are chosen on inner folds of whole groups. Beside every score
    stand a constant, labels shuffled between groups, Gaussian noise, and the controls that are given. Effects are
    planted to find the least that this sample can detect; a random split is scored to find what it would add.

    Args:
        features: numbers [n, d]: an array, a tensor, a frame of pandas or polars.
        labels: one task [n] (or [n, k]: k numbers read as one), or a dictionary or a frame with a task a column.
            Text, booleans, categories and whole numbers of at most 10 different values are classes (logistic
            regression, balanced accuracy); other numbers are regressed (ridge, R²).
        groups: [n], what rows that are not independent share: the speaker, the document, the donor. Five or more.
        controls: further controls by name, features [n, e] each: "pixels", "random-init", "nuisance", and "flow",
            which is positive (``GIVEN`` says what each is).
        kinds: "regression" or "classification" for all tasks, or by task, where the rule above is not meant.
        evidence: "code" (online code lengths) and "learning" (learning curves), which take dozens of fits.
        name: what features are called in tables.
        seed: deals groups into folds, and rows and groups into controls.

    Raises:
        InputError: rows that differ in number, missing values, a constant or a single class, too few groups, an
            unknown control, or a seed that is none (a ``ValueError`` and a ``WorldprobeError``).
    """
    require_same_index(features, {"labels": labels, "groups": groups, **(controls or {})})
    seed = seed_of(seed)
    if unknown := [one for one in evidence if one not in ("code", "learning")]:
        raise InputError(f"no evidence {unknown[0]!r}: choose from code, learning")
    inputs = features_of(features, "features")
    unit = groups_of(groups, len(inputs))
    given = _controls(controls or {}, len(inputs))
    tasks = labels_of(labels, kinds, len(inputs))
    plan = Plan(
        encoder=name, tasks=tuple(one.task for one in tasks), features=(name,), controls=(*_MADE, *given),
        split="grouped", seed=seed, evidence=tuple(evidence),
    )  # fmt: skip
    questions = [_question(plan, one, unit) for one in tasks]
    planted: dict[Hashable, Question] = {}
    found: dict[Control, Answers] = {
        "none": answer(inputs, questions, leaky=True, shuffle=True, seed=seed, planted=planted)
    }
    found["gaussian"] = answer(made.gaussian(inputs.shape, seed=seed), questions, seed=seed)
    found |= {control: answer(rows, questions, seed=seed) for control, rows in given.items()}
    tap = f"{name}/given"
    answered = beside_controls(plan, questions, found, tap, name, twin=f"random:{name}")
    answered = [with_power(one, planted, found["none"]) for one in answered]
    power = power_of(answered)
    worth = worked_out(plan, inputs, answered, tap, name)
    return ProbeReport(
        name, (*lines(answered), *worth, *evidence_of(answered), *power, *verdicts_of(answered, power))
    )


def cross_validate(
    features: Any, labels: Any, groups: Any, *, kind: Kind | None = None, seed: int = 0
) -> dict[str, NDArray[np.float64]]:
    """Score one task fold by fold, as scikit-learn's function of this name gives it, on the folds of ``probe``.

    Args:
        features: as of ``probe``.
        labels: of one task.
        groups: as of ``probe``.
        kind: as ``kinds`` of ``probe``.
        seed: deals groups into folds.

    Returns:
        ``test_score`` (R² against the training mean, or balanced accuracy), ``fit_time`` and ``score_time`` in
        seconds, float64 [5] each. ``probe`` scores the same predictions, of all folds together.

    Raises:
        InputError: as ``probe``, and for several tasks.
    """
    require_same_index(features, {"labels": labels, "groups": groups})
    seed = seed_of(seed)
    inputs = features_of(features, "features")
    unit, tasks = groups_of(groups, len(inputs)), labels_of(labels, kind, len(inputs))
    if len(tasks) != 1:
        raise InputError(f"one task is scored at a time, and the labels are {', '.join(one.task for one in tasks)}")
    plan = Plan("features", (tasks[0].task,), ("features",), (), "grouped", seed=seed)
    one = _question(plan, tasks[0], unit)
    question, folds, inputs = one.question, one.folds, inputs[one.target.usable]
    sets = TrainingSets(inputs, folds.unit, folds.folds)
    scores: dict[str, list[float]] = {"fit_time": [], "score_time": [], "test_score": []}
    for fold in folds.folds:
        began = time.perf_counter()
        fitted = fit_chosen(question, sets.prepare(fold.train, fold.inner))
        trained = time.perf_counter()
        output, truth = fitted.predict(inputs[fold.test]), question.target[fold.test]
        if question.classes:
            score = float(balanced_accuracy_score(truth[:, 0], output.argmax(axis=1)))
        else:
            score = explained(truth, output, question.constant(fold.train))
        scores["fit_time"].append(trained - began)
        scores["score_time"].append(time.perf_counter() - trained)
        scores["test_score"].append(score)
    return {key: np.array(values) for key, values in scores.items()}


def _controls(controls: Mapping[str, Any], rows: int) -> dict[Control, NDArray[np.float32]]:
    """The controls that are given, float32 [n, e] each; raises InputError for unknown names and other rows."""
    if unknown := [name for name in controls if name not in GIVEN]:
        known = "; ".join(f"{name}: {what}" for name, what in GIVEN.items())
        raise InputError(f"no control {unknown[0]!r} can be given. Those that can: {known}")
    found = {
        name: features_of(controls[name], f"those of the control {name}") for name in GIVEN if name in controls
    }
    for name, values in found.items():
        if len(values) != rows:
            raise InputError(f"the control {name} has {len(values)} rows, and the features have {rows}")
    return found


def _question(plan: Plan, labels: Labels, unit: NDArray[np.int64]) -> ProbeTask:
    """A task's question on its folds; raises InputError for what cannot be probed."""
    known = _target(labels, unit)
    groups = len(np.unique(unit[known.usable]))
    if groups < OUTER_FOLDS:
        raise InputError(
            f"{labels.task!r} is known in {groups} group{'s'[: groups != 1]}, and {OUTER_FOLDS} or more are needed "
            "for folds that hold out whole groups. Give finer groups where rows of different ones are independent, "
            "or more data"
        )
    group = unit[known.usable]
    rows = SplitRows(group, group, np.zeros(len(group)), 0.0)
    probe = ("logistic", Logistic()) if known.classes else ("ridge", Ridge())
    return questions_of(plan, labels.task, known, rows, [probe], circular=False, clips=(group, group))[0]


def _target(labels: Labels, unit: NDArray[np.int64]) -> Target:
    task, values = labels.task, labels.values
    if labels.kind == "regression":
        if not varying(values).any():
            raise InputError(f"{task!r} is constant: there is nothing to read")
        return Target(values, np.ones(len(values), dtype=np.bool_), ())
    known = of_classes(values, unit)
    if len(known.classes) < 2:
        different = len(np.unique(values))
        if different == 1:
            raise InputError(f"there is only one class of {task!r}, {values[0]}: nothing to tell apart")
        held = "only one of them" if known.classes else "none of them"
        raise InputError(
            f"{task!r} has {different} different values in {len(values)} rows, and {held} is in two groups or "
            "more, so that it could be learnt in some and met in others. Numbers are regressed with "
            "kinds='regression'"
        )
    rare = tuple(f"{int((~known.usable).sum())} rows {note}" for note in known.notes)
    return replace(known, notes=rare)
