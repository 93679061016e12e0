"""Open a film: a video file, an animated picture, or a folder of pictures."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import replace
from pathlib import Path

from worldprobe.errors import VideoError
from worldprobe.io.lfs import lfs_pointer
from worldprobe.records import VideoRef
from worldprobe.video.folder import open_sequence
from worldprobe.video.image import PICTURE_SUFFIXES
from worldprobe.video.index import FrameIndex, build_index
from worldprobe.video.video import Animation, Video
from worldprobe.video.webp import is_webp, webp_index

# Indices that are remembered, of so many frames at most: 4 MB of usual clips.
_MOST_KNOWN, _MOST_FRAMES = 4096, 1024
_known: dict[tuple[str, str], FrameIndex] = {}
_lock = threading.Lock()


def open_video(path: str | Path) -> Video:
    """Open a local video file: hash its bytes and index its frames, without decoding more than a few.

    Files whose packets do not tell when pictures are shown (raw streams, AVI with B-frames) are decoded
    once in whole instead, and read by counting from their start.

    A folder of numbered pictures is a film too, and so is a pattern that stands for some (``video/folder.py``).

    Raises:
        VideoError: the file does not exist, is a folder without pictures, is empty, is not a video (playlists are
            not), has no video stream, or holds nothing that can be decoded.
    """
    path = Path(path)
    if not path.is_file() and (film := open_sequence(path)):
        return film
    try:
        if not path.exists():
            raise VideoError(f"{path} does not exist. Give the path of a video file.")
        if path.is_dir():
            raise VideoError(f"{path} is a folder without pictures, not a video file. Name a file in it.")
        if path.stat().st_size == 0:
            raise VideoError(f"{path} is empty (0 bytes). Copy or download it again.")
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise VideoError(f"{path} cannot be opened: {error.strerror}.") from error
    webp = is_webp(path)
    try:
        index = webp_index(path) if webp else _index(path, digest)
    except VideoError as error:
        if pointer := lfs_pointer(path):
            raise VideoError(pointer) from error
        if path.suffix.lower() in PICTURE_SUFFIXES and not webp:
            raise VideoError(
                f"{error} If it is one picture of a film, name the folder that they are in: {path.parent}."
            ) from error
        raise
    ref = VideoRef(
        id=digest, path=str(path), width=index.look.size[0], height=index.look.size[1],
        frames=len(index.pts_seconds), rate=index.rate, missing=index.missing, notes=index.notes,
        first_pts_seconds=index.first_pts_seconds, cut=index.cut, reading=index.look.reading,
    )  # fmt: skip
    return Animation(ref, index) if webp else Video(ref, index)


def _index(path: Path, digest: str) -> FrameIndex:
    """Index a file of these bytes (their hash), or recall its index: each stage of a run opens each film.

    Pictures that were decoded on this occasion are not remembered. Raises VideoError as ``build_index``.
    """
    key = (digest, str(path))
    if (known := _known.get(key)) is not None:
        return known
    index = build_index(path)
    if len(index.pts_seconds) <= _MOST_FRAMES:
        with _lock:
            while len(_known) >= _MOST_KNOWN:
                _known.pop(next(iter(_known)))
            _known[key] = replace(index, pictures=())
    return index
