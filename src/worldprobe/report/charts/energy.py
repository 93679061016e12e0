"""Energy by the multiple of the true action: the encoder's predictor, and its untrained twin's."""

from __future__ import annotations

from worldprobe.findings.sections.energy import Energy
from worldprobe.intervals import Score
from worldprobe.report.drawing import panels
from worldprobe.report.drawing.axes import Axis, around

_TWIN = 5


def energy_panels(found: Energy) -> list[panels.Panel]:
    """A chart each, as their energies may lie far apart; what has no value is left out."""
    scaled = [(row.times, row) for row in found.rows if row.times is not None]
    own = [(times, row.energy) for times, row in scaled]
    twin = [(times, row.twin_energy) for times, row in scaled if row.twin_energy]
    charts = (_panel(found, "predictor", 0, own), _panel(found, "untrained twin", _TWIN, twin))
    return [one for one in charts if one]


def _panel(found: Energy, name: str, look: int, scores: list[tuple[float, Score]]) -> panels.Panel | None:
    n = panels.in_groups(found.n, found.n_groups)
    points = panels.measured(
        [(times, score, panels.said(f"{name}, L1", f"{times:g} times", score, n)) for times, score in scores]
    )
    ends = [end for _, score in scores if score.interval for end in score.interval]
    if not points or not ends:
        return None
    line = panels.Line(name=name, look=look, points=points, strong=not look)
    across = [times for times, _ in scores]
    return panels.Panel(
        title=name, metric="energy (L1): the true action's should be least", x_name="times the true action",
        across=Axis(min(across) - 0.2, max(across) + 0.2),
        x_ticks=tuple((times, f"{times:g}") for times in across), up=around(ends, margin=0.2), lines=(line,),
    )  # fmt: skip
