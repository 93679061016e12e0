"""``report.html``: one self-contained page, drawn from the facts."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from worldprobe.findings.facts import Summary
from worldprobe.findings.wording import count
from worldprobe.io.files import write_whole
from worldprobe.printable import printable
from worldprobe.report.charts import decoding as decoding_plots
from worldprobe.report.charts import surprise
from worldprobe.report.charts.prediction import prediction_frames
from worldprobe.report.drawing import svg
from worldprobe.report.drawing.frames import FrameGrid
from worldprobe.report.drawing.panels import Panel
from worldprobe.report.forms import moments as moment_view
from worldprobe.report.sections import sections
from worldprobe.report.table import BREAK, Cell, Heading, Section, Table

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

_SMALL = 32 * 32  # px: maps of tokens and scales, whose colours are read
_MARKS = {
    "strong": "<b>{}</b>",
    "soft": '<span class="ci">{}</span>',
    "over": '<span class="over">{}</span>',
    "glyph": '<span class="glyph" aria-hidden="true">{}</span>',
}


def write_html(run: Path, summary: Summary) -> None:
    """Write ``report.html`` into the run's folder. It loads nothing: styles, charts and script are inside."""
    moments = moment_view.page(run, summary.moments) if summary.moments else []
    labelled = moment_view.previews(run, summary.moments) if summary.moments else []
    peaks = surprise.peak_pictures(run, summary.future) if summary.future else []
    seen = [[(moment_view.inlined(path), caption) for path, caption in one] for one in peaks]
    page = render(
        summary, figures=_pictures(run), frames=_frames(run, summary), moments=moments, labelled=labelled,
        peaks=seen, glimpse=_glimpse(run),
    )  # fmt: skip
    write_whole(run / "report.html", printable(page).encode())


def _pictures(run: Path) -> Callable[[str], str]:
    """The run's figures by name, as addresses that hold them whole; empty for one that is not there."""

    def inlined(name: str) -> str:
        return moment_view.inlined(run / "figures" / f"{name}.png")

    return inlined


def _frames(run: Path, summary: Summary) -> dict[str, list[FrameGrid]]:
    """The frames that figures show, by the figures' names."""
    found = prediction_frames(run) if summary.future else {}
    return found | (decoding_plots.decoder_frames(run / "decoders") if summary.decoding else {})


def picture(pixels: NDArray[np.uint8]) -> str:
    """A picture uint8 [h, w, 3 or 4] as an address that holds it whole; small ones to the bit."""
    buffer = io.BytesIO()
    small = pixels.shape[0] * pixels.shape[1] <= _SMALL
    Image.fromarray(pixels).save(buffer, format="WEBP", quality=85, lossless=small)
    return moment_view.address(buffer.getvalue(), ".webp")


def _glimpse(run: Path) -> tuple[str, str] | None:
    """Real frames above those that the first decoder drew, as an address that holds them, and its name."""
    found = decoding_plots.glimpse(run / "decoders")
    if found is None:
        return None
    name, pixels = found
    return name, picture(pixels)


