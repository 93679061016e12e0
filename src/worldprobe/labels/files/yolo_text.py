"""yolotxt:FOLDER: YOLO's text, a file for each picture and a line for each box."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from worldprobe.errors import LabelError
from worldprobe.labels.arguments import named_file
from worldprobe.labels.files.annotated import Written, box_note, placed_rows, read_text
from worldprobe.labels.files.masks import Box, box_around
from worldprobe.labels.files.numbering import frames_of, read_names
from worldprobe.labels.values import LARGEST, clean, number, some, track, whole
from worldprobe.protocols import FrameSource
from worldprobe.records import Labels

# Text files that are no labels: lists of classes and of pictures.
_OTHERS = (
    "classes",
    "labels",
    "names",
    "obj",
    "train",
    "val",
    "valid",
    "test",
    "readme",
    "notes",
    "predefined_classes",
)
_NAMES = (
    "data.yaml",
    "dataset.yaml",
    "data.yml",
    "classes.txt",
    "obj.names",
    "labels.txt",
    "predefined_classes.txt",
)
_PAST_EDGE = 0.01  # of the picture: rounding; numbers further out are pixels


class _Line(NamedTuple):
    """A line: the picture's place among the files, class, box as shares of the picture, what is behind it."""

    picture: int
    category: int
    box: Box
    last: tuple[float, ...]
    polygon: bool


class YoloText:
    """yolotxt:FOLDER: YOLO text, one file a frame: class, centre and size as shares, confidence, track."""

    name = "yolotxt"
    one_video_only = True

    def __init__(self, argument: str | None = None) -> None:
        """Raises LabelError without a folder, or for options (``FOLDER?step=5&start=0&first=1``) unknown."""
        self.path, self.numbering = named_file(argument, "yolotxt", "yolotxt:labels", folder=True)
        self.spec = f"yolotxt:{argument}"

    def label(self, video: FrameSource) -> Labels:
        """The folder's boxes; a file's frame is the number in its name, from 0 or 1 on.

        A line is ``class cx cy w h``, then a confidence, a track or both; or a class and the corners of a polygon,
        whose box is taken. A sixth field is a track where it is a whole number in all lines that have no seventh,
        and above 1 in one; else a confidence. Class names are taken from data.yaml, classes.txt or obj.names in the
        folder or the two above it.

        Raises:
            LabelError: no such files, a malformed line, named by its number; numbers that may count pictures taken
                out of the film.
        """
        files = sorted(one for one in self.path.glob("*.txt") if one.stem.lower() not in _OTHERS)
        if not files:
            raise LabelError(
                f"no .txt files of labels in {self.path}: a file for each frame, its number in its name"
            )
        read = read_names([clean(one.name) for one in files])
        unnamed = next((one for one, at in zip(files, read.numbers, strict=True) if at is None), None)
        if unnamed is not None:
            raise LabelError(f"{unnamed} has no frame number in its name (or times, which are not read here)")
        numbers = np.array(read.numbers, dtype=np.int64)
        if len(set(read.numbers)) < len(files):
            raise LabelError(f"{self.path} has several files of one frame number: give a folder of this film alone")
        frames, notes = frames_of(
            numbers, self.numbering, video.ref,
            spec=self.spec, certain=False, names=[clean(one.name) for one in files],
        )  # fmt: skip
        lines = [line for at, file in enumerate(files) for line in _lines(file, at)]
        names, source = _class_names(self.path)
        tracks = _sixth_is_track(lines)
        rows = [_written(line, int(frames[line.picture]), names, tracks, video) for line in lines]
        polygons = sum(line.polygon for line in lines)
        alone = sum(row.track is None for row in rows)
        strange = [line.category for line in lines if line.category not in names]
        if any(row.track is not None for row in rows):
            notes += box_note(alone, "have no track where others have one", "kept without")
        notes += box_note(polygons, "are polygons", "the box around taken")
        if any(len(line.last) == 1 and not line.polygon for line in lines):
            notes.append(f"its sixth field was taken for a {'track' if tracks else 'confidence'}")
        notes += box_note(len(strange), f"of classes without a name ({some(strange)})", "called by their number")
        notes += [f"class names are of {source.name}"] if source else []
        return placed_rows(video, rows, source=self.name, file=self.path, spec=self.spec, notes=notes)


