"""labelstudio:FILE: Label Studio's JSON of boxes in a video, between whose keyframes it draws them."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from worldprobe.errors import LabelError
from worldprobe.labels.arguments import named_file
from worldprobe.labels.files.annotated import Written, box_note, placed_rows, read_text
from worldprobe.labels.files.masks import Box, box_around
from worldprobe.labels.files.numbering import frames_at, frames_of
from worldprobe.labels.files.which_film import own_one
from worldprobe.labels.values import clean, excerpt, flag, number, some, whole
from worldprobe.protocols import FrameSource
from worldprobe.records import Labels

# It may count at another rate than the film's, but not at this many times the film's.
_MOST_RATES, _FEW_FRAMES = 10, 1000


class LabelStudio:
    """labelstudio:FILE: Label Studio's JSON of video rectangles, interpolated between keyframes."""

    name = "labelstudio"
    one_video_only = True

    def __init__(self, argument: str | None = None) -> None:
        """Raises LabelError without a file, or for options (``FILE?step=5&start=0&first=1``) unknown."""
        self.path, self.numbering = named_file(argument, "labelstudio", "labelstudio:export.json")
        self.spec = f"labelstudio:{argument}"

    def label(self, video: FrameSource) -> Labels:
        """The file's boxes: linear between keyframes, and as they were after the last one, where that is enabled.

        Label Studio counts frames from 1, at the rate that its project was told; where its count differs from the
        film's, frames are found by time. Of several tasks that of the film's name is taken, of several annotations
        the first.

        Raises:
            LabelError: not Label Studio's JSON of a video, no task of this film, a malformed region, named by its
                id.
        """
        regions, notes = self._regions(video)
        done: Counter[str] = Counter()
        found: list[tuple[int, Box, str, int]] = []
        most = _MOST_RATES * video.ref.frames + _FEW_FRAMES
        names = [clean(region.get("id") or place + 1)[:40] for place, region in enumerate(regions)]
        lengths: set[tuple[float, float]] = set()
        for place, region in enumerate(regions):
            value = region.get("value", region)
            try:
                if not isinstance(value, dict):
                    raise ValueError(f"its value is {excerpt(value)}")
                count = whole(value.get("framesCount") or video.ref.frames, "framesCount")
                if not 0 < count <= most:
                    raise ValueError(f"framesCount {count:g} is not that of {video.ref.path} ({video.ref.frames})")
                lengths.add((count, number(value.get("duration") or 0, "duration")))
                size = (video.ref.width, video.ref.height)
                boxes = _track(value, count, most, size, done)
                found += [(frame, box, _class(value), place) for frame, box in boxes]
            except ValueError as error:
                raise LabelError(f"{self.path} is malformed: region {names[place]}: {error}") from error
        frames, more = self._frames([frame for frame, *_ in found], lengths, video)
        # Where it counts at a higher rate than the film's, several of its frames are one of the film's.
        first = {(frame, one[3]): (frame, one) for frame, one in reversed(list(zip(frames, found, strict=True)))}
        rows = [Written(frame, box, label, names[at]) for frame, (_, box, label, at) in reversed(first.values())]
        notes += [
            *more,
            *box_note(done["between"], "between keyframes", "interpolated, as Label Studio shows them"),
            *box_note(done["after"], "after a last keyframe", "kept where they were, as Label Studio shows them"),
            *box_note(done["turned"], "turned", "the box around taken"),
        ]
        return placed_rows(video, rows, source=self.name, file=self.path, spec=self.spec, notes=notes)

    def _regions(self, video: FrameSource) -> tuple[list[dict[str, Any]], list[str]]:
        try:
            written = json.loads(read_text(self.path, "Label Studio's JSON"))
        except (ValueError, RecursionError) as error:
            raise LabelError(f"{self.path} is not Label Studio's JSON: {error}") from error
        tasks = written if isinstance(written, list) else [written]
        if not tasks or not all(isinstance(task, dict) for task in tasks):
            raise LabelError(f"{self.path} is not Label Studio's JSON: it is no list of tasks")
        task, notes = self._task(tasks, video)
        regions: Any = task.get("box") or task.get("videorectangle")
        if regions is None:
            annotations = task.get("annotations")
            versions = [
                one for one in (annotations if isinstance(annotations, list) else ())
                if isinstance(one, dict) and not flag(one.get("was_cancelled"))
            ]  # fmt: skip
            if not versions:
                raise LabelError(f"{self.path}: its task of {video.ref.path} has no annotations")
            notes += [f"{len(versions)} annotations in it: the first taken"] if len(versions) > 1 else []
            regions = versions[0].get("result")
        if not isinstance(regions, list) or not all(isinstance(one, dict) for one in regions):
            raise LabelError(f"{self.path} is malformed: its regions are {excerpt(regions)}, not a list")
        boxes = [one for one in regions if one.get("type", "videorectangle") == "videorectangle"]
        if len(boxes) < len(regions):
            kinds = some(one.get("type") for one in regions if one not in boxes)
            notes.append(f"{len(regions) - len(boxes)} regions that are no video rectangles ({kinds}): left out")
        return boxes, notes

    def _task(self, tasks: Sequence[dict[str, Any]], video: FrameSource) -> tuple[dict[str, Any], list[str]]:
        """The task of the film, by its name where there are several."""
        if len(tasks) == 1:
            return tasks[0], []
        names = [_film_of(task) for task in tasks]
        own = own_one(names, video.ref, file=self.path, kind="tasks")
        return tasks[own], [f"{len(tasks)} tasks in it: that of {some([names[own]])} taken"]

    def _frames(
        self, numbers: list[int], lengths: set[tuple[float, float]], video: FrameSource
    ) -> tuple[list[int], list[str]]:
        """The film's frame of each of its numbers, which count from 1."""
        ref = video.ref
        counted = {count for count, _ in lengths}
        array = np.array(numbers, dtype=np.int64)
        if self.numbering.stated or not numbers or counted <= {ref.frames}:
            frames, notes = frames_of(
                array, self.numbering, ref, spec=self.spec, certain=True, counts_from=1
            )  # fmt: skip
            return frames.tolist(), notes
        seconds = {seconds for _, seconds in lengths}
        if len(lengths) > 1 or min(seconds) <= 0:
            raise LabelError(
                f"{self.path} counts {some(f'{count:g}' for count in sorted(counted))} frames, {ref.path} has "
                f"{ref.frames}, and no duration says how they go together: give {self.spec}?step=N"
            )
        ((count, duration),) = lengths
        last = float(video.pts_seconds[-1] - video.pts_seconds[0])
        if abs(duration - last) > max(0.1 * last, 2 / max(ref.rate, 1e-9)):
            raise LabelError(
                f"{self.path} speaks of {duration:g} s, {ref.path} lasts {last:g} s: labels of another video"
            )
        at = np.minimum((array - 1) * duration / count, last)
        note = f"it counts {count:g} frames, the film has {ref.frames}: frames were found by time"
        return frames_at(at, video.pts_seconds, ref.rate, spec=self.spec).tolist(), [note]


