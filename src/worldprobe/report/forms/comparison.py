"""Runs side by side in print: the terminal's table, Markdown and one HTML page, from the same facts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from worldprobe.findings.comparison import Cell, Comparison, Reading
from worldprobe.findings.score import Score
from worldprobe.findings.wording import METRICS, count, interval, property_name, signed, with_interval
from worldprobe.io.files import StrPath, write_whole
from worldprobe.printable import one_line, printable
from worldprobe.report.drawing.axes import around
from worldprobe.report.forms.html import template
from worldprobe.report.forms.marks import escaped
from worldprobe.report.forms.marks import table as markdown

if TYPE_CHECKING:
    from rich.table import Table

_STYLES = {"higher": "bold green", "lower": "yellow"}
_WIDTH, _LEFT, _RIGHT, _STEP, _TOP = 660, 250, 150, 22, 10


@dataclass(frozen=True, slots=True)
class Bar:
    """A difference in px of the drawing: its dot and interval; ``x`` is None where it could not be had."""

    y: float
    label: str
    title: str
    said: str
    standing: str
    x: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Forest:
    """Differences of one run to the first; ``zero`` is where no difference lies, ``ticks`` are (x, text)."""

    name: str
    width: int
    height: float
    left: int
    zero: float
    ticks: tuple[tuple[float, str], ...]
    bars: tuple[Bar, ...]


def label(comparison: Comparison, reading: Reading) -> str:
    """A reading's features, with its input and probe where these tell it from others."""
    parts = [reading.features]
    for name in ("input", "probe"):
        alike = [one for one in comparison.readings if one.task == reading.task]
        if len({getattr(one, name) for one in alike}) > 1:
            parts.append(getattr(reading, name))
    return ", ".join(parts)


