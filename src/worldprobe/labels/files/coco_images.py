"""Which frames of the film the images of a COCO file are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import LabelError
from worldprobe.labels.arguments import Numbering
from worldprobe.labels.files.numbering import frames_at, frames_of, read_names
from worldprobe.labels.files.which_film import is_film, own_one
from worldprobe.labels.values import clean, excerpt, key, number, some, whole
from worldprobe.protocols import FrameSource
from worldprobe.records import VideoRef

Key = int | str
_FRAME = ("frame_id", "frame_index", "frame_number")
_SECONDS = ("timestamp", "timestamp_seconds", "pts_seconds", "time_seconds")
# Times of equal distance count as the film's own where they cover this share of it.
_LEAST_COVERED = 0.5


@dataclass(frozen=True, slots=True)
class _Image:
    """An image: its id, its file's name and folder, its video's name, its own entry."""

    key: Key
    name: str
    video: str
    entry: dict[str, Any]

    @property
    def folder(self) -> str:
        return re.split(r"[\\/][^\\/]*$", self.name)[0] if re.search(r"[\\/]", self.name) else ""


def images_of(
    written: dict[str, Any], video: FrameSource, numbering: Numbering, *, spec: str, path: Path
) -> tuple[dict[Key, int | None], list[str]]:
    """The film's frame of each image, None for images of other videos; and notes.

    Raises:
        LabelError: images of another size, of several videos of which none has the film's name, of the same frame
            twice; numbers that may count pictures taken out of the film.
    """
    try:
        images = _read(written["images"], written.get("videos"), path)
        chosen, notes = _of_this_film(images, video.ref, path)
        for image in chosen:
            size = tuple(
                whole(image.entry[side], side) if image.entry.get(side) is not None else own
                for side, own in (("width", video.ref.width), ("height", video.ref.height))
            )
            if size != (video.ref.width, video.ref.height):
                raise LabelError(
                    f"{path} speaks of {size[0]} x {size[1]} px, {video.ref.path} has {video.ref.width} x "
                    f"{video.ref.height}: labels of another video"
                )
        frames, chosen, more = _frames(chosen, video, numbering, spec, path)
    except ValueError as error:
        raise LabelError(f"{path} is malformed: {error}") from error
    found: dict[Key, int | None] = {image.key: None for image in images}
    found |= {image.key: int(frame) for image, frame in zip(chosen, frames, strict=True)}
    return found, [*notes, *more]


def _read(entries: list[Any], videos: Any, path: Path) -> list[_Image]:
    """Raises ValueError."""
    names: dict[Key, str] = {}
    for one in videos if isinstance(videos, list) else ():
        if isinstance(one, dict) and one.get("id") is not None:
            name = one.get("file_name") or one.get("name") or f"video {excerpt(one['id'])}"
            names[key(one["id"], "video's id")] = clean(name)
    images: dict[Key, _Image] = {}
    for place, entry in enumerate(entries):
        if not isinstance(entry, dict) or entry.get("id") is None:
            raise ValueError(f"image number {place + 1} is {excerpt(entry)}, without an id")
        known = key(entry["id"], "image's id")
        if known in images:
            raise ValueError(f"two images have the id {excerpt(known)}")
        owner = entry.get("video_id")
        of_video = "" if owner is None else names.get(key(owner, "video_id"), f"video {excerpt(owner)}")
        name = entry.get("file_name")
        images[known] = _Image(known, "" if name is None else clean(name), of_video, entry)
    return list(images.values())


def _of_this_film(images: list[_Image], ref: VideoRef, path: Path) -> tuple[list[_Image], list[str]]:
    """The images of the film's own video or folder, where there are several."""
    videos = list(dict.fromkeys(image.video for image in images))
    if len(videos) > 1:
        name = videos[own_one(videos, ref, file=path, kind="videos")]
        return [image for image in images if image.video == name], [
            f"{len(videos)} videos in it: {some([name])} taken"
        ]
    folders = list(dict.fromkeys(image.folder for image in images))
    own = [one for one in folders if is_film(one, ref)]
    if len(folders) > 1 and len(own) == 1:
        chosen = [image for image in images if image.folder == own[0]]
        return chosen, [f"images of {len(folders)} folders in it: {some(own)} taken"]
    return images, []


