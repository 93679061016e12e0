"""Which rows train and which test. Neighbouring frames on both sides are the commonest leak."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import ProbeError

Ints = NDArray[np.int64]
SplitKind = Literal["grouped", "blocked", "random", "video"]
KINDS: tuple[str, ...] = get_args(SplitKind)
OUTER_FOLDS = 5
INNER_FOLDS = 4
_BLOCKS = 20
_MIN_CLIPS_PER_BLOCK = 2


@dataclass(frozen=True, slots=True, eq=False)
class SplitRows:
    """Describe rows to a split: all that it reads of them.

    Attributes:
        group: int64 [n], the unit that may not stand on both sides of a split (shot, scene, episode).
        video: int64 [n], which video.
        pts_seconds: float64 [n], time within the video.
        clip_seconds: the time that one clip spans: rows nearer than this may share frames.

    Raises:
        ValueError: the arrays are not of one length.
    """

    group: Ints
    video: Ints
    pts_seconds: NDArray[np.float64]
    clip_seconds: float

    def __post_init__(self) -> None:
        if not self.group.shape == self.video.shape == self.pts_seconds.shape == (len(self),):
            raise ValueError(f"{self.group.shape = }, {self.video.shape = }, {self.pts_seconds.shape = }")

    def __len__(self) -> int:
        return len(self.group)


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """An outer fold with its inner ones: the penalty is chosen on ``inner``, scored once on ``test``."""

    train: Ints
    test: Ints
    inner: tuple[tuple[Ints, Ints], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Folds:
    """The folds of a split, and the unit [n] by which its scores are resampled."""

    kind: SplitKind
    folds: tuple[Fold, ...]
    unit: Ints


def make_folds(rows: SplitRows, *, kind: SplitKind, seed: int) -> Folds:
    """Outer and inner folds of one kind.

    - ``grouped``: whole groups (shot, scene, episode) on one side.
    - ``blocked``: each video cut into contiguous blocks, which serve as groups; training rows within
      a clip's length of a test block are purged.
    - ``video``: one video held out at a time.
    - ``random``: rows alone, whatever they share; the leaky way, for the audit. Its scores are still
      resampled by group (by block where there is one group only).

    Raises:
        ProbeError: too few units for the folds.
    """
    unit = units(rows, kind)
    if kind == "random":
        return Folds(kind, _folds(rows, np.arange(len(rows)), OUTER_FOLDS, seed, purge=False), unit)
    purge = kind == "blocked"
    n = len(np.unique(unit))
    if kind == "video":
        if n < 3:
            raise ProbeError(f"leaving one video out needs at least 3 videos, found {n}. Use --split blocked.")
        return Folds(kind, _folds(rows, unit, n, seed, purge=False), unit)
    if n < OUTER_FOLDS:
        raise ProbeError(
            f"{OUTER_FOLDS} {kind} folds were asked for, found {n} group{'s'[: n != 1]} of examples. "
            + (
                "Use --split blocked, which cuts each video into blocks, or add videos."
                if kind == "grouped"
                else f"Add video: at least {OUTER_FOLDS * _MIN_CLIPS_PER_BLOCK} clips with labels are needed."
            )
        )
    return Folds(kind, _folds(rows, unit, OUTER_FOLDS, seed, purge=purge), unit)


def units(rows: SplitRows, kind: SplitKind) -> Ints:
    """What a split keeps together and resamples, int64 [n]. Raises ProbeError for an unknown kind."""
    if kind not in KINDS:
        raise ProbeError(f"no split {kind!r}: use one of {', '.join(KINDS)}")
    if kind == "video":
        return rows.video
    few = len(np.unique(rows.group)) < OUTER_FOLDS
    return blocks(rows) if kind == "blocked" or (kind == "random" and few) else rows.group


def blocks(rows: SplitRows) -> Ints:
    """Contiguous blocks of each video, about 20 in all, each at least two clips long: int64 [n]."""
    clip = max(rows.clip_seconds, 1e-9)
    spans = {}
    for video in np.unique(rows.video):
        seconds = rows.pts_seconds[rows.video == video]
        spans[int(video)] = (float(seconds.min()), float(np.ptp(seconds)) + clip / 2)
    length = max(sum(span for _, span in spans.values()) / _BLOCKS, _MIN_CLIPS_PER_BLOCK * clip)
    result = np.zeros(len(rows), dtype=np.int64)
    offset = 0
    for video, (start, span) in spans.items():
        within = rows.video == video
        count = max(1, round(span / length))
        position = (rows.pts_seconds[within] - start) / span * count
        result[within] = offset + np.minimum(position.astype(np.int64), count - 1)
        offset += count
    return result


def _folds(rows: SplitRows, unit: Ints, count: int, seed: int, *, purge: bool) -> tuple[Fold, ...]:
    parts = partition(unit, np.arange(len(rows)), count, seed)
    # Inner folds are made of the other outer folds: two of these left out are the same training set in whichever
    # order, so with 5 folds there are 10 inner training sets to decompose, not 20.
    fold_of = np.empty(len(rows), dtype=np.int64)
    for index, (_, test) in enumerate(parts):
        fold_of[test] = index
    outer = []
    for train, test in _purged(rows, parts, purge):
        if not len(train):
            continue
        inner_count = min(INNER_FOLDS, len(np.unique(fold_of[train])))
        if inner_count < 2:
            raise ProbeError("too few groups left for choosing regularisation within a training fold: add video")
        inner = _purged(rows, partition(fold_of, train, inner_count, seed + 1), purge)
        outer.append(Fold(train, test, tuple((a, b) for a, b in inner if len(a))))
    return tuple(outer)


def _purged(rows: SplitRows, parts: list[tuple[Ints, Ints]], purge: bool) -> list[tuple[Ints, Ints]]:
    return [(_purge(rows, train, held), held) for train, held in parts] if purge else parts


def partition(unit: Ints, rows: Ints, count: int, seed: int) -> list[tuple[Ints, Ints]]:
    """Cut ``rows`` into ``count`` folds of whole units, about equally many rows each: (the rest, the fold)."""
    names, code, sizes = np.unique(unit[rows], return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    fold_of = np.zeros(len(names), dtype=np.int64)
    load = np.zeros(count)
    for name in order:
        lightest = int(load.argmin())
        fold_of[name] = lightest
        load[lightest] += sizes[name]
    held = [fold_of[code] == fold for fold in range(count)]
    return [(rows[~one], rows[one]) for one in held if one.any() and not one.all()]


def _purge(rows: SplitRows, train: Ints, test: Ints) -> Ints:
    """Training rows without those within one clip's length of a test row of the same video."""
    keep = np.ones(len(train), dtype=bool)
    for video in np.unique(rows.video[test]):
        tested = np.sort(rows.pts_seconds[test[rows.video[test] == video]])
        same = rows.video[train] == video
        seconds = rows.pts_seconds[train[same]]
        right = np.searchsorted(tested, seconds).clip(0, len(tested) - 1)
        left = (right - 1).clip(0)
        nearest = np.minimum(np.abs(tested[right] - seconds), np.abs(tested[left] - seconds))
        keep[same] = nearest > rows.clip_seconds
    return train[keep]
