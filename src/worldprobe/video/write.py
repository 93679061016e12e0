"""Write frames to an H.264 file, whole or not at all."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from worldprobe.errors import VideoError
from worldprobe.video.picture import AVCOL_SPC_BT709, taken_as_bt709

Preset = Literal["ultrafast", "medium"]
Options = dict[str, str]
MAX_RATE_DENOMINATOR = 1001  # enough for 24000/1001, 30000/1001 and 60000/1001 to come out exact


def write_video(
    path: str | Path,
    frames: Iterable[NDArray[np.uint8]],
    *,
    rate: Fraction | float,
    crf: int = 18,
    preset: Preset = "medium",
) -> None:
    """Encode frames as H.264, yuv420p, in the container that the suffix names (``.mp4``, ``.mkv``, ...).

    One thread and no writer's marks, so that the same frames give the same bytes. The file appears at
    ``path`` only once it is complete. Colours are of BT.709 where players take an untagged film to be so, else of
    BT.601.

    Args:
        path: where to write; its folder must exist, a file that is there is replaced.
        frames: uint8 RGB [h, w, 3], all of one size, h and w even; consumed one at a time.
        rate: frames per second.
        crf: x264's constant rate factor: 0 is lossless in YUV, 18 is hard to tell from the source.
        preset: how long x264 looks for a smaller file: ``ultrafast`` takes a quarter of the time of ``medium``, and
            twice the bytes for the same likeness.

    Raises:
        VideoError: no frames, odd or changing sizes, not uint8 RGB, or a container that libav cannot write.
    """
    path = Path(path)
    exact = Fraction(rate).limit_denominator(MAX_RATE_DENOMINATOR)
    if exact <= 0:
        raise VideoError(f"cannot write {path} at {rate} frames per second: the rate must be positive.")
    temporary = path.with_name(f".{path.stem}-{uuid.uuid4().hex}{path.suffix}")
    try:
        _encode(temporary, path, frames, exact, {"crf": str(crf), "preset": preset})
        os.replace(temporary, path)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoError(f"cannot write the video {path}: {error}.") from error
    finally:
        temporary.unlink(missing_ok=True)


def _encode(
    temporary: Path, path: Path, frames: Iterable[NDArray[np.uint8]], rate: Fraction, options: Options
) -> None:
    """Encode into the temporary file; messages name ``path``, where it was meant to go."""
    stream: VideoStream | None = None
    shape: tuple[int, ...] = ()
    reformatter = VideoReformatter()  # one for all frames: each sets up a scaler of its own
    with av.open(f"file:{temporary}", "w", container_options={"fflags": "+bitexact"}) as container:
        for index, rgb in enumerate(frames):
            if stream is None:
                shape = rgb.shape
                stream = _stream(container, path, rgb, rate, options)
            if rgb.shape != shape or rgb.dtype != np.uint8:
                raise VideoError(
                    f"cannot write {path}: frame {index} is {rgb.dtype} {rgb.shape}, frame 0 is uint8 {shape}. "
                    f"All frames must be of one size."
                )
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
            if taken_as_bt709(*shape[1::-1]):
                frame = reformatter.reformat(
                    frame, format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
                )
            frame.pts, frame.time_base = index, 1 / rate
            container.mux(stream.encode(frame))
        if stream is None:
            raise VideoError(f"cannot write {path}: there are no frames to write.")
        container.mux(stream.encode(None))


def _stream(
    container: av.container.OutputContainer, path: Path, rgb: NDArray[np.uint8], rate: Fraction, options: Options
) -> VideoStream:
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise VideoError(f"cannot write {path}: frames must be uint8 RGB [h, w, 3], got {rgb.dtype} {rgb.shape}.")
    height, width = rgb.shape[:2]
    if height % 2 or width % 2 or not height or not width:
        raise VideoError(
            f"cannot write {path}: frames are {width}x{height} px, and H.264 in yuv420p needs an even width "
            f"and height. Crop or pad the frames by one pixel."
        )
    # With mbtree x264 gives other bytes for the same frames from one process to the next.
    stream: VideoStream = container.add_stream("libx264", rate=rate, options=options | {"mbtree": "0"})
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.time_base = 1 / rate
    stream.codec_context.thread_count = 1
    if taken_as_bt709(width, height):
        stream.codec_context.colorspace = AVCOL_SPC_BT709
        stream.codec_context.color_range = ColorRange.MPEG
    return stream
