"""The clips that the store lacks, read ahead: several videos at a time, each in one pass."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator, Hashable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from worldprobe.errors import VideoError
from worldprobe.execute.local import prefetch
from worldprobe.pipeline.encode.claims import Claims
from worldprobe.pipeline.encode.job import EncodeJob
from worldprobe.pipeline.encode.order import reordered
from worldprobe.pipeline.failures import Encoded, Failure, raise_or_keep
from worldprobe.pipeline.progress import Progress, Tally, silent
from worldprobe.pipeline.sources import open_source
from worldprobe.protocols import Encoder
from worldprobe.records import Clip, ClipSpec
from worldprobe.store import Series
from worldprobe.video.sample import read_views
from worldprobe.video.video import Video

_CLIPS_AHEAD = 8
_Key = tuple[int, int, int]  # first frame, frames and stride of a clip
# One decodes some 200 frames of 720p a second; what lies behind them is the store's and the bus's.
_MOST_READERS = 8


@dataclass(frozen=True, slots=True, eq=False)
class PendingClip:
    """A clip that the store lacks, as the job's encoder is to see it, and where each of its outputs belongs."""

    path: Path
    job: EncodeJob
    series: tuple[Series, ...]
    index: int
    clip: Clip


@dataclass(slots=True)
class EncodedVideos:
    """What became of each video that was taken, in no order, and which ones another run has."""

    parts: list[tuple[Path, Encoded]] = field(default_factory=list)
    left: list[Path] = field(default_factory=list)


@contextmanager
def reading(
    videos: Sequence[Path], job: EncodeJob, claims: Claims, tally: Tally, taken: EncodedVideos
) -> Iterator[Generator[PendingClip, None, None]]:
    """Clips as they are read.

    As many threads read as there are videos and cores, a video each; one where the first failure ends all, which is
    to be the first in order. They wait when enough is read, so that on a machine whose cores the encoder needs they
    take no more of them than one would.

    Args:
        claims: who takes a clip releases its video when the clip is written.
        tally: counts videos.
        taken: gets each video that is begun, with what was found and what failed of it, and those left to others.
    """
    dealt = _Dealt(videos)
    count = 1 if job.strict else max(1, min(len(videos), _cores(), _MOST_READERS))
    readers = [_read(dealt, job, claims, tally, taken) for _ in range(count)]
    try:
        with closing(prefetch(*readers, depth=_CLIPS_AHEAD)) as clips:
            yield clips
    finally:
        for reader in readers:
            reader.close()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Dealt:
    """One iterator for several threads."""

    def __init__(self, videos: Sequence[Path]) -> None:
        self._videos, self._lock = iter(videos), threading.Lock()

    def __iter__(self) -> Iterator[Path]:
        return self

    def __next__(self) -> Path:
        with self._lock:
            return next(self._videos)


def _read(
    videos: _Dealt, job: EncodeJob, claims: Claims, tally: Tally, taken: EncodedVideos
) -> Generator[PendingClip, None, None]:
    """What one reader finds in the videos that it is dealt."""
    for path in videos:
        if not claims.take(path):
            taken.left.append(path)
            continue
        part = Encoded()
        taken.parts.append((path, part))
        for clip in _clips_of(path, job, part, job.progress if tally.total == 1 else silent):
            claims.share(path)
            yield clip
        claims.release(path)
        tally.add()


@dataclass(frozen=True, slots=True, eq=False)
class _Planned:
    """What a job wants of a video: its series, positions of the clips that it lacks by what they are cut from, and
    how many it holds."""

    job: EncodeJob
    series: tuple[Series, ...]
    lacking: dict[_Key, int]
    held: int


def _planned(job: EncodeJob, video: Video) -> _Planned:
    series, pending, held = job.pending(video)
    return _Planned(job, series, {_key(series[0].specs[index]): index for index in pending}, held)


def _key(spec: ClipSpec) -> _Key:
    return spec.start, spec.frames, spec.stride


def _sight(encoder: Encoder) -> Hashable:
    """The same of encoders that are known to see frames alike: this package's, by their ``sight``.

    One that inherits from them, or passes their attributes on, may see frames in a way of its own.
    """
    own = [getattr(type(encoder), name, None) for name in ("preprocess", "view")]
    known = all(getattr(one, "__module__", "").startswith("worldprobe.") for one in own)
    changed = {"preprocess", "view"} & getattr(encoder, "__dict__", {}).keys()
    sight: Hashable = getattr(encoder, "sight", None) if known and not changed else None
    return id(encoder) if sight is None else sight


def _clips_of(path: Path, job: EncodeJob, part: Encoded, progress: Progress) -> Iterator[PendingClip]:
    """The clips of one video that are not done."""
    begun = 0
    try:
        with open_source(path) as video:
            planned = [_planned(one, video) for one in job.together]
            series = planned[0].series[0]
            part.series.append(series)
            part.found += sum(one.held for one in planned)
            positions = {_key(spec): index for index, spec in enumerate(series.specs)}
            wanted = [one for one in planned if one.lacking]
            missing = {key: one.series[0].specs[index] for one in wanted for key, index in one.lacking.items()}
            views = {_sight(one.job.encoder): (one.job.encoder.preprocess, one.series[0].view) for one in wanted}
            for read in read_views(video, list(missing.values()), views=list(views.values())):
                if not isinstance(read, list):
                    failure = Failure(str(path), read[0].start, str(read[1]))
                    raise_or_keep(failure, read[1], job.strict, part)
                    continue
                seen, key = dict(zip(views, read, strict=True)), _key(read[0].spec)
                for one in wanted:
                    if (index := one.lacking.get(key)) is not None:
                        clip = seen[_sight(one.job.encoder)]
                        clip = reordered(clip, one.job.input, tubelet=one.series[0].grid.tubelet)
                        yield PendingClip(path, one.job, one.series, index, clip)
                if key in positions:
                    begun = len(series.specs)
                    progress(job.stage, positions[key] + 1, begun)
    except VideoError as error:
        raise_or_keep(Failure(str(path), None, str(error)), error, job.strict, part)
    if begun:  # those at the end may be stored, or cannot be read
        progress(job.stage, begun, begun)
