"""``moments.png`` and ``labels.png``: what the page scrubs through, as figures for Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import WorldprobeError
from worldprobe.findings.sections.moments import Box, Moments, Preview, ShownClip, clip_name, marks
from worldprobe.findings.wording import number
from worldprobe.report.drawing import pictures
from worldprobe.report.drawing.pictures import figure_of, picture
from worldprobe.report.drawing.png import FAINT, INK, plain, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FRAMES = 6  # of a clip
_COLUMNS = 3  # of labelled frames
Pixels = NDArray[np.uint8]


def moments_figure(run: Path, moments: Moments, path: Path) -> bool:
    """A row a clip: frames at equal distances with labels and read-outs. False, and no file, where none is kept."""
    shown = [(clip, frames) for clip in moments.clips if (frames := frames_of(run, clip)) is not None]
    if not shown:
        path.unlink(missing_ok=True)
        return False
    columns = min(_FRAMES, max(len(frames) for _, frames in shown))
    figure, panels = figure_of(len(shown), columns, width=1.55 * columns, height=1.75 * len(shown) + 0.9)
    for row, (clip, frames) in enumerate(shown):
        places = np.linspace(0, len(frames) - 1, columns).round().astype(int)
        for column, at in enumerate(places):
            labelled_frame(panels[row, column], clip, frames[at], int(at))
        panels[row, 0].set_title(plain(clip_name(clip)), fontsize=7.5, loc="left", color=INK)
    figure.suptitle(plain(f"{moments.tap}: moments that no probe had seen"), fontsize=11, color=INK)
    figure.supxlabel("coloured boxes: labels; white: the probes' read-outs", fontsize=8.5, color=INK)
    save(figure, path)
    return True


def labels_figure(run: Path, moments: Moments, path: Path) -> bool:
    """Whole frames with their labels. False, and no file, where none is kept."""
    shown = [
        (clip, one) for clip in moments.clips if (one := clip.labelled) and (run / "moments" / one.picture).exists()
    ]
    if not shown:
        path.unlink(missing_ok=True)
        return False
    rows = -(-len(shown) // _COLUMNS)
    tall = max(one.height / one.width for _, one in shown)
    figure, panels = figure_of(rows, _COLUMNS, width=3.2 * _COLUMNS, height=(3.1 * tall + 0.3) * rows + 0.7)
    for panel in panels.flat[len(shown) :]:
        panel.set_axis_off()
    for at, (clip, one) in enumerate(shown):
        _labelled(panels[divmod(at, _COLUMNS)], _opened(run / "moments" / one.picture), one, clip.video)
    figure.suptitle("Labels, as the labeller gave them", fontsize=11, color=INK)
    save(figure, path)
    return True


def _labelled(panel: Axes, pixels: Pixels, one: Preview, video: str) -> None:
    picture(panel, pixels)
    _boxes(panel, one.boxes, one.width, one.height)
    left, top, width, height = one.seen
    if one.seen != (0.0, 0.0, 1.0, 1.0):  # what the model sees of the frame, where it is not all of it
        x, y = (left + width / 2) * one.width, (top + height / 2) * one.height
        _rectangle(panel, x, y, width * one.width, height * one.height, FAINT, linestyle=":")
    panel.set_title(plain(f"{video}, {number(one.seconds)} s"), fontsize=8, loc="left", color=INK)


def frames_of(run: Path, clip: ShownClip) -> Pixels | None:
    """The clip's frames, uint8 [t, h, w, 3]; None where the file is gone. WorldprobeError if it is damaged."""
    path = run / "moments" / clip.pictures
    if not path.exists():
        return None
    whole = _opened(path)
    if whole.shape[1] != clip.width * len(clip.seconds):
        raise WorldprobeError(
            f"{path} is damaged: {whole.shape[1]} px wide, expected {len(clip.seconds)} frames of {clip.width}. "
            "Delete its folder and run the stage again."
        )
    return np.stack([whole[:, at * clip.width : (at + 1) * clip.width] for at in range(len(clip.seconds))])


def _opened(path: Path) -> Pixels:
    from PIL import Image

    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except OSError as error:
        raise WorldprobeError(f"{path} is damaged: {error}. Delete its folder and run the stage again.") from error


def labelled_frame(panel: Axes, clip: ShownClip, pixels: Pixels, at: int) -> None:
    """A frame with its labels, and what the probes read of its tubelet."""
    picture(panel, pixels)
    _boxes(panel, [box for box in clip.boxes if box.frame == at], clip.width, clip.height)
    panel.set_xlabel(f"{number(clip.seconds[at])} s", fontsize=7, color=INK, labelpad=2)
    mark = marks(clip)[clip.tubelet[at]]
    if mark is None:
        return
    x, y, *size = (side * value for side, value in zip((clip.width, clip.height) * 2, mark, strict=False))
    panel.plot(x, y, marker="+", color="black", markersize=9, markeredgewidth=3)
    panel.plot(x, y, marker="+", color="white", markersize=8, markeredgewidth=1.4)
    if size:
        _rectangle(panel, x, y, size[0], size[1], "white", linestyle="--")


def _boxes(panel: Axes, boxes: tuple[Box, ...] | list[Box], width: int, height: int) -> None:
    for box in boxes:
        colour = pictures.colour_of(box.object)
        _rectangle(panel, box.x * width, box.y * height, box.w * width, box.h * height, colour)
        if box.name:
            place = (max(1.0, (box.x - box.w / 2) * width), max(8.0, (box.y - box.h / 2) * height - 2))
            panel.text(
                *place, plain(box.name), fontsize=5.5, color=colour, weight="bold", va="bottom", clip_on=True
            )


def _rectangle(panel: Axes, x: float, y: float, w: float, h: float, colour: str, linestyle: str = "-") -> None:
    from matplotlib.patches import Rectangle

    corner = (x - w / 2, y - h / 2)
    limits = panel.axis()  # a box that leaves the picture must not stretch it
    panel.add_patch(Rectangle(corner, w, h, fill=False, edgecolor=colour, linewidth=1.2, linestyle=linestyle))
    panel.axis(limits)
