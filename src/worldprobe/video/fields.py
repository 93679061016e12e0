"""Interlaced pictures: one instant of the two that each holds.

Only the field that is shown first is kept; the lines of the other are interpolated along edges (libavfilter's
estdif). Filters that also look at neighbouring pictures keep more detail where nothing moves, but then a picture
would depend on where decoding began.
"""

from __future__ import annotations

import av.filter
from av.video.frame import VideoFrame

NOTE = "is interlaced: the first field of each interlaced frame is kept, the lines between are interpolated"


def first_field(frame: VideoFrame) -> VideoFrame:
    """The picture at the time of its first field, at full height. Which is first, the picture itself says."""
    assert frame.interlaced_frame
    graph = av.filter.Graph()
    graph.threads = 1
    source = graph.add(
        "buffer",
        f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}:time_base=1/25:"
        f"colorspace={int(frame.colorspace)}:range={int(frame.color_range)}",
    )
    deinterlacer, sink = graph.add("estdif", "mode=frame:parity=auto:deint=interlaced"), graph.add("buffersink")
    source.link_to(deinterlacer)
    deinterlacer.link_to(sink)
    graph.configure()
    graph.vpush(frame)
    graph.vpush(None)
    picture: VideoFrame = graph.vpull()
    return picture
