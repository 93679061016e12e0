"""Animated WebP, which libav does not read: through Pillow, times from the file's own chunks."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import VideoError
from worldprobe.video.index import FrameIndex
from worldprobe.video.picture import TRANSPARENT, DisplayFormat, Orientation, on_black

SOON, INSTEAD = 10, 100  # ms: frames that claim to be shown shorter are shown this long, as browsers do


def is_webp(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(12)
    return head[:4] == b"RIFF" and head[8:] == b"WEBP"


def webp_index(path: Path) -> FrameIndex:
    """As ``build_index``. Raises VideoError where not one picture can be read."""
    durations = _durations(path)
    first = next(webp_pictures(path), None)
    if first is None:
        raise VideoError(
            f"{path} holds no picture that can be decoded: it is damaged or cut short. Get a whole copy."
        )
    size = (first.shape[1], first.shape[0])
    notes = [TRANSPARENT] if (first[..., 3] < 255).any() else []
    seconds = np.array(durations or [INSTEAD], dtype=np.float64)
    seconds[seconds <= SOON] = INSTEAD
    pts_seconds = np.concatenate([[0], np.cumsum(seconds[:-1])]) / 1000
    look = DisplayFormat(size, size, Orientation(False, False, False), None, None, tuple(notes))
    none = np.zeros(0, np.int64)
    rate = (len(seconds) - 1) / float(pts_seconds[-1]) if len(seconds) > 1 else 1000 / float(seconds[0])
    return FrameIndex(none, pts_seconds, none, frozenset(), look, rate, 0, look.notes)


def webp_frames(path: Path, wanted: Sequence[int]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Those of the frames wanted (increasing) that can be read: uint8 RGB [h, w, 3], on black."""
    queue = set(wanted)
    for position, picture in enumerate(webp_pictures(path)):
        if position in queue:
            queue.discard(position)
            yield position, on_black(picture[..., :3], picture[..., 3])
        if not queue:
            return


def webp_pictures(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Every picture as composed by the file, uint8 RGBA [h, w, 4], up to the first that is damaged."""
    from PIL import Image

    refused = (OSError, EOFError, ValueError, SyntaxError, MemoryError, Image.DecompressionBombError)
    try:
        with Image.open(path, formats=("WEBP",)) as image:
            for position in range(getattr(image, "n_frames", 1)):
                image.seek(position)
                yield np.asarray(image.convert("RGBA"), np.uint8)
    except refused:
        return


def _durations(path: Path) -> list[int]:
    """How long each frame is shown, in ms (WebP container, ANMF chunks)."""
    durations, size = [], path.stat().st_size
    with path.open("rb") as file:
        at = 12
        while at + 8 <= size:
            file.seek(at)
            name, chunk = struct.unpack("<4sI", file.read(8))
            head = file.read(16)
            if name == b"ANMF" and len(head) == 16:
                durations.append(int.from_bytes(head[12:15], "little"))
            at += 8 + chunk + chunk % 2
    return durations
