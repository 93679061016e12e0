"""Parquet tables that may be damaged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from worldprobe.errors import WriteError

if TYPE_CHECKING:
    import polars as pl


def read_table(path: Path, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Read a Parquet file.

    Raises:
        FileNotFoundError, OSError: it cannot be read.
        polars.exceptions.PolarsError: it is damaged. On some damage polars panics, and a panic is no Exception: it
            would pass through everything that catches errors.
    """
    import polars as pl

    try:
        # A name is a name: polars would take one with brackets or stars for a pattern.
        return pl.read_parquet(path, columns=None if columns is None else list(columns), glob=False)
    except pl.exceptions.PanicException as error:
        raise pl.exceptions.ComputeError(f"damaged: {str(error).splitlines()[0]}") from error


def write_table(table: pl.DataFrame, path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write a Parquet file at a temporary path. Raises WriteError, whatever polars makes of a full disk."""
    import polars as pl

    try:
        table.write_parquet(path, metadata=metadata)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise WriteError(f"cannot write {path.parent}: {error}. What was there before is kept.") from error
