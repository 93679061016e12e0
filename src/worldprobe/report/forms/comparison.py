"""Runs side by side in print: the terminal's table, Markdown and one HTML page, from the same facts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from worldprobe.findings.comparison import Comparison
from worldprobe.findings.wording import count
from worldprobe.io.files import StrPath, write_whole
from worldprobe.printable import printable
from worldprobe.report.charts.comparison import FIGURE, cost_panels
from worldprobe.report.drawing.png import draw
from worldprobe.report.forms import markdown
from worldprobe.report.forms.html import template
from worldprobe.report.forms.terminal import rich_table
from worldprobe.report.tables.comparison import comparison_blocks, costs, properties, scores

if TYPE_CHECKING:
    from rich.table import Table

_BESIDE = 3  # runs that stand beside each other on a terminal


def comparison_tables(comparison: Comparison) -> list[Table]:
    """For the terminal: of each run the score, and beneath it what it has over the first run's; then costs.

    Several runs would be too wide side by side: they are rows then, a table for each kind of features.
    """
    if len(comparison.runs) > _BESIDE:
        found = [rich_table(one) for one in properties(comparison)]
    else:
        found = [rich_table(scores(comparison))]
    recorded = any(run.cost or run.sight for run in comparison.runs)
    return [*found, *([rich_table(costs(comparison))] if recorded else [])]


def comparison_markdown(comparison: Comparison, *, figures: Sequence[str] = ()) -> str:
    """The comparison as a page of Markdown.

    Args:
        figures: the names of those that there are.
    """
    title = "# " + " and ".join(markdown.text(run.name) for run in comparison.runs)
    return "\n\n".join([title, *markdown.blocks(comparison_blocks(comparison), level="##", figures=figures)]) + "\n"


def comparison_html(comparison: Comparison) -> str:
    """The comparison as one page that loads nothing; every name comes out escaped."""
    return template("compare.html.j2").render(comparison=comparison, blocks=comparison_blocks(comparison))


def write_comparison(out: StrPath, comparison: Comparison) -> None:
    """Write ``compare.html``, ``compare.md``, ``compare.json`` and the figures into a folder, each whole."""
    out = Path(out)
    first = comparison.runs[0].name
    drawn = draw(
        cost_panels(comparison), out / "figures" / f"{FIGURE}.png",
        title=f"Score against cost: {first} and {count(len(comparison.runs) - 1, 'other')}", key="Run",
    )  # fmt: skip
    write_whole(out / "compare.json", comparison.model_dump_json(indent=1).encode())
    write_whole(out / "compare.md", comparison_markdown(comparison, figures=[FIGURE] * drawn).encode())
    write_whole(out / "compare.html", printable(comparison_html(comparison)).encode())
