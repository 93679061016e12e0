"""The files of a LeRobot dataset (v3.0, v2.1 and v2.0), read without the lerobot package.

Format: info.json gives the rate, the features and where files lie. In v3.0 many episodes share a file, and
meta/episodes tells which part of which file each one is; in v2 each episode has files of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from worldprobe.errors import LabelError
from worldprobe.tables import read_table

if TYPE_CHECKING:
    import polars as pl


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
    def at(cls, root: Path) -> Dataset:
        """The dataset in a folder.

        Raises:
            LabelError: its info.json cannot be read, or is of another version.
        """
        return _read(_absolute(root))

    @classmethod
    def containing(cls, video: Path) -> Dataset | None:
        """The dataset that a video file lies in; None for any other file. Raises LabelError as ``at``."""
        # As the file is named first: in the hub's cache it is a link to a file that lies in no dataset.
        for path in (_absolute(video), video.resolve()):
            if folder := next((p for p in path.parents if (p / "meta" / "info.json").is_file()), None):
                return _read(folder)
        return None

    @property
    def cameras(self) -> list[str]:
        """Names of the features that are videos."""
        return sorted(name for name, one in self.info["features"].items() if one.get("dtype") == "video")

    @property
    def videos(self) -> Iterator[Path]:
        """The video files of the cameras. Raises LabelError for one that lies outside of the dataset."""
        for camera in self.cameras:
            for path in sorted((self.root / "videos").rglob("*.mp4")):
                if camera in path.parts:
                    try:
                        yield self.inside(path.relative_to(self.root).as_posix())
                    except ValueError as error:
                        raise LabelError(f"the LeRobot dataset {self.root} cannot be read: {error}") from error

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
        relative = self._relative(video)
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

    def name_of(self, episode: Episode) -> str:
        """What an episode is known by in any copy of the dataset and by any camera: a hash of its rows.

        Raises:
            LabelError: its rows cannot be read, or there are none.
        """
        import polars as pl

        try:
            at = os.stat(episode.table)
            return _names(episode.table, at.st_mtime_ns, at.st_size)[episode.index]
        except (OSError, KeyError, pl.exceptions.PolarsError) as error:
            raise LabelError(
                f"the rows of episode {episode.index} of the LeRobot dataset {self.root} cannot be read from "
                f"{episode.table}: {error!r}. They tell which videos show the same episode: get the whole dataset, "
                "with its folder data."
            ) from error

    def inside(self, relative: str) -> Path:
        """A file of the dataset. Raises ValueError where the dataset names, or links to, one outside of it.

        In the hub's cache all files are links to where it keeps them, beside the snapshots; these are inside.
        """
        named = os.path.normpath(relative)
        path = self.root / named
        real = path.resolve()
        led_out = os.path.isabs(named) or named.split(os.sep)[0] == os.pardir
        if led_out or not any(real.is_relative_to(folder) for folder in _own(self.root)):
            raise ValueError(f"{relative!r} leads out of the dataset")
        return path

    def _relative(self, video: Path) -> str:
        """A video's place in the dataset."""
        named = _absolute(video)
        if named.is_relative_to(self.root):
            return named.relative_to(self.root).as_posix()
        return video.resolve().relative_to(self.root.resolve()).as_posix()

    def _of_v3(self, relative: str) -> list[Episode]:
        folder = self.root / "meta" / "episodes"
        tables = [self.inside(p.relative_to(self.root).as_posix()) for p in sorted(folder.rglob("*.parquet"))]
        found = []
        for row in parquet(tables).iter_rows(named=True):
            for key in self.cameras:
                place = {
                    "chunk_index": row[f"videos/{key}/chunk_index"],
                    "file_index": row[f"videos/{key}/file_index"],
                }
                if self.info["video_path"].format(video_key=key, **place) != relative:
                    continue
                data = {"chunk_index": row["data/chunk_index"], "file_index": row["data/file_index"]}
                begin, end = row[f"videos/{key}/from_timestamp"], row[f"videos/{key}/to_timestamp"]
                path = self.inside(self.info["data_path"].format(**data))
                found.append(Episode(int(row["episode_index"]), float(begin), float(end), path))
        return found

    def _of_v2(self, relative: str) -> list[Episode]:
        size = int(self.info.get("chunks_size", 1000))
        for index in range(int(self.info["total_episodes"])):
            place = {"episode_chunk": index // size, "episode_index": index}
            for key in self.cameras:
                if self.info["video_path"].format(video_key=key, **place) == relative:
                    path = self.inside(self.info["data_path"].format(**place))
                    return [Episode(index, 0.0, np.inf, path)]
        return []


def parquet(paths: list[Path]) -> pl.DataFrame:
    """Tables as one. Raises FileNotFoundError for none, else as ``read_table``."""
    import polars as pl

    if not paths:
        raise FileNotFoundError("no Parquet files under meta/episodes")
    return pl.concat([read_table(path) for path in paths], how="diagonal_relaxed")


def _absolute(path: Path) -> Path:
    """As it is named, links and all, without dots."""
    return Path(os.path.abspath(path))


def _own(root: Path) -> list[Path]:
    """Where a dataset's files may lie: in its folder; in the hub's cache also where this keeps what it links to."""
    real = root.resolve()
    found = [real]
    for folder in (real, *real.parents):
        blobs = folder.parent.parent / "blobs"
        if folder.parent.name == "snapshots" and blobs.is_dir() and not blobs.is_symlink():
            found.append(blobs)
    return found


@lru_cache(maxsize=16)
def _read(root: Path) -> Dataset:
    path = root / "meta" / "info.json"
    try:
        info = json.loads(Dataset(root, {}).inside("meta/info.json").read_text(encoding="utf-8"))
        version = str(info["codebase_version"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LabelError(f"{path} cannot be read as a LeRobot dataset's: {error!r}") from error
    if not version.startswith(("v2.", "v3.")):
        raise LabelError(f"{path} is of version {version}; this version of worldprobe reads v2.0, v2.1 and v3.0")
    return Dataset(root, info)


@lru_cache(maxsize=64)
def _names(table: Path, changed: int, size: int) -> dict[int, str]:
    """A hash of the rows of each episode in a table, as it was when it changed last; pictures are left out."""
    import polars as pl

    schema = pl.read_parquet_schema(table)
    plain = sorted(
        name
        for name, kind in schema.items()
        if kind.is_numeric() or (kind.is_nested() and getattr(kind, "inner", pl.String()).is_numeric())
    )
    rows = read_table(table, plain).sort("episode_index", "frame_index")
    found = {}
    for (index,), part in rows.partition_by("episode_index", as_dict=True).items():
        known = hashlib.sha256()
        for name in plain:
            column = part[name].explode() if schema[name].is_nested() else part[name]
            known.update(name.encode() + column.cast(pl.Float64).to_numpy().tobytes())
        found[int(index)] = known.hexdigest()[:24]
    return found
