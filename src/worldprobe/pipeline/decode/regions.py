"""Where labelled objects are in the frames that decoders draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldprobe.decoders.pairs import StoredPairs
from worldprobe.pipeline.decode.frames import sized
from worldprobe.records import Labels

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """Boxes by video and frame, in source px: ``boxes`` [k, 4] are x, y (centre), w, h."""

    pairs: StoredPairs
    boxes: dict[tuple[str, int], Floats]

    def of(self, row: int) -> NDArray[np.bool_]:
        """Masks bool [tubelets, frames, H, W] of a row: the px whose centre lies in some box."""
        number, clip = self.pairs.clips[row]
        series = self.pairs.series[number]
        height, width = self.pairs.frames.shape[-2:]
        view = sized(series.view, (height, width))
        indices = np.array(series.specs[clip].indices).reshape(series.grid.time, -1)[:: self.pairs.every]
        masks = np.zeros((*indices.shape, height, width), dtype=bool)
        across, down = np.arange(width) + 0.5, np.arange(height) + 0.5
        for place, frame in np.ndenumerate(indices):
            for x, y, w, h in self.boxes.get((series.video.id, int(frame)), ()):
                left, top = view.to_model(np.array([x - w / 2, y - h / 2]))
                right, bottom = view.to_model(np.array([x + w / 2, y + h / 2]))
                masks[place] |= ((down >= top) & (down < bottom))[:, None] & ((across >= left) & (across < right))
        return masks


def regions_of(pairs: StoredPairs, labels: Labels | None, *, rows: Sequence[int]) -> Regions | None:
    """The labels' boxes on the rows' frames; None where there are none."""
    if labels is None:
        return None
    import polars as pl

    starts = {(pairs.series[number].video.id) for number, _ in (pairs.clips[row] for row in rows)}
    table = labels.table.filter(pl.col("video").is_in(list(starts)))
    boxes: dict[tuple[str, int], list[tuple[float, ...]]] = {}
    for video, frame, *box in table.select("video", "frame", "x", "y", "w", "h").iter_rows():
        boxes.setdefault((video, frame), []).append(tuple(box))
    found = {place: np.array(each, dtype=np.float64) for place, each in boxes.items()}
    return Regions(pairs, found) if found else None
