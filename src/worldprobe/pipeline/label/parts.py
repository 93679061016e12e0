"""Labels of the videos that are done, kept beside the table to come: a run that was killed goes on from them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from worldprobe import __version__
from worldprobe.io.files import replacing
from worldprobe.io.tables import read_table, write_table
from worldprobe.records import Labels

_NOTES, _LOST = "worldprobe.notes", "worldprobe.lost"


class Parts:
    """A folder of one Parquet file for each video, named by its content and by the labeller's settings."""

    def __init__(self, table: Path, *, labeller: str, settings: str) -> None:
        """For a table that will be written at a path.

        Args:
            labeller: its name; a file or folder that it names is known by sizes and times.
            settings: everything else that the labels depend on.
        """
        self.folder = table.with_name(f".{table.name}.parts")
        known = f"{__version__}\n{labeller}\n{_stamp(labeller.partition(':')[2], table)}\n{settings}"
        self._key = hashlib.sha256(known.encode()).hexdigest()[:16]

    def get(self, video: str) -> tuple[Labels, dict[int, str]] | None:
        """The labels of a video (its id), and why which frames could not be read; None where they are not there or
        were cut off."""
        import polars as pl

        path = self._path(video)
        try:
            written = pl.read_parquet_metadata(path)
            lost = {int(frame): str(reason) for frame, reason in json.loads(written[_LOST]).items()}
            return Labels(read_table(path), tuple(json.loads(written[_NOTES]))), lost
        except (pl.exceptions.PolarsError, OSError, KeyError, ValueError, AttributeError):
            return None

    def put(self, video: str, labels: Labels, *, lost: Mapping[int, str] | None = None) -> None:
        """Keep a video's labels, and why which frames could not be read."""
        with replacing(self._path(video)) as temporary:
            written = {_NOTES: json.dumps(labels.notes), _LOST: json.dumps(dict(lost or {}))}
            write_table(labels.table, temporary, written)

    def clear(self) -> None:
        """The table is written: the parts are no longer needed."""
        # Out of the way at once: a kill while they are deleted leaves no half of them to go on from.
        gone = self.folder.with_name(f"{self.folder.name}.gone")
        shutil.rmtree(gone, ignore_errors=True)
        with suppress(OSError):
            os.rename(self.folder, gone)
        for folder in (gone, self.folder):
            shutil.rmtree(folder, ignore_errors=True)

    def _path(self, video: str) -> Path:
        return self.folder / f"{video[:40]}-{self._key}.parquet"


def _stamp(argument: str, table: Path) -> str:
    """Sizes and times of the file that a labeller names, with options behind it or not, or of the files in
    the folder that it names, but for what is written there with the table; empty where it names none."""
    for place in dict.fromkeys((argument, argument.rpartition("?")[0])):
        try:
            found = [(one, os.stat(one)) for one in _files(Path(place), table)] if place else []
        except (OSError, ValueError):
            continue
        if found:
            return "\n".join(f"{name} {one.st_size} {one.st_mtime_ns}" for name, one in found)
    return ""


def _files(place: Path, table: Path) -> list[Path]:
    if not place.is_dir():
        return [place]
    place, table = place.resolve(), table.resolve()
    written = table.parent if table.parent != place else table
    return [
        one
        for one in sorted(place.rglob("*"))
        if one.is_file()
        and not one.is_relative_to(written)
        and not any(name.startswith(".") for name in one.relative_to(place).parts)
    ]
