"""lerobot: robot state and actions of a LeRobot dataset (v3.0, v2.1 and v2.0), read without the lerobot package.

Format: info.json gives the rate, the features and where files lie. In v3.0 many episodes share a file, and
meta/episodes tells which part of which file each one is; in v2 each episode has files of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import LabelError
from worldprobe.protocols import FrameSource
from worldprobe.records import Labels
from worldprobe.tables import read_table

if TYPE_CHECKING:
    import polars as pl

# Columns of the dataset that become tasks, and what the tasks are called.
TASKS = {"observation.state": "state", "action": "action"}
_PLACE = ("chunk_index", "file_index")


@dataclass(frozen=True, slots=True)
class Episode:
    """A part of a video file: seconds from the file's first frame, and the table that holds its rows."""

    index: int
    begin: float
    end: float
    table: Path


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """A dataset's folder and what its info.json says."""

    root: Path
    info: dict[str, Any]

    @classmethod
    def containing(cls, video: Path) -> Dataset | None:
        """The dataset that a video file lies in; None for any other file.

        Raises:
            LabelError: its info.json cannot be read, or is of another version.
        """
        folder = next((p for p in video.resolve().parents if (p / "meta" / "info.json").is_file()), None)
        return None if folder is None else _read(folder)

    @property
    def cameras(self) -> list[str]:
        """Names of the features that are videos."""
        return sorted(name for name, one in self.info["features"].items() if one.get("dtype") == "video")

    def names(self, feature: str) -> list[str]:
        """A name for each dimension of a feature; numbers where the dataset has none."""
        one = self.info["features"][feature]
        count = int(np.prod(one["shape"]))
        names = one.get("names")
        if isinstance(names, dict):  # {"motors": [...]}
            names = [name for part in names.values() for name in part]
        if not names or len(names) != count or len(set(names)) != count:
            return [str(number) for number in range(count)]
        return [str(name) for name in names]

    def episodes(self, video: Path) -> list[Episode]:
        """The episodes in a video file, in order of time.

        Raises:
            LabelError: no camera's file, or metadata that are missing or do not fit.
        """
        relative = video.resolve().relative_to(self.root).as_posix()
        try:
            found = (
                self._of_v3(relative) if self.info["codebase_version"].startswith("v3") else self._of_v2(relative)
            )
        except (OSError, KeyError, ValueError) as error:
            raise LabelError(
                f"the metadata of the LeRobot dataset {self.root} cannot be read: {error!r}"
            ) from error
        if not found:
            raise LabelError(f"{video} belongs to no camera of the LeRobot dataset {self.root} ({self.cameras})")
        return sorted(found, key=lambda one: one.begin)

    def _of_v3(self, relative: str) -> list[Episode]:
        table = _parquet([*sorted((self.root / "meta" / "episodes").rglob("*.parquet"))])
        found = []
        for row in table.iter_rows(named=True):
            for key in self.cameras:
                place = {
                    "chunk_index": row[f"videos/{key}/chunk_index"],
                    "file_index": row[f"videos/{key}/file_index"],
                }
                if self.info["video_path"].format(video_key=key, **place) != relative:
                    continue
                data = {"chunk_index": row["data/chunk_index"], "file_index": row["data/file_index"]}
                begin, end = row[f"videos/{key}/from_timestamp"], row[f"videos/{key}/to_timestamp"]
                path = self._inside(self.info["data_path"].format(**data))
                found.append(Episode(int(row["episode_index"]), float(begin), float(end), path))
        return found

    def _inside(self, relative: str) -> Path:
        """A file of the dataset. Raises ValueError where the metadata name one outside of it."""
        path = self.root / relative
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise ValueError(f"{relative!r} leads out of the dataset")
        return path

    def _of_v2(self, relative: str) -> list[Episode]:
        size = int(self.info.get("chunks_size", 1000))
        for index in range(int(self.info["total_episodes"])):
            place = {"episode_chunk": index // size, "episode_index": index}
            for key in self.cameras:
                if self.info["video_path"].format(video_key=key, **place) == relative:
                    path = self._inside(self.info["data_path"].format(**place))
                    return [Episode(index, 0.0, np.inf, path)]
        return []


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

        rows = _parquet([episode.table]).filter(pl.col("episode_index") == episode.index).sort("frame_index")
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


def episode_starts(video: Path, pts_seconds: NDArray[np.float64]) -> tuple[int, ...] | None:
    """The first frame of each episode of a dataset's video; None for a file of no dataset."""
    dataset = Dataset.containing(video)
    if dataset is None:
        return None
    begins = np.array([episode.begin for episode in dataset.episodes(video)])
    return tuple(int(frame) for frame in np.unique(np.concatenate([[0], _nearest(pts_seconds, begins)])))


def videos(folder: Path) -> Iterator[Path]:
    """The video files of a dataset's cameras. Raises LabelError for a folder that is none."""
    if not (folder / "meta" / "info.json").is_file():
        raise LabelError(f"{folder} is no LeRobot dataset: it has no meta/info.json")
    dataset = _read(folder.resolve())
    for camera in dataset.cameras:
        yield from sorted(path for path in (folder / "videos").rglob("*.mp4") if camera in path.parts)


@lru_cache(maxsize=16)
def _read(root: Path) -> Dataset:
    path = root / "meta" / "info.json"
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
        version = str(info["codebase_version"])
    except (OSError, ValueError, KeyError) as error:
        raise LabelError(f"{path} cannot be read as a LeRobot dataset's: {error!r}") from error
    if not version.startswith(("v2.", "v3.")):
        raise LabelError(f"{path} is of version {version}; this version of worldprobe reads v2.0, v2.1 and v3.0")
    return Dataset(root, info)


def _nearest(sorted_times: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.int64]:
    """Position of the nearest of increasing times to each time."""
    right = np.searchsorted(sorted_times, times).clip(1, max(1, len(sorted_times) - 1))
    left = right - 1
    right = right.clip(0, len(sorted_times) - 1)
    nearer = np.abs(sorted_times[left] - times) <= np.abs(sorted_times[right] - times)
    return np.where(nearer, left, right).astype(np.int64)


def _parquet(paths: list[Path]) -> pl.DataFrame:
    import polars as pl

    if not paths:
        raise FileNotFoundError("no Parquet files under meta/episodes")
    return pl.concat([read_table(path) for path in paths], how="diagonal_relaxed")
