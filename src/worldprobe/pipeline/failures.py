"""What became of the videos that were to be encoded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from worldprobe.errors import VideoError, WorldprobeError
from worldprobe.findings.run_files import read_failures
from worldprobe.io.files import write_whole
from worldprobe.records import VideoRef
from worldprobe.store import Series


@dataclass(frozen=True, slots=True)
class Failure:
    """A video or a clip (by its first frame) that could not be encoded, and why."""

    video: str
    clip: int | None
    error: str


@dataclass(slots=True)
class Encoded:
    """What an encode did: the series it looked after, clips made now and found done, and what failed.

    ``workers``: the machines that made them, where these are others than this process, each once. ``beside``: of
    each other encoder that was served in the same pass, clips made and seconds that it took.
    """

    series: list[Series] = field(default_factory=list)
    made: int = 0
    found: int = 0
    failures: list[Failure] = field(default_factory=list)
    workers: list[dict[str, Any]] = field(default_factory=list)
    beside: list[tuple[int, float]] = field(default_factory=list)


def cut_short(ref: VideoRef) -> list[Failure]:
    """What a video declares and does not hold, as the failure that it is to every stage; none where it is whole."""
    if not ref.missing and not ref.cut:
        return []
    absent = f"{ref.missing} of the {ref.frames + ref.missing} frames that it declares are not in it"
    error = (
        f"the file is cut short: {absent if ref.missing else 'how many frames are missing cannot be told'}. The "
        f"{ref.frames} that are there are used: get a whole copy of it for the rest."
    )
    return [Failure(ref.path, ref.frames, error)]


def readable(videos: Sequence[Path], failures: Sequence[Failure]) -> list[Path]:
    """Keep the videos that could be read: those that failed in no more than some of their clips."""
    unread = {failure.video for failure in failures if failure.clip is None}
    return [path for path in videos if str(path) not in unread]


def require_readable(videos: Sequence[Path], failures: Sequence[Failure], *, what: str = "read") -> list[Path]:
    """Keep the videos that could be read. Raises VideoError with the first failure where there is none."""
    found = readable(videos, failures)
    if not found:
        raise VideoError(f"none of the {len(videos)} videos could be {what}. The first: {failures[0].error}")
    return found


def raise_or_keep(failure: Failure, error: WorldprobeError, strict: bool, result: Encoded) -> None:
    """With ``strict`` raise the error, else write it down."""
    if strict:
        raise error
    result.failures.append(failure)


def add_failures(path: Path, failures: Sequence[Failure]) -> None:
    """Write down what failed beside what is written. Raises WorldprobeError where the file is damaged."""
    if failures:
        read = read_failures(path)
        known = [Failure(one.video, int(one.clip) if one.clip.isdigit() else None, one.error) for one in read]
        write_failures(path, [*known, *failures])


def write_failures(path: Path, failures: Sequence[Failure]) -> None:
    """A line for each failure; no file where there is none."""
    if failures:
        different = dict.fromkeys(failures)  # several stages meet what is wrong with a film
        write_whole(path, "".join(json.dumps(asdict(f)) + "\n" for f in different).encode())
    else:
        path.unlink(missing_ok=True)
