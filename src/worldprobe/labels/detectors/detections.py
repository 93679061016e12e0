"""What every detector has in common: boxes of frames, kept as they come, to a labels table with tracks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import LabelError
from worldprobe.io.files import cache, replacing
from worldprobe.io.tables import read_table
from worldprobe.labels.boxes import centre_and_size
from worldprobe.labels.track import link
from worldprobe.protocols import FrameSource
from worldprobe.records import Labels

if TYPE_CHECKING:
    import polars as pl

Floats = NDArray[np.float64]
# Of one frame: its index, corners [n, 4] in source px, class names, scores [n].
Found = tuple[int, Floats, Sequence[str], Floats]
CONFIDENCE = 0.35  # as in the experiment that this project starts from
PART_FRAMES = 256  # frames looked at that are written down together: what a killed run does again
_EDGES = ("left", "top", "right", "bottom")


def check_threshold(name: str, value: float) -> None:
    """Raises LabelError for a threshold out of (0, 1)."""
    if not 0 < value < 1:
        raise LabelError(f"{name} has to lie between 0 and 1, got {value}")


def label_frames(
    video: FrameSource,
    find: Callable[[Sequence[int]], Iterator[Found]],
    *,
    source: str,
    key: str,
    every: int = 1,
) -> Labels:
    """Labels with track ids from a detector; a frame that it has looked at before is not looked at again.

    Boxes are cut at the frame's edge; what lies outside of it or has no extent is dropped.

    Args:
        find: boxes of the frames asked for, in increasing order.
        key: changes whenever the boxes would: a hash of weights and options. With the video's content it names
            the folder ``detections/`` of the cache in which the boxes are kept.
        every: only every so many frames are looked at.
    """
    import polars as pl

    wanted = range(0, video.ref.frames, every)
    parts = _Parts(cache() / "detections" / f"{video.ref.id[:20]}-{key[:20]}-{every}", wanted)
    # One pass over the video, whatever is missing of it: starting anew for each part would decode it many times.
    for number, found in groupby(find(parts.missing()), key=lambda one: parts.number(one[0])):
        parts.write(number, list(found))
    table = parts.read()
    edge = np.array([video.ref.width, video.ref.height] * 2, dtype=np.float64)
    inside = np.clip(table.select(_EDGES).to_numpy(), 0, edge)
    kept = ((inside[:, 2:] - inside[:, :2]) > 0).all(axis=1)
    x, y, w, h = centre_and_size(inside[kept]).T
    table = table.filter(pl.Series(kept))
    frame = table["frame"].to_numpy()
    labels = Labels.from_columns(
        **{
            "video": [video.ref.id] * len(frame), "frame": frame, "pts_seconds": video.pts_seconds[frame],
            "object": np.full(len(frame), -1), "class": table["class"].to_list(), "x": x, "y": y, "w": w, "h": h,
            "confidence": table["score"].to_numpy(), "source": [source] * len(frame),
        }
    )  # fmt: skip
    return link(labels, shots=video.shots)


class _Parts:
    """The boxes of one video's frames, a file for every few hundred of them."""

    def __init__(self, folder: Path, wanted: range) -> None:
        self._folder, self._wanted = folder, wanted
        self._tables: dict[int, pl.DataFrame] = {}
        for number in range(-(-len(wanted) // PART_FRAMES)):
            self._load(number)

    def number(self, frame: int) -> int:
        """The part that a frame belongs to."""
        return self._wanted.index(frame) // PART_FRAMES

    def missing(self) -> list[int]:
        """The frames that nobody looked at yet."""
        return [frame for frame in self._wanted if self.number(frame) not in self._tables]

    def write(self, number: int, found: Sequence[Found]) -> None:
        """Keep a part's boxes, whole or not at all."""
        self._tables[number] = table = _table(found)
        # A cache that cannot be written to costs time, not the run.
        with suppress(OSError), replacing(self._path(number)) as temporary:
            table.write_parquet(temporary)

    def read(self) -> pl.DataFrame:
        """All boxes, in order of frames."""
        import polars as pl

        return pl.concat([_table([]), *(self._tables[number] for number in sorted(self._tables))])

    def _load(self, number: int) -> None:
        import polars as pl

        try:
            self._tables[number] = read_table(self._path(number)).select(_table([]).columns)
        except FileNotFoundError:
            pass
        except (pl.exceptions.PolarsError, OSError):
            self._path(number).unlink()  # damaged: made anew

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:06d}.parquet"


def _table(found: Sequence[Found]) -> pl.DataFrame:
    import polars as pl

    boxes = np.concatenate([np.zeros((0, 4)), *(corners for _, corners, _, _ in found)])
    columns = {
        "frame": pl.Series([index for index, _, names, _ in found for _ in names], dtype=pl.Int64),
        "class": pl.Series([name for _, _, names, _ in found for name in names], dtype=pl.String),
        "score": np.concatenate([np.zeros(0), *(scores for _, _, _, scores in found)]),
    }
    return pl.DataFrame(columns | {name: boxes[:, i] for i, name in enumerate(_EDGES)})
