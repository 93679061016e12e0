"""Labels and embeddings to scores, each beside its controls."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from worldprobe import registry
from worldprobe.errors import ProbeError, StoreError
from worldprobe.labels import targets
from worldprobe.pipeline.align import Moments, Target, align, examples, target
from worldprobe.pipeline.encoders import control_encoders, parse_blocks
from worldprobe.pipeline.gather import find_series, gather, labelled_videos, matching_series
from worldprobe.pipeline.progress import Progress, silent
from worldprobe.pipeline.scores import METRICS, Asked, Plan, Probed, report, shuffled, unmeasured
from worldprobe.probes import controls as floors
from worldprobe.probes import features
from worldprobe.probes.evaluate import Answer, Question, cross_fit
from worldprobe.probes.splits import make_folds, units
from worldprobe.protocols import Probe
from worldprobe.records import Labels, Tap
from worldprobe.store import Series, Store

_FEW_GROUPS = 20


def probe(store: Store, labels: Labels, plan: Plan, *, progress: Progress = silent) -> Probed:
    """Probe every task on every kind of features of every block, beside every control.

    Every control sees exactly the moments, folds and targets of the real probe. The real probe is also
    scored under the ``random`` split, so that the leak can be told.

    Raises:
        StoreError: embeddings that the plan needs are not there.
        ProbeError: no label meets an embedding, or too few groups for the split.
    """
    series = find_series(store, labelled_videos(labels), encoder=plan.encoder, input=plan.input, block=None)
    if not series:
        raise ProbeError("the labels table is empty: nothing was labelled, so there is nothing to probe")
    moments = align(series, labels, subject=plan.subject)
    if not len(moments):
        reasons = ", ".join(f"{count} {reason}" for reason, count in moments.dropped.items()) or "no labels"
        raise ProbeError(f"no label meets an embedding ({reasons}). Check that labels and videos belong together.")
    result = Probed(kept=moments.kept, dropped=dict(moments.dropped), series=list(series))
    asked = _ask(plan, moments, result)
    blocks = parse_blocks(plan.blocks, 1 + max(_stored_blocks(store, series)))
    done, total = 0, len(blocks) * len(plan.features)
    shared: dict[str, dict[tuple[str, str], Answer]] = {}
    for block in blocks:
        for kind in plan.features:
            _one(store, series, moments, plan, asked, block, kind, shared, result)
            done += 1
            progress("probe", done, total)
    order = _dimensions(plan.tasks, moments)
    result.results.sort(key=lambda line: (order.index(line.task), plan.features.index(line.features)))
    return result


def _stored_blocks(store: Store, series: Sequence[Series]) -> list[int]:
    found = store.find(series[0].video.id, encoder=series[0].encoder, input=series[0].input)
    return next(blocks for other, blocks in found if other.path == series[0].path)


def _ask(plan: Plan, moments: Moments, result: Probed) -> list[Asked]:
    """Turn tasks into questions; a task that cannot be asked gets results without a score that say why."""
    group = moments.group
    # What classes have to be spread over: the unit that the split keeps together.
    everything = Target(np.zeros((len(moments), 1)), np.ones(len(moments), dtype=np.bool_), ())
    unit = units(examples(moments, np.zeros((len(moments), 1), np.float32), everything, group), plan.split)
    asked = []
    for task in _dimensions(plan.tasks, moments):
        kind = targets.kind(task)
        probe: Probe = registry.create(
            "probes", plan.regression_probe if kind == "regression" else plan.classification_probe
        )
        if task in targets.MEASURED_TASKS:
            why = f"the labels hold no {task}"
        else:
            known = target(moments, task, unit)
            why = _unaskable(task, known, moments)
        if why:
            result.results += [
                unmeasured(plan, task, f, m, probe, why) for f in plan.features for m in METRICS[kind]
            ]
            continue
        rows = examples(moments, np.zeros((len(moments), 1), np.float32), known, group)
        folds = make_folds(rows, kind=plan.split, seed=plan.seed)
        leaky = None if plan.split == "random" else make_folds(rows, kind="random", seed=plan.seed)
        question = Question(task, probe, rows.target, len(known.classes))
        groups = len(np.unique(folds.unit))
        notes = list(known.notes)
        if groups < _FEW_GROUPS:
            notes.append(f"only {groups} groups: the interval is too narrow to trust")
        asked.append(Asked(task, known, question, folds, leaky, tuple(notes)))
    return asked


def _dimensions(tasks: Sequence[str], moments: Moments) -> list[str]:
    """Tasks that the labels measured, as one task for each of their dimensions."""
    found = []
    for task in tasks:
        parts = [name for name in moments.measured if name.partition(".")[0] == task]
        found += parts or [task]
    return found


def _unaskable(task: str, known: Target, moments: Moments) -> str:
    """Why a task cannot be asked of these moments; empty when it can."""
    if task == "class" and not any(moments.name):
        return "the labeller gives no classes"
    if targets.kind(task) == "classification" and len(known.classes) < 2:
        only = f"always {known.classes[0]!r}" if known.classes else "no class is in enough groups"
        return f"{task} is constant: {only}"
    if not known.usable.any():
        return "; ".join(known.notes) or "no usable labels"
    if not known.classes and (np.ptp(known.values[known.usable], axis=0) == 0).all():
        return f"{task} is constant"
    return ""


def _one(
    store: Store,
    series: Sequence[Series],
    moments: Moments,
    plan: Plan,
    asked: Sequence[Asked],
    block: int,
    kind: str,
    shared: dict[str, dict[tuple[str, str], Answer]],
    result: Probed,
) -> None:
    """All tasks and controls on one kind of features of one block."""
    at_block = find_series(store, [s.video.id for s in series], encoder=plan.encoder, input=plan.input, block=block)
    inputs, held = gather(store, at_block, moments, block=block, kind=kind)
    if not held.all():
        raise StoreError(
            f"{int((~held).sum())} labelled moments lie in clips that {store.location} does not hold at block "
            f"{block}. Run `worldprobe encode` again; it does only what is missing."
        )
    real = _answers(inputs, asked, leaky=True, shuffle="shuffled" in plan.controls, seed=plan.seed)
    answers: dict[str, dict[tuple[str, str], Answer]] = {"none": real}
    if "gaussian" in plan.controls:
        noise = floors.gaussian((inputs.shape[0], inputs.shape[1]), seed=plan.seed)
        answers["gaussian"] = _answers(noise, asked)
    for control, encoder in control_encoders(plan.encoder, series[0].twin).items():
        if control not in plan.controls:
            continue
        # The pixels are the same beside every block and kind of features.
        if control == "pixels" and control in shared:
            answers[control] = shared[control]
            continue
        others = matching_series(store, series, encoder=encoder, control=control)
        floor = control == "pixels"
        read, _ = gather(store, others, moments, block=0 if floor else block, kind="flat" if floor else kind)
        answers[control] = shared[control] = _answers(read, asked)
    if "nuisance" in plan.controls:
        if "nuisance" not in shared:
            when = features.nuisance(moments.video, moments.pts_seconds, moments.clip_seconds)
            shared["nuisance"] = _answers(when, asked)
        answers["nuisance"] = shared["nuisance"]
    report(plan, asked, answers, str(Tap(plan.encoder, block)), kind, result)


def _answers(
    inputs: NDArray[np.float32],
    asked: Sequence[Asked],
    *,
    leaky: bool = False,
    shuffle: bool = False,
    seed: int = 0,
) -> dict[tuple[str, str], Answer]:
    """Answers by (task, variant): "real", "shuffled", "random" (the leaky split).

    Tasks that are known on the same rows share every decomposition.
    """
    by_rows: dict[bytes, list[Asked]] = {}
    for one in asked:
        by_rows.setdefault(one.target.usable.tobytes(), []).append(one)
    found: dict[tuple[str, str], Answer] = {}
    for together in by_rows.values():
        rows = inputs[together[0].target.usable]
        questions = [one.question for one in together]
        if shuffle:
            questions += [shuffled(one, seed) for one in together]
        for name, answer in cross_fit(rows, questions, together[0].folds).items():
            task, _, variant = name.partition("/")
            found[task, variant or "real"] = answer
        if leaky and together[0].leaky is not None:
            for name, answer in cross_fit(rows, [one.question for one in together], together[0].leaky).items():
                found[name, "random"] = answer
    return found
