"""cvat:FILE: CVAT's XML 1.1, for video (tracks) and for images."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from worldprobe.errors import LabelError
from worldprobe.labels.arguments import named_file
from worldprobe.labels.files.annotated import Written, box_note, placed_rows, read_text
from worldprobe.labels.files.masks import Box, box_around
from worldprobe.labels.files.numbering import frames_of, read_names
from worldprobe.labels.files.which_film import own_one
from worldprobe.labels.values import clean, excerpt, flag, number, some, track, whole
from worldprobe.protocols import FrameSource
from worldprobe.records import Labels

_SHAPES = ("box", "polygon", "polyline", "points", "ellipse", "mask")
_NO_SHAPES = ("tag", "attribute", "skeleton", "cuboid")


class Cvat:
    """cvat:FILE: CVAT's XML 1.1: tracks of a video, or boxes of images; polygons and masks become boxes."""

    name = "cvat"
    one_video_only = True

    def __init__(self, argument: str | None = None) -> None:
        """Raises LabelError without a file, or for options (``FILE?step=5&start=0&first=1``) unknown."""
        self.path, self.numbering = named_file(argument, "cvat", "cvat:annotations.xml")
        self.spec = f"cvat:{argument}"

    def label(self, video: FrameSource) -> Labels:
        """The file's boxes. Frames of tracks count from 0, as CVAT exports them; images' by their names, else ids.

        Shapes marked as outside are left out.

        Raises:
            LabelError: not CVAT's XML, or with a DOCTYPE; tasks of several videos of which none has the film's
                name; a malformed shape, named by its track and frame; another size.
        """
        root = self._read()
        wanted, notes = _task_of(root, video, self.path)
        self._check_size(root, video)
        done: Counter[str] = Counter()
        try:
            tracks = [one for one in root.iter("track") if wanted is None or one.get("task_id") == wanted]
            images = [one for one in root.iter("image") if wanted is None or one.get("task_id") in (wanted, None)]
            shapes = [(whole(shape.get("frame"), f"{_called(one)}: frame"), one, shape) for one in tracks
                      for shape in _shapes(one, done)]  # fmt: skip
            numbers, more = frames_of(
                np.array([frame for frame, _, _ in shapes], dtype=np.int64),
                self.numbering, video.ref, spec=self.spec, certain=True, counts_from=0,
            )  # fmt: skip
            frame_of, named = self._images(images, video)
            placed = [
                *((int(at), one.get("label"), one.get("id"), shape, f"{_called(one)}, frame {shape.get('frame')}")
                  for at, (_, one, shape) in zip(numbers, shapes, strict=True)),
                *((at, shape.get("label"), _attribute(shape, "track_id"), shape, f"image {clean(one.get('id'))}")
                  for one, at in zip(images, frame_of, strict=True) for shape in _shapes(one, done)),
            ]  # fmt: skip
            rows = [
                row for frame, label, track, shape, where in placed
                if (row := _row(frame, label or "", track, shape, where, done))
            ]  # fmt: skip
        except ValueError as error:
            raise LabelError(f"{self.path} is malformed: {error}") from error
        notes += [
            *(more if shapes else []),
            *named,
            *box_note(done["outside"], "that it marks as outside", "left out"),
            *box_note(done["occluded"], "marked as occluded, by how much it does not say", "kept"),
            *box_note(done["turned"], "turned, or of another shape", "the box around taken"),
            *box_note(done["skipped"], "that are tags, skeletons or the like", "left out"),
        ]
        return placed_rows(video, rows, source=self.name, file=self.path, spec=self.spec, notes=notes)

    def _read(self) -> ElementTree.Element:
        text = read_text(self.path, "CVAT's XML")
        if "<!doctype" in text.lower() or "<!entity" in text.lower():
            raise LabelError(f"{self.path} has a DOCTYPE or entities, which CVAT's files have not: refused")
        try:
            root = ElementTree.fromstring(text)
        except (ElementTree.ParseError, ValueError) as error:
            raise LabelError(f"{self.path} is not CVAT's XML: {error}") from error
        if root.tag != "annotations":
            raise LabelError(
                f"{self.path} is not CVAT's XML: it begins with <{clean(root.tag)[:40]}>, not <annotations>"
            )
        return root

    def _check_size(self, root: ElementTree.Element, video: FrameSource) -> None:
        ref = video.ref
        sizes = [(one.findtext("width"), one.findtext("height")) for one in root.iter("original_size")]
        sizes += [(one.get("width"), one.get("height")) for one in root.iter("image")]
        known = {size for size in sizes if None not in size}
        if known and (str(ref.width), str(ref.height)) not in known:
            written = sorted(f"{clean(width)[:9]} x {clean(height)[:9]}" for width, height in known)
            raise LabelError(
                f"{self.path} speaks of {some(written)} px, {ref.path} has {ref.width} x {ref.height}: labels of "
                "another video"
            )

    def _images(self, images: list[ElementTree.Element], video: FrameSource) -> tuple[list[int], list[str]]:
        """The film's frame of each image, and notes."""
        if not images:
            return [], []
        read = read_names([clean(one.get("name") or "") for one in images])
        numbers = [
            found if found is not None else whole(one.get("id"), "image's id")
            for found, one in zip(read.numbers, images, strict=True)
        ]
        if len(set(numbers)) < len(numbers):
            numbers = [whole(one.get("id"), "image's id") for one in images]
        if len(set(numbers)) < len(numbers):
            raise ValueError("two images have one id")
        frames, notes = frames_of(
            np.array(numbers, dtype=np.int64), self.numbering, video.ref, spec=self.spec, certain=False,
            names=[clean(one.get("name") or "") for one in images],
        )  # fmt: skip
        return [int(frame) for frame in frames], notes


