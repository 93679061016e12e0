"""What all decoders of a run share: clips with tokens and frames, and which of them are held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldprobe.decoders.pairs import StoredPairs
from worldprobe.errors import DecoderError
from worldprobe.pipeline.decode.frames import KeptFrames, keep_frames
from worldprobe.pipeline.failures import Failure
from worldprobe.pipeline.groups import placed
from worldprobe.pipeline.progress import Progress
from worldprobe.pipeline.stored import whole_clips
from worldprobe.probes.splits import SplitKind, SplitRows, make_folds
from worldprobe.records import Block
from worldprobe.store import Series, Store

Ints = NDArray[np.int64]
_LEAST_SIZE, _MOST_SIZE = 64, 128


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Clips as rows, dealt out by group: ``training``, ``validation`` and ``test`` hold positions.

    Attributes:
        pairs: each row's tokens at the blocks asked for, and its frames.
        group: int64 [rows], what is kept together and resampled.
        failures: clips whose frames could not be read; they have no row.
    """

    pairs: StoredPairs
    training: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]
    group: Ints
    failures: tuple[Failure, ...]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the frames in px."""
        height, width = self.pairs.frames.shape[-2:]
        return height, width

    def n_groups(self, rows: Sequence[int]) -> int:
        return len(np.unique(self.group[list(rows)]))


def lay_out(
    store: Store,
    series: Sequence[Series],
    blocks: tuple[Block, ...],
    folder: Path,
    *,
    size: int | None,
    split: SplitKind,
    seed: int,
    progress: Progress,
) -> Rows:
    """Read the frames, and hold a fifth of the groups out for the test and another for validation.

    Args:
        size: px along the shorter side; None is half of what the encoder sees, between 64 and 128 px.

    Raises:
        ProbeError: too few groups.
        DecoderError: clips of several lengths, or sizes.
    """
    first = series[0]
    if any((one.grid, one.view.size) != (first.grid, first.view.size) for one in series):
        raise DecoderError("the store's clips differ in length or size: decode those of one encode at a time")
    clips = [(number, clip) for number, one in enumerate(series) for clip in whole_clips(store, one, blocks)]
    # Too few groups are said of before any frame is read.
    deal(series, clips, split=split, seed=seed)
    width, height = first.view.size
    side = side_of(first.view.size, size)
    to = (round(side * height / min(width, height)), round(side * width / min(width, height)))
    kept: KeptFrames = keep_frames(series, clips, folder / "frames.u8", size=to, progress=progress)
    pairs = StoredPairs(store, series, kept.clips, blocks, kept.file, kept.every)
    training, validation, test, group = deal(series, kept.clips, split=split, seed=seed)
    return Rows(pairs, training, validation, test, group, kept.failures)


def side_of(seen: tuple[int, int], size: int | None) -> int:
    """The shorter side of the drawn frames in px: ``size``, or half of what the encoder sees, 64 to 128 px."""
    return size or min(max(min(seen) // 2, _LEAST_SIZE), _MOST_SIZE)


def deal(
    series: Sequence[Series], clips: Sequence[tuple[int, int]], *, split: SplitKind, seed: int
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], Ints]:
    """Training, validation and test rows, and each row's group: the first outer and inner fold of the probes.

    Raises:
        ProbeError: too few groups for that.
    """
    specs = [series[number].specs[clip] for number, clip in clips]
    middle = np.array([(spec.start + spec.last) / 2 / spec.video.rate for spec in specs])
    span = max(spec.frames * spec.stride / spec.video.rate for spec in specs)
    number, clip = np.array(clips, dtype=np.int64).T
    group, recording, seconds = placed(series, number, clip, middle, apart=span)
    folds = make_folds(SplitRows(group, recording, seconds, span), kind=split, seed=seed)
    fold = folds.folds[0]
    training, validation = fold.inner[0]
    return _plain(training), _plain(validation), _plain(fold.test), folds.unit


def mismatched(rows: Rows, *, seed: int) -> tuple[int, ...]:
    """For each row another of the same part (training, validation, test), of another group: for a control."""
    partner = np.arange(len(rows.group))
    generator = np.random.default_rng(seed)
    for part in (rows.training, rows.validation, rows.test):
        here = np.array(part)
        names, code, counts = np.unique(rows.group[here], return_inverse=True, return_counts=True)
        place = generator.permutation(len(names))
        ordered = here[np.argsort(place[code], kind="stable")]
        # Further on by the largest group's size: no row can meet its own group, unless that holds half of them.
        partner[ordered] = np.roll(ordered, -int(counts.max()))
    return _plain(partner)


def _plain(rows: Ints) -> tuple[int, ...]:
    return tuple(int(row) for row in rows)
