"""Videos as every stage opens them: one place knows their shots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from worldprobe.errors import VideoError
from worldprobe.io.files import StrPath, paths_of
from worldprobe.labels.robots.lerobot import episode_starts, notes_on, pictures, why_absent
from worldprobe.labels.values import counted
from worldprobe.records import VideoRef
from worldprobe.video.bags.films import recording_of
from worldprobe.video.read import open_video
from worldprobe.video.rendered.scenes import truth_path
from worldprobe.video.sample import spans
from worldprobe.video.sequence import Picture, film_of
from worldprobe.video.video import Video

Item = TypeVar("Item")


def open_source(path: StrPath) -> Video:
    """A video whose shots are a robot's episodes where it belongs to a dataset or a recording, else what lies
    between its cuts; a rendered film, beside which its truth lies, has none.

    Raises:
        VideoError: as ``open_video``.
        LabelError: the dataset that it belongs to is damaged.
    """
    path = Path(path)
    video = _opened(path)
    if episodes := episode_starts(path, video.pts_seconds, first=video.ref.first_pts_seconds):
        video.shots, video.episodes = episodes.starts, episodes.names
        video.add_notes(notes_on(path))
        kept = sum(end - first for _, first, end in spans(video.ref, video.shots))
        if lost := video.ref.frames - kept:
            video.add_notes([f"has {counted(lost, 'frame')} of no episode: no clip is cut from them."])
    elif recording := recording_of(path):  # one episode, whichever camera filmed it
        video.shots, video.episodes = (0,), (recording,)
    elif truth_path(path).exists():  # rendered in one go: what looks like a cut is a thing that slips or falls
        video.shots = (0,)
    return video


def _opened(path: Path) -> Video:
    if taken := pictures(path):
        contents = [one if isinstance(one, str) else Picture(*one) for one in taken.pictures]
        return film_of(path, contents, pts_seconds=taken.seconds, rate=taken.rate)
    if words := why_absent(path):
        raise VideoError(words)
    return open_video(path)


def ref_of(path: StrPath) -> VideoRef:
    """What a video is known by. Raises WorldprobeError as ``open_source``."""
    path = Path(path)
    with open_source(path) as video:
        return video.ref


def ids_of(paths: Sequence[StrPath] | StrPath) -> dict[str, Path]:
    """What the store knows videos by, and where each is. Raises VideoError for one that cannot be read."""
    paths = paths_of(paths)
    return {ref_of(path).id: path for path in paths}


def spread(items: Sequence[Item], most: int | None) -> list[Item]:
    """At most so many of them, evenly; all where it is None."""
    if most is None or len(items) <= most:
        return list(items)
    return [items[i] for i in np.linspace(0, len(items) - 1, most).round().astype(int)]
