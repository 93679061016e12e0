"""Runs side by side in print: the terminal's table, Markdown and one HTML page, from the same facts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from worldprobe.findings.comparison import Comparison
from worldprobe.io.files import StrPath, write_whole
from worldprobe.printable import printable
from worldprobe.report.forms import markdown
from worldprobe.report.forms.html import template
from worldprobe.report.forms.terminal import rich_table
from worldprobe.report.tables.comparison import comparison_blocks, scores

if TYPE_CHECKING:
    from rich.table import Table


def comparison_table(comparison: Comparison) -> Table:
    """For the terminal: of each run the score, and beneath it what it has over the first run's."""
    return rich_table(scores(comparison))


def comparison_markdown(comparison: Comparison) -> str:
    """The comparison as a page of Markdown."""
    title = "# " + " and ".join(markdown.text(run.name) for run in comparison.runs)
    return "\n\n".join([title, *markdown.blocks(comparison_blocks(comparison), level="##")]) + "\n"


def comparison_html(comparison: Comparison) -> str:
    """The comparison as one page that loads nothing; every name comes out escaped."""
    return template("compare.html.j2").render(comparison=comparison, blocks=comparison_blocks(comparison))


def write_comparison(out: StrPath, comparison: Comparison) -> None:
    """Write ``compare.html``, ``compare.md`` and ``compare.json`` into a folder, each whole."""
    out = Path(out)
    write_whole(out / "compare.json", comparison.model_dump_json(indent=1).encode())
    write_whole(out / "compare.md", comparison_markdown(comparison).encode())
    write_whole(out / "compare.html", printable(comparison_html(comparison)).encode())
