"""``moments.png`` and ``labels.png``: what the page scrubs through, as figures for Markdown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import WorldprobeError
from worldprobe.findings.sections.moments import Box, Moments, Preview, ShownClip, clip_name, marks
from worldprobe.findings.wording import number
from worldprobe.report.drawing.pictures import colour_of
from worldprobe.report.drawing.png import FAINT, save
from worldprobe.report.drawing.sheet import Picture, Sheet

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
    sizes = [(clip.width, clip.height) for clip, _ in shown for _ in range(columns)]
    sheet = Sheet(sizes, columns, width=1.55, above=0.22, below=0.17, foot=0.32)
    for row, (clip, frames) in enumerate(shown):
        places = np.linspace(0, len(frames) - 1, columns).round().astype(int)
        for column, at in enumerate(places):
            cell = sheet.place(row * columns + column, frames[at])
            mark_frame(cell, clip, int(at))
            if column == 0:
                cell.title(clip_name(clip), size=7.5)
    sheet.head(f"{moments.tap}: moments that no probe had seen")
    sheet.foot("coloured boxes: labels; white: the probes' read-outs")
    save(sheet.figure, path)
    return True


def labels_figure(run: Path, moments: Moments, path: Path) -> bool:
    """Whole frames with their labels. False, and no file, where none is kept."""
    shown = [
        (clip, one) for clip in moments.clips if (one := clip.labelled) and (run / "moments" / one.picture).exists()
    ]
    if not shown:
        path.unlink(missing_ok=True)
        return False
    sheet = Sheet([(one.width, one.height) for _, one in shown], _COLUMNS, width=3.2, above=0.28, below=0.06)
    for at, (clip, one) in enumerate(shown):
        _labelled(sheet.place(at, _opened(run / "moments" / one.picture)), one, clip.video)
    sheet.head("Labels, as the labeller gave them")
    save(sheet.figure, path)
    return True


def _labelled(cell: Picture, one: Preview, video: str) -> None:
    _boxes(cell, one.boxes, one.width, one.height)
    left, top, width, height = one.seen
    if one.seen != (0.0, 0.0, 1.0, 1.0):  # what the model sees of the frame, where it is not all of it
        x, y = (left + width / 2) * one.width, (top + height / 2) * one.height
        cell.rectangle(x, y, width * one.width, height * one.height, FAINT, linestyle=":")
    cell.title(f"{video}, {number(one.seconds)} s", size=8)


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


def mark_frame(cell: Picture, clip: ShownClip, at: int) -> None:
    """Mark a frame's labels, and what the probes read of its tubelet."""
    _boxes(cell, [box for box in clip.boxes if box.frame == at], clip.width, clip.height)
    cell.caption(f"{number(clip.seconds[at])} s", size=7)
    mark = marks(clip)[clip.tubelet[at]]
    if mark is None:
        return
    x, y, *size = (side * value for side, value in zip((clip.width, clip.height) * 2, mark, strict=False))
    cell.cross(x, y)
    if size:
        cell.rectangle(x, y, size[0], size[1], "white", linestyle="--")


def _boxes(cell: Picture, boxes: tuple[Box, ...] | list[Box], width: int, height: int) -> None:
    for box in boxes:
        colour = colour_of(box.object)
        cell.rectangle(box.x * width, box.y * height, box.w * width, box.h * height, colour)
        if box.name:
            x, y = max(1.0, (box.x - box.w / 2) * width), max(8.0, (box.y - box.h / 2) * height - 2)
            cell.text(x, y, box.name, fontsize=5.5, color=colour, weight="bold", va="bottom")
