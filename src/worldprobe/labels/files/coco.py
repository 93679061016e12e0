"""coco:FILE: boxes, masks and tracks in COCO's JSON."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

from worldprobe.errors import LabelError
from worldprobe.labels.arguments import named_file
from worldprobe.labels.files.annotated import Written, box_note, placed_rows, read_text
from worldprobe.labels.files.coco_images import images_of
from worldprobe.labels.files.masks import Box, box_of
from worldprobe.labels.values import clean, excerpt, flag, key, number, some, track
from worldprobe.protocols import FrameSource
from worldprobe.records import Labels

_TRACK = (
    "track_id", "instance_id", "object_id", "tracking_id", "tracklet_id", "trackId", "trackID", "track",
)  # fmt: skip
_SCORE = ("score", "confidence")
_LISTS = ("images", "annotations", "categories")


class Coco:
    """coco:FILE: boxes in COCO's JSON, one image a frame, with track_id where objects are tracked."""

    name = "coco"
    one_video_only = True

    def __init__(self, argument: str | None = None) -> None:
        """Raises LabelError without a file, or for options (``FILE?step=5&start=0&first=1``) unknown."""
        self.path, self.numbering = named_file(argument, "coco", "coco:boxes.json")
        self.spec = f"coco:{argument}"

    def label(self, video: FrameSource) -> Labels:
        """The file's boxes, or those of its masks.

        Images are frames in the order of their number: frame_id or frame_index where given, else the number in
        file_name, else the image's id. The smallest possible start (0 or 1) is taken as frame 0. Numbers that may
        as well count pictures taken out of the film need ``?step=``. Ids that are no frame numbers are taken in
        sorted order where there are as many as the video has frames. Tracks (track_id, instance_id, object_id),
        visibility and marks may stand in an annotation or in its attributes. Of several videos in a file the one
        of this film's name is taken.

        Raises:
            LabelError: not COCO; images of another size, of several videos, or more of them than the video
                has frames; a malformed entry, named by its id.
        """
        written = self._read()
        frame_of, notes = images_of(written, video, self.numbering, spec=self.spec, path=self.path)
        entries = _Entries(written["categories"], frame_of, (video.ref.width, video.ref.height), self.path)
        for place, annotation in enumerate(written["annotations"]):
            try:
                entries.read(annotation)
            except ValueError as error:
                name = annotation.get("id") if isinstance(annotation, dict) else None
                which = f"annotation {clean(name)[:40]}" if name is not None else f"annotation number {place + 1}"
                raise LabelError(f"{self.path} is malformed: {which}: {error}") from error
        if entries.done["no box"] and not entries.rows:
            raise LabelError(f"{self.path} has no box with an extent in any of its entries")
        return placed_rows(
            video,
            entries.rows,
            source=self.name,
            file=self.path,
            spec=self.spec,
            notes=[*notes, *entries.notes()],
        )

    def _read(self) -> dict[str, Any]:
        try:
            written = json.loads(read_text(self.path, "a COCO file"))
        except (ValueError, RecursionError) as error:  # JSON's own error is a ValueError
            raise LabelError(f"{self.path} is not a COCO file: {error}") from error
        missing = set(_LISTS) - set(written if isinstance(written, dict) else ())
        if missing:
            raise LabelError(
                f"{self.path} is not a COCO file of boxes: it lacks {', '.join(sorted(missing))}{_instead(written)}"
            )
        for name in _LISTS:
            if not isinstance(written[name], list):
                raise LabelError(f"{self.path} is malformed: {name} is {excerpt(written[name])}, not a list")
        return dict(written)


