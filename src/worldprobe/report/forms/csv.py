"""The report's tables as comma-separated values: unrounded, a column for each end of an interval."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from typing import Any

from worldprobe.findings.facts import Summary
from worldprobe.findings.wording import MINUS, NONE
from worldprobe.printable import one_line
from worldprobe.report.sections import tables_of
from worldprobe.report.table import Cell, Table

_NUMBER = re.compile(r"[+-]?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?")
_FORMULA = ("=", "+", "-", "@", "\t")


def csv_tables(summary: Summary) -> dict[str, str]:
    """Each table of the report by its name, as text with a head; what is missing is empty."""
    return {name: _written(table) for name, (_, table) in tables_of(summary).items()}


def _written(table: Table[Any]) -> str:
    heads: dict[tuple[int, str], str] = {}
    rows: list[dict[tuple[int, str], float | str | None]] = [{} for _ in table.rows]
    columns = table.heads("markdown")
    named = Counter(column.head for column in columns)
    for at, column in enumerate(columns):
        name = column.head if named[column.head] == 1 else f"{columns[at - 1].head}, {column.head}"
        for row, found in zip(table.rows, rows, strict=True):
            for end, value in _values(column.cell(row, "markdown")):
                heads[at, end] = f"{name}{end}"
                found[at, end] = value
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    order = sorted(heads, key=lambda head: head[0])  # within a column as its cells came
    writer.writerow([_safe(heads[head]) for head in order])
    writer.writerows([_safe(row.get(head)) for head in order] for row in rows)
    return text.getvalue()


def _values(cell: Cell) -> tuple[tuple[str, float | str | None], ...]:
    if cell.values:
        return cell.values
    text = "".join(text for text, emphasis in cell.parts if emphasis != "glyph")
    plain = text.replace(MINUS, "-")
    number = float(plain.replace(",", "")) if _NUMBER.fullmatch(plain) else None
    if number is not None:
        return (("", int(number) if number.is_integer() else number),)
    return (("", None if text == NONE else text),)


def _safe(value: float | str | None) -> float | str:
    """A number as it is; a name such that no spreadsheet takes it for a formula."""
    if not isinstance(value, str):
        return "" if value is None else value
    text = one_line(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
