"""The original experiment made again, and its waterfall: facts from results, and how its parts are called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from worldprobe.controls import CONTROLS, Control
from worldprobe.findings.finding import Finding, Run
from worldprobe.findings.score import Fact
from worldprobe.intervals import Score
from worldprobe.results import WATERFALL, Metric, ProbeResult


class Step(Fact):
    """A task's score at one step of the waterfall, and the best of the controls that the step knows.

    ``change`` is the score less that of the step before.
    """

    protocol: str
    score: Score
    best_control: Control | None
    floor: Score
    change: float | None
    input: str
    split: str
    n_test: int
    n_groups: int
    notes: tuple[str, ...]


class Fall(Fact):
    """One task from the original protocol (the first step) to the sound one (the last)."""

    task: str
    metric: Metric
    steps: tuple[Step, ...]


class Scaled(Fact):
    """One task on ``n`` labelled frames: by the original protocol, with the penalty chosen, and on noise."""

    task: str
    n: int
    score: Score
    chosen: Score
    noise: Score


class Original(Finding):
    """The original experiment made again: frames looked at and labelled, the waterfall, the scaling table.

    The waterfall's first steps are the original's own table: score beside Gaussian noise (``noise``, by task).
    """

    looked_at: int | None
    labelled: int | None
    falls: tuple[Fall, ...]
    noise: dict[str, Score]
    majority: dict[str, Score]
    scaling: tuple[Scaled, ...]

    @classmethod
    def of(cls, run: Run) -> Original | None:
        return read_original([r for r in run.results if isinstance(r, ProbeResult)], run.alignment)


# How the steps are called, and what each corrects.
STEP_NAMES = dict(
    zip(
        WATERFALL,
        ("as published", "own frame size", "controls", "native clips", "held-out groups", "chosen penalty",
         "tracked motion"),
        strict=True,
    )
)  # fmt: skip
STEP_TEXTS = dict(
    zip(
        WATERFALL,
        (
            "the original protocol, artefacts included, beside Gaussian noise",
            "boxes divided by the width and height of their own film, not of the first one",
            "every frame scored once over five folds, against the training folds' mean, beside every control",
            "real consecutive frames instead of one still repeated, which holds no motion",
            "whole groups held out instead of single frames, whose neighbours were trained on",
            "penalty chosen on inner folds instead of fixed at 1",
            "motion of the object's own track instead of a difference between frames in a row; now it is sound",
        ),
        strict=True,
    )
)
# The write-up's own figures: V-JEPA 2 ViT-L on Big Buck Bunny (381) and on it and Sintel (3,751 and 12,523).
PUBLISHED: dict[str, dict[int, float]] = {
    "xy": {381: -0.71, 3751: 0.77, 12523: 0.86},
    "size": {381: -0.20, 3751: 0.82, 12523: 0.89},
    "class": {381: 0.724, 3751: 0.848, 12523: 0.884},
    "motion": {381: 0.145, 3751: 0.441, 12523: 0.636},
}
PUBLISHED_NOISE = {"xy": -0.11, "size": -0.11, "class": 0.423, "motion": 0.499}
PUBLISHED_BY = "published: ViT-L, Big Buck Bunny and Sintel"
_MAIN: tuple[Metric, ...] = ("r2", "accuracy")
_NOISE_ONLY = WATERFALL[:2]  # steps that stand beside Gaussian noise, as published, and nothing else


def read_original(probes: Sequence[ProbeResult], alignment: dict[str, Any]) -> Original | None:
    """The facts, or None where the run did not follow the original protocol."""
    found = [r for r in probes if r.metric in _MAIN]
    first = [r for r in found if r.protocol == WATERFALL[0]]
    if not first:
        return None
    tasks = list(dict.fromkeys(r.task for r in first))
    frames = alignment.get("frames", {})
    controls: tuple[Control, ...] = ("gaussian", "majority")
    noise, majority = ({r.task: _score(r) for r in first if r.control == control} for control in controls)
    return Original(
        looked_at=frames.get("looked_at"),
        labelled=frames.get("labelled"),
        falls=tuple(_fall(task, [r for r in found if r.task == task]) for task in tasks),
        noise=noise,
        majority=majority,
        scaling=tuple(_scaled(found, tasks)),
    )


def step_name(step: Step) -> str:
    """A step as tables call it; what is held out is said where it comes in."""
    kinds = {"grouped": "held-out groups", "blocked": "held-out blocks", "video": "held-out videos"}
    held = step.protocol == "original+grouped"
    return kinds.get(step.split, STEP_NAMES[step.protocol]) if held else STEP_NAMES[step.protocol]


def _fall(task: str, results: Sequence[ProbeResult]) -> Fall:
    steps: list[Step] = []
    for protocol in WATERFALL:
        at = [r for r in results if r.protocol == protocol]
        # Where a sound split was run, the random one beside it only tells the leak.
        splits = [r.split for r in at if r.control == "none"]
        if not splits:
            continue
        split = next((one for one in splits if one != "random"), "random")
        real = next(r for r in at if r.control == "none" and r.split == split)
        known: dict[Control, Score] = {r.control: _score(r) for r in at if r.control != "none" and r.split == split}
        if protocol in _NOISE_ONLY:
            known = {control: score for control, score in known.items() if control == "gaussian"}
        best = _best(known)
        score, before = _score(real), steps[-1].score.value if steps else None
        steps.append(
            Step(
                protocol=protocol,
                score=score,
                best_control=best,
                floor=known[best] if best else Score(value=None, note="no control has a score"),
                change=None if score.value is None or before is None else score.value - before,
                input=real.input,
                split=split,
                n_test=real.n_test,
                n_groups=real.n_groups,
                notes=tuple(real.notes),
            )
        )
    return Fall(task=task, metric=next(r.metric for r in results), steps=tuple(steps))


def _best(known: Mapping[Control, Score]) -> Control | None:
    """The highest control; of equal ones the plainest."""
    measured = [
        (control, score.value) for control in CONTROLS if (score := known.get(control)) and score.value is not None
    ]
    return max(measured, key=lambda one: one[1])[0] if measured else None


def _scaled(results: Sequence[ProbeResult], tasks: Sequence[str]) -> list[Scaled]:
    """In order of task, then n."""
    by_place: dict[tuple[str, str, str, int], Score] = {}
    for r in results:
        name, at, n = r.protocol.partition("@")
        if at:
            by_place[name, r.task, r.control, int(n)] = _score(r)
    sizes = sorted({n for _, _, _, n in by_place})
    absent = Score(value=None, note="not run")
    return [
        Scaled(
            task=task,
            n=n,
            score=by_place.get(("original", task, "none", n), absent),
            chosen=by_place.get(("original+chosen", task, "none", n), absent),
            noise=by_place.get(("original", task, "gaussian", n), absent),
        )
        for task in tasks
        for n in sizes
    ]


def _score(result: ProbeResult) -> Score:
    note = "; ".join(result.notes) if result.score is None else ""
    return Score(value=result.score, low=result.low, high=result.high, note=note)
