"""Charts as PNG, for ``figures/``."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from textwrap import fill, shorten
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from worldprobe.findings.wording import number
from worldprobe.io.files import write_whole
from worldprobe.report.drawing import axes
from worldprobe.report.drawing.dots import Dots, Entry
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
    ("#6B7280", "P"),
)  # fmt: skip
BANDS = {"random-init": "#999999", "pixels": "#E69F00"}
INK, FAINT, ALARM = "#333333", "#888888", "#B00020"
ABOVE, BELOW = "#9ecae1", "#f4c7b0"
_LETTER, _CAPITAL = 0.65, 0.85  # of its size, what a letter of a title takes on average
_LINE = 0.15  # inches that a score needs
_SPREAD = 0.7  # of a line, over which groups stand


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, whole or not at all.

    It is drawn once, laid out as it is drawn. ``Figure.savefig`` draws twice where an engine lays out, the first
    time for the layout alone, and resamples every picture both times.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    buffer = io.BytesIO()
    figure.set_dpi(DPI)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    # Paper is opaque: three channels at level 4 are smaller than four at 6, in half of the time.
    Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3]).save(
        buffer, format="png", compress_level=4, dpi=(DPI, DPI)
    )
    write_whole(path, buffer.getvalue())


def blank(count: int, *, height: float, width: float = 3.9) -> tuple[Figure, list[Axes], int]:
    """A figure with a panel for each of ``count`` things, its panels row by row, and how many stand in a row."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    columns = min(COLUMNS if count != 4 else 2, count)
    lines = -(-count // columns)
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.1)
    figure = Figure(figsize=(max(width * columns, 6.4), height * lines + 1.0), layout=layout)
    FigureCanvasAgg(figure)
    panels = list(figure.subplots(lines, columns, squeeze=False).flat)
    for unused in panels[count:]:
        unused.set_axis_off()
    return figure, panels[:count], columns


def headed(figure: Figure, title: str, warning: str) -> None:
    """A title, and beneath it what must stand beside every figure of the encoder."""
    size, style = 11.5, {"color": INK}
    if warning:
        title, size, style = f"{title}\n{warning.upper()}", 10.0, {"color": ALARM, "weight": "bold"}
    # Matplotlib wraps between words alone, and an encoder of a file is one long word.
    room = figure.get_figwidth() * 72 / size
    lines = [
        fill(line, int(room / (_CAPITAL if line.isupper() else _LETTER)), break_on_hyphens=False)
        for line in title.splitlines()
    ]
    figure.suptitle(plain("\n".join(lines)), wrap=True, fontsize=size, **style)


def draw(charts: Sequence[Panel | Dots], path: Path, *, title: str, key: str, warning: str = "") -> bool:
    """Write charts as one PNG, a panel each. False, and no file, where there are none."""
    if not charts:
        path.unlink(missing_ok=True)
        return False
    save(paint(charts, title=title, key=key, warning=warning), path)
    return True


def paint(charts: Sequence[Panel | Dots], *, title: str, key: str, warning: str = "") -> Figure:
    """Draw charts, one or more, as one figure, a panel each."""
    figure, places, columns = blank(len(charts), height=max(map(_height, charts)), width=max(map(_width, charts)))
    before: list[str] = []
    lone = all(isinstance(chart, Dots) and len(chart.groups) == 1 for chart in charts)
    for index, (place, chart) in enumerate(zip(places, charts, strict=True)):
        place.set_title(plain(f"{chart.title}  ({chart.metric})"), fontsize=10, loc="left")
        if isinstance(chart, Dots):
            labels = _labels(chart)
            _draw_dots(place, chart, labels, names=index % columns == 0 or before != labels, printed=lone)
            before = labels
        else:
            draw_panel(place, chart)
    headed(figure, title, warning)
    legend(figure, places, title=key)
    return figure


def _height(chart: Panel | Dots) -> float:
    """In inches: of dots such that values in print stand clear of each other, as far as a page allows."""
    if isinstance(chart, Panel):
        return 2.7
    return min(max(3.3, 0.7 + _LINE * len(_labels(chart)) * len(chart.groups)), 9.0)


def _width(chart: Panel | Dots) -> float:
    """In inches: more where columns in print stand beside the axis."""
    return 5.4 if isinstance(chart, Dots) and any(entry.change for entry in chart.entries) else 3.9


def draw_panel(place: Axes, panel: Panel) -> None:
    """Draw a chart of points and lines without its title."""
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
    inside = [(x, value) for x, value, _ in known if not up.beyond(value)]
    place.plot([x for x, _ in inside], [value for _, value in inside], color=colour, marker=marker,
               linestyle="-" if line.joined else "", linewidth=2.0 if line.strong else 1.3, label=plain(line.name),
               markersize=6 if line.strong else 5,
               markerfacecolor=colour if line.strong or not line.joined else "white")  # fmt: skip
    for x, value, ends in known:
        if beyond := up.beyond(value):
            above = beyond == "high"
            place.plot(x, up.clip(value), marker="^" if above else "v", color=colour, markersize=5, clip_on=False)
            place.annotate(number(value), (x, up.clip(value)), (0, -10 if above else 6), textcoords="offset points",
                           fontsize=7, ha="center", color=colour)  # fmt: skip
        elif ends:
            place.vlines(x, up.clip(ends[0]), up.clip(ends[1]), color=colour, linewidth=1.6)
    for point in line.points:
        if point.mark and point.score.value is not None and not up.beyond(point.score.value):
            place.annotate(plain(point.mark), (point.x, point.score.value), (4, 3), textcoords="offset points",
                           fontsize=7, color=INK)  # fmt: skip
    for law, style in ((line.law, "-"), (line.further, ":")):
        place.plot([x for x, _ in law], [up.clip(value) for _, value in law], style, color=colour, linewidth=1.2)


