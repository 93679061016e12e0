"""A watch over a training in print: the terminal's tables, Markdown, one HTML page and one picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from worldprobe.findings.watched import Watched
from worldprobe.io.files import StrPath, write_whole
from worldprobe.printable import printable
from worldprobe.report.charts.watched import watched_panels
from worldprobe.report.drawing.png import draw
from worldprobe.report.forms import markdown
from worldprobe.report.forms.html import template
from worldprobe.report.forms.terminal import rich_table
from worldprobe.report.tables.watched import CAPTION, FIGURE, features, scores, watched_blocks

if TYPE_CHECKING:
    from rich.table import Table


def watched_tables(found: Watched, *, width: int = 120) -> list[Table]:
    """For the terminal: what features are like, and what is in them; none without checkpoints."""
    if not found.checkpoints:
        return []
    tables = [features(found), *([scores(found)] if found.readings else [])]
    return [rich_table(one, width=width) for one in tables]


def watched_markdown(found: Watched) -> str:
    """The watch as a page of Markdown."""
    title = f"# {markdown.text(found.folder)}: a training, watched"
    return "\n\n".join([title, *markdown.blocks(watched_blocks(found), level="##", figures=[FIGURE])]) + "\n"


def watched_html(found: Watched) -> str:
    """The watch as one page that loads nothing; every name comes out escaped."""
    return template("watch.html.j2").render(found=found, blocks=watched_blocks(found))


def write_watched(out: StrPath, found: Watched) -> None:
    """Write ``watch.html``, ``watch.md`` and ``figures/training.png`` into a folder, each whole."""
    out = Path(out)
    title = f"{found.folder}: is it collapsing, and what did it learn when?"
    draw(watched_panels(found), out / "figures" / f"{FIGURE}.png", title=title, key=CAPTION)
    write_whole(out / "watch.md", printable(watched_markdown(found)).encode())
    write_whole(out / "watch.html", printable(watched_html(found)).encode())
