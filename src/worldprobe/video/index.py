"""Which frames a file holds and when each is shown, found by reading its packets once, without decoding.

Positions are never computed from the frame rate: on files of variable rate that names the wrong frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from worldprobe.errors import VideoError
from worldprobe.video.decode import Decoding, drain, open_stream, packets, time_of

PROBED = 8  # pictures decoded at opening, to learn the displayed size and whether packets are pictures
WORTH_A_SEEK = 16  # frames; decoding fewer is as fast as seeking
VP8_SHOWN = 0x10  # bit of a VP8 packet's first byte; hidden reference pictures lack it


class Orientation(NamedTuple):
    """How stored pixels become displayed ones: transpose, then flip."""

    transposed: bool
    flip_rows: bool
    flip_columns: bool

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Displayed width and height in px."""
        return (height, width) if self.transposed else (width, height)

    def apply(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Stored pixels [h, w, 3] to displayed ones, contiguous."""
        if self.transposed:
            rgb = rgb.transpose(1, 0, 2)
        return np.ascontiguousarray(rgb[:: -1 if self.flip_rows else 1, :: -1 if self.flip_columns else 1])


@dataclass(frozen=True, slots=True, eq=False)
class FrameIndex:
    """The frames of a file.

    Attributes:
        times: int64 [frames], presentation times in the stream's time base, increasing; empty where packets do
            not tell (no or repeated times): then frames are known only by counting from the start.
        pts_seconds: float64 [frames], relative to the first frame, not decreasing.
        keyframes: int64 [k], times of the keyframes, increasing; empty where the file cannot be entered midway.
        damaged: frames known not to decode (only where frames are counted).
        orientation: stored pixels to displayed ones.
        width, height: px as displayed.
        rate: average frames per second.
        missing: frames that the file declares and does not hold.
        first_pts_seconds: the first frame's time on the file's own clock; 0 where it does not tell.
    """

    times: NDArray[np.int64]
    pts_seconds: NDArray[np.float64]
    keyframes: NDArray[np.int64]
    damaged: frozenset[int]
    orientation: Orientation
    width: int
    height: int
    rate: float
    missing: int
    first_pts_seconds: float = 0.0

    @property
    def counted(self) -> bool:
        return len(self.times) == 0

    def position(self, time: int) -> int | None:
        """The frame shown at exactly this time; None where there is none."""
        at = int(np.searchsorted(self.times, time))
        return at if at < len(self.times) and self.times[at] == time else None

    def entry(self, frame: int, *, reached: int) -> int | None:
        """The time of the keyframe to seek to for ``frame``, from ``reached``; None to go on decoding."""
        before = int(np.searchsorted(self.keyframes, self.times[frame], side="right")) - 1
        if before < 0:
            return None
        key = int(self.keyframes[before])
        ahead = int(np.searchsorted(self.times, key)) - reached
        return key if ahead > WORTH_A_SEEK else None


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """What the header and the packets say.

    ``times`` of displayed packets and ``keyframes`` are increasing; ``hidden`` counts the packets that are not
    displayed; ``tellable`` says whether packets stand for pictures one to one.
    """

    times: NDArray[np.int64]
    keyframes: NDArray[np.int64]
    hidden: int
    tellable: bool
    declared: int
    time_base: float
    average_rate: float


def build_index(path: Path) -> FrameIndex:
    """Index a file: from its packets where they tell, else by decoding it once.

    Raises:
        VideoError: not a video, or nothing in it can be decoded.
    """
    with open_stream(path) as (container, stream):
        table = _read_table(container, stream)
    index = _timed(path, table) if table.tellable else None
    return index or _counted(path, table)


def _read_table(container: InputContainer, stream: VideoStream) -> _Table:
    times: list[int] = []
    keyframes: list[int] = []
    corrupt: list[bool] = []
    hidden, undecodable, tellable, last_dts = 0, 0, True, None
    reorders = bool(stream.codec_context.has_b_frames)
    for packet in packets(container, stream):
        time = time_of(packet)
        if packet.dts is not None:
            tellable = tellable and (last_dts is None or packet.dts >= last_dts)
            last_dts = packet.dts
        if time is None or (packet.pts is None and reorders):
            tellable = False
            continue
        if packet.is_keyframe:
            if not keyframes:
                undecodable = len(times)
            keyframes.append(time)
        if packet.is_discard or _is_hidden(packet, stream):
            hidden += 1
        else:
            times.append(time)
            corrupt.append(packet.is_corrupt)
    while corrupt and corrupt[-1]:  # the file was cut within this packet
        corrupt.pop()
    declared = _declared(container, stream)
    cut_short = len(corrupt) < len(times) or len(times) + hidden < declared
    shown = np.unique(np.array(times[undecodable : len(corrupt)], np.int64))
    tellable = tellable and len(shown) == len(corrupt) - undecodable and len(shown) > 0
    if cut_short and last_dts is not None:  # lost packets may be shown between those that came later
        shown = shown[shown <= last_dts]
    return _Table(
        times=shown, keyframes=np.unique(np.array(keyframes, np.int64)), hidden=hidden,
        tellable=tellable and bool(stream.time_base), declared=declared,
        time_base=float(stream.time_base or 0),
        average_rate=float(stream.average_rate or stream.guessed_rate or 25),
    )  # fmt: skip


def _declared(container: InputContainer, stream: VideoStream) -> int:
    """How many frames the header promises (0: it does not say); what an MP4's edit list cuts away is taken off."""
    declared = int(stream.frames)
    return min(declared, len(stream.index_entries)) if "mov" in container.format.name.split(",") else declared


def _is_hidden(packet: Packet[VideoStream], stream: VideoStream) -> bool:
    return stream.codec_context.name in ("vp8", "libvpx") and not memoryview(packet)[0] & VP8_SHOWN


def _timed(path: Path, table: _Table) -> FrameIndex | None:
    """The index by time; None where the first pictures decoded are not those that the packets promise."""
    positions: list[int] = []
    first: VideoFrame | None = None
    with open_stream(path) as (container, stream):
        decoding = Decoding(container, stream, keyed=len(table.keyframes) > 0)
        for picture in decoding:
            at = int(np.searchsorted(table.times, picture.time))
            if at < len(table.times) and table.times[at] == picture.time:
                positions.append(at)
                first = first or picture.frame
            if len(positions) == PROBED:
                break
        hurt = decoding.hurt
    if first is None:
        return None
    # Pictures shown before the first keyframe may refer to ones that the file no longer holds.
    leading = int(np.searchsorted(table.times, table.keyframes[0])) if len(table.keyframes) else 0
    start = min(positions[0], leading)
    if not hurt and positions != list(range(start, start + len(positions))):
        return None
    times = table.times[start:]
    orientation = orientation_of(first)
    width, height = orientation.size(first.width, first.height)
    pts_seconds = (times - times[0]).astype(np.float64) * table.time_base
    return FrameIndex(
        times=times, pts_seconds=pts_seconds, keyframes=table.keyframes, damaged=frozenset(),
        orientation=orientation, width=width, height=height, rate=_rate(pts_seconds, table.average_rate),
        missing=max(0, table.declared - table.hidden - len(times)),
        first_pts_seconds=float(times[0]) * table.time_base,
    )  # fmt: skip


def _counted(path: Path, table: _Table) -> FrameIndex:
    """The index by decoding everything once; any damage spoils its whole run, from keyframe to keyframe."""
    times: list[int | None] = []
    runs: list[int] = []
    spoilt: set[int] = set()
    first: VideoFrame | None = None
    run = 0
    with open_stream(path) as (container, stream):
        for frame in pictures(container, stream):
            if frame is None:
                spoilt |= {run, run + 1}  # pictures come out late: it may be of the next run
                continue
            run += frame.key_frame
            if frame.is_corrupt:
                spoilt.add(run)
            times.append(time_of(frame))
            runs.append(run)
            first = first or frame
    if first is None:
        raise VideoError(
            f"{path} holds no picture that can be decoded: it is cut short, damaged or encrypted. "
            f"Get a whole copy of it."
        )
    if run > 0:
        spoilt.add(0)
    known = sorted(t for t in times if t is not None)
    began = 0.0
    if len(known) == len(times) and table.time_base:  # the n-th picture is shown at the n-th time, whatever its own
        began = known[0] * table.time_base
        pts_seconds = (np.array(known, np.float64) - known[0]) * table.time_base
    else:
        pts_seconds = np.arange(len(times)) / table.average_rate
    orientation = orientation_of(first)
    width, height = orientation.size(first.width, first.height)
    return FrameIndex(
        times=np.zeros(0, np.int64), pts_seconds=pts_seconds, keyframes=np.zeros(0, np.int64),
        damaged=frozenset(i for i, r in enumerate(runs) if r in spoilt),
        orientation=orientation, width=width, height=height, rate=_rate(pts_seconds, table.average_rate),
        missing=max(0, table.declared - table.hidden - len(times)), first_pts_seconds=began,
    )  # fmt: skip


def pictures(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame | None]:
    """Every picture in the order the decoder gives them; None where a packet could not be decoded."""
    for packet in packets(container, stream):
        try:
            yield from stream.codec_context.decode(packet)
        except av.FFmpegError:
            yield None
    yield from drain(stream)


def orientation_of(frame: VideoFrame) -> Orientation:
    """How a frame's display matrix turns it, to the nearest quarter turn, mirror images included.

    The matrix holds 9 int32 ``[a b u; c d v; x y w]`` and maps stored (x, y), y down, to displayed
    ``(a x + c y, b x + d y)``: libavutil/display.h.
    """
    sides: Iterable[Any] = frame.side_data
    for side in sides:
        if side.type.name == "DISPLAYMATRIX":
            a, b, _, c, d = np.frombuffer(bytes(side), np.int32)[:5].tolist()
            if abs(b) + abs(c) > abs(a) + abs(d):
                return Orientation(transposed=True, flip_rows=b < 0, flip_columns=c < 0)
            return Orientation(transposed=False, flip_rows=d < 0, flip_columns=a < 0)
    return Orientation(transposed=False, flip_rows=False, flip_columns=False)


def _rate(pts_seconds: NDArray[np.float64], otherwise: float) -> float:
    span = float(pts_seconds[-1])
    return (len(pts_seconds) - 1) / span if span > 0 else otherwise
