"""Videos to a table of labels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from worldprobe.errors import VideoError
from worldprobe.io.files import StrPath, paths_of
from worldprobe.labels.library_trackers import track
from worldprobe.labels.load import of_one_video
from worldprobe.labels.motion.camera import with_camera
from worldprobe.labels.quality import implausible
from worldprobe.labels.speeds import speed_notes
from worldprobe.pipeline.failures import Failure, cut_short
from worldprobe.pipeline.label.checks import require_films
from worldprobe.pipeline.label.parts import Parts
from worldprobe.pipeline.progress import Progress, Watched, silent
from worldprobe.pipeline.sources import open_source
from worldprobe.protocols import FrameSource, Labeller
from worldprobe.records import MOST_NAMED, Labels, VideoRef, reading_notes
from worldprobe.video.folder import truth_beside
from worldprobe.video.sample import DAMAGED


def label(
    videos: Sequence[StrPath] | StrPath,
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
    videos = paths_of(videos)
    require_films(labeller, videos)
    found: list[Labels] = []
    seen: dict[str, VideoRef] = {}
    twice: list[str] = []
    for number, path in enumerate(videos):
        watch = progress if len(videos) == 1 else None
        try:
            labels, lost = _label_one(path, labeller, tracker, camera, parts, seen, watch, twice)
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
    beside = () if of_one_video(labeller) else _truth_beside(seen.values())
    notes = dict.fromkeys(
        (*reading_notes(seen.values()), *beside, *twice, *_folded(whole.notes), *speed_notes(whole))
    )
    return replace(whole, notes=tuple(notes), origin=origin_of(labeller, tracker, camera))


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
    twice: list[str],
) -> tuple[list[Labels], list[Failure]]:
    """One video's labels, from its part where it has one, and what of it could not be read; nothing where its like
    was ``seen`` (by id) under another name, which is told in ``twice``.

    Its frames are counted where ``progress`` is given.
    """
    with open_source(path) as video:
        if video.ref.id in seen:
            twice.append(f"{path} holds the same pictures as {seen[video.ref.id].path}: left out.")
            return [], []
        seen[video.ref.id] = video.ref
        if parts is not None and (kept := parts.get(video.ref.id)) is not None:
            return [kept[0]], _lost(path, video.ref, kept[1])

        def source(stage: str) -> FrameSource:
            return Watched(video, stage=f"{stage} {path.name}", progress=progress) if progress else video

        found = labeller.label(source("label"))
        if progress:  # it need not have looked at the last frame
            progress(f"label {path.name}", video.ref.frames, video.ref.frames)
        if not len(found.table) and not found.notes:
            found = replace(found, notes=(_nothing(labeller, path),))
        if tracker != "own":
            found = track(found, tracker=tracker, shots=video.shots)
        found = replace(found, notes=(*found.notes, *implausible(found, video.ref, labeller)))
        if camera == "subtracted" and len(found.table):
            found = with_camera(found, source("camera"))
        if parts is not None:
            parts.put(video.ref.id, found, lost=video.reasons)
        seen[video.ref.id] = video.ref  # reading may have found more to say of it
        return [found], _lost(path, video.ref, video.reasons)


def _lost(path: Path, ref: VideoRef, reasons: Mapping[int, str]) -> list[Failure]:
    """What of a video has no labels because it could not be read, and why."""
    frames: dict[str, list[int]] = {}
    for frame in sorted(reasons):
        frames.setdefault(reasons[frame], []).append(frame)
    found = []
    for reason, lost in frames.items():
        verb = "decoded" if reason == DAMAGED else "read"
        error = f"{len(lost)} of {ref.frames} frames cannot be {verb}, and have no labels: {reason}"
        found.append(Failure(str(path), lost[0], error))
    return [*found, *cut_short(ref)]


_SO_MANY = re.compile(r"(\d+) of (\d+)(?=\s)")


def _folded(notes: Iterable[str]) -> Iterator[str]:
    """Sentences on several films ("a.mp4: ...") that say the same are one, with the films' names before it.

    Those that begin with so many of so many ("a.mp4: 3 of 40 boxes ...") are one with the sums of both.
    """
    films_of: dict[str, list[str]] = {}
    sums: dict[str, list[int]] = {}
    for note in dict.fromkeys(notes):
        film, mark, sentence = note.partition(": ")
        if mark and (found := _SO_MANY.match(sentence)):
            sentence = sentence[found.end() :]
            sums[sentence] = [a + int(b) for a, b in zip(sums.get(sentence, (0, 0)), found.groups(), strict=True)]
        films_of.setdefault(sentence if mark else note, []).append(film if mark else "")
    for sentence, films in films_of.items():
        films = list(dict.fromkeys(films))
        if sentence in sums:
            sentence = "{} of {}".format(*sums[sentence]) + sentence
        more = f" and {len(films) - MOST_NAMED} more" if len(films) > MOST_NAMED else ""
        named = ", ".join(films[:MOST_NAMED]) + more
        yield f"{named}: {sentence}" if named else sentence


def _truth_beside(videos: Iterable[VideoRef]) -> Iterator[str]:
    """Boxes that come with a sequence of pictures, and were not asked for."""
    for ref in videos:
        if truth := truth_beside(Path(ref.path)):
            yield f"{ref.path}: MOTChallenge's boxes lie beside it, and --labeller mot:{truth} takes them."


def _nothing(labeller: Labeller, path: Path) -> str:
    """That a labeller found nothing, and what to try."""
    least = getattr(labeller, "confidence", None)
    lower = "" if least is None else f" a lower confidence than {least:g}, or"
    return f"{labeller.name} found nothing in {path}: try{lower} another one (`worldprobe list labellers`)."
