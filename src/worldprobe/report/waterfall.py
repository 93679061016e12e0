"""The figures of the original experiment made again: its own summary, its scaling, and the waterfall."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from worldprobe.report import charts
from worldprobe.report.facts import Fall, Original, Scaled, Score, Step, Summary
from worldprobe.report.original import PUBLISHED, PUBLISHED_BY, step_name
from worldprobe.report.plots import ALARM, FAINT, INK, blank, plain, save
from worldprobe.report.wording import METRICS, SHORT, number, property_name, signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BLUE, _ORANGE, _GREEN, _BAND = "#0072B2", "#D55E00", "#009E73", "#9ecae1"
_LEAST = -1.0  # what lies below is drawn at the edge, its value in print


def draw_original(summary: Summary, original: Original, folder: Path) -> None:
    """Write ``probe_summary.png`` (as published), ``scaling.png`` and ``waterfall.png`` into a folder."""
    _published(summary, original, folder / "probe_summary.png")
    _scaling(summary, original, folder / "scaling.png")
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
    panel.set_ylim(max(_LEAST, lowest) - 0.16, 1.1)
    _tidy(panel)
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
    value = max(score.value, _LEAST)
    panel.bar(x, value, width=0.38, color=colour)
    if ends := score.interval:
        panel.vlines(x, max(ends[0], _LEAST), max(ends[1], _LEAST), color=INK, linewidth=1.2)
    top = max(value, 0.0, score.interval[1] if score.interval else 0.0)
    if value < 0:
        low = min(value, max(score.interval[0], _LEAST) if score.interval else value)
        panel.text(x, low - 0.03, number(score.value), ha="center", va="top", fontsize=8.5, color=INK)
    else:
        panel.text(x, top + 0.02, number(score.value), ha="center", va="bottom", fontsize=8.5, color=INK)


def _scaling(summary: Summary, original: Original, path: Path) -> None:
    """A panel a task: score against the number of labelled frames."""
    tasks = list(dict.fromkeys(row.task for row in original.scaling))
    if not tasks:
        path.unlink(missing_ok=True)
        return
    metric = {fall.task: fall.metric for fall in original.falls}
    figure, panels, _ = blank(len(tasks), height=2.7)
    for panel, task in zip(panels, tasks, strict=True):
        rows = [row for row in original.scaling if row.task == task]
        _curve(panel, rows, "score", _BLUE, "o-", f"{summary.encoder.name}, as published (penalty fixed at 1)")
        _curve(panel, rows, "chosen", _GREEN, "s--", "the same, penalty chosen on inner folds")
        _curve(panel, rows, "noise", "#999999", "^:", "Gaussian noise, penalty fixed at 1")
        there = PUBLISHED.get(task, {})
        panel.plot(list(there), [max(v, _LEAST) for v in there.values()], "x", color=_ORANGE, markersize=6,
                   label=PUBLISHED_BY)  # fmt: skip
        panel.set_xscale("log")
        if metric[task] == "r2":
            panel.axhline(0, color=FAINT, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
        panel.set_title(plain(f"{property_name(task)}  ({METRICS[metric[task]]})"), fontsize=10, loc="left")
        low = _LEAST if metric[task] == "r2" else 0.0
        panel.set_ylim(low - 0.06, 1.04)
        sizes = [row.n for row in rows if row.score.value is not None]
        panel.set_xticks([], minor=True)
        ticks = sorted({*sizes, *there})
        panel.set_xticks(ticks, [f"{n:,}" for n in ticks], fontsize=7.5, rotation=35, ha="right")
        panel.set_xlabel("labelled frames", fontsize=8.5, color=INK)
        _tidy(panel)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=8.5,
                  title=f"bars: 95 % intervals; what is below {number(_LEAST, 0)} lies at the edge",
                  title_fontsize=8)  # fmt: skip
    text, style = _title(summary, f"{summary.encoder.name}: the original protocol on fewer frames")
    figure.suptitle(text, **style)
    save(figure, path)


def _curve(panel: Axes, rows: list[Scaled], which: str, colour: str, form: str, label: str) -> None:
    points: list[tuple[int, Score]] = [(row.n, getattr(row, which)) for row in rows]
    known = [(n, score, score.value) for n, score in points if score.value is not None]
    panel.plot([n for n, _, _ in known], [max(value, _LEAST) for _, _, value in known], form, color=colour,
               markersize=5, linewidth=1.3, label=plain(label))  # fmt: skip
    for n, score, _ in known:
        if ends := score.interval:
            panel.vlines(n, max(ends[0], _LEAST), max(ends[1], _LEAST), color=colour, linewidth=1.1, alpha=0.7)


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
    span = charts.axis(fall.metric, scores)
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


def _step(panel: Axes, y: int, step: Step, span: charts.Axis) -> None:
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
            panel.annotate(SHORT[step.best_control], (span.clip(floor), y), (0, 5.5), textcoords="offset points",
                           fontsize=6.5, color=INK, ha="center", va="bottom")  # fmt: skip
    if ends := step.score.interval:
        panel.hlines(y, span.clip(ends[0]), span.clip(ends[1]), color=_BLUE, linewidth=2.2, zorder=2)
    panel.plot(span.clip(score), y, "o" if score >= span.low else "<", color=_BLUE, markersize=6.5, zorder=4)
    # Beside the axis, in two columns that line up.
    for column, text in ((0.9, number(score)), (1.0, "" if step.change is None else signed(step.change))):
        where = panel.get_yaxis_transform()
        panel.text(column, y, text, transform=where, fontsize=8, color=INK, ha="right", va="center")


def _tidy(panel: Axes) -> None:
    panel.tick_params(length=0, colors=INK, labelsize=8.5)
    panel.grid(axis="y", color="#e6e6e6", linewidth=0.6)
    panel.set_axisbelow(True)
    for side in ("top", "right", "left"):
        panel.spines[side].set_visible(False)
