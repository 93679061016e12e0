"""``report.md``: the same facts in Markdown, in the order of the original findings."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from worldprobe.findings.facts import Summary
from worldprobe.findings.setup import flatten
from worldprobe.io.files import write_whole
from worldprobe.printable import escaped, one_line, printable
from worldprobe.report.drawing.panels import in_words
from worldprobe.report.sections import sections
from worldprobe.report.table import (
    BREAK,
    Block,
    Bullets,
    Cell,
    Chapter,
    Figure,
    Heading,
    Paragraph,
    Section,
    Table,
    Template,
    Terms,
)

# Chapters in the order of the write-up that this began with: name, heading, whether it is numbered.
_CHAPTERS: tuple[tuple[Chapter, str, bool], ...] = (
    ("answer", "The answer", False),
    ("decoding", "Decoders: what the embedding holds, drawn", True),
    ("future", "Prediction: is the future told?", True),
    ("probes", "Linear probes: what is in the representation", True),
    ("conclusions", "Key conclusions", True),
    ("next", "Next experiments", True),
    ("caveats", "Caveats", False),
    ("infrastructure", "Infrastructure", False),
)
# An interval is no link's text, and reads better as it is.
_INTERVAL = re.compile(r"\\\[([−\d.,° ]+)\\\]")


def write_markdown(run: Path, summary: Summary) -> None:
    """Write ``report.md`` into the run's folder."""
    figures = [path.stem for path in sorted((run / "figures").glob("*.png"))]
    write_whole(run / "report.md", printable(render(summary, figures=figures)).encode())


def render(summary: Summary, *, figures: Sequence[str] = ()) -> str:
    """The report as Markdown; every name from the run comes out escaped.

    Args:
        figures: the names of those that the run has.
    """
    parts = _opening(summary)
    every = [section for section in sections(summary) if "markdown" in section.forms]
    number = 0
    for name, heading, numbered in _CHAPTERS:
        mine = [section for section in every if section.chapter == name]
        if not mine:
            continue
        number += numbered
        parts += ["---"] if name != "answer" else []
        parts.append(f"## {number}. {heading}" if numbered else f"## {heading}")
        parts += [part for section in mine for part in _section(section, figures)]
    return "\n\n".join(parts) + "\n"


def _opening(summary: Summary) -> list[str]:
    warning = f"> ⚠️ **{text(summary.warning_sentence)}.**" if summary.warning else ""
    goal = "> **Goal:** say what a frozen video encoder knows, and compared with what."
    return [
        f"# {text(summary.encoder.name)}: findings",
        *([warning] if warning else []),
        f"{goal}\n>\n> **Setup:** {_setup(summary)}",
    ]


def _setup(summary: Summary) -> str:
    encoder = summary.encoder
    facts = [f"revision {encoder.revision}"] if encoder.revision else []
    for key, value in encoder.more.items():
        if isinstance(value, dict):  # hashes of weights by file, say
            facts += [f"{key} {name} {entry}" for name, entry in flatten(value)]
        else:
            facts.append(f"{key} {value:,}" if isinstance(value, int) else f"{key} {value}")
    return f"{code(encoder.name)}, {text(', '.join([encoder.status, *facts]))}. Nothing is fine-tuned."


def _section(section: Section, figures: Sequence[str]) -> list[str]:
    heading = [f"### {text(section.heading)}"] if section.heading else []
    return [*heading, *blocks(section.blocks, level="####" if section.heading else "###", figures=figures)]


def blocks(every: Sequence[Block], *, level: str, figures: Sequence[str] = ()) -> list[str]:
    """Blocks as Markdown, those that have nothing to say there left out.

    Args:
        level: marks of a heading.
        figures: the names of those that there are.
    """
    written = (_block(block, level, figures) for block in every if "markdown" in block.forms)
    return [one for one in written if one]


def _block(block: Block, level: str, figures: Sequence[str]) -> str:
    match block:
        case Table():
            return table(block)
        case Paragraph():
            lead = f"**{text(block.lead)}** " if block.lead and block.look != "rule" else ""
            plain = lead + text(block.text)
            return {"rule": f"*{plain}*", "alarm": f"> **{plain}**"}.get(block.look, plain)
        case Heading():
            return f"{level} {text(block.text)}"
        case Bullets():
            return bullets(block)
        case Terms():
            return grid(block.heads, [[text(name), text(entry)] for name, entry in block.pairs])
        case Figure():
            said = " ".join(filter(None, (block.caption, in_words(block.panels))))
            return f"![{text(said)}](figures/{block.name}.png)" if block.name in figures else ""
        case Template():
            return ""


def table(block: Table[Any]) -> str:
    """A table of the report."""
    columns = block.heads("markdown")
    rows = [[_cell(column.cell(row, "markdown")) for column in columns] for row in block.rows]
    return grid([text(column.head) for column in columns], rows)


def grid(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are Markdown already."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def bullets(block: Bullets) -> str:
    """A list, with boxes to tick where it asks for them."""
    if block.boxes:
        return "\n".join(f"- [ ] {_coded(item)}" for item in block.items)
    return "\n".join(f"- {text(item)}" for item in block.items)


def text(plain: str) -> str:
    """Text that is neither Markdown nor HTML; intervals keep their brackets."""
    return _INTERVAL.sub(r"[\1]", escaped(plain))


def code(name: str) -> str:
    """A name between backticks, as a table takes it too."""
    return f"`{one_line(name).replace('`', '').replace('|', chr(92) + '|')}`"


def _cell(cell: Cell) -> str:
    found = ""
    for part in cell.parts:
        plain, emphasis = part
        if emphasis == "glyph":
            continue
        if part == BREAK:
            found += "; "
            continue
        write: Callable[[str], str] = _strong if emphasis == "strong" else text
        found += plain if emphasis == "joint" else write(plain) if plain.strip() else " "
    return found.strip()


def _strong(plain: str) -> str:
    return f"**{text(plain)}**"


def _coded(plain: str) -> str:
    """Text whose parts between backticks are code."""
    parts = plain.split("`")
    return "".join(code(part) if odd % 2 else _spaced(part) for odd, part in enumerate(parts))


def _spaced(plain: str) -> str:
    """Text that keeps the space beside what it stands next to."""
    return f"{' ' * plain[:1].isspace()}{text(plain)}{' ' * (plain[-1:].isspace() and bool(plain.strip()))}"
