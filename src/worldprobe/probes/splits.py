"""Which examples train and which test. Neighbouring frames on both sides are the commonest leak."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import ProbeError
from worldprobe.records import Examples

Ints = NDArray[np.int64]
SplitKind = Literal["grouped", "blocked", "random", "video"]
KINDS: tuple[str, ...] = get_args(SplitKind)
OUTER_FOLDS = 5
INNER_FOLDS = 4
_BLOCKS = 20
_MIN_CLIPS_PER_BLOCK = 2


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """An outer fold with its inner ones: regularisation is chosen on ``inner``, scored once on ``test``."""

    train: Ints
    test: Ints
    inner: tuple[tuple[Ints, Ints], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Folds:
    """The folds of a split, and the unit [n] by which its scores are resampled."""

    kind: SplitKind
    folds: tuple[Fold, ...]
    unit: Ints


def make_folds(examples: Examples, *, kind: SplitKind, seed: int) -> Folds:
    """Outer and inner folds of one kind.

    - ``grouped``: whole groups (shot, scene, episode) on one side.
    - ``blocked``: each video cut into contiguous blocks, which serve as groups; training examples within
      a clip's length of a test block are purged.
    - ``video``: one video held out at a time.
    - ``random``: examples alone, whatever they share; the leaky way, for the audit. Its scores are still
      resampled by group (by block where there is one group only).

    Raises:
        ProbeError: too few units for the folds.
    """
    unit = units(examples, kind)
    if kind == "random":
        return Folds(kind, _folds(examples, np.arange(len(examples)), OUTER_FOLDS, seed, purge=False), unit)
    purge = kind == "blocked"
    n = len(np.unique(unit))
    if kind == "video":
        if n < 3:
            raise ProbeError(f"leaving one video out needs at least 3 videos, found {n}. Use --split blocked.")
        return Folds(kind, _folds(examples, unit, n, seed, purge=False), unit)
    if n < OUTER_FOLDS:
        raise ProbeError(
            f"{OUTER_FOLDS} {kind} folds were asked for, found {n} group{'s'[: n != 1]} of examples. "
            + (
                "Use --split blocked, which cuts each video into blocks, or add videos."
                if kind == "grouped"
                else f"Add video: at least {OUTER_FOLDS * _MIN_CLIPS_PER_BLOCK} clips with labels are needed."
            )
        )
    return Folds(kind, _folds(examples, unit, OUTER_FOLDS, seed, purge=purge), unit)


def units(examples: Examples, kind: SplitKind) -> Ints:
    """What a split keeps together and resamples, int64 [n]. Raises ProbeError for an unknown kind."""
    if kind not in KINDS:
        raise ProbeError(f"no split {kind!r}: use one of {', '.join(KINDS)}")
    if kind == "video":
        return examples.video
    few = len(np.unique(examples.group)) < OUTER_FOLDS
    return blocks(examples) if kind == "blocked" or (kind == "random" and few) else examples.group


def blocks(examples: Examples) -> Ints:
    """Contiguous blocks of each video, about 20 in all, each at least two clips long: int64 [n]."""
    clip = max(examples.clip_seconds, 1e-9)
    spans = {}
    for video in np.unique(examples.video):
        seconds = examples.pts_seconds[examples.video == video]
        spans[int(video)] = (float(seconds.min()), float(np.ptp(seconds)) + clip / 2)
    length = max(sum(span for _, span in spans.values()) / _BLOCKS, _MIN_CLIPS_PER_BLOCK * clip)
    result = np.zeros(len(examples), dtype=np.int64)
    offset = 0
    for video, (start, span) in spans.items():
        rows = examples.video == video
        count = max(1, round(span / length))
        position = (examples.pts_seconds[rows] - start) / span * count
        result[rows] = offset + np.minimum(position.astype(np.int64), count - 1)
        offset += count
    return result


def _folds(examples: Examples, unit: Ints, count: int, seed: int, *, purge: bool) -> tuple[Fold, ...]:
    rows = np.arange(len(examples))
    parts = partition(unit, rows, count, seed)
    # Inner folds are made of the other outer folds: two of these left out are the same training set in whichever
    # order, so with 5 folds there are 10 inner training sets to decompose, not 20.
    fold_of = np.empty(len(examples), dtype=np.int64)
    for index, (_, test) in enumerate(parts):
        fold_of[test] = index
    outer = []
    for train, test in _purged(examples, parts, purge):
        if not len(train):
            continue
        inner_count = min(INNER_FOLDS, len(np.unique(fold_of[train])))
        if inner_count < 2:
            raise ProbeError("too few groups left for choosing regularisation within a training fold: add video")
        inner = _purged(examples, partition(fold_of, train, inner_count, seed + 1), purge)
        outer.append(Fold(train, test, tuple((a, b) for a, b in inner if len(a))))
    return tuple(outer)


def _purged(examples: Examples, parts: list[tuple[Ints, Ints]], purge: bool) -> list[tuple[Ints, Ints]]:
    return [(_purge(examples, train, held), held) for train, held in parts] if purge else parts


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


def _purge(examples: Examples, train: Ints, test: Ints) -> Ints:
    """Training rows without those within one clip's length of a test row of the same video."""
    keep = np.ones(len(train), dtype=bool)
    for video in np.unique(examples.video[test]):
        tested = np.sort(examples.pts_seconds[test[examples.video[test] == video]])
        same = examples.video[train] == video
        seconds = examples.pts_seconds[train[same]]
        right = np.searchsorted(tested, seconds).clip(0, len(tested) - 1)
        left = (right - 1).clip(0)
        nearest = np.minimum(np.abs(tested[right] - seconds), np.abs(tested[left] - seconds))
        keep[same] = nearest > examples.clip_seconds
    return train[keep]