def comparison_table(comparison: Comparison) -> Table:
    """For the terminal: of each run the score, and beneath it what it has over the first run's."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    first = comparison.runs[0].name
    table = Table(
        title=Text(f"Differences to {first}, paired by group: {comparison.split} split, 95 % intervals"),
        title_style="", caption=Text(f"{_groups(comparison)}. {comparison.by_chance}"), caption_style="dim",
        caption_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False,
    )  # fmt: skip
    for name in ("task", "features", ""):
        table.add_column(name, no_wrap=True)
    for run in comparison.runs:
        head = run.name + ("" if run.status == "trained" else f"\n({run.status})")
        table.add_column(head, overflow="fold")
    for reading in comparison.readings:
        cells = []
        for cell in reading.cells:
            text = Text(with_interval(cell.score), style="" if cell.score.value is not None else "dim")
            if cell.standing != "base":
                text.append(f"\n{_difference(cell)}", _STYLES.get(cell.standing, "dim"))
            cells.append(text)
        table.add_row(reading.task, label(comparison, reading), METRICS[reading.metric], *cells)
    return table


def comparison_markdown(comparison: Comparison) -> str:
    """The comparison as a page of Markdown."""
    first = comparison.runs[0].name
    rows = [
        [
            escaped(property_name(one.task)), escaped(label(comparison, one)), METRICS[one.metric],
            *map(_stacked, one.cells), f"{one.n:,} in {one.n_groups:,}",
        ]
        for one in comparison.readings
    ]  # fmt: skip
    heads = ["Task", "Features", "Metric", *(escaped(run.name) for run in comparison.runs), "Moments in groups"]
    encoders = [
        [escaped(r.name), escaped(r.encoder), f"`{_coded(r.revision)}`", escaped(r.status)] for r in comparison.runs
    ]
    parts = ["# " + " and ".join(escaped(run.name) for run in comparison.runs)]
    parts += [f"> **{escaped(warning)}**" for warning in comparison.warnings]
    parts += [
        markdown(["Run", "Encoder", "Revision", "Weights"], encoders),
        f"Differences to {escaped(first)}, under each score; {comparison.split} split. {comparison.by_chance}",
        markdown(heads, rows),
        comparison.rule,
    ]
    if comparison.differing:
        said = [[escaped(one.name), *map(escaped, one.values)] for one in comparison.differing]
        parts += ["## What else differs", markdown(["", *(escaped(run.name) for run in comparison.runs)], said)]
    if comparison.notes:
        parts += ["## Left out", "\n".join(f"- {escaped(note)}" for note in comparison.notes)]
    return "\n\n".join(parts) + "\n"


def comparison_html(comparison: Comparison) -> str:
    """The comparison as one page that loads nothing; every name comes out escaped."""
    return template("compare.html.j2", difference=_difference).render(
        comparison=comparison, forests=forests(comparison), metrics=METRICS, label=label, groups=_groups(comparison)
    )


def write_comparison(out: StrPath, comparison: Comparison) -> None:
    """Write ``compare.html``, ``compare.md`` and ``compare.json`` into a folder, each whole."""
    out = Path(out)
    write_whole(out / "compare.json", comparison.model_dump_json(indent=1).encode())
    write_whole(out / "compare.md", comparison_markdown(comparison).encode())
    write_whole(out / "compare.html", printable(comparison_html(comparison)).encode())


def forests(comparison: Comparison) -> list[Forest]:
    """A drawing of the differences of each further run, all on one axis that has 0 in it."""
    ends = [
        end
        for one in comparison.readings
        for cell in one.cells[1:]
        for end in (cell.difference.low, cell.difference.high, cell.difference.value)
        if end is not None
    ]
    span = around([0.0, *ends], margin=0.04)
    place = span.place(_LEFT, _WIDTH - _RIGHT)
    ticks = tuple((place(value), signed(value)) for value in span.ticks)
    return [
        Forest(
            name=run.name,
            width=_WIDTH,
            height=_TOP + _STEP * len(comparison.readings) + 26,
            left=_LEFT,
            zero=place(0.0),
            ticks=ticks,
            bars=tuple(
                _bar(comparison, one, one.cells[index], _TOP + _STEP * (row + 0.5), place)
                for row, one in enumerate(comparison.readings)
            ),
        )
        for index, run in enumerate(comparison.runs)
        if index
    ]


def _bar(comparison: Comparison, reading: Reading, cell: Cell, y: float, place: Callable[[float], float]) -> Bar:
    ends, value = cell.difference.interval, cell.difference.value
    name = f"{property_name(reading.task)}, {label(comparison, reading)}"
    return Bar(
        y=y,
        label=name,
        title=f"{name}: {METRICS[reading.metric]} {_difference(cell)}, {reading.n:,} moments in "
        f"{count(reading.n_groups, 'group')}",
        said=_signed_interval(cell.difference),
        standing=cell.standing.replace(" ", "-"),
        x=None if value is None else place(value),
        low=place(ends[0]) if ends else None,
        high=place(ends[1]) if ends else None,
    )


def _stacked(cell: Cell) -> str:
    """A score, and under it the difference, in one cell of Markdown."""
    score = with_interval(cell.score)
    return (
        score
        if cell.standing == "base"
        else f"{score}<br>{_difference(cell) if _measured(cell) else escaped(_difference(cell))}"
    )


def _coded(name: str) -> str:
    """As Markdown takes it between backticks, in a table."""
    return one_line(name).replace("`", "").replace("|", "\\|")


def _measured(cell: Cell) -> bool:
    return cell.difference.value is not None


def _difference(cell: Cell) -> str:
    """``+0.12 [0.04, 0.20] higher``."""
    if not _measured(cell):
        return cell.difference.note or cell.score.note or "not measured"
    return f"{_signed_interval(cell.difference)} {cell.standing}"


def _signed_interval(score: Score) -> str:
    return f"{signed(score.value)} {interval(score)}".strip()


def _groups(comparison: Comparison) -> str:
    counts = sorted({one.n_groups for one in comparison.readings})
    return count(counts[0], "group") if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,} groups"
