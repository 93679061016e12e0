"""``figures/learning.png``: how each linear probe's score grows with the groups it saw, and the law through it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from worldprobe.report.evidence_facts import Worth
from worldprobe.report.facts import Summary
from worldprobe.report.plots import FAINT, INK, SERIES, blank, plain, save
from worldprobe.report.wording import METRICS, property_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LOWEST = -0.5


def learning(summary: Summary, path: Path) -> bool:
    """Write the PNG: one panel a task, score against training rows. False, and no file, without curves."""
    tasks: dict[str, list[Worth]] = {}
    for row in summary.evidence.rows if summary.evidence else ():
        if row.curve and any(point.score.value is not None for point in row.curve.points):
            tasks.setdefault(row.task, []).append(row)
    if not tasks:
        path.unlink(missing_ok=True)
        return False
    figure, panels, _ = blank(len(tasks), height=2.7)
    for panel, (task, rows) in zip(panels, tasks.items(), strict=True):
        _panel(panel, task, rows)
    figure.suptitle(
        plain(f"{summary.encoder.name}: score by the data that the probe saw"), fontsize=11.5, color=INK
    )
    said = "bars: 95 % intervals; lines: ceiling less a power of n, fitted; dotted: twice the data"
    figure.supxlabel(said, fontsize=8.5, color=INK)
    save(figure, path)
    return True


def _panel(panel: Axes, task: str, rows: list[Worth]) -> None:
    for k, row in enumerate(rows):
        assert row.curve is not None
        colour, marker = SERIES[k % len(SERIES)]
        curve = row.curve
        points = [point for point in curve.points if point.score.value is not None]
        # A little apart, or equal scores would hide each other.
        x = [point.rows * 1.03**k for point in points]
        y = [max(point.score.value or 0.0, _LOWEST) for point in points]
        name = f"{row.label}: more data would help: {curve.more_data_would_help}"
        panel.plot(x, y, color=colour, marker=marker, linestyle="", markersize=5, label=plain(name))
        for at_rows, point in zip(x, points, strict=True):
            if ends := point.score.interval:
                panel.vlines(at_rows, max(ends[0], _LOWEST), max(ends[1], _LOWEST), color=colour, linewidth=1.4)
        if curve.ceiling is not None and curve.scale is not None and curve.exponent is not None:
            for span, style in (((x[0], x[-1]), "-"), ((x[-1], 2 * x[-1]), ":")):
                at = np.geomspace(*span, 40)
                law = curve.ceiling - curve.scale * at**-curve.exponent
                panel.plot(at, law.clip(_LOWEST), style, color=colour, linewidth=1.2)
    panel.set_xscale("log")
    counts = sorted({round(point.rows) for row in rows if row.curve for point in row.curve.points})
    panel.set_xticks(counts, [f"{n:,}" for n in counts])
    panel.set_xticks([], minor=True)
    panel.set_title(plain(f"{property_name(task)}  ({METRICS[rows[0].metric]})"), fontsize=10, loc="left")
    panel.set_xlabel("moments that the probe was trained on", fontsize=8.5, color=INK)
    panel.grid(axis="y", color="#e6e6e6", linewidth=0.6)
    panel.tick_params(length=0, colors=INK, labelsize=8, which="both")
    panel.legend(fontsize=6.5, frameon=False, loc="best")
    if rows[0].metric == "r2":
        panel.axhline(0, color=FAINT, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
    for side in ("top", "right", "left"):
        panel.spines[side].set_visible(False)
