"""Tables of labels as files: Parquet, which keeps what made them and what was noted, or CSV; several as one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from worldprobe.errors import ConfigError, LabelError
from worldprobe.io.files import StrPath, replacing
from worldprobe.io.tables import read_table, write_table
from worldprobe.plugins.promises import typed
from worldprobe.records import Labels

_ORIGIN, _NOTES = "worldprobe.origin", "worldprobe.notes"
_PARQUET, _CSV = (".parquet", ".pq", ""), ".csv"


def check_form(path: Path) -> None:
    """Raises ConfigError for a file that by its name is neither Parquet nor CSV: it would not be what it says."""
    if path.suffix.lower() not in (*_PARQUET, _CSV):
        raise ConfigError(
            f"{path} is named as {path.suffix}, and labels are written as Parquet or CSV: name it "
            f"{path.with_suffix('.parquet').name} or {path.with_suffix(_CSV).name}"
        )


def write_labels(labels: Labels, path: StrPath) -> None:
    """Write a Parquet file, or CSV where the name ends in that; whole or not at all.

    CSV has no place for what made the labels (``origin``) and for ``notes``. Raises ConfigError as ``check_form``.
    """
    path = Path(path)
    check_form(path)
    with replacing(path) as temporary:
        if path.suffix.lower() == _CSV:
            temporary.write_text(labels.table.write_csv(), encoding="utf-8")
        else:
            written = {_ORIGIN: labels.origin, _NOTES: labels.notes}
            write_table(
                labels.table, temporary, {key: json.dumps(value) for key, value in written.items() if value}
            )


def read_labels(path: StrPath) -> Labels:
    """Read a labels table, Parquet or by its name CSV. Raises LabelError when there is none, or it is not one."""
    import polars as pl

    path = Path(path)
    form = "CSV" if path.suffix.lower() == _CSV else "Parquet"
    try:
        if form == "CSV":
            return typed(Labels(_read_csv(path)))
        written = pl.read_parquet_metadata(path)
        origin, notes = json.loads(written.get(_ORIGIN, "{}")), json.loads(written.get(_NOTES, "[]"))
        return typed(Labels(read_table(path), tuple(map(str, notes)), origin))
    except FileNotFoundError:
        raise LabelError(f"no labels at {path}. Run `worldprobe label VIDEO --labeller L --out {path}`.") from None
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise LabelError(f"{path} is not a {form} table of labels: {error}") from error


def _read_csv(path: Path) -> Any:
    """All columns as text first: a class called 1 is a name, and a column that begins empty may be of numbers."""
    import polars as pl

    table = pl.read_csv(path, infer_schema=False).with_columns(pl.all().fill_null(""))
    numbers: dict[str, Any] = {"frame": pl.Int64, "object": pl.Int64}
    numbers |= dict.fromkeys(("pts_seconds", "x", "y", "w", "h", "confidence"), pl.Float64)
    for name in table.columns:
        if name in ("video", "class", "source"):
            continue
        column = table[name].replace("", None)
        if name in numbers:
            table = table.with_columns(column.cast(numbers[name]))
        elif (cast := column.cast(pl.Float64, strict=False)).null_count() == column.null_count():
            table = table.with_columns(cast)  # else it is text, as somebody's further columns may be
    return table


def read_tables(paths: Sequence[Path]) -> Labels:
    """Labels of several films in several tables, joined.

    Raises:
        LabelError: as ``read_labels``; or two tables speak of the same object of a video.
    """
    import polars as pl

    parts = [read_labels(path) for path in paths]
    if len(parts) == 1:
        return parts[0]
    held: dict[tuple[str, int], int] = {}
    for number, part in enumerate(parts):
        for video, identity in part.table.select("video", "object").unique(maintain_order=True).iter_rows():
            other = held.setdefault((video, identity), number)
            if other != number:
                which = "objects without a track" if identity == -1 else f"object {identity}"
                both = f"{paths[other]} and {paths[number]} both label {which} of video {str(video)[:12]}"
                raise LabelError(f"{both}: give one of them, or tables of different films")
    whole = pl.concat([part.table for part in parts], how="diagonal_relaxed")
    origins = [part.origin for part in parts if part.origin]
    origin = origins[0] if origins and all(one == origins[0] for one in origins) else {"tables": origins}
    return Labels(whole, tuple(note for part in parts for note in part.notes), origin if origins else {})
