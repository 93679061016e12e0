"""The figures of the original experiment made again: its own summary, its scaling, and the waterfall."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from worldprobe.controls import CONTROLS
from worldprobe.findings.facts import Summary
from worldprobe.findings.sections.original import Original, Step, step_name
from worldprobe.findings.wording import METRICS, number, property_name, signed, with_interval
from worldprobe.intervals import Score
from worldprobe.report.charts.scaling import LEAST, scaling_panels
from worldprobe.report.drawing.axes import axis
from worldprobe.report.drawing.dots import Dots, Entry, Group
from worldprobe.report.drawing.panels import head
from worldprobe.report.drawing.png import FAINT, INK, SERIES, bare, blank, draw, headed, plain, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STEPS = (
    "each step keeps those above it; ● score with its 95 % interval, ○ the best control then known,\n"
    "band: what is left above it; at the right the score, and its change from the step above"
)


def draw_original(summary: Summary, original: Original, folder: Path) -> None:
    """Write ``probe_summary.png`` (as published), ``scaling.png`` and ``waterfall.png`` into a folder."""
    _published(summary, original, folder / "probe_summary.png")
    name, warning = summary.encoder.name, summary.warning
    title = f"{name}: the original protocol on fewer frames"
    key = f"bars: 95 % intervals; what is below {number(LEAST, 0)} lies at the edge"
    draw(scaling_panels(original), folder / "scaling.png", title=title, key=key, warning=warning)
    title = f"{name}: from the published protocol to a sound one"
    draw(falls(original), folder / "waterfall.png", title=title, key=_STEPS, warning=warning)


def _published(summary: Summary, original: Original, path: Path) -> None:
    """The original's own figure: each task's score beside that of Gaussian noise, as bars."""
    from matplotlib.patches import Patch

    figure, panels, _ = blank(1, height=3.4)
    figure.set_size_inches(7.2, 4.6)
    panel = panels[0]
    pairs = [
        (fall, fall.steps[0].score, original.noise.get(fall.task, Score(value=None))) for fall in original.falls
    ]
    series = (
        (summary.encoder.name, SERIES[0][0], -0.2, [score for _, score, _ in pairs]),
        ("Gaussian noise", "#b3b3b3", 0.2, [noise for _, _, noise in pairs]),
    )
    keys: list[Patch] = []
    for label, colour, shift, scores in series:
        for place, score in enumerate(scores):
            _bar(panel, place + shift, score, colour)
        keys.append(Patch(color=colour, label=plain(label)))
    panel.axhline(0, color=INK, linewidth=0.8)
    names = [f"{property_name(fall.task)}\n({METRICS[fall.metric]})" for fall in original.falls]
    panel.set_xticks(range(len(names)), names, fontsize=9)
    ends = [v for _, a, b in pairs for s in (a, b) for v in (s.value, s.low) if v is not None]
    lowest = min([0.0, *ends])
    panel.set_ylim(max(LEAST, lowest) - 0.16, 1.1)
    bare(panel)
    figure.legend(handles=keys, loc="outside lower center", frameon=False, fontsize=9, ncols=2,
                  title="bars: 95 % intervals. This is not what is known of the encoder: see waterfall.png",
                  title_fontsize=8.5)  # fmt: skip
    n = f", n = {original.labelled:,}" if original.labelled is not None else ""
    headed(figure, f"As published: repeated stills, one random split{n}", summary.warning)
    save(figure, path)


def _bar(panel: Axes, x: float, score: Score, colour: str) -> None:
    if score.value is None:
        panel.text(x, 0.02, "not\nmeasured", ha="center", fontsize=7, color=FAINT, style="italic")
        return
    value = max(score.value, LEAST)
    panel.bar(x, value, width=0.38, color=colour)
    if ends := score.interval:
        panel.vlines(x, max(ends[0], LEAST), max(ends[1], LEAST), color=INK, linewidth=1.2)
    top = max(value, 0.0, score.interval[1] if score.interval else 0.0)
    if value < 0:
        low = min(value, max(score.interval[0], LEAST) if score.interval else value)
        panel.text(x, low - 0.03, number(score.value), ha="center", va="top", fontsize=8.5, color=INK)
    else:
        panel.text(x, top + 0.02, number(score.value), ha="center", va="bottom", fontsize=8.5, color=INK)


def falls(original: Original) -> list[Dots]:
    """A chart a task: each step of the waterfall, its score beside the best control that it knows."""
    charts = []
    for fall in original.falls:
        title, metric = head(fall.task, fall.metric)
        span = axis(fall.metric, [score for step in fall.steps for score in (step.score, step.floor)])
        level = 0.0 if fall.metric == "r2" else None
        charts.append(Dots(title, metric, span, (Group("", tuple(map(_entry, fall.steps)), level),)))
    return charts


def _entry(step: Step) -> Entry:
    name, best, floor = step_name(step), step.best_control, None
    if best:
        tooltip = f"best control, {best}: {with_interval(step.floor, 3)}"
        floor = Entry(CONTROLS[best].short, "control", step.floor, "", tooltip)
    return Entry(
        label=name,
        style="probe",
        score=step.score,
        value=number(step.score.value),
        tooltip=f"{name}: {with_interval(step.score, 3)}, {step.split} split",
        floor=floor,
        change="" if step.change is None else signed(step.change),
    )