def _task_of(root: ElementTree.Element, video: FrameSource, path: Path) -> tuple[str | None, list[str]]:
    """The id of the task whose source has the film's name, where there are several; None where there is one."""
    tasks = {one.findtext("id") or "": one.findtext("source") or "" for one in root.iter("task")}
    if len(tasks) < 2:
        return None, []
    ids, names = list(tasks), [clean(name) for name in tasks.values()]
    own = own_one(names, video.ref, file=path, kind="tasks")
    return ids[own], [f"{len(tasks)} tasks in it: that of {some([names[own]])} taken"]


def _called(track: ElementTree.Element) -> str:
    return f"track {clean(track.get('id'))[:40]}"


def _shapes(owner: ElementTree.Element, done: Counter[str]) -> Iterator[ElementTree.Element]:
    for child in owner:
        if child.tag in _SHAPES:
            yield child
        elif child.tag in _NO_SHAPES:
            done["skipped"] += child.tag != "attribute"
        else:
            raise ValueError(f"{_called(owner)} has a <{clean(child.tag)[:40]}>, which is no shape of CVAT")


def _attribute(shape: ElementTree.Element, name: str) -> str | None:
    return next((one.text for one in shape.iter("attribute") if one.get("name") == name), None)


def _row(
    frame: int, label: str, name: str | None, shape: ElementTree.Element, where: str, done: Counter[str]
) -> Written | None:
    """Raises ValueError."""
    if flag(shape.get("outside")):
        done["outside"] += 1
        return None
    try:
        box, known = _box(shape), track(name)
    except ValueError as error:
        raise ValueError(f"{clean(where)[:80]}: {error}") from error
    done["turned"] += shape.tag != "box" or _turn(shape) != 0
    done["occluded"] += flag(shape.get("occluded"))
    return Written(frame, box, clean(label), known)


def _turn(shape: ElementTree.Element) -> float:
    """Degrees."""
    return number(shape.get("rotation") or 0, "rotation")


def _box(shape: ElementTree.Element) -> Box:
    """The box around a shape. Raises ValueError."""

    def given(*names: str) -> list[float]:
        return [number(shape.get(name), name) for name in names]

    if shape.tag == "mask":
        left, top, width, height = given("left", "top", "width", "height")
        return left, top, width, height
    if shape.tag in ("box", "ellipse"):
        if shape.tag == "box":
            left, top, right, bottom = given("xtl", "ytl", "xbr", "ybr")
            if right < left or bottom < top:
                raise ValueError(f"its box ends before it begins ({left:g}, {top:g} to {right:g}, {bottom:g})")
            across, down, x, y = (right - left) / 2, (bottom - top) / 2, (left + right) / 2, (top + bottom) / 2
        else:
            x, y, across, down = given("cx", "cy", "rx", "ry")
        turned = math.radians(_turn(shape))
        cosine, sine = abs(math.cos(turned)), abs(math.sin(turned))
        if shape.tag == "box":
            wide, high = across * cosine + down * sine, across * sine + down * cosine
        else:
            wide, high = math.hypot(across * cosine, down * sine), math.hypot(across * sine, down * cosine)
        return x - wide, y - high, 2 * wide, 2 * high
    pairs = [pair.split(",") for pair in (shape.get("points") or "").split(";")]
    if any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"its points {excerpt(shape.get('points'))} are not x,y;x,y;...")
    around = box_around([(number(x, "point"), number(y, "point")) for x, y in pairs])
    assert around is not None
    return around
