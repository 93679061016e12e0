"""Labels drawn on the film, so that a person sees whether they are right before trusting a probe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from worldprobe.io.files import StrPath, paths_of, replacing
from worldprobe.io.names import file_names
from worldprobe.labels import targets
from worldprobe.labels.targets import Tracks
from worldprobe.pipeline.sources import open_source
from worldprobe.records import Labels
from worldprobe.video.video import Video
from worldprobe.video.write import write_video

_WIDTH, _TILE_WIDTH = 640, 320  # px of the clip, and of a picture on the sheet
_MOST_FRAMES = 600
_SHEET = (4, 5)  # columns and rows
_ARROW_SECONDS = 0.5  # an arrow ends where the object will be by then
# Okabe and Ito's palette without black: told apart by the colour-blind too.
_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")


def preview_all(videos: Sequence[StrPath] | StrPath, labels: Labels, *, beside: StrPath) -> list[Path]:
    """Preview every video; files are named after the labels' table and the video, and returned."""
    videos, beside = paths_of(videos), Path(beside)
    written = []
    for path, name in zip(videos, file_names(videos), strict=True):
        clip, sheet = (beside.with_name(f"{beside.stem}-{name}.{kind}") for kind in ("mp4", "png"))
        with open_source(path) as video:
            preview(video, labels, clip=clip, sheet=sheet)
        written += [clip, sheet]
    return written


def preview(video: Video, labels: Labels, *, clip: StrPath, sheet: StrPath) -> None:
    """Write an annotated clip (mp4) and a contact sheet (PNG) of one video.

    Both show boxes with track id, class and direction of motion, an arrow for the speed, and cuts. The clip
    has the first 600 frames from the first label on, the sheet 20 labelled frames from all of the film.

    Raises:
        VideoError: the clip cannot be written.
    """
    clip, sheet = Path(clip), Path(sheet)
    tracks = targets.tracks(labels, video.ref.id, shots=video.shots)
    labelled = np.unique(tracks.frame)
    first = int(labelled[0]) if len(labelled) else 0
    clip_frames = range(first, min(video.ref.frames, first + _MOST_FRAMES))
    write_video(clip, _annotated(video, tracks, clip_frames, width=_WIDTH), rate=video.ref.rate, crf=23)
    if not len(labelled):
        labelled = np.arange(video.ref.frames)
    columns, rows = _SHEET
    chosen = labelled[np.unique(np.linspace(0, len(labelled) - 1, columns * rows).round().astype(int))]
    pictures = list(_annotated(video, tracks, chosen.tolist(), width=_TILE_WIDTH))
    with replacing(sheet) as temporary:
        _tiled(pictures, columns).save(temporary, format="PNG")


def _annotated(video: Video, tracks: Tracks, frames: Sequence[int], *, width: int) -> Iterator[NDArray[np.uint8]]:
    """Frames with their labels, uint8 RGB of one even size, at most ``width`` px wide."""
    scale = min(1.0, width / video.ref.width)
    # H.264 wants even sides.
    size = (max(2, round(video.ref.width * scale) // 2 * 2), max(2, round(video.ref.height * scale) // 2 * 2))
    direction = targets.direction(box=tracks.box, speed=tracks.speed)
    cuts = set(video.shots[1:])
    for index, rgb in video.frames(frames):
        picture = Image.fromarray(rgb).resize(size)
        draw = ImageDraw.Draw(picture)
        for row in np.flatnonzero(tracks.frame == index):
            _label(draw, tracks, int(row), str(direction[row]), scale)
        note = f"frame {index}  {video.pts_seconds[index]:.2f} s" + ("  CUT" if index in cuts else "")
        _text(draw, (4, size[1] - 18), note, "white")
        yield np.asarray(picture)


def _label(draw: ImageDraw.ImageDraw, tracks: Tracks, row: int, direction: str, scale: float) -> None:
    x, y, w, h = (float(value) * scale for value in tracks.box[row])
    identity = int(tracks.object[row])
    colour = _COLOURS[identity % len(_COLOURS)] if identity >= 0 else "white"
    draw.rectangle((x - w / 2, y - h / 2, x + w / 2, y + h / 2), outline=colour, width=2)
    words = [f"#{identity}" if identity >= 0 else "", str(tracks.name[row]), direction]
    _text(draw, (x - w / 2, max(0.0, y - h / 2 - 15)), " ".join(word for word in words if word), colour)
    speed = tracks.speed[row] * scale * _ARROW_SECONDS
    if np.isfinite(speed).all() and direction != "still":
        draw.line((x, y, x + float(speed[0]), y + float(speed[1])), fill=colour, width=2)


def _text(draw: ImageDraw.ImageDraw, corner: tuple[float, float], text: str, colour: str) -> None:
    font = ImageFont.load_default(12)
    draw.text(corner, text, fill=colour, font=font, stroke_width=2, stroke_fill="black")


def _tiled(pictures: list[NDArray[np.uint8]], columns: int) -> Image.Image:
    height, width = pictures[0].shape[:2]
    sheet = Image.new("RGB", (columns * width, -(-len(pictures) // columns) * height))
    for number, picture in enumerate(pictures):
        sheet.paste(Image.fromarray(picture), (number % columns * width, number // columns * height))
    return sheet
