"""Open a local video file and decode it from a keyframe, telling sound pictures from damaged ones.

libav hides damage: it fills lost blocks from neighbours and goes on, and every later picture that
refers to the filled one is wrong as well. So a picture counts as good only if neither it nor any picture
decoded before it since its keyframe was damaged. A keyframe and the pictures decoded after it, up to the next
keyframe, are called a run here; pictures of a run that are shown before its keyframe are its leading
pictures (they may refer to the run before).

What the decoder cannot notice, nobody can: video streams hold no checksums, and altered bytes that still
spell a legal stream (likelier in HEVC, VP9 and AV1 than in H.264 or MPEG-4) decode to another picture.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import av
from av.codec.codec import UnknownCodecError
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from worldprobe.errors import VideoError

MAX_SIDE = 16384  # px; larger headers are damage or an attack on memory, not video

# Demuxers of real containers. Without this list a text file could be a playlist that names other files.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,ogg,flv,asf,gif,apng,h264,hevc,vvc,"
    "m4v,ivf,obu,av1,mxf,nut,rm,dv,vc1,wtv,yuv4mpegpipe"
)

# These decoders conceal damage without flagging the picture, unless told to stop at it. Others flag it, and
# told to stop they also refuse real files that merely break a rule of the standard (H.264 from some cameras).
STOP_AT_DAMAGE = ("hevc", "mjpeg")

# Only these decoders read the transparency that WebM keeps beside each picture; libav's own do not.
READS_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}

IN_FLIGHT = 512  # packets remembered while their pictures are awaited; far more than any decoder delays


class Opened(NamedTuple):
    """An open file, its video stream, and the decoder of that stream (not always the one libav would choose)."""

    container: InputContainer
    stream: VideoStream
    decoder: VideoCodecContext

    def seek(self, time: int) -> None:
        """Go to the keyframe at or before a time (stream time base)."""
        self.container.seek(time, stream=self.stream, backward=True)
        if self.decoder is not self.stream.codec_context:  # the stream's own is flushed by seeking
            self.decoder.flush_buffers()


@contextmanager
def open_stream(path: Path) -> Iterator[Opened]:
    """Open a local file and choose its video stream: the first default one that is not cover art.

    Only libav's file protocol and the demuxers of real containers are allowed, so that a file can name
    neither other files nor addresses.

    Raises:
        VideoError: not a video, no video stream, or sides beyond 16384 px.
    """
    options = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS}
    try:
        container = av.open(f"file:{path}", options=options)
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise VideoError(
            f"{path} cannot be read as a video ({reason}). It may be damaged or cut short, or be something "
            f"else: give a video file such as .mp4, .mkv, .webm, .mov or .avi; playlists are not accepted."
        ) from error
    try:
        stream = _choose(container, path)
        yield Opened(container, stream, _decoder(stream))
    finally:
        container.close()


def _choose(container: InputContainer, path: Path) -> VideoStream:
    still = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
    streams = [s for s in container.streams.video if not s.disposition & still and s.codec_context]
    if not streams:
        found = ", ".join(sorted({s.type for s in container.streams})) or "no streams at all"
        raise VideoError(f"{path} has no video stream (found: {found}). Give a file that holds moving pictures.")
    stream: VideoStream = next((s for s in streams if s.disposition & av.stream.Disposition.default), streams[0])
    context = stream.codec_context
    if max(context.width, context.height) > MAX_SIDE:
        raise VideoError(
            f"{path} declares pictures of {context.width}x{context.height} px; the limit is {MAX_SIDE} px a "
            f"side. The header is damaged, or the video must be scaled down first."
        )
    return stream


def _decoder(stream: VideoStream) -> VideoCodecContext:
    own = stream.codec_context
    context = own
    if has_alpha_beside(stream) and own.name in READS_ALPHA:
        with suppress(UnknownCodecError):
            reading = av.CodecContext.create(READS_ALPHA[own.name], "r")
            assert isinstance(reading, VideoCodecContext)
            reading.extradata = own.extradata
            context = reading
    context.thread_count = 1  # more were no faster, and errors would surface at other packets than their own
    if context.name in STOP_AT_DAMAGE:
        context.options = {"err_detect": "explode"}
    return context


def has_alpha_beside(stream: VideoStream) -> bool:
    """Whether the container says that transparency is kept beside each picture (WebM's AlphaMode)."""
    return stream.metadata.get("alpha_mode") == "1"


def time_of(timed: Packet[VideoStream] | VideoFrame) -> int | None:
    """Presentation time in the stream's time base; decoding time where there is none; or None."""
    return timed.pts if timed.pts is not None else timed.dts


class Decoded(NamedTuple):
    """A picture, its time in the stream's time base, and whether it can be trusted."""

    time: int
    frame: VideoFrame
    good: bool


@dataclass(slots=True)
class _PacketPosition:
    """Where a packet stands: decoding order, its run, whether it leads, and the last time it may refer to."""

    order: int
    run: int
    leading: bool
    until: int


class _Damage:
    """Which pictures are spoilt by which, from the order in which packets were fed."""

    def __init__(self, *, resumed: bool) -> None:
        self.resumed = resumed  # decoding began inside the film: the first run's leading pictures lack their past
        self.order = self.run = 0
        self.keyframe = self.latest = -(2**63)
        self.places: dict[int, _PacketPosition] = {}
        self.spoilt: dict[tuple[int, bool], int] = {}

    def feed(self, packet: Packet[VideoStream], time: int) -> _PacketPosition:
        if packet.is_keyframe:
            self.run, self.keyframe = self.run + 1, time
        self.order, self.latest = self.order + 1, max(self.latest, time)
        place = _PacketPosition(self.order, self.run, time < self.keyframe, self.latest)
        self.places[time] = place
        if len(self.places) > IN_FLIGHT:
            del self.places[next(iter(self.places))]
        return place

    def spoil(self, place: _PacketPosition) -> None:
        where = (place.run, place.leading)
        self.spoilt[where] = min(self.spoilt.get(where, place.order), place.order)

    def good(self, place: _PacketPosition) -> bool:
        if self.spoilt.get((place.run, False), place.order + 1) <= place.order:
            return False
        if not place.leading:
            return True
        lacks_past = self.resumed and place.run == 1
        own = self.spoilt.get((place.run, True), place.order + 1) <= place.order
        return not (lacks_past or own or (place.run - 1, False) in self.spoilt)


class DecodingPass:
    """One pass over a stream, from its start or from a keyframe, in order of presentation.

    A picture is held back until those decoded before it and shown after it are out: only then does
    libav say whether they were damaged, and the picture may refer to them. That keeps a handful of
    pictures, however long the film.

    Attributes:
        hurt: whether damage was met so far.
    """

    def __init__(
        self,
        opened: Opened,
        *,
        seek: int | None = None,
        keyed: bool = True,
        held: Iterable[Packet[VideoStream]] | None = None,
    ) -> None:
        """Prepare a pass.

        Args:
            seek: time of the keyframe to start from (stream time base); None starts where the container is.
            keyed: whether the file marks keyframes, so that packets before the first can be left out.
            held: the stream's packets, where they were read already.
        """
        self._opened, self._seek, self._keyed, self._held = opened, seek, keyed, held
        self._damage = _Damage(resumed=seek is not None)

    @property
    def hurt(self) -> bool:
        return bool(self._damage.spoilt)

    def __iter__(self) -> Iterator[Decoded]:
        held: deque[tuple[int, VideoFrame, _PacketPosition]] = deque()
        newest = -(2**63)
        for time, frame, place in self._pictures():
            if frame.is_corrupt:
                self._damage.spoil(place)
            held.append((time, frame, place))
            newest = max(newest, time)
            while held and held[0][2].until <= newest:
                time, frame, place = held.popleft()
                yield Decoded(time, frame, self._damage.good(place))
        for time, frame, place in held:
            yield Decoded(time, frame, self._damage.good(place))

    def _pictures(self) -> Iterator[tuple[int, VideoFrame, _PacketPosition]]:
        """Whatever the decoder gives, with the packet it came from."""
        if self._seek is not None:
            self._opened.seek(self._seek)
        started = not self._keyed
        for packet in packets(self._opened) if self._held is None else self._held:
            time = time_of(packet)
            started = started or packet.is_keyframe
            if not started or time is None:
                continue
            place = self._damage.feed(packet, time)
            if packet.is_corrupt:
                self._damage.spoil(place)
            try:
                frames = self._opened.decoder.decode(packet)
            except av.FFmpegError:
                self._damage.spoil(place)
                continue
            yield from self._placed(frames)
        yield from self._placed(drain(self._opened))

    def _placed(self, frames: list[VideoFrame]) -> Iterator[tuple[int, VideoFrame, _PacketPosition]]:
        for frame in frames:
            time = time_of(frame)
            place = None if time is None else self._damage.places.pop(time, None)
            if time is not None and place is not None:
                yield time, frame, place


def packets(opened: Opened) -> Iterator[Packet[VideoStream]]:
    """The stream's packets in decoding order, without empty ones; a read error ends it like the end of the file."""
    while True:
        try:
            for packet in opened.container.demux(opened.stream):
                if packet.size:
                    yield packet
        except IndexError:  # a packet of a stream that begins midway, which PyAV does not know: read on
            continue
        except av.FFmpegError:
            return
        return


def pictures(opened: Opened) -> Iterator[VideoFrame | None]:
    """Every picture in the order the decoder gives them; None where a packet could not be decoded."""
    for packet in packets(opened):
        try:
            yield from opened.decoder.decode(packet)
        except av.FFmpegError:
            yield None
    yield from drain(opened)


def drain(opened: Opened) -> list[VideoFrame]:
    """The pictures that the decoder still holds at the end."""
    try:
        return list(opened.decoder.decode(None))
    except av.FFmpegError:
        return []