def _film_of(task: dict[str, Any]) -> str:
    """The name of the file that a task is of."""
    given = task.get("data") if isinstance(task.get("data"), dict) else task
    assert isinstance(given, dict)
    name = next((one for key in ("video", "video_url", "url") if isinstance(one := given.get(key), str)), "")
    return clean(re.split(r"[\\/=]", name)[-1])


def _class(value: dict[str, Any]) -> str:
    labels = value.get("labels")
    return clean(labels[0]) if isinstance(labels, list) and labels else ""


def _track(
    value: dict[str, Any], count: int, most: int, size: tuple[int, int], done: Counter[str]
) -> Iterator[tuple[int, Box]]:
    """Frame (from 1) and box in px of each frame that a region is shown at. Raises ValueError."""
    sequence = value.get("sequence")
    if not isinstance(sequence, list) or not all(isinstance(one, dict) for one in sequence):
        raise ValueError(f"its sequence is {excerpt(sequence)}, not a list of keyframes")
    keys = sorted(
        (
            (whole(one.get("frame"), "frame"), _box(one, size, done), flag(one.get("enabled", True)))
            for one in sequence
        ),
        key=lambda one: one[0],
    )
    if keys and not 1 <= keys[0][0] <= keys[-1][0] <= most:
        raise ValueError(f"its frames are {keys[0][0]} to {keys[-1][0]}: they count from 1, and end with the film")
    for place, (frame, box, enabled) in enumerate(keys):
        yield frame, box
        later = keys[place + 1] if place + 1 < len(keys) else None
        if not enabled:
            continue
        for between in range(frame + 1, later[0] if later else count + 1):
            share = (between - frame) / (later[0] - frame) if later else 0.0
            there = later[1] if later else box
            done["between" if later else "after"] += 1
            left, top, width, height = ((1 - share) * a + share * b for a, b in zip(box, there, strict=True))
            yield between, (left, top, width, height)


def _box(key: dict[str, Any], size: tuple[int, int], done: Counter[str]) -> Box:
    """The box in px around a keyframe's rectangle, turned about its left upper corner. Raises ValueError."""
    left, top, width, height = (
        number(key.get(name), name) * whole_px / 100
        for name, whole_px in zip(("x", "y", "width", "height"), size * 2, strict=True)
    )
    turn = math.radians(number(key.get("rotation") or 0, "rotation"))
    if turn == 0:
        return left, top, width, height
    done["turned"] += 1
    right, down = (math.cos(turn), math.sin(turn)), (-math.sin(turn), math.cos(turn))
    corners = [
        (left + a * width * right[0] + b * height * down[0], top + a * width * right[1] + b * height * down[1])
        for a in (0, 1) for b in (0, 1)
    ]  # fmt: skip
    around = box_around(corners)
    assert around is not None
    return around
