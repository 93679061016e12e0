"""Declare a table or a section of the report once; ``forms`` writes it: HTML, Markdown, terminal text, LaTeX, CSV.

Text is as users wrote it everywhere below ``forms``: escaping happens in the writers, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, TypeVar

from worldprobe.findings.wording import NONE, count, interval, number, signed
from worldprobe.intervals import Score
from worldprobe.report.drawing.panels import Panel

Form = Literal["html", "markdown", "terminal"]
Emphasis = Literal["", "strong", "soft", "over", "glyph", "joint"]
Part = tuple[str, Emphasis]
Row = TypeVar("Row")

Chapter = Literal[
    "answer", "decoding", "future", "probes", "conclusions", "next", "caveats", "infrastructure"
]  # fmt: skip

PAGES: tuple[Form, ...] = ("html", "markdown")
EVERYWHERE: tuple[Form, ...] = (*PAGES, "terminal")
BREAK: Part = ("\n", "")


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in one cell.

    Attributes:
        parts: texts with their emphasis: strong, soft (intervals, controls), over (a difference to another run), a
            glyph, which HTML alone has, or a joint, which HTML leaves out, where soft parts are lines of their own.
        value: what the column is sorted by, where the cell is ``sortable``; None for a score that is missing.
        kind: what the cell is (``probe``, ``best``, ``verdict``, ``name``), for its looks.
        tone: the kind of verdict that colours it on the terminal.
        strip: a small drawing in place of text, in HTML alone.
        title: what is said of it where it is pointed at, in HTML alone.
        link: the part of the page that its first words lead to, in HTML alone.
        values: what it holds for a program, by the ends of its columns' names: ``("", 0.8), (" low", 0.7)``; its
            text where there are none.
    """

    parts: tuple[Part, ...]
    value: float | None = None
    kind: str = ""
    tone: str = ""
    strip: Any = None
    sortable: bool = False
    title: str = ""
    link: str = ""
    values: tuple[tuple[str, float | str | None], ...] = ()


def cell(*parts: str | Part, kind: str = "", tone: str = "", title: str = "") -> Cell:
    """A cell of some parts; those without emphasis may be plain text."""
    given: tuple[Part, ...] = tuple((part, "") if isinstance(part, str) else part for part in parts)
    return Cell(given, kind=kind, tone=tone, title=title)


def sorted_cell(value: float | None, *parts: str | Part, kind: str = "") -> Cell:
    """A cell of some parts in a column that is sorted by a value, None where it is missing."""
    return replace(cell(*parts, kind=kind), value=value, sortable=True, values=(("", value),))


def score_values(score: Score, name: str = "") -> tuple[tuple[str, float | str | None], ...]:
    """A score and its interval for a program, unrounded."""
    low, high = score.interval or (None, None)
    return ((name, score.value), (f"{name} low", low), (f"{name} high", high))


def score_parts(score: Score | None, digits: int = 2, *, strong: bool = False, sign: bool = False) -> list[Part]:
    """A value and its interval, which is soft."""
    if score is None:
        return [(NONE, "")]
    text = signed(score.value) if sign else number(score.value, digits)
    ends = interval(score, digits)
    return [(text, "strong" if strong else ""), *([(" ", "joint"), (ends, "soft")] if ends else [])]  # type: ignore[list-item]


def score_cell(
    score: Score | None, digits: int = 2, *, strong: bool = False, sign: bool = False, kind: str = ""
) -> Cell:
    """A cell of one score with its interval, sorted by the score."""
    parts = score_parts(score, digits, strong=strong, sign=sign)
    value, values = (score.value, score_values(score)) if score else (None, ())
    return Cell(tuple(parts), value, kind, sortable=True, values=values)


def named_cell(name: str, remark: str, kind: str = "") -> Cell:
    """A name, and what is remarked of it: in brackets where it stands on the same line."""
    return cell((name, "strong"), (" (", "joint"), (remark, "soft"), (")", "joint"), kind=kind)


