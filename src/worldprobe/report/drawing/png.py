"""``figures/probe_summary.png``: the original write-up's figure, with intervals and every control."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

from worldprobe.controls import CONTROLS
from worldprobe.findings import verdicts
from worldprobe.findings.facts import Summary
from worldprobe.findings.rows import Row
from worldprobe.findings.wording import METRICS, number, property_name
from worldprobe.intervals import Score
from worldprobe.io.files import write_whole
from worldprobe.report.drawing import axes
from worldprobe.report.drawing.panels import Line, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 160
COLUMNS = 3
# Okabe and Ito's palette, told apart by every kind of colour vision; the marker says it a second time. The page's
# own style has the same order.
SERIES = (
    ("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"), ("#CC79A7", "D"), ("#E69F00", "v"), ("#000000", "X"),
)  # fmt: skip
BANDS = {"random-init": "#999999", "pixels": "#E69F00"}
INK, FAINT, ALARM = "#333333", "#888888", "#B00020"


def probe_summary(summary: Summary, path: Path) -> None:
    """Write a PNG with one panel a task: each score and its interval above those of the controls."""
    save(_figure(summary), path)


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, whole or not at all."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=DPI, format="png", pil_kwargs={"compress_level": 6})
    write_whole(path, buffer.getvalue())


def blank(count: int, *, height: float) -> tuple[Figure, list[Axes], int]:
    """A figure with a panel for each of ``count`` things, its panels row by row, and how many stand in a row."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    columns = min(COLUMNS if count != 4 else 2, count)
    lines = -(-count // columns)
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.1)
    figure = Figure(figsize=(max(3.9 * columns, 5.2), height * lines + 1.0), layout=layout)
    FigureCanvasAgg(figure)
    panels = list(figure.subplots(lines, columns, squeeze=False).flat)
    for unused in panels[count:]:
        unused.set_axis_off()
    return figure, panels[:count], columns


def draw(panels: Sequence[Panel], path: Path, *, title: str, key: str) -> bool:
    """Write charts as one PNG, a panel each. False, and no file, where there are none."""
    if not panels:
        path.unlink(missing_ok=True)
        return False
    figure, places, _ = blank(len(panels), height=2.7)
    for place, panel in zip(places, panels, strict=True):
        _draw(place, panel)
    figure.suptitle(plain(title), fontsize=11.5, color=INK)
    legend(figure, places, title=key)
    save(figure, path)
    return True