@cache
def template(name: str) -> Template:
    """A page's template: every name comes out escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("worldprobe.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        count=count,
        kind=lambda block: type(block).__name__,
        table=table,
        coded=_coded,
        plots=_plots,
        dots=svg.dots,
        picture=picture,
    )
    return environment.get_template(name)


def render(
    summary: Summary,
    *,
    figures: Callable[[str], str] = lambda name: "",
    frames: Mapping[str, Sequence[FrameGrid]] = MappingProxyType({}),
    moments: Sequence[dict[str, Any]] = (),
    labelled: Sequence[dict[str, Any]] = (),
    peaks: Sequence[Sequence[tuple[str, str]]] = (),
    glimpse: tuple[str, str] | None = None,
) -> str:
    """The page as text; every name from the run comes out escaped."""
    found = [section for section in sections(summary) if "html" in section.forms]
    return template("report.html.j2").render(
        summary=summary,
        lead=lead(summary),
        unprinted=[section for section in found if not section.on_paper],
        sections=found,
        contents=_contents(found),
        figures=figures,
        frames=frames,
        moments=list(moments),
        labelled=list(labelled),
        peaks=list(peaks),
        glimpse=glimpse,
    )


def lead(summary: Summary) -> str:
    """What was done to find the answer out, for a reader who has never heard of a probe or a control."""
    if not summary.rows:
        return (
            "Nothing in the network was changed. What it predicts or draws stands beside what needs no network: "
            "the baselines. What is no better than those is not counted as known."
        )
    return (
        "Nothing in the network was changed. From what it makes of each video a simple formula, a linear probe, "
        "was fitted to read a property off, and scored where it had not been fitted. The same was tried with what "
        "should not work: a constant, plain pixels, the same network untrained. Those are the controls, and what "
        "is read no better than from them is not counted as known."
    )


def _contents(found: Sequence[Section]) -> list[tuple[str, str]]:
    """Addresses in the page, and their names."""
    places = []
    for section in found:
        places += [(section.anchor, section.short)] if section.short else []
        places += [
            (block.anchor, block.short) for block in section.blocks if isinstance(block, Heading) and block.short
        ]
    return places


def table(block: Table[Any]) -> Markup:
    """A table of the report, in a frame that scrolls sideways."""
    from markupsafe import Markup

    columns = block.heads("html")
    # A head without a name names nothing: to a screen reader it is a cell like others.
    heads = "".join(
        Markup('<th scope="col"{}>{}</th>').format(Markup(' class="r"') if column.right else "", column.head)
        if column.head
        else Markup("<td></td>")
        for column in columns
    )
    rows = []
    for row in block.rows:
        tone = Markup(' class="{}"').format(block.tone(row)) if block.tone and block.tone(row) else ""
        cells = [_td(column.cell(row, "html"), right=column.right, head=column.row_head) for column in columns]
        rows.append(Markup("<tr{}>{}</tr>").format(tone, Markup("").join(cells)))
    # A group and no region: a landmark for each of thirty tables would be none.
    frame = Markup('<div class="scroll{}" tabindex="0" role="group" aria-label="{}">{}</div>')
    inside = Markup('<table class="{}">\n<thead><tr>{}</tr></thead>\n<tbody>{}</tbody>\n</table>')
    look, tall = block.look.replace(" tall", ""), " tall" if " tall" in block.look else ""
    return frame.format(tall, block.title, inside.format(look, Markup(heads), Markup("\n").join(rows)))


def _td(cell: Cell, *, right: bool, head: bool) -> Markup:
    from markupsafe import Markup

    if head:
        return Markup('<th scope="row">{}</th>').format(_inside(cell))
    looks = " ".join(filter(None, ("r" if right else "", cell.kind)))
    look = Markup(' class="{}"').format(looks) if looks else ""
    sort = Markup(' data-v="{}"').format("" if cell.value is None else cell.value) if cell.sortable else ""
    title = Markup(' title="{}"').format(cell.title) if cell.title else ""
    return Markup("<td{}{}{}>{}</td>").format(look, sort, title, _inside(cell))


def _inside(cell: Cell) -> Markup:
    from markupsafe import Markup, escape

    if cell.strip is not None:
        return Markup(template("strip.html.j2").render(one=cell.strip))
    found = Markup("")
    for at, part in enumerate(cell.parts):
        text, emphasis = part
        beside = {cell.parts[at - 1][1] if at else "", cell.parts[at + 1][1] if at + 1 < len(cell.parts) else ""}
        if emphasis == "joint" and (beside & {"soft", "over"} or at + 1 == len(cell.parts)):
            continue
        if part == BREAK:  # soft parts stand on lines of their own already
            found += Markup("") if beside & {"soft", "over"} else Markup("<br>")
        else:
            written = Markup(_MARKS[emphasis]).format(text) if emphasis in _MARKS else escape(text)
            found += Markup('<a href="#{}">{}</a>').format(cell.link, written) if cell.link and not at else written
    return found


def _plots(panels: Sequence[Panel], *, width: int = svg.WIDTH) -> dict[str, Any]:
    """Charts in px, and the key to all of them."""
    return {"drawings": [svg.drawing(panel, width=width) for panel in panels], "keys": svg.keys(panels)}


def _coded(text: str) -> Markup:
    """Text whose parts between backticks are set as code."""
    from markupsafe import Markup, escape

    parts = str(escape(text)).split("`")
    return Markup("".join(f"<code>{part}</code>" if odd % 2 else part for odd, part in enumerate(parts)))
