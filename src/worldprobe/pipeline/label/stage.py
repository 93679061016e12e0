"""Labelling as a stage of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from worldprobe.config import Experiment
from worldprobe.pipeline.failures import Failure
from worldprobe.pipeline.label.label import label
from worldprobe.pipeline.label.parts import Parts
from worldprobe.pipeline.label.workers import LabelVideos, label_into
from worldprobe.pipeline.progress import Progress
from worldprobe.protocols import Executor, Labeller, able
from worldprobe.records import Labels


def label_all(
    videos: Sequence[Path],
    experiment: Experiment,
    labeller: Labeller,
    parts: Parts,
    failures: list[Failure],
    *,
    executor: Executor | None,
    progress: Progress,
) -> Labels:
    """Labels of all videos, by the executor's workers where these can; what fails is added to ``failures``."""
    if able(executor, "labels_videos") and len(videos) > 1:
        by_video = LabelVideos.of(experiment)
        label_into(parts, videos, executor=executor, labeller=by_video, progress=progress)
    return label(
        videos,
        labeller=labeller,
        tracker=experiment.tracker,
        camera=experiment.camera,
        parts=parts,
        failures=None if experiment.strict else failures,
        progress=progress,
    )
