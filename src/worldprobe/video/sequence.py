"""Pictures in order as a film: a folder of numbered files, or the pictures of a table."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import VideoError
from worldprobe.records import VideoRef
from worldprobe.video.image import Head, Picture, head, pixels
from worldprobe.video.index import FrameIndex
from worldprobe.video.video import Video

__all__ = ["Picture", "PictureFilm", "film_of"]


def film_of(
    path: str | Path,
    pictures: Sequence[Picture | str],
    *,
    pts_seconds: NDArray[np.float64],
    rate: float,
    missing: int = 0,
    notes: Sequence[str] = (),
) -> PictureFilm:
    """Pictures as a film: all are read once, for the film's hash and their sizes; none is decoded.

    The film has the size that most of its pictures have. Those of another size, those that are no pictures and
    those that are not there are frames that cannot be read: frames keep their numbers.

    Args:
        path: what the film is called, and what a worker opens it by.
        pictures: in order; a text where a frame has no picture says why ("000007.jpg is not there").
        pts_seconds: time of each, float64 [n], not decreasing; told from the first on.
        rate: average pictures a second.
        missing: pictures that should follow the last and are not there.
        notes: how it was read, as ``VideoRef.notes``.

    Raises:
        VideoError: not one of them is a picture.
    """
    assert len(pictures) == len(pts_seconds), f"{len(pictures)} pictures, {len(pts_seconds)} times"
    times = np.asarray(pts_seconds, np.float64) - (pts_seconds[0] if len(pts_seconds) else 0.0)
    known = hashlib.sha256(f"pictures {rate!r}\n".encode() + times.tobytes())
    heads: dict[int, Head] = {}
    reasons: dict[int, str] = {}
    for frame, picture in enumerate(pictures):
        digest = b""
        try:
            if isinstance(picture, str):
                raise VideoError(picture)
            encoded = picture.read()
            digest = hashlib.sha256(encoded).digest()
            heads[frame] = head(picture.name, encoded)
        except VideoError as error:
            reasons[frame] = str(error)
        known.update(digest.ljust(hashlib.sha256().digest_size, b"\0"))
    if not heads:
        first = next(iter(reasons.values()), "there are none")
        raise VideoError(f"{path} holds no picture that can be read: {first}.")
    size = Counter((one.width, one.height) for one in heads.values()).most_common(1)[0][0]
    other = [frame for frame, one in heads.items() if (one.width, one.height) != size]
    for frame in other:
        width, height = heads[frame].width, heads[frame].height
        reasons[frame] = f"the picture there has {width} x {height} px, the others {size[0]} x {size[1]}"
    noted = [*notes, *dict.fromkeys(note for one in heads.values() for note in one.notes)]
    if other:
        noted.append(f"has pictures of another size ({_name(pictures[other[0]])}, {len(other)} in all): left out.")
    ref = VideoRef(
        id=known.hexdigest(), path=str(path), width=size[0], height=size[1], frames=len(pictures), rate=rate,
        missing=missing, first_pts_seconds=float(pts_seconds[0]), notes=tuple(noted),
    )  # fmt: skip
    return PictureFilm(ref, list(pictures), times, reasons)


class PictureFilm(Video):
    """An open film of pictures, which behaves as any video; made by ``film_of``."""

    def __init__(
        self,
        ref: VideoRef,
        pictures: Sequence[Picture | str],
        pts_seconds: NDArray[np.float64],
        absent: dict[int, str],
    ) -> None:
        super().__init__(ref, cast(FrameIndex, _Order(pts_seconds)))
        self._pictures, self._absent = pictures, absent

    def with_note(self, note: str) -> PictureFilm:
        """The same film, with one more note of how it was read."""
        ref = replace(self.ref, notes=(*self.ref.notes, note))
        return PictureFilm(ref, self._pictures, self.pts_seconds, self._absent)

    def _by_count(self, wanted: Sequence[int]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        for frame in wanted:
            picture = self._pictures[frame]
            try:
                if frame in self._absent or isinstance(picture, str):
                    raise VideoError(self._absent[frame])
                rgb = pixels(picture.name, picture.read())
                if rgb.shape != (self.ref.height, self.ref.width, 3):
                    raise VideoError(f"{picture.name} has changed its size since the film was opened")
            except VideoError as error:
                self.reasons[frame] = str(error)
                continue
            yield frame, rgb


@dataclass(frozen=True, slots=True, eq=False)
class _Order:
    """What there is of an index where frames are files: their times, that they are known by counting, and that none
    was decoded when the film was opened."""

    pts_seconds: NDArray[np.float64]
    counted: bool = True
    pictures: tuple[()] = ()


def _name(picture: Picture | str) -> str:
    return picture if isinstance(picture, str) else picture.name
