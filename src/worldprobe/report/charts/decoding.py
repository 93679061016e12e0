"""Decoders' losses as charts, and ``decoder_reconstructions.png`` from the pictures that a run keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.findings.sections.decoding import DecoderScores, Decoding, LossCurve
from worldprobe.intervals import Score
from worldprobe.io.arrays import damaged, read_arrays
from worldprobe.report.drawing import panels
from worldprobe.report.drawing.axes import Axis, around
from worldprobe.report.drawing.frames import FrameGrid, FrameRow, frames_of
from worldprobe.report.drawing.grids import draw_grids

_FAR, _GAP = 5, 1


def loss_panels(decoding: Decoding) -> list[panels.Panel]:
    """Loss in training and on held-out groups by step, a panel for each decoder that was trained."""
    return [_panel(one) for one in decoding.losses]


def calibration_panels(decoding: Decoding) -> list[panels.Panel]:
    """Errors of samples' means by what they are to be, a panel for each way that samples were drawn."""
    return [_calibration(one) for one in decoding.drawings if len(one.calibration) > 1]


def _calibration(one: DecoderScores) -> panels.Panel:
    every = [value for row in one.calibration for value in row[:2] if value > 0]
    low, high = min(every) / 1.2, max(every) * 1.2
    points = panels.measured(
        [
            (expected, Score(value=found), f"{share:.1%} of px: {found:.4f} where {expected:.4f} is expected")
            for expected, found, share in one.calibration
        ]
    )
    return panels.Panel(
        title=one.name,
        metric="error of the mean",
        x_name="error expected from the spread",
        across=Axis(low, high, log=True),
        x_ticks=tuple((value, f"{value:g}") for value in Axis(low, high, log=True).ticks),
        up=Axis(low, high, log=True),
        lines=(
            panels.Line("found", 2, points, strong=True),
            panels.Line("as expected", 1, (), law=((low, low), (high, high))),
        ),
    )


def _panel(one: LossCurve) -> panels.Panel:
    ways = (("training", 0, 1), ("held-out groups", 1, 2))
    every = [value for step in one.steps for value in step[1:] if value > 0]
    first, last = one.steps[0][0], one.steps[-1][0]
    return panels.Panel(
        title=one.name,
        metric=f"weights of step {one.kept:,} kept",
        x_name="step",
        across=Axis(min(0, first), max(last, 1), step=None),
        x_ticks=tuple((float(step), f"{step:,}") for step in {first, one.kept, last}),
        up=_up(every),
        lines=tuple(_loss(one, *way) for way in ways),
    )


def _up(losses: list[float]) -> Axis:
    """By the logarithm where losses fell far, as they do in long trainings."""
    if not losses:
        return Axis(0.0, 1.0)
    far = max(losses) > _FAR * min(losses)
    return Axis(min(losses) / 1.2, max(losses) * 1.2, log=True) if far else around(losses)


def _loss(one: LossCurve, name: str, look: int, at: int) -> panels.Line:
    found = [(float(step[0]), step[at], f"{name}, step {step[0]:,}: {step[at]:.4g}") for step in one.steps]
    points = panels.measured([(x, Score(value=value), said) for x, value, said in found])
    return panels.Line(name=name, look=look, points=points, strong=at == 2)


def decoder_reconstructions(decoders: Path, path: Path, *, title: str) -> None:
    """Test moments in rows, what drew them in columns; no file where the run kept no pictures.

    Raises:
        WorldprobeError: pictures that are damaged.
    """
    for grids in decoder_frames(decoders).values():
        draw_grids(grids, path, title=title)


def decoder_frames(decoders: Path) -> dict[str, list[FrameGrid]]:
    """The frames of that figure, in rows and columns for the page; none where the run kept no pictures.

    Raises:
        WorldprobeError: pictures that are damaged.
    """
    kept = decoders / "pictures.safetensors"
    if not kept.exists():
        return {}
    titles, pictures = _pictures(kept)
    rows = tuple(
        FrameRow(f"moment {number}", frames_of(shown))
        for number, shown in enumerate(zip(*pictures, strict=True), start=1)
    )
    heads = tuple(title.replace("-", " ") for title in titles)
    return {"decoder_reconstructions": [FrameGrid(heads, rows)]}


def glimpse(decoders: Path) -> tuple[str, NDArray[np.uint8]] | None:
    """A decoder's name, and held-out frames above as it drew them; None where none are kept.

    Returns:
        The name, and a picture uint8 [height, width, 4] that is clear between the frames.

    Raises:
        WorldprobeError: pictures that are damaged.
    """
    kept = decoders / "pictures.safetensors"
    if not kept.exists():
        return None
    titles, pictures = _pictures(kept)
    if len(titles) < 2 or titles[0] != "real":
        return None
    opaque = [np.pad(pictures[at], ((0, 0),) * 3 + ((0, 1),), constant_values=255) for at in (0, 1)]
    apart = [np.pad(frames, ((0, 0), (_GAP, _GAP), (_GAP, _GAP), (0, 0))) for frames in opaque]
    return titles[1], np.concatenate([np.concatenate(list(frames), axis=1) for frames in apart], axis=0)


def _pictures(path: Path) -> tuple[list[str], list[Any]]:
    arrays, facts = read_arrays(path, stage="decode")
    try:
        return facts["titles"], [arrays[f"{number:02d}"] for number in range(len(facts["titles"]))]
    except KeyError as error:
        raise damaged(path, error, stage="decode") from error
