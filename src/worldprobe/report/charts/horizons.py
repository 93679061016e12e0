"""Error and skill by horizon, the predictor among its baselines: two charts for changed tokens, two for all."""

from __future__ import annotations

from collections.abc import Mapping

from worldprobe.findings.sections.prediction import Future, HorizonScores
from worldprobe.intervals import Score
from worldprobe.report.drawing import panels
from worldprobe.report.drawing.axes import Axis, around

# Colours and markers; the predictor's alone stands out.
LOOKS = {"predictor": 0, "copy-last": 1, "mean": 2, "ridge": 3, "linear": 4, "corrected": 6}
TITLES = {"changed": "Tokens that changed", "all": "All tokens"}
_TWIN = 5
_APART = 0.06
_DEEPEST = -0.7
_SKILLED = ("predictor", "mean", "ridge")


def horizon_panels(future: Future) -> list[panels.Panel]:
    """L1 then skill of changed tokens, and the same of all; none where nothing was predicted."""
    if not any(step.l1["predictor"].value is not None for step in future.steps):
        return []
    found = []
    for tokens, title in TITLES.items():
        steps = [step for step in future.steps if step.tokens == tokens]
        nought = [future.window_change] if tokens == "all" and future.window_change else []
        found += [_errors([*nought, *steps], title), _skills(steps, title, future.twin)]
    return [panel for panel in found if panel]


def _errors(steps: list[HorizonScores], title: str) -> panels.Panel | None:
    # Extrapolation runs away: the axis is for the others.
    ends = [
        end
        for step in steps
        for name, score in step.l1.items()
        if name != "linear" and score.interval
        for end in score.interval
    ]
    if not ends:  # nothing moves, or nothing was asked of these tokens
        return None
    names = [name for name in LOOKS if any(name in step.l1 for step in steps)]
    lines = [_line(name, LOOKS[name], steps, [step.l1.get(name) for step in steps], "L1", names) for name in names]
    return _panel(title, "L1: less is better", steps, around(ends, margin=0.2), lines)


def _skills(steps: list[HorizonScores], title: str, twin: str) -> panels.Panel | None:
    fitted = any(step.fitted.value is not None for step in steps)
    scores: dict[str, list[Score | None]] = (
        {"predictor": [step.fitted for step in steps]}
        if fitted
        else {
            name: [step.skill.get(name) for step in steps]
            for name in _SKILLED
            if any(name in step.skill for step in steps)
        }
    )
    looks: Mapping[str, int] = LOOKS
    if twin:
        scores["untrained twin"] = [step.twin for step in steps]
        looks = {**LOOKS, "untrained twin": _TWIN}
    ends = [end for kind in scores.values() for score in kind if score and score.interval for end in score.interval]
    if not ends:
        return None
    names = list(scores)
    lines = [_line(name, looks[name], steps, scores[name], "skill", names) for name in names]
    up = around([0.0, *ends], least=_DEEPEST)
    over = "the best fitted" if fitted else "copy-last (dashed)"
    return _panel(title, f"skill over {over}", steps, up, lines, level=0.0)


def _line(
    name: str, look: int, steps: list[HorizonScores], scores: list[Score | None], what: str, names: list[str]
) -> panels.Line:
    shift = (names.index(name) - (len(names) - 1) / 2) * _APART
    points = [
        (step.horizon + shift, score, _said(name, what, step, score))
        for step, score in zip(steps, scores, strict=True)
        if score
    ]
    return panels.Line(name=name, look=look, points=panels.measured(points), strong=name == "predictor")


def _said(name: str, what: str, step: HorizonScores, score: Score) -> str:
    n = panels.in_groups(step.n, step.n_groups)
    return panels.said(f"{name}, {what}", f"horizon {step.horizon}", score, n)


def _panel(
    title: str,
    metric: str,
    steps: list[HorizonScores],
    up: Axis,
    lines: list[panels.Line],
    level: float | None = None,
) -> panels.Panel:
    horizons = [step.horizon for step in steps]
    return panels.Panel(
        title=title,
        metric=metric,
        x_name="horizon, tubelets after the context",
        across=Axis(min(horizons) - 0.4, max(horizons) + 0.4),
        x_ticks=tuple((float(step.horizon), str(step.horizon)) for step in steps),
        up=up,
        lines=tuple(line for line in lines if line.points),
        level=level,
    )