def bare(place: Axes, *, lines: Literal["x", "y"] = "y") -> None:
    """No frame but the axis itself, and faint lines at the ticks of one axis."""
    place.tick_params(length=0, colors=INK)
    place.grid(axis=lines, color="#e6e6e6", linewidth=0.6)
    place.set_axisbelow(True)
    for side in ("top", "right", "left"):
        place.spines[side].set_visible(False)


def legend(figure: Figure, panels: Sequence[Axes], *, title: str, columns: int = 4) -> None:
    """One legend below all panels, each series named once."""
    series = {}
    for panel in panels:
        series.update({label: h for h, label in zip(*panel.get_legend_handles_labels(), strict=True)})
    drawn = figure.legend(
        series.values(), series.keys(), loc="outside lower center", ncols=columns, frameon=False,
        fontsize=9, title=title, title_fontsize=8.5,
    )  # fmt: skip
    drawn.get_title().set_multialignment("center")


def _draw_dots(place: Axes, chart: Dots, labels: list[str], *, names: bool, printed: bool) -> None:
    """A line a label, on which the groups stand beneath each other, a colour each."""
    if not labels:
        reasons = "\n".join(dict.fromkeys(entry.missing for entry in chart.entries))
        text = fill(f"not measured: {reasons}", 40)
        place.text(0.5, 0.6, plain(text), transform=place.transAxes, ha="center", color=FAINT, fontsize=9)
        place.set_axis_off()
        return
    for constant in {group.chance for group in chart.groups if group.chance is not None}:
        place.axvline(constant, color=FAINT, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
    for k, group in enumerate(chart.groups):
        shift = (k - (len(chart.groups) - 1) / 2) * _SPREAD / len(chart.groups)
        for entry in group.entries:
            y, look = labels.index(entry.label) + shift, SERIES[k % len(SERIES)]
            _draw_entry(place, entry, chart.axis, y, look, printed=printed)
        if group.heading:  # drawn empty, for the legend: a group whose own score is missing is named there too
            place.plot([], [], color=look[0], marker=look[1], linestyle="", label=plain(group.heading))
    if any(entry.style == "control" for entry in chart.entries):
        for label in {entry.label for entry in chart.entries if entry.style == "probe"}:
            at = labels.index(label)
            place.axhspan(at - 0.5, at + 0.5, color=SERIES[0][0], alpha=0.06, linewidth=0)
    margin = 0.04 * (chart.axis.high - chart.axis.low)
    place.set_xlim(chart.axis.low - margin, chart.axis.high + margin)
    place.set_xticks(list(chart.axis.ticks), axes.tick_texts(chart.axis, sign=chart.signed), fontsize=8)
    place.set_ylim(len(labels) - 0.5, -0.5)
    place.set_yticks(range(len(labels)), [plain(one) if names else "" for one in labels], fontsize=9)
    bare(place, lines="x")


def _labels(chart: Dots) -> list[str]:
    """What the lines are called; none where there is no score to draw."""
    measured = any(entry.score.value is not None for entry in chart.entries)
    return list(dict.fromkeys(entry.label for entry in chart.entries)) if measured else []


def _draw_entry(
    place: Axes, entry: Entry, axis: axes.Axis, y: float, look: tuple[str, str], *, printed: bool
) -> None:
    """A score and its interval, beside what it is to lie above; beyond the axis an arrow and the value."""
    (colour, marker), value, strong = look, entry.score.value, entry.style == "probe"
    if value is None:
        plainly = entry.missing in ("not run", "not measured")
        reason = entry.missing if plainly else shorten(f"not measured: {entry.missing}", 48, placeholder=" …")
        place.text(axis.low, y, plain(reason), fontsize=7, color=FAINT, va="center", style="italic")
        return
    if entry.floor and entry.floor.score.value is not None:
        _draw_floor(place, entry.floor.label, axis.clip(entry.floor.score.value), axis.clip(value), y)
    if ends := entry.score.interval:
        place.hlines(y, axis.clip(ends[0]), axis.clip(ends[1]), color=colour, linewidth=2.2 if strong else 1.1)
    beyond = axis.beyond(value)
    place.plot(axis.clip(value), y, marker={"": marker, "low": "<", "high": ">"}[beyond], color=colour,
               markerfacecolor=colour if strong or beyond else "white", markersize=6.5 if strong else 4.5,
               zorder=4, clip_on=False)  # fmt: skip
    if printed:  # in columns beside the axis
        for offset, text in ((30, entry.value), (62, entry.change)):
            place.annotate(plain(text), (1, y), (offset, 0), xycoords=place.get_yaxis_transform(), fontsize=8,
                           textcoords="offset points", color=INK, ha="right", va="center")  # fmt: skip
    elif beyond:
        place.annotate(plain(entry.value), (axis.clip(value), y), (6 if beyond == "low" else -6, 0), fontsize=7,
                       textcoords="offset points", va="center",
                       ha="left" if beyond == "low" else "right")  # fmt: skip


def _draw_floor(place: Axes, name: str, floor: float, value: float, y: float) -> None:
    """An open dot under its name, and as a band what the score has above it, or lacks."""
    left, right = sorted((floor, value))
    place.barh(y, right - left, left=left, height=0.5, color=ABOVE if value > floor else BELOW, zorder=1)
    place.plot(floor, y, "o", color=INK, markerfacecolor="white", markersize=4.5, zorder=3)
    place.annotate(plain(name), (floor, y), (0, 5.5), textcoords="offset points", fontsize=6.5, color=INK,
                   ha="center", va="bottom")  # fmt: skip


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
