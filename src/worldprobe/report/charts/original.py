"""The figures of the original experiment made again: its own summary, its scaling, and the waterfall."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from worldprobe.controls import CONTROLS
from worldprobe.findings.facts import Summary
from worldprobe.findings.original import Fall, Original, Step, step_name
from worldprobe.findings.wording import METRICS, number, property_name, signed
from worldprobe.intervals import Score
from worldprobe.report.charts.scaling import LEAST, scaling_panels
from worldprobe.report.drawing import axes
from worldprobe.report.drawing.png import ALARM, FAINT, INK, bare, blank, draw, plain, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BLUE, _BAND = "#0072B2", "#9ecae1"


def draw_original(summary: Summary, original: Original, folder: Path) -> None:
    """Write ``probe_summary.png`` (as published), ``scaling.png`` and ``waterfall.png`` into a folder."""
    _published(summary, original, folder / "probe_summary.png")
    said, _ = _title(summary, f"{summary.encoder.name}: the original protocol on fewer frames")
    key = f"bars: 95 % intervals; what is below {number(LEAST, 0)} lies at the edge"
    draw(scaling_panels(original), folder / "scaling.png", title=said, key=key)
    _waterfall(summary, original, folder / "waterfall.png")


def _title(summary: Summary, text: str) -> tuple[str, dict[str, object]]:
    if summary.warning:
        return plain(f"{text}\n{summary.warning.upper()}"), {"fontsize": 10, "color": ALARM, "weight": "bold"}
    return plain(text), {"fontsize": 11.5, "color": INK}


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
        (summary.encoder.name, _BLUE, -0.2, [score for _, score, _ in pairs]),
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
    text, style = _title(summary, f"As published: repeated stills, one random split{n}")
    figure.suptitle(text, **style)
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


def _waterfall(summary: Summary, original: Original, path: Path) -> None:
    """A panel a task: from the published score down to the sound one, each beside its best control."""
    figure, panels, columns = blank(len(original.falls), height=3.0)
    figure.set_size_inches(max(5.4 * columns, 6.4), 3.3 * -(-len(panels) // columns) + 1.1)
    for index, (panel, fall) in enumerate(zip(panels, original.falls, strict=True)):
        _fall(panel, fall, names=index % columns == 0)
    text, style = _title(summary, f"{summary.encoder.name}: from the published protocol to a sound one")
    figure.suptitle(text, **style)
    key = (
        "each step keeps those above it; ● score with its 95 % interval, ○ the best control then known,\n"
        "band: what is left above it; at the right the score, and its change from the step above"
    )
    figure.supxlabel(key, fontsize=8.5, color=INK)
    save(figure, path)


def _fall(panel: Axes, fall: Fall, *, names: bool) -> None:
    scores = [score for step in fall.steps for score in (step.score, step.floor)]
    span = axes.axis(fall.metric, scores)
    panel.set_title(plain(f"{property_name(fall.task)}  ({METRICS[fall.metric]})"), fontsize=10, loc="left")
    for place, step in enumerate(fall.steps):
        _step(panel, place, step, span)
    if fall.metric == "r2":
        panel.axvline(0, color=FAINT, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
    labels = [step_name(step) for step in fall.steps]
    panel.set_yticks(range(len(labels)), labels if names else [""] * len(labels), fontsize=9)
    panel.set_ylim(len(labels) - 0.5, -0.5)
    margin = 0.04 * (span.high - span.low)
    panel.set_xlim(span.low - margin, span.high + 6.5 * margin)
    panel.set_xticks(list(span.ticks), [number(t, 2 if t % 0.5 else 1) for t in span.ticks], fontsize=8)
    panel.tick_params(length=0, colors=INK)
    panel.grid(axis="x", color="#e6e6e6", linewidth=0.6)
    panel.set_axisbelow(True)
    for side in ("top", "right", "left"):
        panel.spines[side].set_visible(False)


def _step(panel: Axes, y: int, step: Step, span: axes.Axis) -> None:
    score, floor = step.score.value, step.floor.value
    if score is None:
        reason = plain(f"not measured: {step.score.note[:48]}")
        panel.text(span.low, y, reason, fontsize=7, color=FAINT, va="center", style="italic")
        return
    if floor is not None:
        left, right = sorted((span.clip(floor), span.clip(score)))
        panel.barh(y, right - left, left=left, height=0.5, color=_BAND if score > floor else "#f4c7b0", zorder=1)
        panel.plot(span.clip(floor), y, "o", color=INK, markerfacecolor="white", markersize=4.5, zorder=3)
        if step.best_control:
            panel.annotate(
                CONTROLS[step.best_control].short, (span.clip(floor), y), (0, 5.5), textcoords="offset points",
                fontsize=6.5, color=INK, ha="center", va="bottom",
            )  # fmt: skip
    if ends := step.score.interval:
        panel.hlines(y, span.clip(ends[0]), span.clip(ends[1]), color=_BLUE, linewidth=2.2, zorder=2)
    panel.plot(span.clip(score), y, "o" if score >= span.low else "<", color=_BLUE, markersize=6.5, zorder=4)
    # Beside the axis, in two columns that line up.
    for column, text in ((0.9, number(score)), (1.0, "" if step.change is None else signed(step.change))):
        where = panel.get_yaxis_transform()
        panel.text(column, y, text, transform=where, fontsize=8, color=INK, ha="right", va="center")
