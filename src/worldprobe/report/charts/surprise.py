"""Surprise over time: a chart a video, what was seen at its peaks, and ``surprise.png`` of both."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from worldprobe.findings.sections.prediction import SURPRISE, Future, SurpriseCurve
from worldprobe.findings.wording import number
from worldprobe.intervals import Score
from worldprobe.report.drawing import panels
from worldprobe.report.drawing.axes import Axis, around, digits, round_step
from worldprobe.report.drawing.pictures import SurpriseTrace, surprise_curves

_MOST_MARKS = 150  # of longer curves the peaks alone can be pointed at
_WAYS = (("copy-last", 1), ("predictor", 0))
_UNITS = {"L1": "L1 of a window", "deviations": "error above usual, in deviations"}


def surprise_panels(future: Future) -> list[panels.Panel]:
    """A panel a video: the predictor's error over time, its peaks numbered, and copy-last's."""
    return [_panel(curve) for curve in future.curves]


def _panel(curve: SurpriseCurve) -> panels.Panel:
    first, last = curve.seconds[0], curve.seconds[-1]
    step = round_step(first, last)
    across = Axis(first, last, step=step)
    return panels.Panel(
        title=curve.name,
        metric=f"{_UNITS[curve.unit]}; numbers: the peaks",
        x_name="seconds",
        across=across,
        x_ticks=tuple((tick, number(tick, digits(step))) for tick in across.ticks),
        up=around([*curve.told, *curve.copied], margin=0.12),
        lines=tuple(line for name, look in _WAYS for line in _lines(curve, name, look)),
    )


def _lines(curve: SurpriseCurve, name: str, look: int) -> list[panels.Line]:
    """One a shot: curves break between shots."""
    mine = curve.told if name == "predictor" else curve.copied
    found = []
    for shot in dict.fromkeys(curve.shots):
        windows = [at for at, other in enumerate(curve.shots) if other == shot]
        points = tuple(point for at in windows if (point := _point(curve, name, at)))
        path = tuple((curve.seconds[at], mine[at]) for at in windows)
        found.append(panels.Line(name=name, look=look, points=points, strong=look == 0, joined=False, law=path))
    return found


def _point(curve: SurpriseCurve, name: str, at: int) -> panels.Point | None:
    """A mark at a peak, and at every window where they are few."""
    peak = next((k for k, one in enumerate(curve.peaks, start=1) if one.window == at), None)
    if name != "predictor" or (peak is None and len(curve.seconds) > _MOST_MARKS):
        return None
    said = f"{f'peak {peak}, ' if peak else ''}{number(curve.seconds[at])} s: predictor {number(curve.told[at], 3)}"
    said += f", copy-last {number(curve.copied[at], 3)}"
    return panels.Point(curve.seconds[at], Score(value=curve.told[at]), said, mark=str(peak) if peak else "")


def peak_pictures(run: Path, future: Future) -> list[list[tuple[Path, str]]]:
    """For each video the files of what was seen at its peaks, and what is said of each; those that are there."""
    return [
        [
            (path, caption)
            for peak, caption in zip(curve.peaks, peak_captions(curve), strict=True)
            if (path := run / SURPRISE / peak.picture).exists()
        ]
        for curve in future.curves
    ]


def peak_captions(curve: SurpriseCurve) -> list[str]:
    """``1: 3.2 s, 0.71 (copy-last 0.80)`` of each peak, and ``1 in 40`` windows where that is known."""
    return [
        f"{k}: {number(curve.seconds[at], 1)} s, {number(curve.told[at])} (copy-last {number(curve.copied[at])})"
        f"{f', 1 in {number(peak.among, 0)}' if peak.among else ''}"
        for k, peak in enumerate(curve.peaks, start=1)
        for at in [peak.window]
    ]


def surprise_figure(run: Path, future: Future, path: Path) -> bool:
    """Write the PNG. False, and no file, where no video was long enough."""
    from PIL import Image

    curves = []
    for curve, found in zip(future.curves, peak_pictures(run, future), strict=True):
        pictures = {one.name: one for one, _ in found}
        peaks = [
            (peak.window, np.asarray(Image.open(pictures[peak.picture]).convert("RGB")))
            for peak in curve.peaks
            if peak.picture in pictures
        ]
        seconds, told, copied = (np.array(values) for values in (curve.seconds, curve.told, curve.copied))
        curves.append(SurpriseTrace(curve.name, seconds, told, copied, np.array(curve.shots), peaks, curve.unit))
    if not curves:
        path.unlink(missing_ok=True)
        return False
    surprise_curves(path, encoder=future.encoder, curves=curves)
    return True