def _frames(
    images: list[_Image], video: FrameSource, numbering: Numbering, spec: str, path: Path
) -> tuple[NDArray[np.int64], list[_Image], list[str]]:
    """The film's frame of each image that is left, those images, and notes. Raises ValueError."""
    entries = [image.entry for image in images]
    stated = [next((entry[one] for one in _FRAME if entry.get(one) is not None), None) for entry in entries]
    named = read_names([image.name for image in images])
    if images and None not in stated:
        numbers = [_frame_number(value, image) for value, image in zip(stated, images, strict=True)]
        return _numbered(numbers, images, named.before, video.ref, numbering, spec, path, certain=True)
    if (seconds := _seconds(entries, video)) is not None and not numbering.stated:
        frames = frames_at(seconds, video.pts_seconds, video.ref.rate, spec=spec)
        return frames, images, ["frames were found by its images' timestamps, in seconds"]
    if images and None not in named.seconds and not numbering.stated:
        times = np.array(named.seconds, dtype=np.float64)
        frames = frames_at(times, video.pts_seconds, video.ref.rate, spec=spec)
        return frames, images, ["frames were found by the times in its images' names"]
    if not any(one is not None for one in (*stated, *named.numbers)):
        if len(images) == video.ref.frames:
            whole_ids = all(isinstance(image.key, int) for image in images)
            order = sorted(images, key=lambda image: int(image.key)) if whole_ids else images
            how = "of their ids" if whole_ids else "in which they stand"
            return np.arange(len(images)), order, [f"images have no frame numbers: taken in the order {how}"]
        numbers = [_frame_number(image.key, image) for image in images]
    else:
        numbers = [
            _frame_number(next(one for one in (given, found, image.key) if one is not None), image)
            for given, found, image in zip(stated, named.numbers, images, strict=True)
        ]
    if (dated := _dated(entries, numbers, video)) is not None and not numbering.stated:
        frames = frames_at(dated, video.pts_seconds, video.ref.rate, spec=spec)
        return frames, images, ["frames were found by the times at which its images were taken (date_captured)"]
    return _numbered(numbers, images, named.before, video.ref, numbering, spec, path, certain=False)


def _frame_number(value: Any, image: _Image) -> int:
    try:
        return whole(value, "frame")
    except ValueError:
        raise ValueError(f"image {excerpt(image.key)} has the frame number {excerpt(value)}") from None


def _numbered(
    numbers: Sequence[int],
    images: list[_Image],
    before: Sequence[str],
    ref: VideoRef,
    numbering: Numbering,
    spec: str,
    path: Path,
    *,
    certain: bool,
) -> tuple[NDArray[np.int64], list[_Image], list[str]]:
    """Frames by number; where numbers meet, those of the images that are named as the film."""
    notes = []
    if len(set(numbers)) < len(numbers):
        rows = [at for at, name in enumerate(before) if is_film(name, ref)]
        if not rows or len({numbers[at] for at in rows}) < len(rows):
            first: dict[int, _Image] = {}
            for value, image in zip(numbers, images, strict=True):
                if (other := first.setdefault(value, image)) is not image:
                    ids = f"ids {excerpt(other.key)} and {excerpt(image.key)}"
                    names = f", {some((other.name, image.name))}" if image.name else ""
                    raise LabelError(
                        f"{path} has two images of frame {value} ({ids}{names}): it holds several videos, or its "
                        f"file names do not end in the frame's number. Give a file of {ref.path} alone, with "
                        "frame_id in each image."
                    )
        notes = [f"images of several videos by their names: {some([before[rows[0]]])} taken"]
        images, numbers = [images[at] for at in rows], [numbers[at] for at in rows]
    frames, more = frames_of(
        np.array(numbers, dtype=np.int64), numbering, ref,
        spec=spec, certain=certain, names=[image.name for image in images],
    )  # fmt: skip
    if len(frames) and len(set(frames.tolist())) < len(frames):
        raise LabelError(f"{spec}: with this step several images are of one frame of {ref.path}")
    return frames, images, [*notes, *more]


def _seconds(entries: list[dict[str, Any]], video: FrameSource) -> NDArray[np.float64] | None:
    """Times that every image states, in seconds of the film; None where one does not."""
    for name in _SECONDS:
        if entries and all(isinstance(entry.get(name), int | float) for entry in entries):
            seconds = np.array([number(entry[name], name) for entry in entries])
            length = float(video.pts_seconds[-1] - video.pts_seconds[0]) + 1.5 / max(video.ref.rate, 1e-9)
            if len(np.unique(seconds)) == len(seconds) and seconds.min() >= 0 and seconds.max() <= length:
                return seconds
    return None


def _dated(entries: list[dict[str, Any]], numbers: Sequence[int], video: FrameSource) -> NDArray[np.float64] | None:
    """Seconds since the first image was taken, where dates are at equal distance and cover much of the film.

    Most tools write the time of the annotation, or the same time everywhere.
    """
    try:
        dates = [datetime.fromisoformat(str(entry["date_captured"]).replace("/", "-")) for entry in entries]
        seconds = np.array([(date - dates[0]).total_seconds() for date in dates])
    except (KeyError, ValueError, TypeError, OverflowError):
        return None
    steps = np.diff(seconds[np.argsort(numbers)])
    length, frame = float(video.pts_seconds[-1] - video.pts_seconds[0]), 1.5 / max(video.ref.rate, 1e-9)
    if len(steps) < 2 or steps.min() <= 0 or np.ptp(steps) > frame:
        return None
    seconds = seconds - seconds.min()
    return seconds if _LEAST_COVERED * length <= seconds.max() <= length + frame else None
