"""Markdown's own marks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from worldprobe.printable import escaped as escaped


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; cells are taken as they are."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
