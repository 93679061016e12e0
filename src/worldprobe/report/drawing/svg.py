"""Charts in px, for the page's templates to draw: every mark says its value, interval and n."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from worldprobe.findings.wording import number
from worldprobe.report.drawing.axes import Axis, tick_texts
from worldprobe.report.drawing.dots import Dots, Entry
from worldprobe.report.drawing.panels import Band, Line, Panel, Places

WIDTH, LONG, HEIGHT = 360, 720, 226
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 12, 12, 40
_DIGIT, _BESIDE = 6.8, 9  # px: of a label's digit as the page writes it, and between a label and its axis
_CROWDED = 34  # px that a label of the axis needs
# Dots: of a line, of a heading, of the space between groups, of a letter, and the least of the axis.
_STEP, _HEADING, _SPACE, _LETTER, _AXIS = 19, 24, 6, 7.2, 190
# By look: circle, square, triangle, diamond, triangle on its head, cross, plus. The figures' have the same order.
MARKERS = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "M-3.6-3.6h7.2v7.2h-7.2z",
    "M0-4.6l4.4 7.8h-8.8z",
    "M0-5l4.4 5-4.4 5-4.4-5z",
    "M0 4.6l4.4-7.8h-8.8z",
    "M-4-4l8 8M4-4l-8 8",
    "M0-4.8v9.6M-4.8 0h9.6",
)
_UP, _DOWN = MARKERS[2], MARKERS[4]


@dataclass(frozen=True, slots=True)
class Dot:
    """A point: its place, the ends of its interval, the shape of its mark, and its value where it lies beyond."""

    x: float
    y: float
    low: float | None
    high: float | None
    shape: str
    beyond: str
    said: str
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A line of dots; ``paths`` are (what it is, points) of what joins them, ``style`` classes of the page."""

    look: int
    style: str
    paths: tuple[tuple[str, str], ...]
    dots: tuple[Dot, ...]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A panel in px."""

    panel: Panel
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    level: float | None
    bands: tuple[tuple[str, str], ...]
    lines: tuple[Drawn, ...]
    width: int
    height: int = HEIGHT
    left: int = _LEFT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM

    @property
    def right(self) -> int:
        return self.width - _RIGHT


@dataclass(frozen=True, slots=True)
class Key:
    """What a colour and a marker stand for; of a band ``shape`` is empty."""

    name: str
    kind: str
    shape: str
    style: str = ""


def drawing(panel: Panel, *, width: int = WIDTH) -> Drawing:
    """A panel as the page draws it, so many px wide."""
    labels = tick_texts(panel.up)
    left = max(_LEFT, _BESIDE + round(_DIGIT * max(map(len, labels), default=0)))
    x = panel.across.place(left, width - _RIGHT)
    y = panel.up.place(HEIGHT - _BOTTOM, _TOP)
    return Drawing(
        panel=panel,
        x_ticks=_apart([(x(value), text) for value, text in panel.x_ticks]),
        y_ticks=tuple((y(value), text) for value, text in zip(panel.up.ticks, labels, strict=True)),
        level=None if panel.level is None else y(panel.level),
        bands=tuple((band.kind, _ribbon(band, x, y)) for band in panel.bands),
        lines=tuple(_line(line, panel, x, y) for line in panel.lines),
        width=width,
        left=left,
    )


def keys(panels: Sequence[Panel]) -> list[Key]:
    """What the panels draw, each once, for the legend above them."""
    lines = {
        line.name: Key(line.name, f"s{line.look}", MARKERS[line.look], _style(line))
        for panel in panels
        for line in panel.lines
    }
    bands = {band.name: Key(band.name, f"band {band.kind}", "") for panel in panels for band in panel.bands}
    return [*lines.values(), *bands.values()]


def _apart(ticks: Sequence[tuple[float, str]]) -> tuple[tuple[float, str], ...]:
    """From the right on, those labels that do not run into the next one."""
    kept: list[tuple[float, str]] = []
    for place, text in reversed(ticks):
        room = max(_CROWDED if len(text) > 2 else 0, 7 * len(text))
        if not kept or kept[-1][0] - place >= room:
            kept.append((place, text))
    return tuple(reversed(kept))


def _line(line: Line, panel: Panel, x: Callable[[float], float], y: Callable[[float], float]) -> Drawn:
    dots = []
    for point in line.points:
        value, ends = point.score.value, point.score.interval
        assert value is not None
        beyond = panel.up.beyond(value)
        off = number(value) if beyond else ""
        low, high = (y(ends[0]), y(ends[1])) if ends and not off else (None, None)
        shape = {"": MARKERS[line.look], "high": _UP, "low": _DOWN}[beyond]
        dots.append(Dot(x(point.x), y(value), low, high, shape, off, point.said, point.mark))
    joins = [(dot.x, dot.y) for dot in dots if not dot.beyond] if line.joined else []
    paths = [("path", _path(joins))] if len(joins) > 1 else []
    for kind, law in (("path", line.law), ("path further", line.further)):
        if law:
            paths.append((kind, _path([(x(n), y(value)) for n, value in law])))
    return Drawn(look=line.look, style=_style(line), paths=tuple(paths), dots=tuple(dots))


def _style(line: Line) -> str:
    """Thick where it is what is judged; its marks full there, and where no line joins them."""
    return " strong" * line.strong + " full" * (line.strong or not line.joined)


def _ribbon(band: Band, x: Callable[[float], float], y: Callable[[float], float]) -> str:
    there = [(x(at), y(high)) for at, _, high in band.ends]
    back = [(x(at), y(low)) for at, low, _ in reversed(band.ends)]
    return _path([*there, *back])


def _path(places: Sequence[tuple[float, float]] | Places) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in places)


@dataclass(frozen=True, slots=True)
class Mark:
    """A score on its line: ``x`` is None where there is none, ``beyond`` the end of the axis that it is behind."""

    entry: Entry
    label: str
    y: float
    x: float | None
    low: float | None
    high: float | None
    beyond: str


@dataclass(frozen=True, slots=True)
class DotsDrawing:
    """Dots in px: ``headings`` are (y, text), ``ticks`` (x, text), ``chances`` (x, y top, y bottom)."""

    chart: Dots
    width: float
    height: float
    left: float
    bottom: float
    headings: tuple[tuple[float, str], ...]
    ticks: tuple[tuple[float, str], ...]
    chances: tuple[tuple[float, float, float], ...]
    marks: tuple[Mark, ...]

    @property
    def beyond(self) -> bool:
        return any(mark.beyond for mark in self.marks)


def dots(chart: Dots) -> DotsDrawing:
    """Dots as the page draws them: wider where labels and values in print need it."""
    left = round(18 + _LETTER * max((len(entry.label) for entry in chart.entries), default=0))
    right = round(10 + _LETTER * max((len(entry.value) for entry in chart.entries), default=0))
    width = max(WIDTH, left + _AXIS + right)
    x = chart.axis.place(left, width - right)
    headings, chances, marks = [], [], []
    y = 8.0
    for group in chart.groups:
        headings += [(y + 14, group.heading)] if group.heading else []
        y += _HEADING if group.heading else _HEADING / 2
        if group.chance is not None:
            chances.append((x(group.chance), y - 4, y + _STEP * len(group.entries) - 4))
        for entry in group.entries:
            at = y + _STEP / 2 - 4
            marks += [_mark(entry.floor, "", at, x, chart.axis)] if entry.floor else []
            marks.append(_mark(entry, entry.label, at, x, chart.axis))
            y += _STEP
        y += _SPACE
    texts = tick_texts(chart.axis, sign=chart.signed) if any(mark.x is not None for mark in marks) else []
    return DotsDrawing(
        chart=chart,
        width=width,
        height=y + 26,
        left=left,
        bottom=y,
        headings=tuple(headings),
        ticks=tuple((x(value), text) for value, text in zip(chart.axis.ticks, texts, strict=False)),
        chances=tuple(chances),
        marks=tuple(marks),
    )


def _mark(entry: Entry, label: str, y: float, place: Callable[[float], float], axis: Axis) -> Mark:
    value, ends = entry.score.value, entry.score.interval
    x = None if value is None else place(value)
    low, high = (place(ends[0]), place(ends[1])) if ends and x is not None else (None, None)
    return Mark(entry, label, y, x, low, high, axis.beyond(value))
