"""Which episodes a LeRobot dataset has, where each lies, and what each is known by."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from worldprobe.errors import LabelError
from worldprobe.io.lfs import lfs_pointer
from worldprobe.io.tables import read_schema, read_table
from worldprobe.labels.values import clean

_MOST = 1 << 53  # numbers beyond are no counts


@dataclass(frozen=True, slots=True)
class Stamp:
    """A file as it was when it changed last: what was read of it is kept until it changes again."""

    path: Path
    changed: int
    size: int

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """Raises OSError where there is none."""
        at = os.stat(path)
        return cls(path, at.st_mtime_ns, at.st_size)


@dataclass(frozen=True, slots=True)
class FilmSpan:
    """Where a camera's film of an episode lies: the video's numbers, and seconds on its clock."""

    chunk: int
    file: int
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class EpisodeEntry:
    """An episode: its number, the numbers of the table that holds its rows, and the cameras that saw it."""

    index: int
    chunk: int
    file: int
    seen: Mapping[str, FilmSpan]


@lru_cache(maxsize=16)
def by_table(tables: tuple[Stamp, ...], cameras: tuple[str, ...]) -> tuple[EpisodeEntry, ...]:
    """What the tables of meta/episodes say of each episode.

    Where one of a camera's columns is empty the camera did not see the episode.

    Raises:
        OSError, polars.exceptions.PolarsError: a table cannot be read.
        LabelError: a column is missing, holds what cannot be, or an episode stands there twice.
    """
    found: dict[int, EpisodeEntry] = {}
    for stamp in tables:
        held = read_schema(stamp.path)
        places = {camera: [f"videos/{camera}/{key}" for key in _PLACE] for camera in cameras}
        filmed = {camera: keys for camera, keys in places.items() if keys[0] in held}
        columns = [
            "episode_index",
            "data/chunk_index",
            "data/file_index",
            *(k for keys in filmed.values() for k in keys),
        ]
        if lacks := [name for name in columns if name not in held]:
            raise LabelError(f"{stamp.path} has no column {lacks[0]!r}")
        for written in read_table(stamp.path, columns).iter_rows(named=True):
            row = _row(stamp.path, written, filmed)
            if found.setdefault(row.index, row) != row:
                raise LabelError(f"{stamp.path} says of episode {row.index} what differs from what it said before")
    return tuple(found[index] for index in sorted(found))


_PLACE = ("chunk_index", "file_index", "from_timestamp", "to_timestamp")


def _row(path: Path, written: Mapping[str, Any], filmed: Mapping[str, list[str]]) -> EpisodeEntry:
    def number(key: str) -> int:
        value = written[key]
        if not _is_count(value):
            raise LabelError(f"{path}: {key} is {_short(value)}; it must be a number of 0 or more")
        return int(value)

    def seconds(key: str) -> float:
        value = written[key]
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < _MOST:
            raise LabelError(f"{path}: {key} is {_short(value)}; it must be a time in seconds")
        return float(value)

    seen = {}
    for camera, keys in filmed.items():
        if any(written[key] is None or written[key] != written[key] for key in keys):
            continue
        chunk, file, begin, end = keys
        seen[camera] = FilmSpan(number(chunk), number(file), seconds(begin), seconds(end))
        if seen[camera].end <= seen[camera].begin:
            raise LabelError(f"{path}: {camera} has episode {written['episode_index']} end before it begins")
    return EpisodeEntry(number("episode_index"), number("data/chunk_index"), number("data/file_index"), seen)


def by_line(path: Path) -> list[int]:
    """The episodes that a meta/episodes.jsonl of version 2 lists, sorted.

    Raises:
        OSError, ValueError: it cannot be read.
        LabelError: a line is not of its form.
    """
    found = set()
    for number, written in _lines(path):
        index = written.get("episode_index")
        if not isinstance(index, int) or not _is_count(index):
            raise LabelError(f"{path}, line {number}: episode_index is {_short(index)}; it must be 0 or more")
        found.add(index)
    return sorted(found)


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a file that has one a line, and the line's number; an empty one for what is no object."""
    if pointer := lfs_pointer(path):
        raise LabelError(pointer)
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            written = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise LabelError(f"{path}, line {number}: this is no JSON") from error
        yield number, written if isinstance(written, dict) else {}


@lru_cache(maxsize=16)
def read_tasks(file: Stamp) -> dict[int, str]:
    """What robots were to do, by the number that rows have for it: of a meta/tasks.parquet or a meta/tasks.jsonl.

    Raises:
        OSError, ValueError, polars.exceptions.PolarsError: it cannot be read.
        LabelError: it does not hold numbers and texts.
    """
    import polars as pl

    if file.path.suffix == ".jsonl":
        rows = [(one.get("task_index"), one.get("task")) for _, one in _lines(file.path)]
    else:
        table = read_table(file.path)
        texts = [name for name, kind in table.schema.items() if kind == pl.String]
        if "task_index" not in table.columns or not texts:
            raise LabelError(f"{file.path} has no columns of numbers (task_index) and of texts")
        rows = table.select("task_index", "task" if "task" in texts else texts[0]).rows()
    found = {}
    number: Any
    for number, text in rows:
        if not _is_count(number) or not isinstance(text, str):
            raise LabelError(f"{file.path}: task_index {_short(number)} is {_short(text)}; it must be a text")
        found[int(number)] = clean(text.strip())
    return found


@lru_cache(maxsize=64)
def name_episodes(table: Stamp) -> dict[int, str]:
    """A hash of the rows of each episode in a table; pictures are left out.

    Raises:
        OSError, polars.exceptions.PolarsError: it cannot be read.
        ValueError: it lacks the columns that tell episodes.
    """
    import polars as pl

    schema = read_schema(table.path)
    plain = sorted(
        name
        for name, kind in schema.items()
        if kind.is_numeric() or (kind.is_nested() and getattr(kind, "inner", pl.String()).is_numeric())
    )
    if lacks := [name for name in ("episode_index", "frame_index") if not schema.get(name, pl.Null()).is_numeric()]:
        raise ValueError(f"it has no numbers in a column {lacks[0]!r}")
    rows = read_table(table.path, plain).sort("episode_index", "frame_index")
    found = {}
    for (index,), part in rows.partition_by("episode_index", as_dict=True).items():
        if not _is_count(index):
            continue
        known = hashlib.sha256()
        for name in plain:
            column = part[name].explode() if schema[name].is_nested() else part[name]
            known.update(name.encode() + column.cast(pl.Float64).to_numpy().tobytes())
        found[int(index)] = known.hexdigest()[:24]
    return found


def _is_count(value: Any) -> bool:
    """Whether it is a whole number of 0 or more; tables with gaps hold these as floats."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 <= value < _MOST and value == int(value)


def _short(value: object) -> str:
    text = "missing" if value is None else repr(value)
    return text if len(text) < 60 else f"{text[:56]} ..."
