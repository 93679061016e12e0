"""Parquet tables that may be damaged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from worldprobe.errors import WriteError
from worldprobe.io.lfs import lfs_pointer

if TYPE_CHECKING:
    import polars as pl


def read_table(path: Path, columns: Sequence[str] | None = None, *, where: pl.Expr | None = None) -> pl.DataFrame:
    """Read a Parquet file: some columns, and the rows ``where`` something is so.

    Raises:
        FileNotFoundError, OSError: it cannot be read.
        polars.exceptions.PolarsError: it is damaged. On some damage polars panics, and a panic is no Exception: it
            would pass through everything that catches errors.
    """
    import polars as pl

    with _sound(path):
        # A name is a name: polars would take one with brackets or stars for a pattern.
        if where is None:
            return pl.read_parquet(path, columns=None if columns is None else list(columns), glob=False)
        rows = pl.scan_parquet(path, glob=False).filter(where)
        return (rows if columns is None else rows.select(columns)).collect()


def read_schema(path: Path) -> pl.Schema:
    """Names and types of a Parquet file's columns. Raises as ``read_table``."""
    import polars as pl

    with _sound(path):
        return pl.Schema(pl.read_parquet_schema(path))


@contextmanager
def _sound(path: Path) -> Iterator[None]:
    import polars as pl

    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        if pointer := lfs_pointer(path):
            raise pl.exceptions.ComputeError(pointer) from error
        if isinstance(error, pl.exceptions.PanicException):
            raise pl.exceptions.ComputeError(f"damaged: {str(error).splitlines()[0]}") from error
        raise


def write_table(table: pl.DataFrame, path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write a Parquet file at a temporary path. Raises WriteError, whatever polars makes of a full disk."""
    import polars as pl

    try:
        table.write_parquet(path, metadata=metadata)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise WriteError(f"cannot write {path.parent}: {error}. What was there before is kept.") from error
