"""Videos as every stage opens them: one place knows their shots."""

from __future__ import annotations

from pathlib import Path

from worldprobe.files import StrPath
from worldprobe.labels.lerobot import shown
from worldprobe.records import VideoRef
from worldprobe.video.read import Video, open_video


def open_source(path: StrPath) -> Video:
    """A video whose shots are a robot's episodes where it belongs to a dataset, else what lies between its cuts.

    Raises:
        VideoError: as ``open_video``.
        LabelError: the dataset that it belongs to is damaged.
    """
    path = Path(path)
    video = open_video(path)
    if episodes := shown(path, video.pts_seconds):
        video.shots, video.episodes = episodes.starts, episodes.names
    return video


def ref_of(path: StrPath) -> VideoRef:
    """What a video is known by. Raises WorldprobeError as ``open_source``."""
    path = Path(path)
    with open_source(path) as video:
        return video.ref
