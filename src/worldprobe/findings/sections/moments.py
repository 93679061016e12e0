"""What a report shows of a few clips, typed; the pictures lie beside it as files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from worldprobe.findings.finding import Finding, Run, read_record
from worldprobe.findings.score import Fact, of_folder
from worldprobe.findings.wording import NONE, number

Values = tuple[float, ...] | None
PixelCount = Annotated[int, Field(ge=1, le=1_000_000)]


class Box(Fact):
    """A label at a shown frame: centre and size as shares of the picture's width and height."""

    frame: int
    x: float
    y: float
    w: float
    h: float
    name: str
    object: int


class Preview(Fact):
    """A whole frame with its labels, for a person to see whether they are right.

    Attributes:
        picture: the file. width, height: of it, in px.
        seen: what the model sees of it: left, top, width and height, as shares of the frame.
        boxes: of this frame, in shares of the whole frame; their ``frame`` is 0.
    """

    seconds: float
    picture: str
    width: PixelCount
    height: PixelCount
    seen: tuple[float, float, float, float]
    boxes: tuple[Box, ...]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        of_folder(self.picture)
        return self


class TubeletReading(Fact):
    """A probe's read-out of each tubelet, out of fold, against the label; None where there was no label.

    Of a classification the values are positions in ``classes``. ``task`` to ``input`` are those of the results.
    """

    task: str
    features: str
    tap: str
    probe: str
    input: str
    classes: tuple[str, ...]
    told: tuple[Values, ...]
    label: tuple[Values, ...]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for one in filter(None, (*self.told, *self.label)):
            if self.classes and len(one) != 1:
                raise ValueError(f"{self.task} is {list(one)}, of {len(self.classes)} classes")
            if not self.classes and self.task in ("xy", "size", "direction") and len(one) != 2:
                raise ValueError(f"{self.task} is {list(one)}, expected two numbers")
        return self


class ShownClip(Fact):
    """One clip.

    Attributes:
        video: the file's name. start: its first frame in the video.
        seconds: presentation time of each shown frame. tubelet: of each of them, the tubelet that covers it.
        width, height: of a picture, in px.
        pictures: the file of the frames side by side. tokens: that of the tokens' map, a tubelet beside the other,
            empty where tokens were pooled away.
        corner, across: a point p of the frame, in shares of it, lies at ``corner + across p`` of the picture.
        surprise: of each tubelet, None where it could not be told from those before it.
        labelled: the clip's first labelled frame as a whole; None where none of its frames has a label.
    """

    video: str
    start: int
    seconds: tuple[float, ...]
    tubelet: tuple[int, ...]
    width: PixelCount
    height: PixelCount
    pictures: str
    tokens: str
    corner: tuple[float, float]
    across: tuple[float, float]
    boxes: tuple[Box, ...]
    readings: tuple[TubeletReading, ...]
    surprise: tuple[float | None, ...]
    labelled: Preview | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        tubelets = len(self.surprise)
        if not self.seconds or len(self.seconds) != len(self.tubelet):
            raise ValueError(f"{len(self.seconds)} times of {len(self.tubelet)} frames")
        for one in self.readings:
            if not len(one.told) == len(one.label) == tubelets:
                raise ValueError(f"{one.task} is told of {len(one.told)} tubelets, labelled of {len(one.label)}")
        for name in (self.pictures, self.tokens):
            of_folder(name)
        return self


class Moments(Finding):
    """A few clips to look at. ``notes`` say what could not be shown, and why."""

    tap: str
    tubelets: int
    context: int
    chosen: str
    clips: tuple[ShownClip, ...]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, run: Run) -> Moments | None:
        return read_moments(run.folder)


def read_moments(run: Path) -> Moments | None:
    """The clips that the run kept to be looked at; None where it kept none. Raises WorldprobeError if damaged."""
    return read_record(run / "moments" / "moments.json", Moments)


def value_text(reading: TubeletReading, values: Values) -> str:
    """A read-out or a label in words: a class, degrees, or numbers."""
    if values is None:
        return NONE
    if reading.classes:
        code = int(values[0])
        return reading.classes[code] if 0 <= code < len(reading.classes) else NONE
    if reading.task == "direction":
        return f"{number(math.degrees(math.atan2(values[1], values[0])), 0)}°"
    return ", ".join(number(value) for value in values)


def clip_name(clip: ShownClip) -> str:
    """``film.mp4, 1.3 s``."""
    return f"{clip.video}, {number(clip.seconds[0], 1)} s"


def marks(clip: ShownClip) -> list[list[float] | None]:
    """Where the probes put the object, by tubelet, in shares of the picture: x, y; where size was read, w, h."""
    by = {reading.task: reading.told for reading in clip.readings if not reading.classes}
    found: list[list[float] | None] = []
    for at in range(len(clip.surprise)):
        xy, wh = (by[task][at] if task in by else None for task in ("xy", "size"))
        if xy is None:
            found.append(None)
            continue
        place = [c + a * v for c, a, v in zip(clip.corner, clip.across, xy, strict=True)]
        found.append(place + ([abs(a * v) for a, v in zip(clip.across, wh, strict=True)] if wh else []))
    return found
