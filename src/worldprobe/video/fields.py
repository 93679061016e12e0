"""Interlaced pictures: one instant of the two that each holds.

Only the field that is shown first is kept; the lines of the other are interpolated along edges (libavfilter's
estdif). Filters that also look at neighbouring pictures keep more detail where nothing moves, but then a picture
would depend on where decoding began.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import av.filter
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from worldprobe.video.decode import Opened

Order = Literal["tff", "bff"]  # the top field is shown first, or the bottom one

DONE = "the first field of each interlaced frame is kept, the lines between are interpolated"
NOTE = f"is interlaced: {DONE}"
UNSAID = f"is interlaced, as its lines show, though it does not say so: {DONE}"

COMB = 20  # of 255: what a line may differ by from those beside it and be no comb
COLUMNS = 4  # every so many are looked at
SHARE, LEAST = 0.2, 0.05  # see _seen

# Decoders that do not say of a picture what it is: the container may.
_SILENT = ("png", "mjpeg", "qtrle", "huffyuv", "ffvhuff", "utvideo", "magicyuv")
_CONTAINERS: dict[int, Order] = {2: "tff", 3: "bff", 4: "bff", 5: "tff"}  # libavcodec's AVFieldOrder


def order_of(frames: Sequence[VideoFrame], opened: Opened) -> tuple[Order | None, tuple[str, ...]]:
    """The order of fields of pictures that do not say so themselves, and what a user must know of it."""
    if any(frame.interlaced_frame for frame in frames):
        return None, (NOTE,)
    if opened.decoder.name in _SILENT and (declared := _CONTAINERS.get(opened.decoder.field_order)):
        return declared, (NOTE,)
    seen = _seen(frames)
    return (seen, (UNSAID,)) if seen else (None, ())


def _seen(frames: Sequence[VideoFrame]) -> Order | None:
    """The order of fields as combs tell it.

    One picture's bottom field woven with the next one's top field, or the reverse: in pictures of one instant both
    are combed alike. Where fields are instants of their own, one way is as good as the picture itself and the other
    three times as far apart.
    """
    found = [_luma(frame) for frame in frames]
    lumas = [luma for luma in found if luma is not None and found[0] is not None and luma.shape == found[0].shape]
    if len(lumas) < 2:
        return None
    tops, bottoms = (np.stack([luma[start::2] for luma in lumas]) for start in (0, 1))
    own = _combed(tops[:-1], bottoms[:-1])
    bottom_then_top = _combed(tops[1:], bottoms[:-1])
    top_then_bottom = _combed(tops[:-1], bottoms[1:])
    nearer, farther = sorted((bottom_then_top - own, top_then_bottom - own))
    if farther < LEAST * own + 1000 or nearer > SHARE * farther:
        return None
    return "tff" if bottom_then_top < top_then_bottom else "bff"


def _luma(frame: VideoFrame) -> NDArray[np.int16] | None:
    """Brightness of some columns [h, w]; None of formats that hold it otherwise than as a plane of bytes."""
    first = frame.format.components[0]
    if not (first.is_luma and first.bits == 8 and frame.format.is_planar) or frame.height < 16:
        return None
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return rows[: plane.height // 2 * 2, : plane.width : COLUMNS].astype(np.int16)


def _combed(top: NDArray[np.int16], bottom: NDArray[np.int16]) -> float:
    """How much the bottom lines stand out from the top ones above and below them, of pictures [n, h / 2, w]."""
    off = np.abs(2 * bottom[:, :-1] - top[:, :-1] - top[:, 1:])
    return float(np.maximum(off - COMB, 0).sum(dtype=np.int64))


def first_field(frame: VideoFrame, order: Order | None = None) -> VideoFrame:
    """The picture at the time of its first field, at full height.

    Args:
        order: which is first, of a picture that does not say so itself.
    """
    graph = av.filter.Graph()
    graph.threads = 1
    source = graph.add(
        "buffer",
        f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}:time_base=1/25:"
        f"colorspace={int(frame.colorspace)}:range={int(frame.color_range)}",
    )
    parity = "auto" if order is None or frame.interlaced_frame else order
    deinterlacer, sink = graph.add("estdif", f"mode=frame:parity={parity}:deint=all"), graph.add("buffersink")
    source.link_to(deinterlacer)
    deinterlacer.link_to(sink)
    graph.configure()
    graph.vpush(frame)
    graph.vpush(None)
    picture: VideoFrame = graph.vpull()
    return picture
