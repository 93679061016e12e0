"""Which frames a file holds and when each is shown, found by reading its packets once, without decoding.

A small film is decoded whole on this occasion: to open it again costs as much as its pictures do.

Positions are never computed from the frame rate: on files of variable rate that names the wrong frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path

import av
import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from worldprobe.errors import VideoError
from worldprobe.video.cut import ends_early
from worldprobe.video.decode import DecodingPass, Opened, open_stream, packets, pictures, time_of
from worldprobe.video.picture import DisplayFormat, coded_aspect, look_of

PROBED = 8  # pictures decoded at opening, to learn the displayed size and whether packets are pictures
WORTH_A_SEEK = 16  # frames; decoding fewer is as fast as seeking
SET_BACK = 16  # frames back in time, more than any film reorders: two films were joined, each with its own clock
WORTH_SAYING = 10  # frames, of which the rate can be known well enough to say that a header is wrong
NONE: NDArray[np.int64] = np.zeros(0, np.int64)
SMALL_BYTES = 2**20  # of a file whose packets are held while it is indexed
SMALL_PIXELS = 2**20  # of a film whose pictures are held while it is open: 1.5 MB, or 6 MB of the deepest colours
VP8_SHOWN = 0x10  # bit of a VP8 packet's first byte; hidden reference pictures lack it


@dataclass(frozen=True, slots=True, eq=False)
class FrameIndex:
    """The frames of a file.

    Attributes:
        times: int64 [frames], presentation times in the stream's time base, increasing; empty where packets do
            not tell (no or repeated times): then frames are known only by counting from the start.
        pts_seconds: float64 [frames], relative to the first frame, not decreasing.
        keyframes: int64 [k], times of the keyframes, increasing; empty where the file cannot be entered midway.
        damaged: frames known not to decode (only where frames are counted).
        look: how its pictures become what is displayed.
        rate: average frames per second.
        missing: frames that the file declares and does not hold.
        cut: whether it ends too early without telling how many frames it lacks.
        notes: what a user must know of how it is read, as ``VideoRef.notes`` has it.
        first_pts_seconds: the first frame's time on the file's own clock; 0 where that does not tell.
        pictures: every frame as decoded, of a small film without damage, and the aspect of its pixels; else none.
    """

    times: NDArray[np.int64]
    pts_seconds: NDArray[np.float64]
    keyframes: NDArray[np.int64]
    damaged: frozenset[int]
    look: DisplayFormat
    rate: float
    missing: int
    notes: tuple[str, ...]
    first_pts_seconds: float = 0.0
    cut: bool = False
    pictures: tuple[tuple[VideoFrame, Fraction], ...] = ()

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
    displayed; ``tellable`` says whether packets stand for pictures one to one. ``cut`` is whether the file ends
    before its container says so; then ``ends`` is when the film should end, in seconds (0: that it does not say).
    """

    times: NDArray[np.int64]
    keyframes: NDArray[np.int64]
    hidden: int
    tellable: bool
    declared: int
    time_base: float
    average_rate: float
    header_rate: float
    ends: float
    cut: bool


def build_index(path: Path) -> FrameIndex:
    """Index a file: from its packets where they tell, else by decoding it once.

    Raises:
        VideoError: not a video, or nothing in it can be decoded.
    """
    index: FrameIndex | None = None
    small = path.stat().st_size <= SMALL_BYTES
    with open_stream(path) as opened:
        held = list(packets(opened)) if small else None
        table = _read_table(path, opened, packets(opened) if held is None else held)
        if table.tellable and held is not None:
            index = _timed(table, opened, held)
    if table.tellable and not small:
        with open_stream(path) as opened:
            index = _timed(table, opened)
    return index or _counted(path, table)


