"""Labels and embeddings to scores, each beside its controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from worldprobe.controls import CONTROLS, MOTION_TASKS
from worldprobe.errors import ProbeError
from worldprobe.findings.setup import reduced_note, thinned_note
from worldprobe.labels import targets
from worldprobe.pipeline.probe.answers import CURVES, QUESTIONS, Probed, ProbeTask, lines
from worldprobe.pipeline.probe.chosen_tap import chosen_taps
from worldprobe.pipeline.probe.controls import Place
from worldprobe.pipeline.probe.evidence import contrasts, evidence_of, power_of, steps, worked_out
from worldprobe.pipeline.probe.inputs import encoded_only
from worldprobe.pipeline.probe.moments import LabelledTubelets, align, with_before
from worldprobe.pipeline.probe.plan import CHOSEN, Plan
from worldprobe.pipeline.probe.questions import ask, check_probes, dimensions
from worldprobe.pipeline.probe.shift import Shift, require_factor
from worldprobe.pipeline.probe.table import answer_rows
from worldprobe.pipeline.probe.unlabelled import unlabelled
from worldprobe.pipeline.probe.verdicts import verdicts_of
from worldprobe.pipeline.progress import Progress, Tally, silent
from worldprobe.pipeline.stored import (
    MISSING,
    NOT_ENCODED,
    chosen_blocks,
    class_series,
    encoded_videos,
    find_series,
    held_clips,
    labelled_videos,
    stored_blocks,
)
from worldprobe.probes import features
from worldprobe.protocols import Executor
from worldprobe.records import Block, Labels, Tap
from worldprobe.store import Input, Series, Store


def probe(
    store: Store,
    labels: Labels,
    plan: Plan,
    *,
    partial: bool = False,
    executor: Executor | None = None,
    progress: Progress = silent,
) -> Probed:
    """Probe every task by every probe on every kind of features of every block, beside every control.

    Every control sees exactly the moments, folds and targets of the real probe. The real probe is also
    scored under the ``random`` split, so that the leak can be told. Where there are changes in time among the
    features, all kinds are read at the moments that have another before them, so that they compare.

    Args:
        partial: go on without the labels of clips and videos that are not in the store, counted as dropped.
        executor: whose workers add up the sums of linear probes and work out learning curves, where it is not this
            process.

    Raises:
        StoreError: embeddings that the plan needs are not there.
        ProbeError: no label meets an embedding, or too few groups for the split.
        ConfigError: probes that do not go with the tasks or the features.
    """
    check_probes(plan)
    series, blocks, moments = _aligned(store, labels, plan, partial=partial)
    result = Probed(kept=moments.kept, dropped=dict(moments.dropped), series=list(series), moments=moments)
    result.notes += [*_left_out(store, moments), *_reduced(plan), *_thinned(plan)]
    probe_tasks = ask(plan, moments, result)
    result.block = blocks[-1]
    with TemporaryDirectory(prefix="worldprobe-") as folder:
        place = Place(store, series, moments, plan, probe_tasks, Path(folder), executor=executor)
        result.notes += place.copies() if probe_tasks else []
        fitted, curves = _tallies(plan, place, probe_tasks, len(blocks), progress)
        result.fits = {QUESTIONS: fitted.total, CURVES: curves.total}
        for block in blocks:
            for kind in plan.features:
                # Planted effects, code lengths and learning curves take dozens of fits: at the last block only.
                last = block == blocks[-1]
                count = place.fits([kind]) + (place.planted_fits([kind]) if last else 0)
                with fitted.part(count) as step:
                    result.answered += place.read(block, kind, last=last, step=step)
                if last and plan.evidence and kind != "tokens":
                    tap, rows = str(Tap(plan.encoder, block)), place.rows(block, kind)
                    who = place.working(block, kind)
                    result.evidence += worked_out(plan, rows, result.answered, tap, kind, tally=curves, working=who)
        if plan.hold_out is not None and probe_tasks:
            _hold_out(Shift(place, plan, moments, probe_tasks, result), result, progress)
    if "unlabelled" in plan.evidence:
        result.unlabelled += unlabelled(store, plan, series, blocks[-1])
    result.answered += chosen_taps(result.answered) if len(blocks) > 1 else []
    result.answers.append(answer_rows(result.answered, moments, series, block=blocks[-1]))
    result.results += lines(result.answered)
    power = power_of(result.answered)
    result.evidence += [*evidence_of(result.answered), *power, *verdicts_of(result.answered, power)]
    order = dimensions(plan.tasks, moments)
    kinds = [*plan.features, CHOSEN]
    result.results.sort(key=lambda line: (order.index(line.task), kinds.index(line.features)))
    return result


@dataclass(frozen=True, slots=True)
class Foreseen:
    """Describe what ``probe`` would do; ``fits`` are by what they are for, without those of probes of tokens."""

    series: list[Series]
    blocks: list[Block]
    moments: LabelledTubelets
    probe_tasks: list[ProbeTask]
    fits: dict[str, int]


def foresee(store: Store, labels: Labels, plan: Plan) -> Foreseen:
    """Count what ``probe`` would fit to what is in the store. Raises as ``probe``."""
    check_probes(plan)
    series, blocks, moments = _aligned(store, labels, plan, partial=True)
    result = Probed(kept=moments.kept, dropped=dict(moments.dropped), series=list(series), moments=moments)
    probe_tasks = ask(plan, moments, result)
    rows = replace(plan, features=tuple(kind for kind in plan.features if kind != "tokens"))
    place = Place(store, series, moments, plan, probe_tasks, Path())  # nothing is read, so nothing is put anywhere
    fitted, curves = _tallies(rows, place, probe_tasks, len(blocks), silent)
    fits = {QUESTIONS: fitted.total, CURVES: curves.total}
    if plan.hold_out is not None and probe_tasks:
        fits[QUESTIONS] += Shift(place, plan, moments, probe_tasks, result).fits
    return Foreseen(series, blocks, moments, probe_tasks, fits)


def _hold_out(shift: Shift, result: Probed, progress: Progress) -> None:
    """Answer again with values of a factor held out, at the last block."""
    with Tally(f"hold out {shift.factor}", shift.fits, progress).part(shift.fits) as step:
        result.evidence += shift.lines(result.block, step=step)
    result.fits[QUESTIONS] += shift.fits


def _aligned(
    store: Store, labels: Labels, plan: Plan, *, partial: bool
) -> tuple[list[Series], list[Block], LabelledTubelets]:
    """Find the series and the blocks of a plan, and the moments at which labels meet them; raises as ``probe``."""
    videos, missing = labelled_videos(labels), 0
    if partial:
        videos, missing = encoded_videos(store, labels, encoder=plan.encoder, input=plan.input)
    series = find_series(store, videos, encoder=plan.encoder, input=plan.input, block=None)
    if not series:
        why = " ".join(labels.notes[-2:]) or "Try another labeller (`worldprobe list labellers`)."
        raise ProbeError(f"the labels table is empty: nothing was labelled, so there is nothing to probe. {why}")
    blocks = chosen_blocks(plan.blocks, stored_blocks(store, series[0]))
    require_factor(plan, labels)
    wanted = dict.fromkeys(filter(None, (targets.TASK_COLUMN * (targets.TASK_COLUMN in plan.tasks), plan.hold_out)))
    factors = list(wanted)
    moments, held = align(series, labels, subject=plan.subject, factors=factors), None
    kept = [class_series(store, series, block=block) for block in blocks if "cls" in plan.features]
    if partial:
        held = held_clips(store, series, encoder=plan.encoder, input=plan.input, blocks=blocks)
        for block, of_class in zip(blocks, kept, strict=False):  # none without cls
            held = [clips.intersection(store.held(one, block)) for clips, one in zip(held, of_class, strict=True)]
        moments = encoded_only(moments, held)
    if missing:
        moments = replace(moments, dropped={**moments.dropped, MISSING: missing})
    if set(plan.features) & set(features.CHANGES):
        moments = with_before(moments, series, held)
    if not len(moments):
        reasons = ", ".join(f"{count} {reason}" for reason, count in moments.dropped.items()) or "no labels"
        raise ProbeError(f"no label meets an embedding ({reasons}). Check that labels and videos belong together.")
    return series, blocks, moments


def _tallies(
    plan: Plan, place: Place, probe_tasks: Sequence[ProbeTask], blocks: int, progress: Progress
) -> tuple[Tally, Tally]:
    """Of fits to answer questions, and of those for code lengths and learning curves, which take longer each."""
    of = "" if plan.input == "native" else f", {plan.input}"
    read = sum(kind != "tokens" for kind in plan.features)
    curves = read * sum(sum(steps(plan, one).values()) for one in probe_tasks)
    fitted = place.fits(blocks * list(plan.features)) + place.planted_fits(plan.features)
    return Tally(f"probe{of}", fitted, progress), Tally(f"{CURVES}{of}", curves, progress)


def probe_inputs(
    store: Store,
    labels: Labels,
    plan: Plan,
    inputs: Sequence[Input],
    *,
    partial: bool = False,
    executor: Executor | None = None,
    progress: Progress = silent,
) -> Probed:
    """``probe`` for each kind of input, and what one adds to the other on the same groups."""
    parts = [
        probe(store, labels, replace(plan, input=one), partial=partial, executor=executor, progress=progress)
        for one in inputs
    ]
    whole = parts[0]
    for part in parts[1:]:
        if (part.kept, part.dropped) != (whole.kept, whole.dropped):
            dropped = ", ".join(f"{reason} {count:,}" for reason, count in part.dropped.items())
            which = part.series[0].input
            whole.notes.append(f"With {which} input {part.kept:,} labels were kept; dropped: {dropped or 'none'}")
        whole.results += part.results
        whole.evidence += part.evidence
        whole.unlabelled += part.unlabelled
        whole.answered += part.answered
        whole.answers += part.answers
        whole.fits = {name: count + part.fits[name] for name, count in whole.fits.items()}
    whole.evidence += contrasts(whole.answered)
    whole.notes += _of_stills(plan, inputs)
    return whole


def _reduced(plan: Plan) -> list[str]:
    """What probes did not see."""
    return [] if plan.pca is None else [reduced_note(plan.pca)]


def _thinned(plan: Plan) -> list[str]:
    """What probes were trained on."""
    return [] if plan.moments_per_clip is None else [thinned_note(plan.moments_per_clip)]


def _of_stills(plan: Plan, inputs: Sequence[Input]) -> list[str]:
    """Which controls are nothing of stills, and therefore not beside them."""
    of_motion = [name for name, one in CONTROLS.items() if one.motion and name in plan.controls]
    asked = "still" in inputs and set(plan.tasks) & set(MOTION_TASKS)
    return [
        f"The control {name} is change in time: of stills it is nothing, and left out"
        for name in of_motion
        if asked
    ]


def _left_out(store: Store, moments: LabelledTubelets) -> list[str]:
    """What the store lacks, which may be what failed or what was never done: only the user can tell."""
    lost = {reason: moments.dropped[reason] for reason in (NOT_ENCODED, MISSING) if reason in moments.dropped}
    if not lost:
        return []
    counts = " and ".join(f"{count:,} labels {reason}" for reason, count in lost.items())
    return [f"{counts} were left out. If {store.location} was cut short, `worldprobe encode` does what is missing."]
