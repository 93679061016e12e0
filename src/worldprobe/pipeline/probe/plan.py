"""What is to be probed: the plan, and the metrics of each task."""

from __future__ import annotations

from dataclasses import dataclass

from worldprobe.config import Evidence, Experiment
from worldprobe.labels import targets
from worldprobe.labels.targets import Subject
from worldprobe.probes.splits import SplitKind
from worldprobe.results import Metric
from worldprobe.store import Input

METRICS: dict[str, tuple[Metric, ...]] = {
    "regression": ("r2",),
    "classification": ("balanced_accuracy", "accuracy", "macro_f1"),
}

CHOSEN = "chosen"
# Others are fitted too slowly for the dozens of fits that planted effects, a code or a curve take.
LINEAR_PROBES = ("ridge", "logistic")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to probe, and how.

    ``probes`` are names as in ``questions.probe_of``; ``regression_probe`` and ``classification_probe`` are what
    "linear" stands for. ``evidence`` is what is worked out for it beside the scores. ``pca`` is how many principal
    components of the features probes see, found in each training set by itself; all where it is None.
    ``hold_out``: the column of the labels whose values are held out beside the usual split.
    ``moments_per_clip``: on how many moments of each clip probes are trained, evenly spread; all where it is None.
    """

    encoder: str
    tasks: tuple[str, ...]
    features: tuple[str, ...]
    controls: tuple[str, ...]
    split: SplitKind
    blocks: str = "last"
    input: Input = "native"
    seed: int = 0
    subject: Subject = "main"
    probes: tuple[str, ...] = ("linear",)
    evidence: tuple[Evidence, ...] = ()
    regression_probe: str = "ridge"
    classification_probe: str = "logistic"
    pca: int | None = None
    hold_out: str | None = None
    moments_per_clip: int | None = None

    @property
    def protocol(self) -> str:
        """As results name it."""
        return "sound" if self.pca is None else f"sound+pca{self.pca}"


def plan_of(experiment: Experiment, *, encoder: str) -> Plan:
    """What an experiment asks of the probes, of an encoder by the name that its embeddings are stored under."""
    return Plan(
        encoder=encoder,
        tasks=tuple(experiment.tasks),
        features=tuple(experiment.features),
        controls=tuple(experiment.controls),
        split=experiment.split,
        blocks=experiment.blocks,
        input=experiment.inputs[0],
        seed=experiment.seed,
        subject=experiment.subject,
        probes=tuple(experiment.probes),
        evidence=tuple(experiment.evidence),
        pca=experiment.pca,
        hold_out=experiment.hold_out,
        moments_per_clip=experiment.moments_per_clip,
    )


def metrics_of(task: str) -> tuple[Metric, ...]:
    """What a task is scored by, the one that is judged first."""
    circular: tuple[Metric, ...] = ("angular_error",) if task in targets.CIRCULAR_TASKS else ()
    return METRICS[targets.kind(task)] + circular
