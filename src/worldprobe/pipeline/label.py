"""Videos to a table of labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from worldprobe.errors import VideoError
from worldprobe.labels.camera import with_camera
from worldprobe.labels.library_trackers import track
from worldprobe.pipeline.encoded import Failure, cut_short
from worldprobe.pipeline.label_tables import read_labels as read_labels
from worldprobe.pipeline.label_tables import write_labels as write_labels
from worldprobe.pipeline.labellers import load_labeller as load_labeller
from worldprobe.pipeline.labellers import require_films
from worldprobe.pipeline.parts import Parts
from worldprobe.pipeline.progress import Progress, Watched, silent
from worldprobe.pipeline.sources import open_source
from worldprobe.protocols import FrameSource, Labeller
from worldprobe.records import Labels, VideoRef, reading_notes


def label(
    videos: Sequence[Path],
    *,
    labeller: Labeller,
    tracker: str = "own",
    camera: Literal["kept", "subtracted"] = "kept",
    parts: Parts | None = None,
    failures: list[Failure] | None = None,
    progress: Progress = silent,
) -> Labels:
    """Label every video.

    Args:
        tracker: "own" keeps the labeller's track ids; else the one that gives new ones.
        camera: "subtracted" also measures the camera's motion, which is then taken from the speeds of tracks.
        parts: where the labels of each video are kept until all are done.
        failures: gets the videos that cannot be read, which are left out, and those that are damaged or cut short,
            of which the rest is labelled; None raises the first one's error.

    Raises:
        LabelError: a file of labels for one video was given with several; an unknown tracker.
        VideoError: a video cannot be read.
    """
    require_films(labeller, videos)
    found: list[Labels] = []
    seen: dict[str, VideoRef] = {}
    for number, path in enumerate(videos):
        watch = progress if len(videos) == 1 else None
        try:
            labels, lost = _label_one(path, labeller, tracker, camera, parts, seen, watch)
            if lost and failures is None:
                raise VideoError(f"{lost[0].video}: {lost[0].error}")
            found += labels
        except VideoError as error:
            if failures is None:
                raise
            lost = [Failure(str(path), None, str(error))]
        if failures is not None:
            failures += lost
        if len(videos) > 1:
            progress(f"label ({labeller.name})", number + 1, len(videos))
    whole = Labels.concat(found)
    notes = (*reading_notes(seen.values()), *whole.notes)
    return replace(whole, notes=notes, origin=origin_of(labeller, tracker, camera))


def origin_of(labeller: Labeller, tracker: str, camera: str) -> dict[str, Any]:
    """What made labels: name, options, and the hashes of weights where the labeller has any (``weights``)."""
    options = {key: getattr(labeller, key, None) for key in ("confidence", "every", "weights")}
    known = {key: value for key, value in options.items() if value is not None}
    return {"labeller": labeller.name, **known, "tracker": tracker, "camera": camera}


def _label_one(
    path: Path,
    labeller: Labeller,
    tracker: str,
    camera: Literal["kept", "subtracted"],
    parts: Parts | None,
    seen: dict[str, VideoRef],
    progress: Progress | None,
) -> tuple[list[Labels], list[Failure]]:
    """One video's labels, from its part where it has one, and what of it could not be read; nothing where its like
    was ``seen`` (by id) under another name.

    Its frames are counted where ``progress`` is given.
    """
    with open_source(path) as video:
        if video.ref.id in seen:
            return [], []
        seen[video.ref.id] = video.ref
        if parts is not None and (kept := parts.get(video.ref.id)) is not None:
            return [kept[0]], _lost(path, video.ref, kept[1])

        def source(stage: str) -> FrameSource:
            return Watched(video, stage=f"{stage} {path.name}", progress=progress) if progress else video

        found = labeller.label(source("label"))
        if not len(found.table) and not found.notes:
            found = replace(found, notes=(_nothing(labeller, path),))
        if tracker != "own":
            found = track(found, tracker=tracker, shots=video.shots)
        if camera == "subtracted" and len(found.table):
            found = with_camera(found, source("camera"))
        if parts is not None:
            parts.put(video.ref.id, found, lost=video.unreadable)
        return [found], _lost(path, video.ref, video.unreadable)


def _lost(path: Path, ref: VideoRef, unreadable: Sequence[int]) -> list[Failure]:
    """What of a video has no labels because it could not be read."""
    if not unreadable:
        return cut_short(ref)
    number = len(unreadable)
    error = f"{number} of {ref.frames} frames cannot be decoded, and have no labels: the file is damaged there"
    return [Failure(str(path), unreadable[0], error), *cut_short(ref)]


def _nothing(labeller: Labeller, path: Path) -> str:
    """That a labeller found nothing, and what to try."""
    least = getattr(labeller, "confidence", None)
    lower = "" if least is None else f" a lower confidence than {least:g}, or"
    return f"{labeller.name} found nothing in {path.name}: try{lower} another one (`worldprobe list labellers`)."
