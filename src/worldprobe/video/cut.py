"""Whether a file ends before its container says that it does: what is left of a download or a recording.

Read from the sizes of the container's outermost parts alone; libav reads such files as far as they go and says
nothing.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

MKV_HEADER, MKV_SEGMENT = 0x1A45DFA3, 0x18538067
ASF_PROPERTIES, ASF_HEAD = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"), 1 << 16
MPEG_TAIL, MPEG_END = 1 << 17, 0xB9
TS_PACKETS, TS_SYNC = (188, 192, 204), 0x47
MKV_ELEMENTS = 100_000  # looked at: of a live recording
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
        if "avi" in kinds:
            return _avi(file, size)
        if "mpegts" in kinds:
            return _ts(file, size)
        if "flv" in kinds:
            return _flv(file, size)
        if "asf" in kinds:
            return _asf(file, size)
        if "mpeg" in kinds:
            return _mpeg(file, size)
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


def _avi(file: BinaryIO, size: int) -> bool:
    """The first RIFF's size; 0 in recordings that were never closed."""
    return 8 + int.from_bytes(file.read(8)[4:8], "little") > size


def _ts(file: BinaryIO, size: int) -> bool:
    """ISO/IEC 13818-1: packets of 188 bytes, of 192 with a time before (M2TS) or of 204 with a check behind."""
    head = file.read(5 * max(TS_PACKETS))
    for length in TS_PACKETS:
        for start in range(length):
            if all(at < len(head) and head[at] == TS_SYNC for at in range(start, start + 4 * length, length)):
                return (size - start + (4 if length == 192 else 0)) % length > 0
    return False


def _flv(file: BinaryIO, size: int) -> bool:
    """Each tag is followed by its size, which 11 bytes before it agree with."""
    file.seek(max(0, size - 4))
    length = int.from_bytes(file.read(4))
    if not 11 <= length <= size - 13:
        return True
    file.seek(size - 4 - length + 1)
    return int.from_bytes(file.read(3)) + 11 != length


def _asf(file: BinaryIO, size: int) -> bool:
    """The file's size in its properties (ASF, 3.2); 0 in broadcasts."""
    head = file.read(ASF_HEAD)
    at = head.find(ASF_PROPERTIES)
    return at >= 0 and int.from_bytes(head[at + 40 : at + 48], "little") > size


def _mpeg(file: BinaryIO, size: int) -> bool:
    """ISO/IEC 13818-1 and 11172-1: the last pack's packets, each with its length, end with the file."""
    file.seek(max(0, size - MPEG_TAIL))
    tail = file.read()
    at = tail.rfind(b"\x00\x00\x01\xba")
    if at < 0 or at + 14 > len(tail):
        return at >= 0
    at += 12 if tail[at + 4] >> 4 == 2 else 14 + (tail[at + 13] & 7)
    while tail[at : at + 3] == b"\x00\x00\x01" and at + 6 <= len(tail):
        if tail[at + 3] == MPEG_END:
            return False
        at += 6 + int.from_bytes(tail[at + 4 : at + 6])
    return at > len(tail)


def _mkv(file: BinaryIO, size: int) -> bool:
    """RFC 8794: the segment's size; where it is all ones, as live recordings have it, of each element in it."""
    header = _element(file)
    if header is None or header[0] != MKV_HEADER or header[1] is None:
        return False
    file.seek(header[1], 1)
    segment = _element(file)
    if segment is None or segment[0] != MKV_SEGMENT:
        return False
    if segment[1] is not None:
        return file.tell() + segment[1] > size
    at = file.tell()
    for _ in range(MKV_ELEMENTS):
        if at >= size:
            return at > size
        file.seek(at)
        element = _element(file)
        if element is None:
            file.seek(at)
            return file.read(1) != b"\0"  # no element begins with it: what follows is padding
        at = file.tell() + (element[1] or 0)  # a live cluster is of unknown length too: what it holds follows
    return False


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
