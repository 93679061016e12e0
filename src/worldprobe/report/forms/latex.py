"""The report's tables as LaTeX, with booktabs: for a paper, or its appendix."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from worldprobe.findings.facts import Summary
from worldprobe.findings.setup import conditions
from worldprobe.printable import one_line
from worldprobe.report.sections import tables_of
from worldprobe.report.table import BREAK, Cell, Column, Section, Table

PACKAGES = r"% Needs \usepackage{array,booktabs,graphicx}."
_LONG = 34  # characters, from which on a column's text is broken
_CHARACTERS = {
    **{character: f"\\{character}" for character in "{}&$#_%"},
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\char34{}", "`": r"\textasciigrave{}",
    "[": "{[}", "]": "{]}", "*": "{*}",  # which LaTeX would take for an argument where they begin a row
    "−": "$-$", "×": r"$\times$", "±": r"$\pm$", "²": "$^2$", "°": r"$^\circ$", "≤": r"$\le$", "≥": r"$\ge$",
    "→": r"$\to$", "∞": r"$\infty$", "–": r"\textendash{}", "—": r"\textemdash{}", "…": r"\ldots{}",
    "“": "``", "”": "''", "●": r"$\bullet$", "◐": r"$\odot$", "○": r"$\circ$", "▽": r"$\nabla$", "\xa0": "~",
}  # fmt: skip
# Whose scores a chapter's tables hold.
_STAGES = {"probes": "probe", "future": "predict", "decoding": "decode"}
_ESCAPES = str.maketrans(_CHARACTERS)


def latex(summary: Summary) -> dict[str, str]:
    """Each table of the report by its name, as a ``table`` that stands by itself; every name comes out escaped."""
    return {name: _table(summary, name, *found) for name, found in tables_of(summary).items()}


def text(plain: str) -> str:
    """Text that LaTeX prints as it is; letters of other scripts need XeLaTeX or LuaLaTeX."""
    return re.sub("-(?=-)", "-{}", one_line(plain).translate(_ESCAPES))


def _table(summary: Summary, name: str, section: Section, table: Table[Any]) -> str:
    columns = table.heads("markdown")
    cells = [[column.cell(row, "markdown") for column in columns] for row in table.rows]
    rows = [[_cell(cell, column) for cell, column in zip(row, columns, strict=True)] for row in cells]
    layout = "".join(_layout(column, [row[at] for row in cells]) for at, column in enumerate(columns))
    label = "".join(one if one.isascii() and one.isalnum() else "-" for one in f"{summary.name}-{name}")
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{text(_caption(summary, section, table))}}}",
            rf"\label{{tab:{label}}}",
            r"\centering\small",
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{{layout}}}",
            r"\toprule",
            _row([text(column.head) for column in columns]),
            r"\midrule",
            *map(_row, rows),
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table}",
        ]
    )


def _caption(summary: Summary, section: Section, table: Table[Any]) -> str:
    title = section.title or section.heading
    known = (section.short.lower(), title.lower(), section.anchor)
    own = "" if table.title.lower() in known else f" {table.title}."
    warning = f"{summary.warning_sentence}." if summary.warning else ""
    first = f"{summary.encoder.name}: {title[:1].lower()}{title[1:]}.{own}"
    stage = _STAGES.get(section.chapter or "", "") if section.warned else ""
    made = [f"{note.rstrip('.')}." for note in conditions(summary.notes, stage)]
    sentences = [first, warning, *made, "In brackets 95 % intervals."]
    return " ".join(filter(None, sentences))


def _row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _layout(column: Column[Any], cells: Sequence[Cell]) -> str:
    if column.right:
        return "r"
    longest = max((len("".join(part for part, _ in cell.parts)) for cell in cells), default=0)
    return r">{\raggedright\arraybackslash}p{14em}" if longest > _LONG else "l"


def _cell(cell: Cell, column: Column[Any]) -> str:
    """A cell; in columns of numbers what is soft (intervals, groups) stands beneath."""
    lines = [""]
    for part in cell.parts:
        plain, emphasis = part
        if emphasis == "glyph" or (emphasis == "joint" and column.right):
            continue
        if (part == BREAK or (column.right and emphasis == "soft")) and lines[-1]:
            lines.append("")
        if part != BREAK:
            lines[-1] += _emphasized(plain, emphasis)
    kept = [line.strip() for line in lines if line.strip()]
    if len(kept) < 2:
        return "".join(kept)
    side = "r" if column.right else "l"
    return rf"\begin{{tabular}}[t]{{@{{}}{side}@{{}}}}" + r"\\".join(kept) + r"\end{tabular}"


def _emphasized(plain: str, emphasis: str) -> str:
    written = text(plain)
    if not written:
        return " " if plain else ""
    spaced = f"{' ' * plain[:1].isspace()}{{}}{' ' * plain[-1:].isspace()}"
    form = {"strong": r"\textbf{%s}", "soft": r"{\scriptsize %s}"}.get(emphasis, "%s")
    return spaced.replace("{}", form % written, 1)