def _lines(file: Path, picture: int) -> Iterator[_Line]:
    """Raises LabelError for a malformed line."""
    for place, text in enumerate(read_text(file, "YOLO text").splitlines(), start=1):
        fields = text.split()
        if not fields:
            continue
        try:
            if len(fields) < 5:
                raise ValueError(f"{len(fields)} fields: class, centre, size, then confidence and track")
            category, values = whole(fields[0], "class"), [number(one, "field") for one in fields[1:]]
            if category < 0:
                raise ValueError(f"class {category} is negative")
            corners = len(values) >= 8 or (len(values) == 6 and not values[5].is_integer())
            if corners:
                # A confidence may stand behind the corners.
                shares, last = values[: len(values) // 2 * 2], tuple(values[len(values) // 2 * 2 :])
                box = box_around(list(zip(shares[::2], shares[1::2], strict=True))) or (0.0, 0.0, 0.0, 0.0)
            elif len(values) > 6:
                raise ValueError(f"{len(fields)} fields: class, centre, size, then confidence and track")
            else:
                shares, last = values[:4], tuple(values[4:])
                track(last[1] if len(last) == 2 else None)
                across, down, width, height = shares
                box = across - width / 2, down - height / 2, width, height
            if min(shares) < -_PAST_EDGE or max(shares) > 1 + _PAST_EDGE:
                raise ValueError(f"{max(shares, key=abs):g} is no share of the picture: they are from 0 to 1")
        except ValueError as error:
            raise LabelError(f"{file} line {place}: {error}") from error
        yield _Line(picture, category, box, last, corners)


def _sixth_is_track(lines: list[_Line]) -> bool:
    """Whether what stands alone behind a box are tracks; with two, the first is the confidence."""
    alone = [line.last[0] for line in lines if len(line.last) == 1 and not line.polygon]
    return max(alone, default=0) > 1 and all(one.is_integer() and abs(one) <= LARGEST for one in alone)


def _written(line: _Line, frame: int, names: dict[int, str], tracks: bool, video: FrameSource) -> Written:
    left, top, width, height = line.box
    across, down = video.ref.width, video.ref.height
    score, number_of = math.nan, None
    if len(line.last) == 2:
        score, number_of = line.last
    elif line.last:
        score, number_of = (math.nan, line.last[0]) if tracks and not line.polygon else (line.last[0], None)
    return Written(
        frame,
        (left * across, top * down, width * across, height * down),
        names.get(line.category, f"class {line.category}"),
        track(number_of),
        score,
    )


def _class_names(folder: Path) -> tuple[dict[int, str], Path | None]:
    """Names of classes, and the file that they are from; none where no file says."""
    for place in (folder, *islice(folder.resolve().parents, 2)):
        for file in (place / name for name in _NAMES):
            if not file.is_file():
                continue
            text = read_text(file, "a list of classes")
            names = _of_yaml(text) if file.suffix in (".yaml", ".yml") else dict(enumerate(text.split("\n")))
            if names := {at: clean(name.strip()) for at, name in names.items() if name.strip()}:
                return names, file
    return {}, None


def _of_yaml(text: str) -> dict[int, str]:
    """The ``names`` of a data.yaml: a list in brackets, or a line for each, with numbers or dashes."""
    match = re.search(r"^names:[ \t]*(.*(?:\n(?:[ \t-].*|))*)", text, re.MULTILINE)
    body = re.sub(r"(?:^|\s)#.*", "", match[1]) if match else ""
    if body.lstrip().startswith(("[", "{")):
        inner = re.sub(r"\s+", " ", body.strip()[1:].split("]" if body.lstrip()[0] == "[" else "}")[0])
        found = [one.strip() for one in inner.split(",")]
    else:
        found = [line.strip().removeprefix("- ") for line in body.splitlines() if line.strip()]
    names: dict[int, str] = {}
    for at, one in enumerate(found):
        numbered = re.fullmatch(r"(\d{1,9})\s*:\s*(.*)", one)
        names[int(numbered[1]) if numbered else at] = (numbered[2] if numbered else one).strip().strip("\"'")
    return names
