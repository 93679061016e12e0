"""Labels that somebody else made: rendered truth, MOTChallenge files, COCO files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from worldprobe.errors import LabelError
from worldprobe.labels.annotated import named_file, placed, read_text, some, told
from worldprobe.protocols import FrameSource
from worldprobe.records import Labels, VideoRef
from worldprobe.tables import read_table

# The benchmark's own list (Milan et al. 2016, table 3).
_MOT_CLASSES = {
    1: "pedestrian", 2: "person on vehicle", 3: "car", 4: "bicycle", 5: "motorbike", 6: "non-motorised vehicle",
    7: "static person", 8: "distractor", 9: "occluder", 10: "occluder on the ground", 11: "occluder full",
    12: "reflection", 13: "crowd",
}  # fmt: skip
_LARGEST = 2**53  # whole numbers above it are not exact in a float64


class SceneTruth:
    """truth: the exact truth beside a rendered scene (NAME.truth.parquet)."""

    name = "truth"

    def __init__(self, argument: str | None = None) -> None:
        if argument is not None:
            raise LabelError(f"truth takes no argument, got {argument!r}: it lies beside each rendered scene")

    def label(self, video: FrameSource) -> Labels:
        """The truth of every frame and object, with vx, vy, depth, visible. Raises LabelError without it."""
        import polars as pl

        path = Path(video.ref.path).with_suffix(".truth.parquet")
        if not path.exists():
            raise LabelError(
                f"no truth beside {video.ref.path}: only rendered scenes (scenes:N) have it. "
                "Use --labeller moving, mot:FILE, coco:FILE or onnx:FILE."
            )
        try:
            table = read_table(path)
            frames = int(table["frame"].max()) + 1  # type: ignore[arg-type]
        except (pl.exceptions.PolarsError, OSError, TypeError) as error:
            raise LabelError(
                f"{path} is damaged ({error}): delete it and {video.ref.path}, and render the scene again"
            ) from error
        if frames != video.ref.frames:
            raise LabelError(f"{path} speaks of {frames} frames, {video.ref.path} has {video.ref.frames}")
        return Labels(
            table.with_columns(video=pl.lit(video.ref.id), confidence=pl.lit(1.0), source=pl.lit(self.name))
        )


class Mot:
    """mot:FILE: boxes with ids in MOTChallenge text (frame from 1, id, left, top, width, height, ...)."""

    name = "mot"

    def __init__(self, argument: str | None = None) -> None:
        self.path = named_file(argument, "mot", "mot:boxes.txt")

    def label(self, video: FrameSource) -> Labels:
        """The file's boxes; frame n of the video is frame n + 1 of the file, or n where the file has a frame 0.

        Boxes that the file marks as not to be considered (confidence 0) are left out. Notes say what was done with
        what is unusual in the file.

        Raises:
            LabelError: a malformed line, named by its number; boxes of another video (too many frames) or
                of another size.
        """
        rows = []
        for number, line in enumerate(read_text(self.path, "a MOT file").splitlines(), start=1):
            if line.strip():
                rows.append(_mot_row(line, f"{self.path} line {number}"))
        values = np.array(rows, dtype=np.float64).reshape(-1, 8)
        ignored = values[:, 6] == 0
        from_zero = bool((values[:, 0] == 0).any())
        values = values[~ignored]
        ids = values[:, 7].astype(int)
        strange = [i for i in ids if i >= 0 and i not in _MOT_CLASSES]
        return placed(
            video,
            source=self.name,
            file=self.path,
            frame=values[:, 0].astype(np.int64) - (0 if from_zero else 1),
            identity=values[:, 1].astype(np.int64),
            corner=values[:, 2:6],
            names=[_MOT_CLASSES.get(i, "" if i < 0 else f"class {i}") for i in ids],
            confidence=np.where(values[:, 6] < 0, 1.0, values[:, 6]).clip(0, 1),
            notes=(
                *(["frames count from 0 in it, not from 1 as in MOTChallenge"] if from_zero else []),
                *told(int(ignored.sum()), "that it marks as not to be considered (confidence 0)", "left out"),
                *told(len(strange), f"of classes without a name ({some(strange)})", "called by their number"),
            ),
        )


class Coco:
    """coco:FILE: boxes in COCO's JSON, one image a frame, with track_id where objects are tracked."""

    name = "coco"

    def __init__(self, argument: str | None = None) -> None:
        self.path = named_file(argument, "coco", "coco:boxes.json")

    def label(self, video: FrameSource) -> Labels:
        """The file's boxes.

        Images are frames in the order of their number: frame_id or frame_index where given, else the last
        number in file_name, else the image's id. The smallest possible start (0 or 1) is taken as frame 0.
        Ids that are no frame numbers are taken in sorted order where there are as many as the video has frames.

        Raises:
            LabelError: not COCO; images of another size or of several videos, or more of them than the video
                has frames.
        """
        written = self._read()
        try:
            frame_of, notes = self._frames(written["images"], video.ref)
            names = {c["id"]: str(c["name"]) for c in written["categories"]}
            kept = [a for a in written["annotations"] if not a.get("iscrowd") and not a.get("ignore")]
            short = next((a["bbox"] for a in kept if len(a["bbox"]) != 4), None)
            if short is not None:
                raise ValueError(f"bbox {short} is not left, top, width, height")
            strange = [a["category_id"] for a in kept if a["category_id"] not in names]
            skipped = len(written["annotations"]) - len(kept)
            return placed(
                video,
                source=self.name,
                file=self.path,
                frame=np.array([frame_of[a["image_id"]] for a in kept], dtype=np.int64),
                identity=np.array([a.get("track_id", -1) for a in kept], dtype=np.int64),
                corner=np.array([a["bbox"] for a in kept], dtype=np.float64).reshape(-1, 4),
                names=[names.get(a["category_id"], f"class {a['category_id']}") for a in kept],
                confidence=np.array([float(a.get("score", 1.0)) for a in kept]),
                notes=(
                    *notes,
                    *told(skipped, "that it marks as a crowd or as to be ignored", "left out"),
                    *told(len(strange), f"of categories that it does not list ({some(strange)})", "called by id"),
                ),
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            what = f"lacks {error}" if isinstance(error, KeyError) else f"is malformed: {error}"
            raise LabelError(f"{self.path} is not a COCO file of boxes: an entry {what}") from error

    def _read(self) -> dict[str, Any]:
        try:
            written = json.loads(read_text(self.path, "a COCO file"))
        except (json.JSONDecodeError, RecursionError) as error:
            raise LabelError(f"{self.path} is not a COCO file: {error}") from error
        missing = {"images", "annotations", "categories"} - set(written if isinstance(written, dict) else ())
        if missing:
            raise LabelError(f"{self.path} is not a COCO file of boxes: it lacks {', '.join(sorted(missing))}")
        return dict(written)

    def _frames(self, images: list[dict[str, Any]], ref: VideoRef) -> tuple[dict[Any, int], list[str]]:
        """Frame of each image id, and what had to be guessed."""
        numbers: dict[Any, int] = {}
        owner: dict[int, Any] = {}
        unnumbered = True
        for image in images:
            size = (image.get("width", ref.width), image.get("height", ref.height))
            if size != (ref.width, ref.height):
                raise LabelError(
                    f"{self.path} speaks of {size[0]} x {size[1]} px, {ref.path} has {ref.width} x {ref.height}: "
                    "labels of another video"
                )
            stem = re.sub(r"\.[A-Za-z]\w*$", "", Path(str(image.get("file_name", ""))).name)
            digits = re.findall(r"\d+", stem)
            unnumbered &= not ({"frame_id", "frame_index"} & image.keys() or digits)
            number = image.get("frame_id", image.get("frame_index", digits[-1] if digits else image["id"]))
            if int(number) != float(number):
                raise ValueError(f"image {image['id']} has the frame number {number}")
            if owner.setdefault(int(number), image["id"]) != image["id"]:
                raise LabelError(
                    f"{self.path} has two images of frame {int(number)} (ids {owner[int(number)]} and "
                    f"{image['id']}): it holds several videos, or its file names do not end in the frame's "
                    f"number. Give a file of {ref.path} alone, with frame_id in each image."
                )
            numbers[image["id"]] = int(number)
        if unnumbered and len(numbers) == ref.frames:
            order = sorted(numbers, key=numbers.__getitem__)
            notes = ["images have no frame numbers: taken in the order of their ids"]
            return {name: frame for frame, name in enumerate(order)}, notes
        # Files count from 0 or from 1; a later start is a part of the video, counted from 0.
        offset = 1 if numbers and min(numbers.values()) == 1 else 0
        notes = ["frames count from 1 in it"] if offset else []
        return {name: number - offset for name, number in numbers.items()}, notes


def _mot_row(line: str, where: str) -> list[float]:
    """frame, id, left, top, width, height, confidence, class of a line."""
    fields = line.split(",")
    try:
        values = [float(field) for field in fields]
    except ValueError:
        raise LabelError(f"{where}: {line.strip()[:60]!r} is not numbers between commas") from None
    if not 6 <= len(values) <= 10 or not np.isfinite(values).all():
        raise LabelError(f"{where}: {len(values)} fields, a MOT line has 6 to 10 numbers")
    if values[0] < 0 or values[4] <= 0 or values[5] <= 0:
        raise LabelError(f"{where}: frame {values[0]:g}, box {values[4]:g} x {values[5]:g}: frames count from 1 or "
                         "0, boxes have a size")  # fmt: skip
    row = [*values[:6], values[6] if len(values) > 6 else 1.0, values[7] if len(values) > 7 else -1.0]
    for number in (row[0], row[1], row[7]):
        # Truncated or overflown, it would be another frame or object without a word.
        if number != int(number) or abs(number) > _LARGEST:
            raise LabelError(f"{where}: {number:g} is not a frame, id or class: they are whole numbers")
    return row
