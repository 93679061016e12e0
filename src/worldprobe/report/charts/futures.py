"""How far predictions are off by how far they were expected to be: a chart for tokens and one for places."""

from __future__ import annotations

from worldprobe.findings.sections.futures import FuturesRow, SeveralFutures
from worldprobe.intervals import Score
from worldprobe.report.drawing import panels
from worldprobe.report.drawing.axes import Axis

_EXPECTED = 1  # the look of a diagonal, as that of decoders' samples
_LOOKS = (2, 0)  # of the first horizon and of the last


def futures_panels(found: SeveralFutures) -> list[panels.Panel]:
    """Draw the first and the last horizon of all tokens and of places; none without values."""
    kinds = dict.fromkeys(row.of for row in found.rows if row.of != "changed" and len(row.calibration) > 1)
    return [_panel([row for row in found.rows if row.of == of and len(row.calibration) > 1]) for of in kinds]


def _panel(rows: list[FuturesRow]) -> panels.Panel:
    ends = [rows[0], *rows[-1:]] if len(rows) > 1 else rows
    every = [value for row in ends for bin in row.calibration for value in bin[:2] if value > 0]
    low, high = min(every) / 1.2, max(every) * 1.2
    axis = Axis(low, high, log=True)
    return panels.Panel(
        title=rows[0].name, metric="% of a frame" if rows[0].of == "xy" else "size of the error found",
        x_name="size of the error expected", across=axis, up=axis,
        x_ticks=tuple((value, f"{value:g}") for value in axis.ticks),
        lines=(
            *(_line(row, look) for row, look in zip(ends, _LOOKS, strict=False)),
            panels.Line("as expected", _EXPECTED, (), law=((low, low), (high, high))),
        ),
    )  # fmt: skip


def _line(row: FuturesRow, look: int) -> panels.Line:
    points = panels.measured(
        [
            (expected, Score(value=size), f"{share:.0%}: {size:.3g} where {expected:.3g} is expected")
            for expected, size, share in row.calibration
        ]
    )
    return panels.Line(f"horizon {row.horizon}", look, points, strong=look == _LOOKS[0])
