"""``figures/layers.png``: where in the network each property is decodable, with the controls as bands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from worldprobe.report import charts
from worldprobe.report.base import tap_name
from worldprobe.report.facts import Row, Summary
from worldprobe.report.plots import FAINT, INK, SERIES, blank, legend, plain, save
from worldprobe.report.wording import METRICS, number, property_name
from worldprobe.results import Control

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Those that can change from block to block, or are the hardest to beat; the others say nothing about depth.
_BANDS: tuple[tuple[Control, str], ...] = (("random-init", "#999999"), ("pixels", "#E69F00"))


def block_of(tap: str) -> int | None:
    """The block of a tap such as ``vjepa2-tiny/block5.out``; None where it names none."""
    _, found, rest = tap.rpartition("/block")
    digits = rest.partition(".")[0]
    return int(digits) if found and digits.isdigit() else None


def by_block(summary: Summary) -> dict[str, dict[str, list[tuple[int, Row]]]]:
    """Rows of tasks that were read at two blocks or more: task, features, then (block, row) in order."""
    found: dict[str, dict[str, list[tuple[int, Row]]]] = {}
    for row in summary.rows:
        block = block_of(row.tap)
        if block is not None and row.main.score.value is not None:
            kind = ", ".join(part for part in summary.label(row).split(", ") if part != tap_name(row.tap))
            found.setdefault(row.task, {}).setdefault(kind, []).append((block, row))
    kept = {
        task: {kind: sorted(rows, key=lambda one: one[0]) for kind, rows in kinds.items() if len(rows) > 1}
        for task, kinds in found.items()
    }
    return {task: kinds for task, kinds in kept.items() if kinds}


def layers(summary: Summary, path: Path) -> bool:
    """Write the PNG: one panel a task, score against block. False, and no file, where one block was read."""
    tasks = by_block(summary)
    if not tasks:
        path.unlink(missing_ok=True)
        return False
    figure, panels, _ = blank(len(tasks), height=2.7)
    for panel, (task, kinds) in zip(panels, tasks.items(), strict=True):
        _panel(panel, task, kinds)
    figure.suptitle(plain(f"{summary.encoder.name}: where each property is decodable"), fontsize=11.5, color=INK)
    legend(figure, panels, title="bars and bands: 95 % intervals; dashed: a constant")
    save(figure, path)
    return True


def _panel(panel: Axes, task: str, kinds: dict[str, list[tuple[int, Row]]]) -> None:
    first = next(iter(kinds.values()))
    metric = first[0][1].main.metric
    every = [row.main for rows in kinds.values() for _, row in rows]
    span = charts.axis(metric, [s for line in every for s in (line.score, *line.controls.values())])
    for control, colour in _BANDS:
        # Of the last kind of features alone: bands of several would hide each other.
        ends = {
            block: score.interval
            for block, row in list(kinds.values())[-1]
            if (score := row.main.controls.get(control)) and score.interval
        }
        if ends:
            low, high = ([span.clip(end[side]) for end in ends.values()] for side in (0, 1))
            panel.fill_between(list(ends), low, high, color=colour, alpha=0.3, linewidth=0, label=control)
    constant = charts.chance(first[0][1].main)
    if constant is not None:
        panel.axhline(constant, color=FAINT, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
    for k, (kind, rows) in enumerate(kinds.items()):
        colour, marker = SERIES[k % len(SERIES)]
        x = [block for block, _ in rows]
        panel.plot(x, [span.clip(row.main.score.value or 0.0) for _, row in rows], color=colour, marker=marker,
                   markersize=5, linewidth=1.4, label=plain(kind))  # fmt: skip
        for block, row in rows:
            if ends_ := row.main.score.interval:
                panel.vlines(block, span.clip(ends_[0]), span.clip(ends_[1]), color=colour, linewidth=1.6)
    panel.set_title(plain(f"{property_name(task)}  ({METRICS[metric]})"), fontsize=10, loc="left")
    margin = 0.04 * (span.high - span.low)
    panel.set_ylim(span.low - margin, span.high + margin)
    panel.set_yticks(list(span.ticks), [number(t, 2 if t % 0.5 else 1) for t in span.ticks], fontsize=8)
    blocks = sorted({block for rows in kinds.values() for block, _ in rows})
    panel.set_xticks(blocks[:: -(-len(blocks) // 12)])
    panel.tick_params(length=0, colors=INK, labelsize=8)
    panel.set_xlabel("block", fontsize=8.5, color=INK)
    panel.grid(axis="y", color="#e6e6e6", linewidth=0.6)
    panel.set_axisbelow(True)
    for side in ("top", "right", "left"):
        panel.spines[side].set_visible(False)