class _Entries:
    """Annotations read one by one; what was done with them is counted."""

    def __init__(
        self, categories: list[Any], frame_of: dict[int | str, int | None], frame: tuple[int, int], path: Path
    ) -> None:
        self._frame_of, self._frame = frame_of, frame
        self._names = _names(categories, path)
        self.rows: list[Written] = []
        self.done: Counter[str] = Counter()
        self._strange: list[object] = []

    def read(self, annotation: Any) -> None:
        """Raises ValueError for what is malformed."""
        if not isinstance(annotation, dict):
            raise ValueError(f"{excerpt(annotation)} is not an entry")
        for name in ("image_id", "category_id"):
            if annotation.get(name) is None:
                raise ValueError(f"it lacks '{name}'")
        image = key(annotation["image_id"], "image_id")
        if image not in self._frame_of:
            raise ValueError(f"it lacks {excerpt(image)} among the file's images, and is of that image")
        frame = self._frame_of[image]
        left_out = (
            "other" if frame is None
            else "crowd" if flag(_of(annotation, "iscrowd")) or flag(_of(annotation, "ignore"))
            else "outside" if flag(_of(annotation, "outside"))
            else None
        )  # fmt: skip
        box = None if left_out else self._box(annotation)
        if left_out or box is None or frame is None:
            self.done[left_out or "no box"] += 1
            return
        score = _of(annotation, *_SCORE)
        self.done["occluded"] += flag(_of(annotation, "occluded"))
        self.rows.append(
            Written(
                frame,
                box,
                self._name(annotation["category_id"]),
                track(_of(annotation, *_TRACK)),
                math.nan if score is None or score != score else number(score, "score"),
                _visible(annotation),
            )
        )

    def _box(self, annotation: dict[str, Any]) -> Box | None:
        """The box, or the mask's; None where neither has an extent."""
        bbox, mask = annotation.get("bbox"), annotation.get("segmentation")
        box: Box | None
        if bbox is None or bbox == []:
            if not mask and "bbox" not in annotation:
                raise ValueError("it lacks 'bbox', and has no segmentation")
            box = box_of(mask, self._frame) if mask else None
            self.done["mask"] += box is not None
        elif not isinstance(bbox, list) or len(bbox) != 4:
            raise ValueError(f"bbox {excerpt(bbox)} is not left, top, width, height")
        else:
            left, top, width, height = (number(value, "a number of its bbox:") for value in bbox)
            if width < 0 or height < 0:
                raise ValueError(f"bbox {excerpt(bbox)} has a negative size (it is left, top, width, height)")
            box = left, top, width, height
            if mask and not (width > 0 and height > 0):
                box = box_of(mask, self._frame)
                self.done["mask"] += box is not None
        return None if box is None or not (box[2] > 0 and box[3] > 0) else box

    def _name(self, category: Any) -> str:
        known = key(category, "category_id")
        if known in self._names:
            name, as_text = self._names[known]
            self.done["text"] += isinstance(category, str) != as_text
            return name
        if isinstance(known, str) and known in {name for name, _ in self._names.values()}:
            return known
        self._strange.append(known)
        return f"class {known}"

    def notes(self) -> list[str]:
        """What was done, for the labels' notes."""
        done = self.done
        return [
            *box_note(done["crowd"], "that it marks as a crowd or as to be ignored", "left out"),
            *box_note(done["outside"], "that it marks as outside", "left out"),
            *box_note(done["other"], "of its other videos", "left out"),
            *box_note(done["no box"], "without extent", "left out"),
            *box_note(done["mask"], "with a mask only", "the mask's box taken"),
            *box_note(done["text"], "whose category is text in one place and a number in another", "matched"),
            *box_note(done["occluded"], "marked as occluded, by how much it does not say", "kept"),
            *box_note(
                len(self._strange), f"of categories that it does not list ({some(self._strange)})", "called by id"
            ),
        ]


def _names(categories: list[Any], path: Path) -> dict[int | str, tuple[str, bool]]:
    """Name of each category, and whether its id is written as text. Raises LabelError."""
    names: dict[int | str, tuple[str, bool]] = {}
    for place, category in enumerate(categories):
        absent = {"id", "name"} - {
            name for name, value in (category.items() if isinstance(category, dict) else ()) if value is not None
        }
        if absent:
            raise LabelError(f"{path} is malformed: category number {place + 1} lacks {sorted(absent)[0]!r}")
        try:
            known = key(category["id"], "id")
        except ValueError as error:
            raise LabelError(f"{path} is malformed: category number {place + 1}: {error}") from error
        name = clean(category["name"])
        if names.setdefault(known, (name, isinstance(category["id"], str)))[0] != name:
            raise LabelError(
                f"{path} is malformed: category {excerpt(known)} is {excerpt(names[known][0])} and {excerpt(name)}"
            )
    return names


def _of(annotation: dict[str, Any], *keys: str) -> Any:
    """The first of some fields that is there, in the annotation or in its attributes; None without."""
    for fields in (annotation, _attributes(annotation.get("attributes"))):
        for one in keys:
            if fields.get(one) is not None:
                return fields[one]
    return None


def _attributes(written: Any) -> dict[str, Any]:
    """An annotation's attributes: an object, or a list of {"name": ..., "value": ...}."""
    if isinstance(written, list):
        named = [one for one in written if isinstance(one, dict) and isinstance(one.get("name"), str)]
        return {one["name"]: one.get("value") for one in named}
    return written if isinstance(written, dict) else {}


def _visible(annotation: dict[str, Any]) -> float:
    """The share that can be seen, by visibility (or 1 - occlusion); NaN where nothing says. Raises ValueError."""
    seen, hidden = _of(annotation, "visibility", "visible"), _of(annotation, "occlusion")
    if seen is None and hidden is None:
        return math.nan
    if isinstance(seen, bool) or seen in ("true", "false"):
        return float(flag(seen))
    share = number(seen, "visibility") if seen is not None else 1 - number(hidden, "occlusion")
    if not 0 <= share <= 1:
        raise ValueError(f"visibility {share:g} is not from 0 to 1")
    return share


def _instead(written: Any) -> str:
    """What to do about a file that is another of COCO's."""
    if isinstance(written, list) and written and isinstance(written[0], dict) and "image_id" in written[0]:
        return (
            ". It is a bare list of detections (COCO's results): give one file that has images and categories of "
            'the annotation file, and this list as "annotations"'
        )
    if isinstance(written, dict) and "annotations" in written and isinstance(written.get("videos"), list):
        return ". Files of tracks by video (YouTube-VIS) need an entry in images for each frame, with frame_id"
    if isinstance(written, dict) and {"images", "annotations"} <= set(written):
        return '. Add "categories": [{"id": 1, "name": "..."}], or [] to call classes by their number'
    return ""
