"""The frames that decoders are to draw: what the model saw, read once in order, kept in a file of bounded size."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldprobe.decoders.pairs import FrameFile, StoredPairs
from worldprobe.errors import DecoderError, VideoError
from worldprobe.geometry import View
from worldprobe.io.files import drop_leftovers, replacing
from worldprobe.pipeline.failures import Failure
from worldprobe.pipeline.progress import Progress
from worldprobe.pipeline.sources import open_source
from worldprobe.records import Clip, Labels
from worldprobe.store import Series
from worldprobe.video.sample import read_clips

MOST_BYTES = 8 * 2**30
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class KeptFrames:
    """Clips whose frames could be read, as (series, clip); only every ``every``-th tubelet of them was kept."""

    clips: tuple[tuple[int, int], ...]
    file: FrameFile
    every: int
    failures: tuple[Failure, ...]


def through(frames: Pixels, view: View, *, size: tuple[int, int]) -> Pixels:
    """What a model sees of source frames uint8 [n, h, w, 3], at another size (height, width): uint8 [n, 3, H, W].

    Resized as the view says, cut out, and resized again: bilinear with antialias, on the bytes.
    """
    import torch
    from torch.nn.functional import interpolate

    def resized(pixels: torch.Tensor, to: tuple[int, int]) -> torch.Tensor:
        if pixels.shape[-2:] == to:
            return pixels
        return interpolate(pixels, size=to, mode="bilinear", antialias=True, align_corners=False)

    height, width = frames.shape[1:3]
    whole = (round(height * view.scale[1]), round(width * view.scale[0]))
    left, top = int(view.offset[0]), int(view.offset[1])
    pixels = resized(torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2), whole)
    seen = pixels[:, :, top : top + view.size[1], left : left + view.size[0]].contiguous()
    return np.asarray(resized(seen, size).numpy(), dtype=np.uint8)


def keep_frames(
    series: Sequence[Series],
    clips: Sequence[tuple[int, int]],
    path: Path,
    *,
    size: tuple[int, int],
    progress: Progress,
    most_bytes: int = MOST_BYTES,
) -> KeptFrames:
    """Read the clips' frames, each video once and in order, into a file.

    Raises:
        DecoderError: not one tubelet a clip fits into ``most_bytes``, or into the disk.
    """
    grid = series[0].grid
    each = grid.tubelet * 3 * size[0] * size[1]
    every = next((k for k in range(1, grid.time + 1) if len(clips) * -(-grid.time // k) * each <= most_bytes), 0)
    if not every:
        raise DecoderError(
            f"frames of {len(clips)} clips at {size[1]} x {size[0]} px need more than {most_bytes / 2**30:.0f} GiB "
            "of disk, even with one tubelet a clip. Use a smaller --size or fewer videos."
        )
    shape = (-(-grid.time // every), grid.tubelet, 3, *size)
    need = len(clips) * int(np.prod(shape))
    path.parent.mkdir(parents=True, exist_ok=True)
    drop_leftovers(path)
    if (free := shutil.disk_usage(path.parent).free) < need:
        raise DecoderError(
            f"frames need {need / 1e9:.1f} GB beside {path}, {free / 1e9:.1f} GB are free there. Make room, or "
            "use a smaller --size, fewer videos or an --out elsewhere."
        )
    kept: list[tuple[int, int]] = []
    failures: list[Failure] = []
    with replacing(path) as temporary, temporary.open("wb") as file:
        for number, one in enumerate(series):
            wanted = [clip for s, clip in clips if s == number]
            if not wanted:
                continue
            for clip, pixels in _read(one, wanted, size, failures):
                tubelets = pixels.reshape(grid.time, grid.tubelet, *pixels.shape[1:])
                file.write(np.ascontiguousarray(tubelets[::every]).tobytes())
                kept.append((number, clip))
                if len(series) == 1:
                    progress("frames", len(kept), len(clips))
            progress("frames", len(kept), len(clips))
    progress("frames", len(clips), len(clips))
    if not kept:
        raise VideoError(f"no clip could be read. The first: {failures[0].error}")
    return KeptFrames(tuple(kept), FrameFile(path, (len(kept), *shape)), every, tuple(failures))


def sized(view: View, size: tuple[int, int]) -> View:
    """The same view with its picture at another size (height, width)."""
    across, down = size[1] / view.size[0], size[0] / view.size[1]
    return View(
        scale=(view.scale[0] * across, view.scale[1] * down),
        offset=(view.offset[0] * across, view.offset[1] * down),
        size=(size[1], size[0]),
    )


def _read(
    series: Series, wanted: Sequence[int], size: tuple[int, int], failures: list[Failure]
) -> Iterator[tuple[int, Pixels]]:
    """The clips' frames uint8 [t, 3, H, W], in order of time; what cannot be read is written down."""
    specs = [series.specs[clip] for clip in wanted]
    position = {spec.start: clip for spec, clip in zip(specs, wanted, strict=True)}
    view = series.view
    try:
        with open_source(Path(series.video.path)) as video:
            for read in read_clips(
                video, specs, preprocess=lambda rgb: through(rgb, view, size=size), view=sized(view, size)
            ):
                if isinstance(read, Clip):
                    yield position[read.spec.start], read.pixels
                else:
                    failures.append(Failure(series.video.path, read[0].start, str(read[1])))
    except VideoError as error:
        failures.append(Failure(series.video.path, None, str(error)))


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
