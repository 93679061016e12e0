"""Labelling as a stage of a run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from worldprobe.config import Experiment
from worldprobe.labels.class_maps import class_map, merge_classes
from worldprobe.labels.table import write_labels
from worldprobe.pipeline.failures import Failure, write_failures
from worldprobe.pipeline.label.label import label
from worldprobe.pipeline.label.parts import Parts
from worldprobe.pipeline.label.workers import label_elsewhere
from worldprobe.pipeline.ledger import Ledger
from worldprobe.pipeline.progress import Progress
from worldprobe.protocols import Executor, Labeller
from worldprobe.records import Labels


def label_all(
    videos: Sequence[Path],
    experiment: Experiment,
    labeller: Labeller,
    parts: Parts,
    failures: list[Failure],
    *,
    out: Path,
    ledger: Ledger,
    executor: Executor | None,
    progress: Progress,
) -> Labels:
    """Label all videos, by the executor's workers where these can, and write the table into a run's folder.

    What fails is added to ``failures``, and written.
    """
    started = time.perf_counter()
    label_elsewhere(parts, videos, experiment, executor=executor, progress=progress)
    found = label(
        videos,
        labeller=labeller,
        tracker=experiment.tracker,
        camera=experiment.camera,
        parts=parts,
        failures=None if experiment.strict else failures,
        progress=progress,
    )
    labels = merge_classes(found, class_map(experiment.classes))
    write_labels(labels, out / "labels.parquet")
    write_failures(out / "failures.jsonl", failures)
    ledger.book("label", started=started, items=len(labels.table), device="cpu")
    return labels
