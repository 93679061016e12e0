"""The files of a LeRobot dataset (v3.0, v2.1 and v2.0), read without the lerobot package.

Format: info.json gives the rate, the features and where files lie. In v3.0 many episodes share a file, and
meta/episodes tells which part of which file each one is; in v2 each episode has files of its own. Cameras are
videos, or pictures, which lie in the tables or in folders; of these each episode is a film of its own, by the name
of the folder that it has, or would have.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from worldprobe.errors import LabelError
from worldprobe.io.tables import read_table
from worldprobe.labels.robots.episodes import EpisodeEntry, Stamp, by_line, by_table, name_episodes, read_tasks
from worldprobe.labels.robots.info import Info, read_info

if TYPE_CHECKING:
    import polars as pl

_PICTURES = re.compile(r"images/(.+)/episode[_-](\d{1,18})/?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Episode:
    """A part of a film: seconds on the film's own clock, and the table that holds its rows."""

    index: int
    begin: float
    end: float
    table: Path


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """A dataset's folder and what its info.json says.

    Everything that is found wrong in its files is a LabelError that names the file.
    """

    root: Path
    info: Info

    @classmethod
    def at(cls, root: Path) -> Dataset:
        """The dataset in a folder. Raises LabelError: its info.json cannot be read, or is of another version."""
        return _read(_absolute(root))

    @classmethod
    def containing(cls, video: Path) -> Dataset | None:
        """The dataset that a film lies in; None for any other file. Raises LabelError as ``at``."""
        # As the file is named first: in the hub's cache it is a link to a file that lies in no dataset.
        for name in dict.fromkeys((str(_absolute(video)), os.path.realpath(video))):
            folder = name
            # By names: every film is asked for, and a path takes pathlib as long as the system takes to look.
            while (above := os.path.dirname(folder)) != folder:
                if os.path.isfile(os.path.join(folder := above, "meta", "info.json")):
                    return _read(Path(folder))
        return None

    @property
    def films(self) -> list[Path]:
        """What the colour cameras filmed, by camera; a video that is not there but should be, too.

        Raises:
            LabelError: there is no such camera, or no film of any; or files that lie outside of the dataset.
        """
        cameras, pictures = self.info.cameras("video"), self.info.cameras("image")
        if not cameras and not pictures:
            deep = [*self.info.cameras("video", depth=True), *self.info.cameras("image", depth=True)]
            which = f"only depth cameras ({', '.join(deep)})" if deep else "no cameras"
            raise LabelError(f"the LeRobot dataset {self.root} has {which}: there is nothing to be seen in colour")
        with self._saying("cannot be read"):
            videos = self._videos_of_v3() if self.info.version == 3 else self._videos_of_v2()
            found = [self.inside(one) for one in videos]
            found += [self._pictures(camera, index) for camera in pictures for index in self.indices]
        if not found:
            raise LabelError(f"the LeRobot dataset {self.root} has no film by {', '.join([*cameras, *pictures])}")
        return list(dict.fromkeys(found))

    @property
    def indices(self) -> list[int]:
        """The numbers of its episodes, as its metadata or, where version 2 has none, its tables tell."""
        if self.info.version == 3:
            return [row.index for row in self.rows()]
        listed = self.root / "meta" / "episodes.jsonl"
        if listed.exists():
            return by_line(self.inside("meta/episodes.jsonl"))
        places = (self.info.data.place(one) for one in self._under(self.info.data.folder))
        return sorted({int(place["episode_index"]) for place in places if place and "episode_index" in place})

    @property
    def notes(self) -> tuple[str, ...]:
        """What of it is left out, a sentence each. Raises LabelError as ``films``."""
        deep = [*self.info.cameras("video", depth=True), *self.info.cameras("image", depth=True)]
        found = [f"{camera} is a depth camera: left out." for camera in deep]
        with self._saying("cannot be read"):
            if self.info.version == 3:
                for camera in self.info.cameras("video"):
                    if lacks := [row.index for row in self.rows() if camera not in row.seen]:
                        found.append(f"{camera} did not film {listed(lacks)}: left out for this camera.")
            declared, held = self.info.total_episodes, len(self.indices)
            if declared is not None and declared != held:
                found.append(
                    f"meta/info.json of {self.root.name} speaks of {declared} episodes, and there are {held}."
                )
        return tuple(found)

    def episodes(self, video: Path) -> list[Episode]:
        """The episodes in a film, in order of time.

        Raises:
            LabelError: no camera's file, or metadata that are missing or do not fit.
        """
        with self._saying("cannot be read"):
            relative = self._relative(video)
            found = self._of_pictures(relative)
            if found is None:
                found = self._of_v3(relative) if self.info.version == 3 else self._of_v2(relative)
        if not found:
            every = self.info.features.values()
            cameras = sorted(one.name for one in every if one.dtype in ("video", "image"))
            raise LabelError(f"{video} belongs to no camera of the LeRobot dataset {self.root} ({cameras})")
        found.sort(key=lambda one: one.begin)
        slack = 0.5 / self.info.fps
        for before, after in pairwise(found):
            if after.begin < before.end - slack and np.isfinite(before.end):
                raise LabelError(
                    f"episodes {before.index} and {after.index} of the LeRobot dataset {self.root} lie over each "
                    f"other in {relative}: to {before.end:.3f} s, and from {after.begin:.3f} s on"
                )
        return found

    @property
    def tasks(self) -> dict[int, str]:
        """What robots were to do, by number; none where the dataset does not say. Raises LabelError."""
        with self._saying("cannot be read"):
            name = "tasks.parquet" if self.info.version == 3 else "tasks.jsonl"
            if not (self.root / "meta" / name).exists():
                return {}
            return read_tasks(Stamp.of(self.inside(f"meta/{name}")))

    def film_of(self, camera: str, episode: Episode) -> tuple[Path, float] | None:
        """A camera's film of an episode, and when this begins on the film's clock, in seconds; None where it did
        not film it. Raises LabelError as ``episodes``."""
        with self._saying("cannot be read"):
            if self.info.features[camera].dtype == "image":
                return self._pictures(camera, episode.index), 0.0
            if self.info.version == 2:
                chunk = episode.index // self.info.chunks_size
                return self.inside(self._video(camera, episode_chunk=chunk, episode_index=episode.index)), 0.0
            seen = next((row.seen.get(camera) for row in self.rows() if row.index == episode.index), None)
            if seen is None:
                return None
            return self.inside(self._video(camera, chunk_index=seen.chunk, file_index=seen.file)), seen.begin

    def camera_of(self, video: Path) -> str:
        """The camera of a film; empty where none has it. Raises LabelError as ``episodes``."""
        with self._saying("cannot be read"):
            relative = self._relative(video)
            if found := _PICTURES.fullmatch(relative):
                return found[1]
            place = self.info.video.place(relative) if self.info.video else None
            return (place or {}).get("video_key", "")

    def place_of(self, video: Path) -> str:
        """A film's path in the dataset, to call it by. Raises LabelError as ``episodes``."""
        with self._saying("cannot be read"):
            return self._relative(video)

    def name_of(self, episode: Episode) -> str:
        """What an episode is known by in any copy of the dataset and by any camera: a hash of its rows.

        Raises:
            LabelError: its rows cannot be read, or there are none.
        """
        import polars as pl

        try:
            return name_episodes(Stamp.of(episode.table))[episode.index]
        except (OSError, KeyError, ValueError, pl.exceptions.PolarsError) as error:
            reason = "it has no row of it" if isinstance(error, KeyError) else _reason(error).rstrip(".")
            raise LabelError(
                f"the rows of episode {episode.index} of the LeRobot dataset {self.root} cannot be read from "
                f"{episode.table}: {reason}. They tell which videos show the same episode: get the whole dataset, "
                "with its folder data."
            ) from error

    def rows_of(self, episode: Episode, columns: list[str]) -> pl.DataFrame:
        """An episode's rows, those of the columns that there are, in order. Raises LabelError."""
        import polars as pl

        from worldprobe.io.tables import read_schema

        try:
            held = read_schema(episode.table)
            needed = ("episode_index", "timestamp")
            if lacks := [name for name in needed if not held.get(name, pl.Null()).is_numeric()]:
                raise LabelError(f"{episode.table} has no numbers in a column {lacks[0]!r}")
            order = "frame_index" if "frame_index" in held else "timestamp"
            wanted = dict.fromkeys(["timestamp", order, *(name for name in columns if name in held)])
            mine = pl.col("episode_index") == episode.index
            return read_table(episode.table, list(wanted), where=mine).sort(order, maintain_order=True)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise LabelError(f"{episode.table} cannot be read: {_reason(error)}") from error

    def inside(self, relative: str) -> Path:
        """A file of the dataset. Raises ValueError where the dataset names, or links to, one outside of it.

        In the hub's cache all files are links to where it keeps them, beside the snapshots; these are inside.
        """
        return _inside(self.root, relative)

    def rows(self) -> tuple[EpisodeEntry, ...]:
        """What meta/episodes of version 3 says. Raises LabelError, OSError, ValueError."""
        folder = self.root / "meta" / "episodes"
        files = [self.inside(p.relative_to(self.root).as_posix()) for p in sorted(folder.rglob("*.parquet"))]
        if not files:
            raise FileNotFoundError(f"there are no Parquet files under {folder}")
        every = [*self.info.cameras("video"), *self.info.cameras("video", depth=True)]
        return by_table(tuple(Stamp.of(file) for file in files), tuple(every))

    @contextmanager
    def _saying(self, what: str) -> Iterator[None]:
        """Whatever goes wrong with the metadata inside is one LabelError."""
        import polars as pl

        try:
            yield
        except (OSError, ValueError, pl.exceptions.PolarsError) as error:
            raise LabelError(f"the metadata of the LeRobot dataset {self.root} {what}: {_reason(error)}") from error

    def _relative(self, video: Path) -> str:
        """A video's place in the dataset."""
        named = _absolute(video)
        if named.is_relative_to(self.root):
            return named.relative_to(self.root).as_posix()
        return video.resolve().relative_to(self.root.resolve()).as_posix()

    def _under(self, folder: str) -> list[str]:
        """Files in a folder of the dataset and below it, as paths in the dataset, sorted."""
        top = self.inside(folder or ".")
        return sorted(path.relative_to(self.root).as_posix() for path in top.rglob("*") if path.is_file())

    def _video(self, camera: str, **place: int) -> str:
        assert self.info.video is not None
        return self.info.video.path({"video_key": camera, **place})

    def _videos_of_v3(self) -> list[str]:
        found = []
        for camera in self.info.cameras("video"):
            parts = sorted(
                {(row.seen[camera].chunk, row.seen[camera].file) for row in self.rows() if camera in row.seen}
            )
            found += [self._video(camera, chunk_index=chunk, file_index=file) for chunk, file in parts]
        return found

    def _videos_of_v2(self) -> list[str]:
        cameras, size = self.info.cameras("video"), self.info.chunks_size
        if not cameras or self.info.video is None:
            return []
        # What is there, and what should be.
        found: dict[tuple[str, int], str] = {}
        for path in self._under(self.info.video.folder):
            place = self.info.video.place(path)
            if place and place.get("video_key") in cameras and "episode_index" in place:
                found.setdefault((place["video_key"], int(place["episode_index"])), path)
        for camera in cameras:
            for index in self.indices:
                if (camera, index) not in found:
                    found[camera, index] = self._video(camera, episode_chunk=index // size, episode_index=index)
        return [found[key] for key in sorted(found)]

    def _pictures(self, camera: str, index: int) -> Path:
        """The film of an episode's pictures: the folder that holds them, or would."""
        other = f"images/{camera}/episode-{index:06d}"
        return self.inside(other if (self.root / other).is_dir() else f"images/{camera}/episode_{index:06d}")

    def _of_pictures(self, relative: str) -> list[Episode] | None:
        """The episode whose pictures a path stands for; None for a path of another kind."""
        found = _PICTURES.fullmatch(relative)
        feature = self.info.features.get(found[1]) if found else None
        if found is None or feature is None or feature.dtype != "image":
            return None
        index = int(found[2])
        if self.info.version == 2:
            return [Episode(index, 0.0, np.inf, self._table_of_v2(index))]
        return [Episode(index, 0.0, np.inf, self._table(row)) for row in self.rows() if row.index == index]

    def _of_v3(self, relative: str) -> list[Episode]:
        return [
            Episode(row.index, seen.begin, seen.end, self._table(row))
            for row in self.rows()
            for camera, seen in row.seen.items()
            if self._video(camera, chunk_index=seen.chunk, file_index=seen.file) == relative
        ]

    def _of_v2(self, relative: str) -> list[Episode]:
        place = self.info.video.place(relative) if self.info.video else None
        feature = self.info.features.get((place or {}).get("video_key", ""))
        if place is None or feature is None or feature.dtype != "video" or "episode_index" not in place:
            return []
        index = int(place["episode_index"])
        return [Episode(index, 0.0, np.inf, self._table_of_v2(index))]

    def _table(self, row: EpisodeEntry) -> Path:
        return self.inside(self.info.data.path({"chunk_index": row.chunk, "file_index": row.file}))

    def _table_of_v2(self, index: int) -> Path:
        chunk = index // self.info.chunks_size
        return self.inside(self.info.data.path({"episode_chunk": chunk, "episode_index": index}))


def listed(numbers: list[int], most: int = 5) -> str:
    """Episodes by number."""
    more = f" and {len(numbers) - most} more" if len(numbers) > most else ""
    return f"episode{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers[:most]))}{more}"


def _reason(error: Exception) -> str:
    """An error's first line."""
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"{error.filename} is not there"
    reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
    return reason.splitlines()[0] if reason else type(error).__name__


def _absolute(path: Path) -> Path:
    """As it is named, links and all, without dots."""
    return Path(os.path.abspath(path))


def _inside(root: Path, relative: str) -> Path:
    named = os.path.normpath(relative)
    path = root / named
    real = path.resolve()
    led_out = os.path.isabs(named) or named.split(os.sep)[0] == os.pardir
    if led_out or not any(real.is_relative_to(folder) for folder in _own(root)):
        raise ValueError(f"{relative!r} leads out of the dataset")
    return path


def _own(root: Path) -> list[Path]:
    """Where a dataset's files may lie: in its folder; in the hub's cache also where this keeps what it links to."""
    real = root.resolve()
    found = [real]
    for folder in (real, *real.parents):
        blobs = folder.parent.parent / "blobs"
        if folder.parent.name == "snapshots" and blobs.is_dir() and not blobs.is_symlink():
            found.append(blobs)
    return found


def _read(root: Path) -> Dataset:
    path = root / "meta" / "info.json"
    try:
        stamp = Stamp.of(_inside(root, "meta/info.json"))
    except (OSError, ValueError) as error:
        raise LabelError(f"{path} cannot be read as a LeRobot dataset's: {_reason(error)}") from error
    return _read_once(root, stamp)


@lru_cache(maxsize=16)
def _read_once(root: Path, stamp: Stamp) -> Dataset:
    return Dataset(root, read_info(stamp.path))
