"""Labels of the videos that are done, kept beside the table to come: a run that was killed goes on from them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from worldprobe import __version__
from worldprobe.files import replacing
from worldprobe.records import Labels
from worldprobe.tables import read_table, write_table

_NOTES, _LOST = "worldprobe.notes", "worldprobe.lost"


class Parts:
    """A folder of one Parquet file for each video, named by its content and by what was asked of the labeller."""

    def __init__(self, table: Path, *, labeller: str, asked: str) -> None:
        """For a table that will be written at a path.

        Args:
            labeller: its name; a file that it names is known by its size and time.
            asked: everything else that the labels depend on.
        """
        self.folder = table.with_name(f".{table.name}.parts")
        known = f"{__version__}\n{labeller}\n{_stamp(labeller.partition(':')[2])}\n{asked}"
        self._key = hashlib.sha256(known.encode()).hexdigest()[:16]

    def get(self, video: str) -> tuple[Labels, list[int]] | None:
        """The labels of a video (its id), and frames that could not be read; None where they are not there or were
        cut off."""
        import polars as pl

        path = self._path(video)
        try:
            written = pl.read_parquet_metadata(path)
            lost = [int(frame) for frame in json.loads(written[_LOST])]
            return Labels(read_table(path), tuple(json.loads(written[_NOTES]))), lost
        except (pl.exceptions.PolarsError, OSError, KeyError, ValueError):
            return None

    def put(self, video: str, labels: Labels, *, lost: Sequence[int] = ()) -> None:
        """Keep a video's labels, and which frames could not be read."""
        with replacing(self._path(video)) as temporary:
            written = {_NOTES: json.dumps(labels.notes), _LOST: json.dumps(list(lost))}
            write_table(labels.table, temporary, written)

    def clear(self) -> None:
        """The table is written: the parts are no longer needed."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, video: str) -> Path:
        return self.folder / f"{video[:40]}-{self._key}.parquet"


def _stamp(file: str) -> str:
    try:
        found = os.stat(file)
    except (OSError, ValueError):
        return ""
    return f"{found.st_size} {found.st_mtime_ns}"
