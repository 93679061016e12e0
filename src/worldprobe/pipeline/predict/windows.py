"""Windows of videos, a context and what follows it, such that each moment is predicted once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import PredictionError, VideoError
from worldprobe.execute.local import prefetch
from worldprobe.pipeline.failures import Failure, cut_short
from worldprobe.pipeline.groups import Groups, recordings
from worldprobe.pipeline.progress import Progress
from worldprobe.pipeline.sources import open_source, spread
from worldprobe.probes.splits import SplitKind, SplitRows, units
from worldprobe.protocols import Encoder
from worldprobe.records import Clip, ClipSpec, VideoRef
from worldprobe.video.sample import read_clips, spans
from worldprobe.video.video import Video

# About the most tokens that a batch may hold: as for encoding, less what the predictor adds.
_TOKENS_PER_BATCH = 4096
MOST = 4096  # windows at once, to begin with: a batch holds fewer
_AHEAD = 8
FEW_GROUPS = 10  # below this many shots, contiguous blocks of the videos serve as groups


@dataclass(frozen=True, slots=True)
class Cut:
    """How videos are cut: so many tubelets of context and horizon, source frames ``stride`` apart.

    ``most`` is the number of windows that are taken of a video, evenly spread; None takes all.
    """

    context: int
    horizon: int
    stride: int = 1
    most: int | None = None

    def __post_init__(self) -> None:
        if self.context < 1 or self.horizon < 1:
            raise PredictionError(
                f"a context of {self.context} and a horizon of {self.horizon} tubelets were asked for; both must "
                "be 1 or more."
            )
        if self.stride < 1:
            raise PredictionError(f"a stride of {self.stride} was asked for; it must be 1 or more.")


@dataclass(frozen=True, slots=True)
class Window:
    """Where a window lies.

    Attributes:
        video: its number among the videos.
        group: the number of its shot, or of the episode that it shows, among all.
        seconds: when the context ends, in the video's own time; ``began``: when its shot begins.
        span: seconds from the window's first frame to its last.
        first: whether its context is the first thing that is seen of the shot.
        scored: whether it is one of those that predictions are scored on.
        decoded: whether it is one of those that a decoder draws.
        shots: the first frame of each of the video's shots.
    """

    spec: ClipSpec
    video: int
    group: int
    seconds: float
    began: float
    span: float
    first: bool
    scored: bool = True
    decoded: bool = False
    shots: tuple[int, ...] = (0,)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which windows of a video a decoder draws: at most so many of those that it may, evenly spread.

    ``may`` is asked with a window's frames, the number of its shot, and that shot's first frame.
    """

    most: int
    may: Callable[[ClipSpec, int, int], bool]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Windows and their pixels, uint8 [b, t, 3, h, w]; their tokens too, as ``forecast.tokens_of`` gives them,
    where these were predicted elsewhere."""

    windows: list[Window]
    pixels: NDArray[np.uint8]
    tokens: tuple[NDArray[np.float32], ...] | None = None


def cut_windows(ref: VideoRef, shots: Sequence[int], cut: Cut, *, tubelet: int) -> list[tuple[ClipSpec, int, bool]]:
    """Windows of one video: (frames, number of the shot, first of its shot), none crossing a cut.

    They begin a horizon apart, so that all that comes after a shot's first context is told exactly once.

    Raises:
        VideoError: no shot holds a window; the message says what would fit.
    """
    frames, hop = (cut.context + cut.horizon) * tubelet, cut.horizon * tubelet * cut.stride
    span = (frames - 1) * cut.stride + 1
    found = [
        (ClipSpec(ref, start, frames, cut.stride), number, start == first)
        for number, first, end in spans(ref, shots)
        for start in range(first, end - span + 1, hop)
    ]
    if not found:
        longest = max((end - first for _, first, end in spans(ref, shots)), default=0)
        fits = (longest - 1) // cut.stride + 1
        raise VideoError(
            f"{ref.path}: a context of {cut.context} and a horizon of {cut.horizon} tubelets need {span} frames at "
            f"stride {cut.stride}; its longest shot has {longest}, which is room for "
            f"{fits // tubelet} tubelets in all. Use less --context, --horizon or --stride."
        )
    return found


def holding_windows(
    videos: Sequence[Path], cut: Cut, *, tubelet: int
) -> tuple[dict[Path, tuple[VideoRef, int]], list[Failure]]:
    """Those of the videos that can be opened and hold a window, with how many; and why the others do not."""
    found: dict[Path, tuple[VideoRef, int]] = {}
    failures: list[Failure] = []
    for path in videos:
        try:
            with open_source(path) as video:
                windows = cut_windows(video.ref, video.shots, cut, tubelet=tubelet)
                found[path] = video.ref, len(spread(windows, cut.most))
        except VideoError as error:
            failures.append(Failure(str(path), None, str(error)))
    return found, failures


def _decoded(
    every: list[tuple[ClipSpec, int, bool]], shots: Sequence[int], selection: Selection | None
) -> set[tuple[ClipSpec, int, bool]]:
    if selection is None:
        return set()
    return set(spread([one for one in every if selection.may(one[0], one[1], shots[one[1]])], selection.most))


def read_windows(
    videos: Sequence[Path],
    encoder: Encoder,
    cut: Cut,
    *,
    failures: list[Failure],
    progress: Progress,
    stage: str,
    selection: Selection | None = None,
) -> Iterator[Batch]:
    """Read windows to be scored or drawn, in batches, ahead in a thread of their own.

    Args:
        failures: gets what cannot be read of those that are scored.
        selection: which windows are drawn, whether they are scored or not; none unless given.
    """
    size = batch_size(encoder, cut)
    windows: list[Window] = []
    pixels: list[NDArray[np.uint8]] = []
    for window, clip in prefetch(_read(videos, encoder, cut, selection, failures, progress, stage), depth=_AHEAD):
        windows.append(window)
        pixels.append(clip)
        if len(windows) == size:
            yield Batch(windows, np.stack(pixels))
            windows, pixels = [], []
    if windows:
        yield Batch(windows, np.stack(pixels))


def batch_size(encoder: Encoder, cut: Cut) -> int:
    """How many windows are predicted at once."""
    return max(1, _TOKENS_PER_BATCH // encoder.grid((cut.context + cut.horizon) * encoder.tubelet).tokens)


def plan_windows(
    videos: Sequence[Path], encoder: Encoder, cut: Cut, *, failures: list[Failure], selection: Selection | None
) -> Iterator[tuple[Path, list[Window]]]:
    """Cut each video into windows without reading them; ``failures`` gets the videos that cannot be."""
    numbers = Groups()
    for number, path in enumerate(videos):
        try:
            with open_source(path) as video:
                failures += cut_short(video.ref)
                yield path, _windows_of(video, number, encoder, cut, selection, numbers)
        except VideoError as error:
            failures.append(Failure(str(path), None, str(error)))


def _windows_of(
    video: Video, number: int, encoder: Encoder, cut: Cut, selection: Selection | None, numbers: Groups
) -> list[Window]:
    """The windows of a video that are scored or drawn. Raises VideoError as ``cut_windows``."""
    every = cut_windows(video.ref, video.shots, cut, tubelet=encoder.tubelet)
    scored, decoded = set(spread(every, cut.most)), _decoded(every, video.shots, selection)
    groups = numbers.of(video.ref, video.shots).tolist()
    found = []
    for one in every:
        if one not in scored and one not in decoded:
            continue
        spec, shot, first = one
        times = video.pts_seconds[list(spec.indices)]
        ends, span = float(times[cut.context * encoder.tubelet - 1]), float(times[-1] - times[0])
        began = float(video.pts_seconds[video.shots[shot]])
        found.append(
            Window(
                spec, number, groups[shot], ends, began, span, first, scored=one in scored, decoded=one in decoded,
                shots=tuple(video.shots),
            )
        )  # fmt: skip
    return found


def _read(
    videos: Sequence[Path],
    encoder: Encoder,
    cut: Cut,
    selection: Selection | None,
    failures: list[Failure],
    progress: Progress,
    stage: str,
) -> Iterator[tuple[Window, NDArray[np.uint8]]]:
    numbers = Groups()
    for number, path in enumerate(videos):
        try:
            with open_source(path) as video:
                failures += cut_short(video.ref)
                found = _windows_of(video, number, encoder, cut, selection, numbers)
                read = pixels_of(video, found, encoder, failures=failures, path=str(path))
                for done, (window, clip) in enumerate(zip(found, read, strict=True)):
                    if clip is None:
                        continue
                    yield window, clip
                    if len(videos) == 1:
                        progress(stage, done + 1, len(found))
                if len(videos) == 1 and found:  # the last ones may be damaged
                    progress(stage, len(found), len(found))
        except VideoError as error:
            failures.append(Failure(str(path), None, str(error)))
        if len(videos) > 1:
            progress(stage, number + 1, len(videos))


def pixels_of(
    video: Video, windows: Sequence[Window], encoder: Encoder, *, failures: list[Failure], path: str
) -> Iterator[NDArray[np.uint8] | None]:
    """Read windows of a video in their order: uint8 [t, 3, h, w], or None of one that cannot be read.

    ``failures`` gets why, of those that are scored, under the video's ``path``.
    """
    view = encoder.view(video.ref.width, video.ref.height)
    clips = read_clips(video, [one.spec for one in windows], preprocess=encoder.preprocess, view=view)
    for window, clip in zip(windows, clips, strict=True):
        if isinstance(clip, Clip):
            yield clip.pixels
            continue
        failures += [Failure(path, window.spec.start, str(clip[1]))] if window.scored else []
        yield None


def split_rows(windows: Sequence[Window]) -> SplitRows:
    """Describe windows to a split."""
    span = max(window.span for window in windows)
    group = np.array([window.group for window in windows], np.int64)
    video = np.array([window.video for window in windows], np.int64)
    seconds, began = (np.array([getattr(window, name) for window in windows]) for name in ("seconds", "began"))
    recording, seconds = recordings(video, group, seconds, began, apart=span)
    return SplitRows(group, recording, seconds, span)


def unit_of(windows: Sequence[Window]) -> tuple[SplitKind, NDArray[np.int64]]:
    """What is resampled, int64 [n]: shots, or contiguous blocks of the videos where there are few shots."""
    rows = split_rows(windows)
    split: SplitKind = "grouped" if len(np.unique(rows.group)) >= FEW_GROUPS else "blocked"
    return split, units(rows, split)
