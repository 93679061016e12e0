"""The original protocol itself, on all labelled frames and on fewer: one random split, noise beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from worldprobe.controls import Control
from worldprobe.errors import ProbeError
from worldprobe.intervals import Score
from worldprobe.labels import targets
from worldprobe.pipeline.original.steps import STEPS, Material, ProtocolStep, probe_for, target, unit_of
from worldprobe.pipeline.probe.answers import unmeasured
from worldprobe.pipeline.probe.plan import METRICS, Plan
from worldprobe.pipeline.probe.targets import Target, unaskable
from worldprobe.pipeline.progress import Progress, silent
from worldprobe.probes import controls as floors
from worldprobe.probes.published import majority, permuted, published
from worldprobe.probes.question import Question
from worldprobe.results import ProbeResult

PUBLISHED_SIZES = (381, 3_751, 12_523)


def as_published(
    material: Material, plan: Plan, step: ProtocolStep, tasks: Sequence[str], *, chosen: bool = False
) -> list[ProbeResult]:
    """As published: scikit-learn on one random split, beside Gaussian noise (and the constant)."""
    boxes, held = material.boxes, material.held["still"]
    unit = unit_of(material, plan)
    at = replace(plan, split="random", input="still")
    results: list[ProbeResult] = []
    for task in tasks:
        known = target(boxes, task, step, held, unit)
        probe = probe_for(task, plan)
        rows = np.flatnonzero(known.usable)
        try:
            if why := unaskable(task, known):
                raise ProbeError(why)
            question = Question(task, probe, known.values[rows], len(known.classes))
            inputs = material.inputs["still", "none"][rows]
            noise = floors.gaussian((inputs.shape[0], inputs.shape[1]), seed=plan.seed)
            lines: dict[Control, dict[str, Score]] = {
                "none": published(inputs, question, unit[rows], seed=plan.seed, chosen=chosen),
                "gaussian": published(noise, question, unit[rows], seed=plan.seed, chosen=chosen),
                "majority": majority(question, unit[rows], seed=plan.seed),
            }
        except ProbeError as error:
            metrics = METRICS[targets.kind(task)]
            results += [unmeasured(at, task, "z", metric, probe.name, str(error)) for metric in metrics]
            continue
        train, test = permuted(len(rows), seed=plan.seed)
        for control, scores in lines.items():
            blank = unmeasured(at, task, "z", "r2", probe.name, "").model_copy(
                update={
                    "encoder": plan.encoder if control == "none" else control,
                    "tap": material.tap,
                    "control": control,
                    "n_train": len(train),
                    "n_test": len(test),
                    "n_groups": len(np.unique(unit[rows][test])),
                    "chosen": [1.0] if control != "majority" and not chosen else [],
                }
            )
            results += [_line(blank, metric, found, known) for metric, found in scores.items()]
    return results


def _line(blank: ProbeResult, metric: str, found: Score, known: Target) -> ProbeResult:
    notes = [*(known.notes if blank.control == "none" else ()), *([found.note] if found.note else [])]
    fields = {"metric": metric, "score": found.value, "low": found.low, "high": found.high, "notes": notes}
    return blank.model_copy(update=fields)


def scaling(material: Material, plan: Plan, *, progress: Progress = silent) -> list[ProbeResult]:
    """The original protocol on fewer frames, and the same with the penalty chosen, on as many and on all.

    At 381, 3,751 and 12,523 frames where there are that many, else at the same shares of what there is. Fewer
    frames lie further apart, and naive motion is what changes from one to the next: it is taken anew.
    """
    results = []
    sizes = sizes_of(len(material.boxes))
    for number, size in enumerate(sizes):
        rows = np.linspace(0, len(material.boxes) - 1, size).round().astype(np.int64)
        part = replace(
            material,
            boxes=material.boxes.take(rows),
            inputs={key: values[rows] for key, values in material.inputs.items() if key == ("still", "none")},
            held={"still": material.held["still"][rows]},
        )
        for name, chosen in (("original", False), ("original+chosen", True)):
            lines = as_published(part, plan, STEPS[0], plan.tasks, chosen=chosen)
            results += [line.model_copy(update={"protocol": f"{name}@{size}"}) for line in lines]
        progress("scaling", number + 1, len(sizes))
    return results


def sizes_of(count: int) -> list[int]:
    """How many frames of ``count`` each row of the scaling table takes, increasing."""
    largest = PUBLISHED_SIZES[-1]
    shares = [size if count >= largest else round(count * size / largest) for size in PUBLISHED_SIZES]
    return sorted(set(shares))
