"""Draw docs/strip.png from two runs: a scene with its label and what is read, a predicted future, and surprise.

``python -m recipes.draw_strip runs/demo runs/pairs`` writes it. The first run has moments, a prediction and a
decoder, as the demo has; the second is made by
``worldprobe predict scenes:20@31415 --pairs 4 --no-twin --out runs/pairs``.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from worldprobe.findings.sections.moments import Moments
from worldprobe.findings.summary import summarize
from worldprobe.io.arrays import Arrays, read_arrays
from worldprobe.io.files import write_whole
from worldprobe.report.charts.moments import frames_of, mark_frame
from worldprobe.report.drawing.pictures import picture
from worldprobe.report.drawing.png import INK
from worldprobe.report.drawing.sheet import Picture

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "strip.png"
_COLOURS = 256  # as many as keep the file small


def draw(run: Path, pairs: Path, path: Path, *, clip: int = 0, window: int = 0, kind: str = "teleport") -> None:
    """Three pictures side by side. Raises WorldprobeError where a run lacks one."""
    figure = Figure(figsize=(11, 2.45), dpi=150)
    canvas = FigureCanvasAgg(figure)
    read, future, surprise = figure.subfigures(1, 3, width_ratios=(1.06, 1.12, 1.0))
    for part, title in (
        (read, "Read from frozen tokens: labels coloured, read-outs white"),
        (future, "Predicted tokens, drawn"),
        (surprise, f"Surprise where things {kind}"),
    ):
        part.suptitle(title, fontsize=8.5, color=INK, y=0.985)
    moments = summarize(run).moments
    assert moments is not None, f"{run} has no moments"
    _read(read, run, moments, clip)
    kept, _ = read_arrays(run / "predictions" / "prediction_comparison.safetensors", stage="predict")
    _future(future, kept, window)
    arrays, facts = read_arrays(pairs / "predictions" / "violations.safetensors", stage="predict")
    _surprise(surprise, arrays, at=facts["kinds"].index(kind), first=facts["first"])
    canvas.draw()
    few = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB").quantize(_COLOURS, kmeans=2)
    buffer = io.BytesIO()
    few.save(buffer, format="png", optimize=True)
    write_whole(path, buffer.getvalue())


def _read(part: Figure, run: Path, moments: Moments, number: int) -> None:
    clip = moments.clips[number]
    frames = frames_of(run, clip)
    assert frames is not None, f"{run / 'moments' / clip.pictures} is gone"
    wide, tall = part.bbox.width / part.figure.dpi, part.bbox.height / part.figure.dpi  # inches
    panel = part.add_axes((0.0, 0.0, 1.0, 1.0))
    panel.set_axis_off()
    panel.set_xlim(0.0, wide)
    panel.set_ylim(tall, 0.0)
    across = (0.98 - 0.03) * wide / 2
    for left, at in ((0.02 * wide, 0), (0.98 * wide - across, len(frames) - 1)):
        scale = min(across / clip.width, 0.76 * tall / clip.height)
        mark_frame(Picture(panel, frames[at], left, 0.12 * tall, scale), clip, at)


def _future(part: Figure, arrays: Arrays, window: int) -> None:
    panels: np.ndarray = part.subplots(2, 4)
    rows = {"predicted": arrays["predicted"][window], "as it came": arrays["real"][window]}
    picture(panels[0, 0], arrays["seen"][window][1], "seen last", size=7)
    panels[1, 0].set_axis_off()
    for row, (name, images) in enumerate(rows.items()):
        for panel, ahead in zip(panels[row, 1:], (0, 1, len(images) - 1), strict=True):
            picture(panel, images[ahead], "" if row else f"{ahead + 1} ahead", size=7)
        panels[row, 1].set_ylabel(name, fontsize=7, color=INK)
    part.subplots_adjust(left=0.02, right=0.98, top=0.83, bottom=0.04, wspace=0.3, hspace=0.06)


def _surprise(part: Figure, arrays: Arrays, *, at: int, first: int) -> None:
    grid = part.add_gridspec(2, 2, width_ratios=(1, 2.1), left=0.04, right=0.97, top=0.83, bottom=0.15, wspace=0.22)
    for row, (title, image) in enumerate(zip(("possible", "impossible"), arrays["frames"][at][1:], strict=True)):
        panel = part.add_subplot(grid[row, 0])
        picture(panel, image)
        panel.set_ylabel(title, fontsize=7, color=INK)
    _curve(part.add_subplot(grid[:, 1]), arrays["surprise"][at], first)


def _curve(panel: Axes, curves: np.ndarray, first: int) -> None:
    frames = first + 2 * np.arange(curves.shape[1])
    for values, name, colour in zip(curves, ("possible", "impossible"), ("#0072B2", "#D55E00"), strict=True):
        panel.plot(frames, values, color=colour, linewidth=1.5, label=name)
    panel.set_xlabel("frame", fontsize=7, color=INK, labelpad=1)
    panel.set_title("L1 error of the prediction", fontsize=7, color=INK)
    panel.tick_params(length=0, labelsize=6.5, colors=INK)
    panel.grid(axis="y", color="#e6e6e6", linewidth=0.6)
    panel.legend(fontsize=7, frameon=False, loc="upper right")
    for side in ("top", "right", "left"):
        panel.spines[side].set_visible(False)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Draw docs/strip.png.")
    parser.add_argument("run", type=Path)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--clip", type=int, default=0)
    parser.add_argument("--window", type=int, default=0)
    parser.add_argument("--kind", default="teleport")
    asked = parser.parse_args()
    draw(asked.run, asked.pairs, PICTURE, clip=asked.clip, window=asked.window, kind=asked.kind)
