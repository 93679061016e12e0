"""The pictures of a LeRobot camera whose frames are no video: in the tables' rows, or files in folders."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import LabelError, VideoError
from worldprobe.labels.robots.dataset import Dataset, Episode

_FILE = re.compile(r"frame[_-](\d{1,12})\.(png|jpe?g|webp|bmp|tiff?)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, eq=False)
class EpisodePictures:
    """An episode's pictures by one camera, one for each row.

    ``pictures`` are a name and where its bytes are, or, where a row has none, the words that say so; ``seconds``
    are the rows' times, float64 [n]; ``rate`` is the dataset's.
    """

    pictures: tuple[tuple[str, bytes | Path] | str, ...]
    seconds: NDArray[np.float64]
    rate: float


def taken(dataset: Dataset, episode: Episode, film: Path) -> EpisodePictures:
    """The pictures that a film stands for.

    Raises:
        LabelError: the episode's rows cannot be read, or tell no times.
        VideoError: there are no pictures.
    """
    camera = dataset.camera_of(film)
    rows = dataset.rows_of(episode, [camera, "frame_index"])
    seconds = times_of(rows["timestamp"])
    known = np.isfinite(seconds)
    rows, seconds = rows.filter(known), seconds[known]
    if not len(seconds) or (np.diff(seconds) <= 0).any():
        raise LabelError(
            f"the times of episode {episode.index} in {episode.table} do not increase from row to row: nobody can "
            f"tell when its pictures by {camera} were taken"
        )
    numbered = "frame_index" in rows.columns and rows["frame_index"].dtype.is_numeric()
    numbers = rows["frame_index"].to_list() if numbered else list(range(len(rows)))
    files = _files(film)
    if camera not in rows.columns and not files:
        raise VideoError(
            f"{film}: there are no pictures by {camera}, neither in {episode.table} as a column nor in this "
            "folder. Get the whole dataset."
        )
    column = rows[camera].to_list() if camera in rows.columns else [None] * len(rows)
    found = tuple(
        _picture(dataset, film, files, number, value) for number, value in zip(numbers, column, strict=True)
    )
    return EpisodePictures(found, seconds, dataset.info.fps)


def times_of(column: Any) -> NDArray[np.float64]:
    """A table's times as float64 [n], NaN where there is none or it is no number."""
    if not column.dtype.is_numeric():
        return np.full(len(column), np.nan)
    return np.asarray(column.to_numpy(), dtype=np.float64)


def _files(film: Path) -> dict[int, Path]:
    """The files in a film's folder by their number; none where there is no such folder."""
    try:
        inside = sorted(film.iterdir())
    except OSError:
        return {}
    matches = [(path, _FILE.fullmatch(path.name)) for path in inside]
    return {int(match[1]): path for path, match in matches if match}


def _picture(
    dataset: Dataset, film: Path, files: dict[int, Path], number: Any, value: Any
) -> tuple[str, bytes | Path] | str:
    """A row's picture: bytes in the table, a path there, or the file of its number."""
    name = f"frame {number} of {film.parent.name}/{film.name}"
    encoded = value.get("bytes") if isinstance(value, dict) else value if isinstance(value, bytes) else None
    if isinstance(encoded, bytes) and encoded:
        return name, encoded
    if number in files:
        return files[number].name, files[number]
    written = value.get("path") if isinstance(value, dict) else value
    if isinstance(written, str) and written:
        try:
            path = dataset.inside(written)
            if path.is_file():
                return path.name, path
            return f"{written[:200]} is not there"
        except (OSError, ValueError) as error:
            return f"{name} cannot be had: {error}"
    return f"{name} has no picture"