def _draw(place: Axes, panel: Panel) -> None:
    place.set_title(plain(f"{panel.title}  ({panel.metric})"), fontsize=10, loc="left")
    for band in panel.bands:
        x = [at for at, _, _ in band.ends]
        low, high = ([panel.up.clip(end[side]) for end in band.ends] for side in (1, 2))
        place.fill_between(x, low, high, color=BANDS[band.kind], alpha=0.3, linewidth=0, label=plain(band.name))
    if panel.level is not None:
        place.axhline(panel.level, color=FAINT, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
    for line in panel.lines:
        _draw_line(place, line, panel.up)
    if panel.across.log:
        place.set_xscale("log")
        place.set_xticks([], minor=True)
    place.set_xlim(panel.across.low, panel.across.high)
    crowded = panel.across.log and len(panel.x_ticks) > 5
    place.set_xticks([x for x, _ in panel.x_ticks], [text for _, text in panel.x_ticks], fontsize=7.5,
                     rotation=35 if crowded else 0, ha="right" if crowded else "center")  # fmt: skip
    if panel.up.log:
        place.set_yscale("log")
        place.set_yticks([], minor=True)
    margin = 0.0 if panel.up.log else 0.04 * (panel.up.high - panel.up.low)
    place.set_ylim(panel.up.low - margin, panel.up.high + margin)
    place.set_yticks(list(panel.up.ticks), axes.tick_texts(panel.up), fontsize=8)
    place.set_xlabel(panel.x_name, fontsize=8.5, color=INK)
    bare(place)


def _draw_line(place: Axes, line: Line, up: axes.Axis) -> None:
    """Points with their intervals; what lies beyond the axis is an arrow at its edge, with its value."""
    colour, marker = SERIES[line.look % len(SERIES)]
    known = [
        (point.x, point.score.value, point.score.interval) for point in line.points if point.score.value is not None
    ]
    inside = [(x, value) for x, value, _ in known if up.low <= value <= up.high]
    place.plot([x for x, _ in inside], [value for _, value in inside], color=colour, marker=marker,
               linestyle="-" if line.joined else "", linewidth=2.0 if line.strong else 1.3, label=plain(line.name),
               markersize=6 if line.strong else 5,
               markerfacecolor=colour if line.strong or not line.joined else "white")  # fmt: skip
    for x, value, ends in known:
        if not up.low <= value <= up.high:
            above = value > up.high
            place.plot(x, up.clip(value), marker="^" if above else "v", color=colour, markersize=5, clip_on=False)
            place.annotate(number(value), (x, up.clip(value)), (0, -10 if above else 6), textcoords="offset points",
                           fontsize=7, ha="center", color=colour)  # fmt: skip
        elif ends:
            place.vlines(x, up.clip(ends[0]), up.clip(ends[1]), color=colour, linewidth=1.6)
    for law, style in ((line.law, "-"), (line.further, ":")):
        place.plot([x for x, _ in law], [up.clip(value) for _, value in law], style, color=colour, linewidth=1.2)


def bare(place: Axes) -> None:
    """No frame but the axis itself, and faint lines across."""
    place.tick_params(length=0, colors=INK)
    place.grid(axis="y", color="#e6e6e6", linewidth=0.6)
    place.set_axisbelow(True)
    for side in ("top", "right", "left"):
        place.spines[side].set_visible(False)


def _figure(summary: Summary) -> Figure:
    tasks = list(summary.tasks.values())
    figure, panels, columns = blank(len(tasks), height=3.1)
    for index, (panel, rows) in enumerate(zip(panels, tasks, strict=True)):
        _panel(panel, summary, rows, names=index % columns == 0)
    splits = " and ".join(dict.fromkeys(row.split for row in summary.rows))
    title = f"{summary.encoder.name}: each score beside its controls"
    style = {"fontsize": 11.5, "color": INK}
    if summary.warning:
        title, style = f"{title}\n{summary.warning.upper()}", {"fontsize": 10.5, "color": ALARM, "weight": "bold"}
    figure.suptitle(plain(title), wrap=True, **style)
    key = f"{splits} split, 95 % intervals; filled: probe, open: control, dashed: a constant, ◀: below the axis"
    legend(figure, panels, title=key)
    return figure


def legend(figure: Figure, panels: Sequence[Axes], *, title: str, columns: int = 4) -> None:
    """One legend below all panels, each series named once."""
    series = {}
    for panel in panels:
        series.update({label: h for h, label in zip(*panel.get_legend_handles_labels(), strict=True)})
    figure.legend(
        series.values(), series.keys(), loc="outside lower center", ncols=columns, frameon=False,
        fontsize=9, title=title, title_fontsize=8.5,
    )  # fmt: skip


def _panel(panel: Axes, summary: Summary, rows: list[Row], *, names: bool) -> None:
    metric = rows[0].main.metric
    span = axes.axis(metric, [s for row in rows for s in (row.main.score, *row.main.controls.values())])
    panel.set_title(plain(f"{property_name(rows[0].task)}  ({METRICS[metric]})"), fontsize=10, loc="left")
    if all(s.value is None for row in rows for s in (row.main.score, *row.main.controls.values())):
        _nothing(panel, rows)
        return
    labels = ["probe", *CONTROLS]
    gap = 0.62 / max(len(rows), 2)
    for k, row in enumerate(rows):
        colour, marker = SERIES[k % len(SERIES)]
        shift = (k - (len(rows) - 1) / 2) * gap
        constant = verdicts.chance(row.main)
        if constant is not None:
            panel.axvline(constant, color=FAINT, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
        for position, label in enumerate(labels):
            score = row.main.controls.get(list(CONTROLS)[position - 1]) if position else row.main.score
            _mark(panel, score, span, position + shift, colour, marker, strong=label == "probe")
        # Drawn empty, for the legend: a row whose own score is missing still has to be named there.
        panel.plot([], [], color=colour, marker=marker, linestyle="", label=plain(summary.label(row)))
    panel.axhspan(-0.5, 0.5, color="#0072B2", alpha=0.06, linewidth=0)
    margin = 0.04 * (span.high - span.low)
    panel.set_xlim(span.low - margin, span.high + margin)
    panel.set_ylim(len(labels) - 0.5, -0.5)
    panel.set_yticks(range(len(labels)), labels if names else [""] * len(labels), fontsize=9)
    panel.set_xticks(list(span.ticks), [number(t, 2 if t % 0.5 else 1) for t in span.ticks], fontsize=8)
    panel.grid(axis="x", color="#e6e6e6", linewidth=0.6)
    panel.set_axisbelow(True)
    panel.tick_params(length=0, colors=INK)
    for side in ("top", "right", "left"):
        panel.spines[side].set_visible(False)


def _nothing(panel: Axes, rows: list[Row]) -> None:
    """A panel without scores says why."""
    reasons = "\n".join(dict.fromkeys(row.main.score.note or "no reason given" for row in rows))
    text = fill(f"not measured: {reasons}", 40)
    panel.text(0.5, 0.6, plain(text), transform=panel.transAxes, ha="center", color=FAINT, fontsize=9)
    panel.set_axis_off()


def _mark(
    panel: Axes, score: Score | None, span: axes.Axis, y: float, colour: str, marker: str, *, strong: bool
) -> None:
    """One score with its interval; an arrow and the value where it lies below the axis."""
    if score is None or score.value is None:
        text = "not run" if score is None else "not measured"
        panel.text(span.low, y, plain(text), fontsize=7, color=FAINT, va="center", style="italic")
        return
    if ends := score.interval:
        panel.hlines(y, span.clip(ends[0]), span.clip(ends[1]), color=colour, linewidth=2.2 if strong else 1.1)
    if score.value < span.low:
        panel.plot(span.low, y, marker="<", color=colour, markersize=5, clip_on=False)
        panel.annotate(
            number(score.value), (span.low, y), (6, 0), textcoords="offset points", fontsize=7, va="center"
        )
        return
    face = colour if strong else "white"
    panel.plot(score.value, y, marker=marker, color=colour, markerfacecolor=face, markersize=6.5 if strong else 4.5)


def plain(text: str) -> str:
    """Text in which matplotlib finds no mathematics, and nothing that its own font cannot draw."""
    known = _characters()
    text = "".join(character if character == "\n" or ord(character) in known else "□" for character in text)
    return text.replace("$", r"\$")


@cache
def _characters() -> frozenset[int]:
    """Those of the font that comes with matplotlib."""
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())
