"""Labellers by name, those that read a file for each film, and what of them can be said before any work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from worldprobe.config import Experiment
from worldprobe.errors import LabelError, VideoError
from worldprobe.labels.library_trackers import check_tracker
from worldprobe.labels.load import PerFilm, load_labeller, of_one_video, reads_files
from worldprobe.pipeline.sources import open_source
from worldprobe.plugins import registry
from worldprobe.protocols import Labeller
from worldprobe.video.rendered.scenes import truth_path


def labeller_of(experiment: Experiment, videos: Sequence[Path], *, folder: Path) -> Labeller:
    """The labeller of an experiment, held against the videos before any work.

    Args:
        folder: of the run, in which files of labels may lie.

    Raises:
        RegistryError: no such labeller. LabelError, VideoError: as ``check_labeller``.
    """
    labeller = load_labeller(
        experiment.labeller, confidence=experiment.confidence, every=experiment.every, folder=folder
    )
    if experiment.protocol == "sound":  # the original labels before it encodes
        span = (experiment.frames - 1) * experiment.stride + 1
        check_labeller(labeller, videos, tracker=experiment.tracker, frames=span)
    return labeller


def check_labeller(labeller: Labeller, videos: Sequence[Path], *, tracker: str = "own", frames: int = 1) -> None:
    """Find out before anything is encoded, or any film looked at, what cannot be labelled.

    Files of labels are read here and held against their films: that takes no time beside the work.

    Args:
        frames: what a film has to hold to be labelled at all.

    Raises:
        LabelError: labels of one film for several, a film without a file of its own, a file that is malformed or
            speaks of another film; no truth beside a film; a tracker that is not there.
    """
    if tracker != "own":
        check_tracker(tracker)
    require_films(labeller, videos)
    if getattr(labeller, "needs_truth", False) is True:
        absent = [path for path in videos if not truth_path(path).exists() and _holds(path, frames)]
        if absent:
            raise LabelError(
                f"no truth beside {_listed(absent)}: only rendered films (scenes:N, robots:N) have it. "
                "Use another labeller: moving, mot:FILE, coco:FILE, onnx:FILE, ..."
            )
    elif reads_files(labeller):
        for path in videos if of_one_video(labeller) else videos[:1]:
            _try(labeller, path)


def require_films(labeller: Labeller, videos: Sequence[Path]) -> None:
    """Raises LabelError: labels of one film for several, or a film without a file of its own."""
    if isinstance(labeller, PerFilm):
        _check_each(labeller, videos)
    elif len(videos) > 1 and of_one_video(labeller):
        kind = labeller.name.partition(":")[0]
        raise LabelError(
            f"{labeller.name} labels one video, {len(videos)} were given: label them one at a time, or name a file "
            f"for each, such as {kind}:labels/{{stem}}.txt (there is {{name}} and {{folder}} too)"
        )


def _check_each(labeller: PerFilm, videos: Sequence[Path]) -> None:
    files: dict[str, Path] = {}
    absent = []
    for path in videos:
        name = labeller.of(path)
        if (other := files.setdefault(name, path)) != path:
            raise LabelError(
                f"{labeller.name} gives {other} and {path} the same file ({name}): tell them apart by {{folder}}"
            )
        file = Path((registry.parts("labellers", name)[1] or "").partition("?")[0])
        absent += [] if file.exists() else [file]
    if absent:
        raise LabelError(
            f"{len(absent)} of {len(videos)} films have no file of labels by {labeller.name}: {_listed(absent)} "
            f"{'is' if len(absent) == 1 else 'are'} not there"
        )


def _try(labeller: Labeller, path: Path) -> None:
    try:
        with open_source(path) as video:
            labeller.label(video)
    except VideoError:  # encoding counts the videos that cannot be read, and names them
        return


def _holds(path: Path, frames: int) -> bool:
    try:
        with open_source(path) as video:
            return video.ref.frames >= frames
    except VideoError:
        return False


def _listed(paths: Sequence[Path]) -> str:
    return ", ".join(map(str, paths[:3])) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
