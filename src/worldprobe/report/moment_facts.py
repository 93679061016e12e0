"""What a report shows of a few clips, typed; the pictures lie beside it as files."""

from __future__ import annotations

from worldprobe.report.base import Fact

Values = tuple[float, ...] | None


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
    width: int
    height: int
    seen: tuple[float, float, float, float]
    boxes: tuple[Box, ...]


class Reading(Fact):
    """What a probe said of each tubelet, out of fold, against the label; None where there was no label.

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
    width: int
    height: int
    pictures: str
    tokens: str
    corner: tuple[float, float]
    across: tuple[float, float]
    boxes: tuple[Box, ...]
    readings: tuple[Reading, ...]
    surprise: tuple[float | None, ...]
    labelled: Preview | None = None


class Moments(Fact):
    """A few clips to look at. ``notes`` say what could not be shown, and why."""

    tap: str
    tubelets: int
    context: int
    chosen: str
    clips: tuple[ShownClip, ...]
    notes: tuple[str, ...]
