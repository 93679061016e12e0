"""Labelling by an executor's workers, a video each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from worldprobe.config import Experiment
from worldprobe.errors import WorldprobeError
from worldprobe.labels.load import load_labeller
from worldprobe.labels.speeds import speed_notes
from worldprobe.pipeline.label.label import label
from worldprobe.pipeline.label.parts import Parts
from worldprobe.pipeline.progress import Progress
from worldprobe.pipeline.sources import open_source
from worldprobe.protocols import Executor, able
from worldprobe.records import Labels


@dataclass(frozen=True, slots=True)
class LabelVideos:
    """The function that workers run on (path, id) of videos."""

    labeller: str
    confidence: float | None
    every: int | None
    tracker: str
    camera: Literal["kept", "subtracted"]

    @classmethod
    def of(cls, experiment: Experiment) -> LabelVideos:
        """As an experiment asks."""
        given = experiment
        return cls(given.labeller, given.confidence, given.every, given.tracker, given.camera)

    def __call__(self, item: tuple[str, str]) -> Labels:
        """One video's labels."""
        loaded = load_labeller(self.labeller, confidence=self.confidence, every=self.every)
        found = label([Path(item[0])], labeller=loaded, tracker=self.tracker, camera=self.camera)
        # Of speeds is spoken once, when the labels of all videos are there.
        repeated = speed_notes(found)
        return replace(found, notes=tuple(note for note in found.notes if note not in repeated))


def label_elsewhere(
    parts: Parts,
    videos: Sequence[Path],
    experiment: Experiment,
    *,
    executor: Executor | None,
    progress: Progress,
) -> None:
    """Have an executor's workers, where they label, label the videos that have no part yet; nothing of one video.

    What fails is left for ``label`` to meet and to name.
    """
    if not able(executor, "labels_videos") or len(videos) < 2:
        return
    labeller, missing = LabelVideos.of(experiment), list[tuple[str, str]]()
    for path in videos:
        try:
            with open_source(path) as video:
                if parts.get(video.ref.id) is None:
                    missing.append((str(path), video.ref.id))
        except WorldprobeError:
            continue
    for done, outcome in enumerate(executor.map(labeller, missing), start=1):
        if outcome.error is None:
            parts.put(outcome.item[1], outcome.get())
        progress(f"label ({executor.name})", done, len(missing))
