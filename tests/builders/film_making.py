"""Small films with planes, tags and sizes as a test wants them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.filter
import numpy as np
from numpy.typing import NDArray

WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}  # kr, kb by AVColorSpace
SIZE = (64, 32)


def encode(
    path: Path, frames: Iterable[av.VideoFrame], *, codec: str = "ffv1", rate: Fraction | int = 25,
    tags: dict[str, Any] | None = None, times: Sequence[int] | None = None, rotation: int = 0, **options: str,
) -> Path:  # fmt: skip
    """Write frames; ``tags`` are attributes of the encoder (colorspace, sample_aspect_ratio); times in ms."""
    stream: Any = None
    with av.open(str(path), "w") as container:
        for i, frame in enumerate(frames):
            if stream is None:
                stream = container.add_stream(codec, rate=rate, options=options)
                stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, frame.format.name
                stream.codec_context.thread_count = 1
                if times:
                    stream.codec_context.time_base = Fraction(1, 1000)
                for name, value in (tags or {}).items():
                    setattr(stream.codec_context, name, value)
                if rotation:
                    stream.set_display_rotation(rotation)
            frame.pts, frame.time_base = (times[i], Fraction(1, 1000)) if times else (i, 1 / Fraction(rate))
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def of_rgb(rgb: NDArray[np.uint8], pix_fmt: str = "yuv420p") -> av.VideoFrame:
    """A frame of uint8 RGB or RGBA [h, w, c], converted by libav as BT.601 of limited range."""
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgba" if rgb.shape[2] == 4 else "rgb24")
    return frame.reformat(format=pix_fmt)


def of_colours(
    codes: NDArray[np.float64], *, matrix: int, full: bool = False, bits: int = 8, chroma: str = "444"
) -> av.VideoFrame:
    """Stripes of R'G'B' code values 0 to 1 [n, 3], 16 px each, in YUV as ITU-R BT.709, 601 or 2020 define it."""
    kr, kb = WEIGHTS[matrix]
    red, green, blue = codes.T
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    differences = ((blue - luma) / 2 / (1 - kb), (red - luma) / 2 / (1 - kr))
    unit, most = 2 ** (bits - 8), 2**bits - 1
    planes = [luma * most if full else (16 + 219 * luma) * unit]
    planes += [d * most + 128 * unit if full else (128 + 224 * d) * unit for d in differences]
    frame = av.VideoFrame(16 * len(codes), SIZE[1], f"yuv{chroma}p" + (f"{bits}le" if bits > 8 else ""))
    for plane, values in zip(frame.planes, planes, strict=True):
        kind = np.uint8 if bits == 8 else np.uint16
        row = np.repeat(np.clip(np.rint(values), 0, most), plane.width // len(codes))
        fill(plane, np.tile(row, (plane.height, 1)).astype(kind))
    return frame


def of_fields(rgb: NDArray[np.uint8], mode: str, pix_fmt: str = "yuv444p") -> av.VideoFrame:
    """A frame that says that it is of two fields: the top (``tff``) or the bottom (``bff``) first."""
    frame = of_rgb(rgb, pix_fmt)
    graph = av.filter.Graph()
    source = graph.add("buffer", f"video_size={frame.width}x{frame.height}:pix_fmt={pix_fmt}:time_base=1/25")
    says, sink = graph.add("setparams", f"field_mode={mode}"), graph.add("buffersink")
    source.link_to(says)
    says.link_to(sink)
    graph.configure()
    graph.vpush(frame)
    fields = graph.vpull()
    assert fields.interlaced_frame
    return fields


def fill(plane: Any, values: NDArray[Any]) -> None:
    """Write rows [h, w] into a plane, whose lines may be longer."""
    rows = np.zeros((plane.height, plane.line_size // values.itemsize), values.dtype)
    rows[:, : values.shape[1]] = values
    plane.update(rows.tobytes())


def stripes(rgb: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The colour in the middle of each 16 px of a row, [n, 3]."""
    return rgb[rgb.shape[0] // 2, 8::16].astype(np.int64)


def disc(i: int, size: tuple[int, int] = (90, 64)) -> NDArray[np.uint8]:
    """A picture of a white square of 16 px at (8 + 2 i, 20) on grey, [h, w, 3]."""
    rgb = np.full((size[1], size[0], 3), 60, np.uint8)
    rgb[20:36, 8 + 2 * i : 24 + 2 * i] = 250
    return rgb


def box(rgb: NDArray[np.uint8]) -> list[int]:
    """Left, top, width and height of what is bright."""
    y, x = np.nonzero(rgb[..., 1] > 150)
    return [int(x.min()), int(y.min()), int(np.ptp(x)) + 1, int(np.ptp(y)) + 1]
