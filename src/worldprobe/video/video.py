"""Read frames of a video file by index, exactly, or not at all.

A frame comes out only if its presentation time matches and the decoder found no damage in it nor in what it
refers to; otherwise it is left out and named in ``Video.reasons``. One picture is held at a time (with
B-frames a handful), so memory does not grow with the film.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from worldprobe.errors import VideoError
from worldprobe.records import VideoRef
from worldprobe.video.decode import DecodingPass, open_stream, pictures
from worldprobe.video.index import FrameIndex
from worldprobe.video.picture import Pictures, coded_aspect
from worldprobe.video.sample import DAMAGED
from worldprobe.video.shots import kept_shots
from worldprobe.video.webp import webp_frames


class Video:
    """An open video file; satisfies ``protocols.FrameSource``. Made by ``open_video``.

    Every iteration opens the file for itself, so that several can run side by side; a small film's pictures are
    held while it is open.

    Attributes:
        reasons: why each frame that was asked for so far and could not be read was left out, as what a sentence
            says of it ("the file is damaged there").
    """

    def __init__(self, ref: VideoRef, index: FrameIndex) -> None:
        self._ref, self._index = ref, index
        self._decoded = index.pictures
        self._converting = threading.Lock()  # libav writes on a picture while it converts it
        self._closed = False
        self._shots: tuple[int, ...] | None = None
        self.reasons: dict[int, str] = {}

    @property
    def ref(self) -> VideoRef:
        """The film. Its notes grow where single pictures turn out to be interlaced or transparent."""
        return self._ref

    @property
    def unreadable(self) -> list[int]:
        """Frames that were asked for so far and could not be read, increasing."""
        return sorted(self.reasons)

    @property
    def pts_seconds(self) -> NDArray[np.float64]:
        """Presentation time of each frame, relative to the first, float64 [frames]."""
        return self._index.pts_seconds

    @property
    def shots(self) -> tuple[int, ...]:
        """The first frame of each shot, increasing, beginning with 0.

        Found by one pass over the file and kept by its content, unless somebody who knows better set them.
        """
        if self._shots is None:
            self._shots = kept_shots(self)
        return self._shots

    @shots.setter
    def shots(self, shots: Sequence[int]) -> None:
        self._shots = tuple(shots)

    @property
    def episodes(self) -> tuple[str, ...]:
        """What each shot is known by in other videos that show the same, as ``VideoRef`` has it."""
        return self._ref.episodes

    @episodes.setter
    def episodes(self, names: Sequence[str]) -> None:
        self._ref = replace(self._ref, episodes=tuple(names))

    def add_notes(self, notes: Sequence[str]) -> None:
        """Say more of how it is read, as ``VideoRef.notes`` has it."""
        self._ref = replace(self._ref, notes=(*self._ref.notes, *notes))

    def frames(self, indices: Sequence[int] | None = None) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Yield (index, uint8 RGB [h, w, 3]) in increasing order, each index once; all when None.

        Frames that cannot be read are left out and added to ``reasons``.

        Raises:
            VideoError: an index that the video does not have.
        """
        assert not self._closed, f"{self._ref.path} was closed"
        count = self._ref.frames
        wanted = range(count) if indices is None else sorted({int(i) for i in indices})
        if wanted and (wanted[0] < 0 or wanted[-1] >= count):
            wrong = wanted[0] if wanted[0] < 0 else wanted[-1]
            raise VideoError(f"frame {wrong} of {self._ref.path} was asked for; it has frames 0 to {count - 1}.")
        if self._decoded:
            return self._held(wanted)
        if self._index.counted:
            return self._by_count(wanted)
        return self._by_time(wanted)

    def frame(self, index: int) -> NDArray[np.uint8]:
        """One frame, uint8 RGB [h, w, 3].

        Raises:
            VideoError: no such frame, or it cannot be read.
        """
        for _, rgb in self.frames([index]):
            return rgb
        reason = self.reasons.get(index, DAMAGED)
        verb, cure = ("decoded", "Get a whole copy of it, or leave") if reason == DAMAGED else ("read", "Leave")
        raise VideoError(f"frame {index} of {self._ref.path} cannot be {verb}: {reason}. {cure} this part out.")

    def close(self) -> None:
        """Nothing can be read afterwards."""
        self._closed, self._decoded = True, ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _held(self, wanted: Sequence[int]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Convert pictures that were decoded when the film was opened."""
        rgb, pictures = Pictures(self._index.look), self._decoded
        for target in wanted:
            frame, aspect = pictures[target]
            with self._converting:
                converted = list(self._converted(target, frame, rgb, aspect))
            yield from converted

    def _by_time(self, wanted: Sequence[int], *, seeking: bool = True) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Decode forward, seeking only where a later keyframe lies well ahead.

        A seek that misses (a container with a poor index, a stream that refreshes gradually) shows as a frame
        that does not come: then the rest is decoded from the start, as the file was meant to be.
        """
        index, rgb = self._index, Pictures(self._index.look)
        with open_stream(Path(self._ref.path)) as opened:
            run: Iterator[tuple[int, VideoFrame, bool]] | None = None
            reached, good, resumed = -1, False, False
            frame: VideoFrame | None = None
            for n, target in enumerate(wanted):
                entry = index.entry(target, reached=reached) if seeking else None
                if run is None or (entry is not None and reached < target):
                    resumed = entry is not None
                    decoding = DecodingPass(opened, seek=entry, keyed=len(index.keyframes) > 0)
                    run = self._positions(decoding)
                while reached < target:
                    reached, frame, good = next(run, (self._ref.frames, None, False))
                if reached == target and good and frame is not None:
                    yield from self._converted(target, frame, rgb, coded_aspect(opened))
                elif resumed:
                    yield from self._by_time(wanted[n:], seeking=False)
                    return
                else:
                    self.reasons[target] = DAMAGED

    def _positions(self, decoding: DecodingPass) -> Iterator[tuple[int, VideoFrame, bool]]:
        """Pictures with their frame index; a seek that fails ends the run."""
        try:
            for time, frame, good in decoding:
                position = self._index.position(time)
                if position is not None:
                    yield position, frame, good
        except av.FFmpegError:
            return

    def _by_count(self, wanted: Sequence[int]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Decode from the start and count."""
        rgb, queue = Pictures(self._index.look), list(reversed(wanted))
        with open_stream(Path(self._ref.path)) as opened:
            decoded = (frame for frame in pictures(opened) if frame is not None)
            for position, frame in enumerate(decoded):
                if not queue:
                    return
                if position != queue[-1]:
                    continue
                queue.pop()
                if position in self._index.damaged or frame.is_corrupt:
                    self.reasons[position] = DAMAGED
                else:
                    yield from self._converted(position, frame, rgb, coded_aspect(opened))
        self.reasons |= dict.fromkeys(queue, DAMAGED)

    def _converted(
        self, position: int, frame: VideoFrame, rgb: Pictures, aspect: Fraction
    ) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """The picture as displayed, unless the stream has changed its size or the shape of its pixels."""
        if not rgb.fits(frame):
            width, height = self._index.look.stored
            self.reasons[position] = (
                f"the film changes there from {width} x {height} to {frame.width} x {frame.height} px, and "
                f"pictures of one size are read"
            )
            return
        if aspect != (before := self._index.look.coded):
            self.reasons[position] = (
                f"the shape of the film's pixels changes there from {before.numerator}:{before.denominator} to "
                f"{aspect.numerator}:{aspect.denominator}, and pictures of one shape are read"
            )
            return
        try:
            converted = rgb.of(frame)
        except (av.FFmpegError, ValueError) as error:
            self.reasons[position] = f"its pictures ({frame.format.name}) cannot be converted to RGB: {error}"
            return
        if new := [note for note in rgb.met if note not in self._ref.notes]:
            self._ref = replace(self._ref, notes=(*self._ref.notes, *new))
        yield position, converted


class Animation(Video):
    """An animated WebP."""

    def _by_count(self, wanted: Sequence[int]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        lost = set(wanted)
        for position, rgb in webp_frames(Path(self._ref.path), wanted):
            lost.discard(position)
            yield position, rgb
        self.reasons |= dict.fromkeys(sorted(lost), DAMAGED)
