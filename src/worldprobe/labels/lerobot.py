"""lerobot: robot state and actions of a LeRobot dataset, and which episodes its videos show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import LabelError
from worldprobe.files import StrPath
from worldprobe.labels.lerobot_dataset import Dataset, Episode, parquet
from worldprobe.protocols import FrameSource
from worldprobe.records import Labels

__all__ = ["Dataset", "Episode", "LeRobot", "Shown", "shown", "videos"]

# Columns of the dataset that become tasks, and what the tasks are called.
TASKS = {"observation.state": "state", "action": "action"}


class LeRobot:
    """lerobot: robot state and actions of the LeRobot dataset that the video lies in."""

    name = "lerobot"

    def __init__(self, argument: str | None = None) -> None:
        if argument is not None:
            raise LabelError(
                f"lerobot takes no argument, got {argument!r}: the dataset is found from the video's place"
            )

    def label(self, video: FrameSource) -> Labels:
        """One row a frame: its episode as object, the whole frame as box, and columns ``state.NAME`` and
        ``action.NAME``. A row of the dataset belongs to the frame within half a frame of its time.

        Raises:
            LabelError: the video lies in no dataset, or rows have no frame.
        """
        import polars as pl

        path = Path(video.ref.path)
        dataset = Dataset.containing(path)
        if dataset is None:
            raise LabelError(f"{path} lies in no LeRobot dataset: no folder above it has meta/info.json")
        parts = [self._part(dataset, episode, video) for episode in dataset.episodes(path)]
        return Labels(pl.concat([part.table for part in parts], how="diagonal"))

    def _part(self, dataset: Dataset, episode: Episode, video: FrameSource) -> Labels:
        import polars as pl

        rows = parquet([episode.table]).filter(pl.col("episode_index") == episode.index).sort("frame_index")
        times = rows["timestamp"].to_numpy().astype(np.float64) + episode.begin
        frame = _nearest(video.pts_seconds, times)
        off = np.abs(video.pts_seconds[frame] - times)
        half = 0.5 / float(dataset.info["fps"])
        if (off > half).any():
            worst = int(off.argmax())
            raise LabelError(
                f"episode {episode.index} of {dataset.root} has a row at {times[worst]:.3f} s, and "
                f"{video.ref.path} has no frame within {half:.3f} s of it: table and video do not belong together"
            )
        width, height = video.ref.width, video.ref.height
        columns = {
            f"{task}.{name}": values[:, number]
            for feature, task in TASKS.items()
            if feature in dataset.info["features"]
            for values in (np.array(rows[feature].to_list(), dtype=np.float64).reshape(len(rows), -1),)
            for number, name in enumerate(dataset.names(feature))
        }
        return Labels.from_columns(
            **{
                "video": [video.ref.id] * len(frame), "frame": frame, "pts_seconds": video.pts_seconds[frame],
                "object": episode.index, "class": "", "x": width / 2, "y": height / 2, "w": float(width),
                "h": float(height), "confidence": 1.0, "source": self.name, **columns,
            }
        )  # fmt: skip


class Shown(NamedTuple):
    """The episodes in a video: the first frame of each, and what it is known by whichever camera saw it."""

    starts: tuple[int, ...]
    names: tuple[str, ...]


def shown(video: Path, pts_seconds: NDArray[np.float64]) -> Shown | None:
    """The episodes in a dataset's video, the first from frame 0 on; None for a file of no dataset.

    What comes before the first episode has no name.

    Raises:
        LabelError: the dataset is damaged, or lacks the rows of an episode.
    """
    dataset = Dataset.containing(video)
    if dataset is None:
        return None
    episodes = dataset.episodes(video)
    first = _nearest(pts_seconds, np.array([episode.begin for episode in episodes]))
    named = {0: "", **{int(at): dataset.name_of(one) for at, one in zip(first, episodes, strict=True)}}
    starts = tuple(sorted(named))
    return Shown(starts, tuple(named[at] for at in starts))


def videos(folder: StrPath) -> Iterator[Path]:
    """The video files of a dataset's cameras.

    Raises:
        LabelError: the folder is no dataset, or has files that lie outside of it.
    """
    folder = Path(folder)
    if not (folder / "meta" / "info.json").is_file():
        raise LabelError(f"{folder} is no LeRobot dataset: it has no meta/info.json")
    yield from Dataset.at(folder).videos


def _nearest(sorted_times: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.int64]:
    """Position of the nearest of increasing times to each time."""
    right = np.searchsorted(sorted_times, times).clip(1, max(1, len(sorted_times) - 1))
    left = right - 1
    right = right.clip(0, len(sorted_times) - 1)
    nearer = np.abs(sorted_times[left] - times) <= np.abs(sorted_times[right] - times)
    return np.where(nearer, left, right).astype(np.int64)
