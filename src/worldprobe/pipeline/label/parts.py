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
            labeller: its name; a file that it names is known by its size and time.
            settings: everything else that the labels depend on.
        """
        self.folder = table.with_name(f".{table.name}.parts")
        known = f"{__version__}\n{labeller}\n{_stamp(labeller.partition(':')[2])}\n{settings}"
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


def _stamp(file: str) -> str:
    try:
        found = os.stat(file)
    except (OSError, ValueError):
        return ""
    return f"{found.st_size} {found.st_mtime_ns}"
