"""Tables as text on the terminal, and what must be known first."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from worldprobe.findings.caveats import few_groups, left_out
from worldprobe.findings.facts import Summary
from worldprobe.findings.wording import count, is_rough
from worldprobe.report.sections import sections
from worldprobe.report.table import Cell, Column, Section, Table

if TYPE_CHECKING:
    from rich.table import Table as RichTable
    from rich.text import Text

NARROW = 116
# As wide as a column of words has to be for them not to be broken within; for the lesser one others give way.
_ROOM_FOR_WORDS, _LEAST_ROOM = 16, 10
_LONG_WORD = 8  # letters; in narrower columns words are broken, and a table is as high as it has letters
_TONES = {
    "above": "bold green",
    "above-run": "green",
    "not-shown": "yellow",
    "below": "yellow",
    "higher": "bold green",
    "lower": "yellow",
}
_EMPHASES = {"strong": "bold", "soft": "dim"}


def tables(summary: Summary, *, width: int = 120) -> list[RichTable]:
    """The tables of a run for a terminal of ``width`` columns; the encoder's warning stands above the first."""
    found = [one for section in sections(summary) for one in section_tables(section, width=width)]
    if found and summary.warning:
        from rich.text import Text

        found[0].title = Text.assemble((summary.warning_sentence, "bold red"), "\n", found[0].title or "")
    return found


def section_tables(section: Section, *, width: int = 120) -> list[RichTable]:
    """The tables of one section."""
    every = (block for block in section.blocks if isinstance(block, Table) and "terminal" in block.forms)
    return [rich_table(table, width=width) for table in every if table.heads("terminal")]


def rich_table(table: Table[Any], *, width: int = 120) -> RichTable:
    """A table as rich prints it, without markup: names are users', and may hold anything."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    left_out = "narrow" if width >= NARROW else "wide"
    columns = [column for column in table.heads("terminal") if column.when != left_out]
    result = RichTable(
        title=Text(table.title), title_style="", caption=Text(table.caption) if table.caption else None,
        caption_style="dim", caption_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False,
        show_edge=False,
    )  # fmt: skip
    rows = table.rows if table.brief_rows is None else table.brief_rows
    found = [[column.cell(row, "terminal") for column in columns] for row in rows]
    cells = [[_text(one) for one in row] for row in found]
    if _crowded(columns, cells, width):
        cells = [[_text(_stacked(one)) for one in row] for row in found]
    kept = _with_room(columns, cells, width)
    columns = [columns[at] for at in kept]
    found, cells = [[row[at] for at in kept] for row in found], [[row[at] for at in kept] for row in cells]
    heads = [column.short or "" for column in columns]
    stiff = [not column.fold for column in columns]
    if not _stands(columns, cells, width):  # intervals beneath, heads over lines; then nothing is cut, but wrapped
        cells = [[_text(_stacked(one)) for one in row] for row in found]
        heads = [_over_lines(head, [row[at].plain for row in cells]) for at, head in enumerate(heads)]
        if not _stands([replace(one, short=head) for one, head in zip(columns, heads, strict=True)], cells, width):
            stiff = [False] * len(columns)
    for at, column in enumerate(columns):
        if column.fold:
            result.add_column(Text(heads[at]), overflow="fold")
        else:  # lines beneath each other are read from the left
            right = column.right and not any("\n" in row[at].plain for row in cells)
            result.add_column(
                Text(heads[at]), no_wrap=stiff[at], overflow="fold", justify="right" if right else "left"
            )
    for row in cells:
        result.add_row(*row)
    if table.closing:
        result.add_row(*(_text(table.closing[at]) for at in kept if at < len(table.closing)))
    return result


def _widths(columns: Sequence[Column[Any]], cells: Sequence[Sequence[Text]]) -> list[int]:
    """The longest line of each column."""
    texts = [[column.short or "", *(row[at].plain for row in cells)] for at, column in enumerate(columns)]
    return [max(len(line) for text in column for line in text.split("\n")) for column in texts]


def _crowded(columns: Sequence[Column[Any]], cells: Sequence[Sequence[Text]], width: int) -> bool:
    """Whether columns that may not wrap leave too little to those of words, which may."""
    wrapping = sum(column.fold for column in columns)
    stiff = sum(wide for wide, column in zip(_widths(columns, cells), columns, strict=True) if not column.fold)
    return wrapping > 0 and width - stiff - len(columns) < wrapping * _ROOM_FOR_WORDS


def _stands(columns: Sequence[Column[Any]], cells: Sequence[Sequence[Text]], width: int) -> bool:
    """Whether all columns stand whole beside each other; those that fold need room for a word."""
    wide = _widths(columns, cells)
    least = (min(one, _LONG_WORD) if column.fold else one for one, column in zip(wide, columns, strict=True))
    return sum(least) + len(columns) - 1 <= width


def _over_lines(head: str, below: Sequence[str]) -> str:
    """A head in lines no longer than what stands below it, broken between words."""
    wide = max((len(line) for text in below for line in text.split("\n")), default=0)
    return "\n".join(textwrap.wrap(head, max(wide, 1), break_long_words=False, break_on_hyphens=False)) or head


def _stacked(cell: Cell) -> Cell:
    """A score with its interval beneath it."""
    return replace(cell, parts=tuple(("\n", part[1]) if part == (" ", "joint") else part for part in cell.parts))


def _with_room(columns: Sequence[Column[Any]], cells: Sequence[Sequence[Text]], width: int) -> list[int]:
    """Choose columns that stand whole and leave room for those that fold: plain values go, then spare ones, each
    time the last first; the report has them."""
    wide = _widths(columns, cells)
    kept = list(range(len(columns)))
    folding = [wide[at] for at in kept if columns[at].fold]
    words = sum(min(one, _LONG_WORD) + 2 for one in folding) - 2  # none: what stands after the last column
    for least, may_go in ((_LEAST_ROOM if folding else words, "value_only"), (words, "spare")):
        going = [at for at in kept if getattr(columns[at], may_go) and not columns[at].fold]
        while going and width - sum(wide[at] + 2 for at in kept if not columns[at].fold) < least:
            kept.remove(going.pop())
    return kept


def story_lines(summary: Summary) -> list[str]:
    """The answer in plain words, a sentence a line, with the encoder's warning above it."""
    if not summary.story:
        return []
    warning = f" ({summary.warning})" if summary.warning else ""
    return [f"{summary.encoder.name}{warning}, in short:", *(f"• {line}" for line in summary.story)]


def caveat_lines(summary: Summary) -> list[str]:
    """What must be known first, a sentence each (how few groups, what was left out), and how much more there is."""
    decoders = [one for one in summary.caveats if summary.decoding and one in summary.decoding.caveats]
    first = [*few_groups(summary.rows), *(one for one in decoders if is_rough(one))]
    first += left_out(summary.labels, summary.failures)
    more = len(set(summary.caveats) - set(first))
    rest = f"{count(more, 'more caveat' if first else 'caveat')}: see the report."
    return [*dict.fromkeys(first), *([rest] if more else [])]


def _text(cell: Cell) -> Text:
    from rich.text import Text

    tone = _TONES.get(cell.tone, "dim") if cell.tone else ""
    over = any(emphasis == "over" for _, emphasis in cell.parts)  # then the tone is that part's alone
    looks = {**_EMPHASES, "over": tone}
    parts = [(text, looks.get(emphasis, "")) for text, emphasis in cell.parts if emphasis != "glyph"]
    return Text.assemble(*parts, style="" if over else tone)
