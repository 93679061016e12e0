"""From the tasks and probes of a plan to questions, with their folds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from worldprobe.controls import NEGATIVE, POSITIVE
from worldprobe.errors import ConfigError, ProbeError
from worldprobe.findings.wording import rough_note
from worldprobe.labels import targets
from worldprobe.pipeline.probe.answers import Probed, ProbeTask, unmeasured
from worldprobe.pipeline.probe.moments import LabelledTubelets
from worldprobe.pipeline.probe.plan import Plan, metrics_of
from worldprobe.pipeline.probe.targets import Target, split_rows, target, unaskable
from worldprobe.plugins import registry
from worldprobe.probes.detection.memory import remembered
from worldprobe.probes.metrics import varying
from worldprobe.probes.question import Question, require_penalties
from worldprobe.probes.splits import Folds, SplitRows, evenly, make_folds, units
from worldprobe.protocols import Probe
from worldprobe.results import FEW_GROUPS, ProbeResult

LINEAR = "linear"


def probe_of(plan: Plan, name: str, kind: str) -> tuple[str, Probe] | None:
    """A plan's probe of this name for a kind of task, and what results call it; None if there is none.

    "linear" is ridge or logistic regression; of a name such as ``mlp`` or ``mlp:64`` it is ``mlp-regression`` or
    ``mlp-classification``; any other is a plug-in's own name and answers the kind it says.

    Raises:
        RegistryError: no such probe.
    """
    if name == LINEAR:
        name = plan.regression_probe if kind == "regression" else plan.classification_probe
    head, colon, argument = name.partition(":")
    if ":" not in argument and registry.knows("probes", f"{head}-{kind}"):
        name = f"{head}-{kind}{colon}{argument}"
    probe: Probe = registry.create("probes", name)
    _, given = registry.parts("probes", name)
    canonical = probe.name + (f":{given}" if given else "")
    return (canonical, probe) if probe.kind == kind else None


def reads_tokens(probe: object) -> bool:
    """Whether a probe takes tokens as they are instead of one row a moment."""
    return getattr(probe, "reads", "rows") == "tokens"


def check_probes(plan: Plan) -> None:
    """Find out before anything is encoded what cannot be probed.

    Raises:
        RegistryError: no such probe.
        ProbeError: a probe without penalties.
        ConfigError: a probe that none of the tasks or none of the features are for, one that stands there under two
            names, features without a probe, positive controls alone, or principal components of tokens.
    """
    if plan.pca is not None and "tokens" in plan.features:
        raise ConfigError(
            f"pca = {plan.pca} is of features that are a row a moment, and tokens are many: leave either out"
        )
    if plan.controls and all(control in POSITIVE for control in plan.controls):
        raise ConfigError(
            f"controls are {', '.join(plan.controls)} alone, and those are none to be above. Add majority or "
            f"others of {', '.join(NEGATIVE)}"
        )
    kinds = {targets.kind(task) for task in plan.tasks}
    served = set()
    named: dict[tuple[str, str], str] = {}
    for name in plan.probes:
        found = [one for kind in sorted(kinds) if (one := probe_of(plan, name, kind))]
        if not found:
            raise ConfigError(f"the probe {name!r} is for none of the tasks {', '.join(plan.tasks)}")
        for canonical, probe in found:
            require_penalties(probe)
            if (probe.kind, canonical) in named:
                raise ConfigError(
                    f"the probes {named[probe.kind, canonical]!r} and {name!r} are the same for {probe.kind} "
                    f"({canonical}): name it once"
                )
            named[probe.kind, canonical] = name
        wants = {reads_tokens(probe) for _, probe in found}
        if not any((kind == "tokens") in wants for kind in plan.features):
            needs = "tokens" if True in wants else "other features than tokens"
            raise ConfigError(
                f"the probe {name!r} reads {needs}, and the features are {', '.join(plan.features)}: "
                f'add "{"tokens" if True in wants else "z"}" to features'
            )
        served |= wants
    for kind in plan.features:
        if (kind == "tokens") not in served:
            needs = "a probe of tokens, such as attentive" if kind == "tokens" else "another probe, such as linear"
            raise ConfigError(f"features {kind!r} need {needs}; the probes are {', '.join(plan.probes)}")


def ask(plan: Plan, moments: LabelledTubelets, result: Probed) -> list[ProbeTask]:
    """Turn tasks into questions; a task that cannot be probed gets results without a score that say why.

    Raises:
        ProbeError: the split has too few groups for any of them.
    """
    # What classes have to be spread over: the unit that the split keeps together.
    unit = units(split_rows(moments), plan.split)
    probe_tasks: list[ProbeTask] = []
    refused: list[ProbeError] = []
    for task in dimensions(plan.tasks, moments):
        known = None
        if not targets.holds(task, moments.measured, moments.factors):
            why = f"the labels hold no {task}"
        else:
            known = target(moments, task, unit)
            why = unaskable(task, known)
        probes = [found for name in plan.probes if (found := probe_of(plan, name, targets.kind(task)))]
        if not probes:  # a task is never without a line
            result.results += _without_probe(plan, task)
        questions: list[ProbeTask] = []
        if known is not None and not why:
            try:
                rows = split_rows(moments, known.usable)
                clips = moments.clip_number[known.usable], moments.moment_number[known.usable]
                circular = task in targets.CIRCULAR_TASKS
                questions = questions_of(plan, task, known, rows, probes, circular=circular, clips=clips)
            except ProbeError as error:  # it is known in too few groups: the other tasks may not be
                refused.append(error)
                why = str(error)
        if probes and not questions:
            result.results += [
                unmeasured(plan, task, kind, metric, name, why)
                for name, probe in probes
                for kind in plan.features
                if reads_tokens(probe) == (kind == "tokens")
                for metric in metrics_of(task)
            ]
        probe_tasks += questions
    if refused and not probe_tasks:
        raise ProbeError(f"none of {', '.join(plan.tasks)} can be probed: {refused[0]}")
    return probe_tasks


def _without_probe(plan: Plan, task: str) -> list[ProbeResult]:
    kind = targets.kind(task)
    what = "numbers" if kind == "regression" else "classes"
    why = f"none of the probes {', '.join(plan.probes)} is for {what} ({kind}): add linear, or another that is"
    return [
        unmeasured(plan, task, features, metric, "no probe", why)
        for features in plan.features
        for metric in metrics_of(task)
    ]


def questions_of(
    plan: Plan,
    task: str,
    known: Target,
    rows: SplitRows,
    probes: Sequence[tuple[str, Probe]],
    *,
    circular: bool,
    clips: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> list[ProbeTask]:
    """Make one task for each probe, on the same folds of the usable rows.

    ``clips``: the number of each row's clip and of its moment, [n] each, by which some moments of each clip are
    chosen where the plan asks for that; all rows of a moment, one a subject, are.

    Raises ProbeError for too few groups.
    """
    values = known.values[known.usable]
    memory = remembered(plan.split, values, len(known.classes), rows)
    folds = make_folds(rows, kind=plan.split, seed=plan.seed, memory_seconds=memory)
    leaky = None
    if plan.split != "random":
        every = make_folds(rows, kind="random", seed=plan.seed, memory_seconds=memory)
        leaky = every.as_large_as(folds, plan.seed)
    if plan.moments_per_clip is not None:
        clip, moment = clips
        some = evenly(clip, plan.moments_per_clip, moment)
        folds, leaky = folds.trained_on(some), leaky and leaky.trained_on(some)
    groups = len(np.unique(folds.unit))
    notes = [*known.notes, *_purged(task, folds, memory)]
    if still := int((~varying(values)).sum()):
        notes.append(f"{still} of the {values.shape[1]} numbers of {task} are constant and not in the score")
    if groups < FEW_GROUPS:
        notes.append(rough_note(groups))
    return [
        ProbeTask(
            task, name, known, Question((task, name), probe, values, len(known.classes), circular),
            folds, leaky, tuple(notes),
        )
        for name, probe in probes
    ]  # fmt: skip


def _purged(task: str, folds: Folds, memory: float) -> list[str]:
    """What was purged beyond a clip, because labels are alike for longer."""
    if folds.purge is None or memory <= folds.purge.rows.clip_seconds:
        return []
    whole = folds.purge.seconds >= memory
    less = "" if whole else ", no more, so that half of the training moments are left: neighbours still tell of it"
    return [
        f"{task} stays alike for about {memory:.1f} s: training moments within {folds.purge.seconds:.1f} s of "
        f"those held out were left out{less}"
    ]


def dimensions(tasks: Sequence[str], moments: LabelledTubelets) -> list[str]:
    """Tasks that the labels measured, as one task for each of their dimensions."""
    found = []
    for task in tasks:
        parts = [name for name in moments.measured if name.partition(".")[0] == task]
        found += parts or [task]
    return found