def _read_table(path: Path, opened: Opened, read: Iterable[Packet[VideoStream]]) -> _Table:
    stream = opened.stream
    times: list[int] = []
    keyframes: list[int] = []
    corrupt: list[bool] = []
    hidden, undecodable, tellable, last_dts = 0, 0, True, None
    reorders = bool(stream.codec_context.has_b_frames)
    for packet in read:
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
    declared = _declared(opened)
    cut = len(corrupt) < len(times) or ends_early(path, opened.container.format.name)
    cut_short = len(corrupt) < len(times) or len(times) + hidden < declared
    presented = np.unique(np.array(times[undecodable : len(corrupt)], np.int64))
    tellable = tellable and len(presented) == len(corrupt) - undecodable and len(presented) > 0
    if cut_short and last_dts is not None:  # lost packets may be shown between those that came later
        presented = presented[presented <= last_dts]
    return _Table(
        times=presented, keyframes=np.unique(np.array(keyframes, np.int64)), hidden=hidden,
        tellable=tellable and bool(stream.time_base), declared=declared,
        time_base=float(stream.time_base or 0),
        average_rate=float(stream.average_rate or stream.guessed_rate or 25),
        header_rate=float(stream.average_rate or 0),
        ends=_ends(opened) if cut else 0.0, cut=cut,
    )  # fmt: skip


def _declared(opened: Opened) -> int:
    """How many frames the header promises (0: it does not say); what an MP4's edit list cuts away is taken off."""
    declared = int(opened.stream.frames)
    kinds = opened.container.format.name.split(",")
    if "gif" in kinds:  # counted by libav, not said by the file
        return 0
    return min(declared, len(opened.stream.index_entries)) if "mov" in kinds else declared


def _ends(opened: Opened) -> float:
    """When the film should end by a header that was written once all was known, in seconds; 0 where none says."""
    if "matroska" not in opened.container.format.name.split(","):
        return 0  # libav guesses the others' from what is there, or says how many frames they should have
    parts = opened.stream.metadata.get("DURATION", "").split(":")
    try:
        hours, minutes, seconds = (float(part) for part in parts)
        return 3600 * hours + 60 * minutes + seconds
    except ValueError:
        return (opened.container.duration or 0) / float(av.time_base)


def _is_hidden(packet: Packet[VideoStream], stream: VideoStream) -> bool:
    return stream.codec_context.name in ("vp8", "libvpx") and not memoryview(packet)[0] & VP8_SHOWN


def _timed(table: _Table, opened: Opened, held: Sequence[Packet[VideoStream]] | None = None) -> FrameIndex | None:
    """The index by time; None where the first pictures decoded are not those that the packets promise.

    Args:
        held: the stream's packets, of a file whose container is at its end.
    """
    positions: list[int] = []
    kept: list[tuple[VideoFrame, Fraction]] = []
    decoding = DecodingPass(opened, keyed=len(table.keyframes) > 0, held=held)
    found = _placed(table, decoding)
    for at, frame, _ in islice(found, PROBED):
        positions.append(at)
        kept.append((frame, coded_aspect(opened)))
    hurt = decoding.hurt
    if not kept:
        return None
    look = look_of([frame for frame, _ in kept], opened)
    # Pictures shown before the first keyframe may refer to ones that the file no longer holds.
    leading = int(np.searchsorted(table.times, table.keyframes[0])) if len(table.keyframes) else 0
    start = min(positions[0], leading)
    if not hurt and positions != list(range(start, start + len(positions))):
        return None
    whole = held is not None and len(table.times) * look.stored[0] * look.stored[1] <= SMALL_PIXELS
    for at, frame, good in found if whole else ():
        positions.append(at)
        kept.append((frame, coded_aspect(opened)))
        whole = whole and good
    if decoding.hurt or positions != list(range(len(table.times))):
        whole = False
    times = table.times[start:]
    return _index(
        table, look, times=times, keyframes=table.keyframes, kept=tuple(kept) if whole else (),
        pts_seconds=(times - times[0]).astype(np.float64) * table.time_base,
        first=float(times[0]) * table.time_base, last=float(times[-1]) * table.time_base,
    )  # fmt: skip


def _placed(table: _Table, decoding: DecodingPass) -> Iterator[tuple[int, VideoFrame, bool]]:
    """Pictures that the packets promise: the position of each among these, and whether it can be trusted."""
    for time, frame, good in decoding:
        at = int(np.searchsorted(table.times, time))
        if at < len(table.times) and table.times[at] == time:
            yield at, frame, good


