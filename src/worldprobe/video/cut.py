"""Whether a file ends before its container says that it does: what is left of a download or a recording.

Read from the sizes of the container's outermost parts alone; libav reads such files as far as they go and says
nothing.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

MKV_HEADER, MKV_SEGMENT = 0x1A45DFA3, 0x18538067
MP4_BOXES = 100_000  # read at most: a fragmented film of a day has fewer


def ends_early(path: Path, container: str) -> bool:
    """Whether the file is shorter than it declares; never where its container declares nothing.

    Args:
        container: libav's name of its demuxer.
    """
    kinds, size = container.split(","), path.stat().st_size
    with path.open("rb") as file:
        if "mov" in kinds:
            return _mp4(file, size)
        if "matroska" in kinds:
            return _mkv(file, size)
        if "gif" in kinds or "apng" in kinds:
            file.seek(max(0, size - 12))
            tail = file.read()
            return b"IEND" not in tail if "apng" in kinds else not tail.rstrip(b"\0").endswith(b"\x3b")
    return False


def _mp4(file: BinaryIO, size: int) -> bool:
    """ISO/IEC 14496-12, 4.2: boxes of 32 or 64 bits of size, or up to the end of the file (0)."""
    at = 0
    for _ in range(MP4_BOXES):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return len(head) > 0
        length = int(struct.unpack_from(">I", head)[0])
        if length == 1:
            if len(head) < 16:
                return True
            length = int(struct.unpack_from(">Q", head, 8)[0])
        if length < 8:  # to the end of the file, or no box at all
            return False
        at += length
        if at >= size:
            return at > size
    return False


def _mkv(file: BinaryIO, size: int) -> bool:
    """RFC 8794: the segment's size; all ones, as live recordings have it, say nothing."""
    header = _element(file)
    if header is None or header[0] != MKV_HEADER or header[1] is None:
        return False
    file.seek(header[1], 1)
    segment = _element(file)
    if segment is None or segment[0] != MKV_SEGMENT or segment[1] is None:
        return False
    return file.tell() + segment[1] > size


def _element(file: BinaryIO) -> tuple[int, int | None] | None:
    """An EBML element's id and the length of what it holds (None: unknown); None at the end of the file."""
    parts: list[tuple[int, int]] = []
    for _ in range(2):
        first = file.read(1)
        if not first or not first[0]:
            return None
        more = 8 - first[0].bit_length()
        parts.append((int.from_bytes(first + file.read(more)), 7 * (more + 1)))
    (name, _), (length, bits) = parts
    length &= (1 << bits) - 1
    return name, None if length == (1 << bits) - 1 else length
