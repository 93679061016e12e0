"""Cut videos into clips, and stream the clips' pixels while each source frame is decoded once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import VideoError
from worldprobe.geometry import View
from worldprobe.protocols import FrameSource
from worldprobe.records import Clip, ClipSpec, VideoRef

Pixels = NDArray[np.uint8]
Preprocess = Callable[[Pixels], Pixels]

_TOGETHER = 2**19  # px of small frames that are preprocessed at once: each call takes as long as some of them
DAMAGED = "the file is damaged there"


def spans(ref: VideoRef, shots: Sequence[int]) -> list[tuple[int, int, int]]:
    """What clips are cut from: number, first frame and end of each shot; of a robot's film those that show an
    episode, since what lies between them may be another camera's episode under no name."""
    named = ref.episodes if len(ref.episodes) == len(shots) else ("-",) * len(shots)
    return [
        (number, first, end) for number, (first, end) in enumerate(pairwise([*shots, ref.frames])) if named[number]
    ]


def clips(ref: VideoRef, *, frames: int, stride: int, shots: Sequence[int] = (0,)) -> list[ClipSpec]:
    """Back-to-back clips of each shot, none overlapping or crossing a cut; what is left of a shot is dropped.

    Clips begin ``frames * stride`` source frames apart, so that sampled frames are evenly spaced across clips.

    Args:
        shots: the first frame of each shot, increasing.

    Raises:
        VideoError: every shot is shorter than one clip, or frames or stride are below 1.
    """
    if frames < 1 or stride < 1:
        raise VideoError(f"clips of {frames} frames with stride {stride} were asked for; both must be at least 1.")
    span = (frames - 1) * stride + 1
    found = [
        ClipSpec(ref, start, frames, stride)
        for _, first, end in spans(ref, shots)
        for start in range(first, end - span + 1, frames * stride)
    ]
    if found:
        return found
    lost = f" ({ref.missing} more are missing: the file is cut short)" if ref.missing else ""
    lost = " (the file is cut short)" if ref.cut else lost
    held = f"{ref.frames} frames{lost}" + (f" in {len(shots)} shots, all shorter" if ref.frames >= span else "")
    raise VideoError(
        f"{ref.path} has {held}; a clip of {frames} frames with stride {stride} needs "
        f"{span}. Use a longer video, or smaller --frames or --stride."
    )


def stills(ref: VideoRef, *, frames: int, every: int, shots: Sequence[int] = (0,)) -> list[ClipSpec]:
    """Every ``every``-th frame, each repeated ``frames`` times (stride 0).

    Raises:
        VideoError: ``frames`` or ``every`` below 1.
    """
    if frames < 1 or every < 1:
        raise VideoError(
            f"stills of {frames} frames at every {every}. frame were asked for; both must be at least 1."
        )
    shots_of = spans(ref, shots)
    return [
        ClipSpec(ref, start, frames, 0)
        for start in range(0, ref.frames, every)
        if any(first <= start < end for _, first, end in shots_of)
    ]


def read_clips(
    video: FrameSource, specs: Sequence[ClipSpec], *, preprocess: Preprocess, view: View
) -> Iterator[Clip | tuple[ClipSpec, VideoError]]:
    """Read clips as one model sees them; as ``read_views``, which has them by model.

    Args:
        specs: clips of this video, in any order.
        preprocess: source frames uint8 RGB [n, h, w, 3] to model pixels uint8 [n, 3, h', w'], frame by frame.
        view: what the model sees of a source frame.

    Yields:
        A clip; or the spec and the error where some of its frames cannot be decoded.

    Raises:
        VideoError: as ``read_views``.
    """
    found = read_views(video, specs, views=[(preprocess, view)])
    return (one[0] if isinstance(one, list) else one for one in found)


def read_views(
    video: FrameSource, specs: Sequence[ClipSpec], *, views: Sequence[tuple[Preprocess, View]]
) -> Iterator[list[Clip] | tuple[ClipSpec, VideoError]]:
    """Read clips in order of their start, in one pass over the file, as several models see them.

    Each source frame is decoded once and preprocessed once for each model, even where clips share it; only frames
    that the first unfinished clip or a later one needs are kept.

    Args:
        specs: clips of this video, in any order.
        views: each model's ``preprocess`` and ``view``, as ``read_clips`` has them.

    Yields:
        A clip for each of ``views``; or the spec and the error where some of its frames cannot be decoded.

    Raises:
        VideoError: a clip of another video, or of a file that has changed since it was cut into clips.
    """
    for spec in specs:
        if spec.video.id != video.ref.id:
            raise VideoError(
                f"a clip of {spec.video.path} ({spec.video.id[:12]}) was asked of {video.ref.path} "
                f"({video.ref.id[:12]}): the file has changed since. Run the command again on the file as it is."
            )
    return _stream(video, sorted(specs, key=lambda s: (s.start, s.last)), views)


def _stream(
    video: FrameSource, ordered: list[ClipSpec], views: Sequence[tuple[Preprocess, View]]
) -> Iterator[list[Clip] | tuple[ClipSpec, VideoError]]:
    waiting = deque(ordered)
    kept: dict[int, tuple[Pixels, ...]] = {}  # for each view
    fresh: dict[int, Pixels] = {}  # frames of ``kept`` that are still to be preprocessed

    def keep() -> None:
        if fresh:
            frames = np.stack(list(fresh.values()))
            kept.update(zip(fresh, zip(*(see(frames) for see, _ in views), strict=True), strict=True))
            fresh.clear()

    def due(last: int) -> Iterator[list[Clip] | tuple[ClipSpec, VideoError]]:
        while waiting and waiting[0].last <= last:
            keep()
            yield _assemble(video, waiting.popleft(), kept, [view for _, view in views])
            _forget(kept, waiting)

    for index, rgb in video.frames(sorted({i for spec in ordered for i in spec.indices})):
        yield from due(index - 1)  # clips whose last frame was left out
        fresh[index] = rgb
        if len(fresh) * rgb.shape[0] * rgb.shape[1] >= _TOGETHER:
            keep()
        yield from due(index)
    yield from due(max((spec.last for spec in ordered), default=0))


def _forget(kept: dict[int, tuple[Pixels, ...]], waiting: deque[ClipSpec]) -> None:
    needed_from = waiting[0].start if waiting else 0
    for index in [i for i in kept if i < needed_from]:
        del kept[index]


def _assemble(
    video: FrameSource, spec: ClipSpec, kept: dict[int, tuple[Pixels, ...]], views: Sequence[View]
) -> list[Clip] | tuple[ClipSpec, VideoError]:
    lost = sorted({i for i in spec.indices if i not in kept})
    if lost:
        examples = ", ".join(map(str, lost[:5])) + (", ..." if len(lost) > 5 else "")
        known: Mapping[int, str] = getattr(video, "reasons", {})
        reasons = dict.fromkeys(known.get(i, DAMAGED) for i in lost)
        verb = "decoded" if DAMAGED in reasons else "read"
        return spec, VideoError(
            f"clip of frames {spec.start} to {spec.last} of {spec.video.path}: {len(lost)} of them cannot be "
            f"{verb} ({examples}); {'; '.join(reasons)}."
        )
    times = video.pts_seconds[list(spec.indices)]
    return [
        Clip(spec, times, view, np.stack([kept[i][number] for i in spec.indices]))
        for number, view in enumerate(views)
    ]