def _counted(path: Path, table: _Table) -> FrameIndex:
    """The index by decoding everything once; any damage spoils its whole run, from keyframe to keyframe."""
    times: list[int | None] = []
    runs: list[int] = []
    spoilt: set[int] = set()
    firsts: list[VideoFrame] = []
    look: DisplayFormat | None = None
    run = 0
    with open_stream(path) as opened:
        for frame in pictures(opened):
            if frame is None:
                spoilt |= {run, run + 1}  # pictures come out late: it may be of the next run
                continue
            run += frame.key_frame
            if frame.is_corrupt:
                spoilt.add(run)
            times.append(time_of(frame))
            runs.append(run)
            if len(firsts) < PROBED:
                firsts.append(frame)
                # Now: what comes later may have pixels of another shape.
                look = look_of(firsts, opened) if len(firsts) == PROBED else None
        if not firsts:
            raise VideoError(
                f"{path} holds no picture that can be decoded: it is cut short, damaged or encrypted. "
                f"Get a whole copy of it."
            )
        look = look or look_of(firsts, opened)
    if run > 0:
        spoilt.add(0)
    known, first = _one_clock([t for t in times if t is not None]), 0.0
    if len(known) > 1 and known[0] == known[-1]:
        raise VideoError(
            f"{path} gives all its {len(times)} frames the same time, so nothing says how fast they follow each "
            f"other: what wrote it set no times. Write it anew, or make pictures of it (`ffmpeg -i FILE "
            f"-fps_mode passthrough frames/%06d.png`) and name them with their rate: 'frames?fps=30'."
        )
    if len(known) == len(times) and table.time_base:
        first = float(known[0]) * table.time_base
        pts_seconds = (known - known[0]).astype(np.float64) * table.time_base
    else:
        pts_seconds = np.arange(len(times)) / table.average_rate
    return _index(
        table, look, pts_seconds=pts_seconds, first=first,
        last=float(known[-1]) * table.time_base if len(known) else 0.0,
        damaged=frozenset(i for i, r in enumerate(runs) if r in spoilt),
    )  # fmt: skip


def _one_clock(times: list[int]) -> NDArray[np.int64]:
    """When the n-th picture is shown, whatever its own time says: sorted, a clock that was set back going on."""
    written = np.array(times, np.int64)
    steps = np.diff(written)
    if not (steps > 0).any():
        return written
    step = np.median(steps[steps > 0])
    parts = np.split(written, np.flatnonzero(steps < -SET_BACK * step) + 1)
    for before, part in pairwise(parts):
        part += max(0, int(before.max() + step) - int(part.min()))
    return np.sort(np.concatenate(parts))


def _index(
    table: _Table,
    look: DisplayFormat,
    *,
    pts_seconds: NDArray[np.float64],
    first: float,
    last: float,
    times: NDArray[np.int64] = NONE,
    keyframes: NDArray[np.int64] = NONE,
    damaged: frozenset[int] = frozenset(),
    kept: tuple[tuple[VideoFrame, Fraction], ...] = (),
) -> FrameIndex:
    """What both ways of indexing lead to. ``first`` and ``last`` frame are shown then, by the file's own clock."""
    rate = _rate(pts_seconds, table.average_rate)
    missing = max(0, table.declared - table.hidden - len(pts_seconds))
    if table.ends:
        missing = max(0, round((table.ends - last) * rate) - 1)
    notes = [*look.notes]
    cut = table.cut and not missing and not table.declared and not table.ends
    off = abs(table.header_rate / rate - 1)
    if table.header_rate and not missing and len(pts_seconds) >= WORTH_SAYING and off > 0.01:
        notes.append(
            f"says {table.header_rate:.4g} frames a second and shows {rate:.4g}: the times of its frames are "
            "followed"
        )
    return FrameIndex(times, pts_seconds, keyframes, damaged, look, rate, missing, tuple(notes), first, cut, kept)


def _rate(pts_seconds: NDArray[np.float64], otherwise: float) -> float:
    span = float(pts_seconds[-1])
    return (len(pts_seconds) - 1) / span if span > 0 else otherwise
