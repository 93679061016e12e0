"""``figures/horizon.png``: error and skill by horizon, the predictor among its baselines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from worldprobe.report.future_facts import Future, Step
from worldprobe.report.plots import FAINT, INK, blank, legend, plain, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's palette; the predictor alone is filled and thick.
LOOKS: dict[str, tuple[str, str]] = {
    "predictor": ("#0072B2", "o"),
    "copy-last": ("#D55E00", "s"),
    "linear": ("#E69F00", "^"),
    "mean": ("#009E73", "D"),
    "ridge": ("#CC79A7", "v"),
}
TWIN = ("#000000", "x")
TITLES = {"changed": "tokens that changed", "all": "all tokens"}


def horizons(future: Future, path: Path) -> bool:
    """Write the PNG: L1 above, skill below, changed tokens left. False, and no file, where nothing was told."""
    kinds = {name: [step for step in future.steps if step.tokens == name] for name in ("changed", "all")}
    if not any(step.l1["predictor"].value for step in future.steps):
        path.unlink(missing_ok=True)
        return False
    figure, panels, _ = blank(4, height=3.0)
    for column, (name, steps) in enumerate(kinds.items()):
        _errors(panels[column], steps, TITLES[name])
        _skills(panels[2 + column], steps, TITLES[name], future.twin)
    figure.suptitle(plain(f"{future.encoder}: the future by horizon"), fontsize=11.5, color=INK)
    key = "bars: 95 % intervals, groups resampled; ▲ ▼ beyond the axis"
    legend(figure, panels, title=key, columns=6)
    save(figure, path)
    return True


def _errors(panel: Axes, steps: list[Step], title: str) -> None:
    # Extrapolation runs away: the axis is for the others.
    others = [
        end
        for step in steps
        for name, score in step.l1.items()
        if name != "linear" and score.interval
        for end in score.interval
    ]
    _frame(panel, f"L1 on layer-normed targets, {title}", steps)
    if not others:  # nothing moves, or nothing was asked of these tokens
        panel.text(0.5, 0.5, "not measured", transform=panel.transAxes, ha="center", color=FAINT, fontsize=9)
        return
    low, high = min(others), max(others)
    top = high + 0.25 * (high - low)
    panel.set_ylim(low - 0.12 * (high - low), top)
    for k, (name, (colour, marker)) in enumerate(LOOKS.items()):
        shift = (k - 2) * 0.06
        points = [(step.horizon + shift, step.l1[name]) for step in steps if name in step.l1]
        known = [(x, s.value, s.interval) for x, s in points if s.value is not None]
        if not known:
            continue
        inside = [(x, v) for x, v, _ in known if v <= top]
        _line(panel, name, inside, colour, marker)
        for x, value, ends in known:
            if value > top:
                panel.plot(x, top, marker="^", color=colour, markersize=5, clip_on=False)
                panel.annotate(
                    f"{value:.2f}", (x, top), (0, -10), textcoords="offset points", fontsize=7, ha="center",
                    color=colour,
                )  # fmt: skip
            elif ends:
                panel.vlines(x, ends[0], min(ends[1], top), color=colour, linewidth=1.6)


def _line(panel: Axes, name: str, points: list[tuple[float, float]], colour: str, marker: str) -> None:
    """One way of telling the future, by horizon; the predictor's stands out."""
    strong = name == "predictor"
    panel.plot(
        [x for x, _ in points], [v for _, v in points], color=colour, marker=marker, label=name,
        linewidth=2.0 if strong else 1.1, markersize=6 if strong else 4.5,
        markerfacecolor=colour if strong else "white",
    )  # fmt: skip


def _skills(panel: Axes, steps: list[Step], title: str, twin: str) -> None:
    _frame(panel, f"skill over copy-last, {title}", steps)
    panel.axhline(0, color=LOOKS["copy-last"][0], linewidth=1, linestyle=(0, (3, 2)))
    shown: list[tuple[str, str, str, list[tuple[int, float | None, tuple[float, float] | None]]]] = [
        (
            name,
            *LOOKS[name],
            [(s.horizon, s.skill[name].value, s.skill[name].interval) for s in steps if name in s.skill],
        )
        for name in ("predictor", "mean", "ridge")
    ]
    if twin:
        shown.append(("untrained twin", *TWIN, [(s.horizon, s.twin.value, s.twin.interval) for s in steps]))
    floor = -0.7
    for k, (name, colour, marker, points) in enumerate(shown):
        shift = (k - 1.5) * 0.06
        inside = [(x + shift, v) for x, v, _ in points if v is not None and v >= floor]
        _line(panel, name, inside, colour, marker)
        for x, value, ends in points:
            if value is not None and value < floor:
                panel.plot(x + shift, floor, marker="v", color=colour, markersize=5, clip_on=False)
                panel.annotate(
                    f"{value:.1f}".replace("-", "\N{MINUS SIGN}"), (x + shift, floor), (0, 6),
                    textcoords="offset points", fontsize=7, ha="center", color=colour,
                )  # fmt: skip
            elif value is not None and ends:
                panel.vlines(x + shift, max(ends[0], floor), ends[1], color=colour, linewidth=1.6)
    low, high = panel.get_ylim()
    panel.set_ylim(max(low, floor), high)


def _frame(panel: Axes, title: str, steps: list[Step]) -> None:
    panel.set_title(plain(title), fontsize=10, loc="left")
    panel.set_xticks([step.horizon for step in steps])
    panel.set_xlim(0.6, max([1, *(step.horizon for step in steps)]) + 0.4)
    panel.set_xlabel("horizon (tubelets after the context)", fontsize=8.5, color=INK)
    panel.tick_params(length=0, colors=INK, labelsize=8)
    panel.grid(axis="y", color="#e6e6e6", linewidth=0.6)
    panel.set_axisbelow(True)
    for side in ("top", "right", "left"):
        panel.spines[side].set_visible(False)