def in_groups(n: int, groups: int, unit: str = "group") -> Cell:
    """How many moments a score is of, and of how many groups."""
    found = sorted_cell(n, f"{n:,}", (" in ", "joint"), (count(groups, unit), "soft"))
    return replace(found, values=(("", n), (f" {unit}s", groups)))


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """One column.

    Attributes:
        fill: from a row to its cell (plain text will do).
        right: whether it holds numbers, which stand at the right.
        short: its head on the terminal; None leaves it out there.
        brief: fills it on the terminal, where that is another cell.
        value_only: whether the terminal has a score's value alone, without its interval.
        fold: whether the terminal may wrap its text.
        spare: whether a terminal too narrow for all columns leaves it out.
        when: on which terminals it stands: narrow ones, wide ones, or any.
        forms: where it stands at all.
        row_head: whether its cells name their rows.
    """

    head: str
    fill: Callable[[Row], Cell | str]
    right: bool = False
    short: str | None = None
    brief: Callable[[Row], Cell | str] | None = None
    value_only: bool = False
    fold: bool = False
    spare: bool = False
    when: Literal["any", "narrow", "wide"] = "any"
    forms: tuple[Form, ...] = EVERYWHERE
    row_head: bool = False

    def cell(self, row: Row, form: Form) -> Cell:
        """The cell of a row, in one form."""
        fill = self.brief if form == "terminal" and self.brief else self.fill
        found = fill(row)
        if isinstance(found, str):
            return cell(found)
        return replace(found, parts=found.parts[:1]) if form == "terminal" and self.value_only else found


@dataclass(frozen=True, slots=True)
class Table(Generic[Row]):
    """Rows and what stands in their columns.

    Attributes:
        title: what the terminal prints above it, and what it is called for those who have the page read to them.
        caption: what the terminal prints beneath it; on a page, paragraphs of the section say it.
        look: the table's classes in HTML.
        tone: the class of a row in HTML, by its verdict.
        brief_rows: the rows of the terminal, where these are fewer.
        closing: a last row, on the terminal alone.
    """

    title: str
    columns: Sequence[Column[Row]]
    rows: Sequence[Row]
    caption: str = ""
    look: str = "num"
    tone: Callable[[Row], str] | None = None
    brief_rows: Sequence[Row] | None = None
    closing: Sequence[Cell] = ()
    forms: tuple[Form, ...] = EVERYWHERE

    def heads(self, form: Form) -> list[Column[Row]]:
        """The columns of one form."""
        return [c for c in self.columns if form in c.forms and (form != "terminal" or c.short is not None)]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Some text; a ``rule`` judges, an ``alarm`` is read first; ``lead`` stands before it in bold."""

    text: str
    look: Literal["", "small", "soft", "rule", "alarm"] = ""
    lead: str = ""
    forms: tuple[Form, ...] = PAGES


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading within a section; with an anchor it stands among the page's contents, by its short name."""

    text: str
    anchor: str = ""
    short: str = ""
    forms: tuple[Form, ...] = PAGES


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list; ``boxes`` are to be ticked, and hold code between backticks; the ``story`` stands out."""

    items: Sequence[str]
    boxes: bool = False
    look: Literal["", "story"] = ""
    forms: tuple[Form, ...] = PAGES


@dataclass(frozen=True, slots=True)
class Terms:
    """Names and what they mean; ``heads`` stand above them where they are a table."""

    pairs: Sequence[tuple[str, str]]
    heads: tuple[str, str] = ("Component", "Details")
    forms: tuple[Form, ...] = PAGES


@dataclass(frozen=True, slots=True)
class Figure:
    """``figures/NAME.png``. In HTML ``panels`` are drawn instead, or the picture itself is held in the page."""

    name: str
    caption: str
    panels: Sequence[Panel] = ()
    look: str = ""
    drawn: bool = False
    forms: tuple[Form, ...] = PAGES


@dataclass(frozen=True, slots=True)
class Template:
    """A part of the page that is more than text and tables: a template of its own, with what it needs."""

    name: str
    context: dict[str, Any] = field(default_factory=dict)
    forms: tuple[Form, ...] = ("html",)


Block = Table[Any] | Paragraph | Heading | Bullets | Terms | Figure | Template


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the report.

    Attributes:
        anchor: its address in the page.
        title: what it is called; the page has the ``question`` that it answers, where it answers one.
        short: its name among the page's contents; nothing leaves it out there.
        chapter: the chapter of ``report.md`` that it is a part of; None where it has none there.
        heading: its heading there; nothing where it goes on from what stands before it.
        warned: whether the encoder's warning stands beneath its heading, as beside every table and figure.
        folded: whether the page has it folded until it is opened.
        on_paper: whether it is printed; a line at the end of what is printed names those that are not.
    """

    anchor: str
    title: str
    blocks: Sequence[Block]
    short: str = ""
    chapter: Chapter | None = None
    heading: str = ""
    warned: bool = True
    forms: tuple[Form, ...] = PAGES
    question: str = ""
    folded: bool = False
    on_paper: bool = True

    @property
    def head(self) -> str:
        """What stands above it in the page."""
        return self.question or self.title
