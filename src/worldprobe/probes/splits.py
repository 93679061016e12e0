"""Which rows train and which test. Neighbouring frames on both sides are the commonest leak."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import ProbeError

Ints = NDArray[np.int64]
SplitKind = Literal["grouped", "blocked", "random", "video"]
KINDS: tuple[str, ...] = get_args(SplitKind)
OUTER_FOLDS = 5
INNER_FOLDS = 4
LEAST_VIDEOS = 3
_BLOCKS = 20
_MIN_CLIPS_PER_BLOCK = 2
# However long labels remember, so many blocks and this share of the training rows are left.
_LEAST_BLOCKS = 2 * OUTER_FOLDS
_LEAST_KEPT = 0.5
# Seconds are equal to within this.
_CLOCK = 1e-6


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
    """The folds of a split, and the unit [n] by which its scores are resampled.

    Attributes:
        purge: what is purged between training and test rows, where blocks of one video are on both sides.
    """

    kind: SplitKind
    folds: tuple[Fold, ...]
    unit: Ints
    purge: Purge | None = None

    def at(self, rows: NDArray[np.bool_]) -> Folds:
        """These folds of some rows alone [n], of a split that purges nothing; folds that test none are left out."""
        assert self.purge is None
        new = np.cumsum(rows) - 1

        def kept(of: Ints) -> Ints:
            return np.asarray(new[of[rows[of]]])

        cut = (
            Fold(kept(fold.train), kept(fold.test), tuple((kept(train), kept(held)) for train, held in fold.inner))
            for fold in self.folds
        )
        return replace(self, folds=tuple(fold for fold in cut if len(fold.test)), unit=self.unit[rows])

    def trained_on(self, rows: NDArray[np.bool_]) -> Folds:
        """These folds trained and chosen on some rows alone [n], and tested on all.

        Raises:
            ProbeError: a fold is left with nothing to train on.
        """

        def of(train: Ints, held: Ints) -> tuple[Ints, Ints]:
            return train[rows[train]], held[rows[held]]

        cut = []
        for fold in self.folds:
            inner = tuple(of(*part) for part in fold.inner)
            inner = tuple(part for part in inner if all(map(len, part)))
            cut.append(Fold(fold.train[rows[fold.train]], fold.test, inner))
            if not len(cut[-1].train) or not inner:
                raise ProbeError(
                    f"of {int(rows.sum())} moments to train on, none is left for some fold: raise moments_per_clip"
                )
        return replace(self, folds=tuple(cut))

    def apart(self, train: Ints, held: Ints) -> Ints:
        """Training rows that are far enough from the rows held out."""
        return self.purge.of(train, held) if self.purge else train

    def inner(self, train: Ints, seed: int) -> list[tuple[Ints, Ints]]:
        """Inner folds of some training rows, (training rows, held out) each, as far apart as the outer ones."""
        parts = partition(self.unit, train, min(INNER_FOLDS, len(np.unique(self.unit[train]))), seed)
        return [(rows, held) for rows, held in _purged(parts, self.purge) if len(rows)]

    def as_large_as(self, other: Folds, seed: int) -> Folds:
        """These folds, their training sets cut at random to the mean size of those of a split that purges rows.

        The same rows are left out everywhere, so that inner folds still share their training sets.
        """
        if other.purge is None:
            return self
        rank = np.random.default_rng(seed).permutation(len(self.unit)) / len(self.unit)

        def share(rows: Callable[[Folds], list[Ints]]) -> float:
            mine, others = (sum(map(len, rows(one))) / max(len(rows(one)), 1) for one in (self, other))
            return others / mine if mine else 1.0

        outer = rank < share(lambda one: [fold.train for fold in one.folds])
        inner = rank < share(lambda one: [train for fold in one.folds for train, _ in fold.inner])
        cut = (
            Fold(
                fold.train[outer[fold.train]],
                fold.test,
                tuple((train[inner[train] & outer[train]], held) for train, held in fold.inner),
            )
            for fold in self.folds
        )
        return replace(self, folds=tuple(cut))


@dataclass(frozen=True, slots=True, eq=False)
class Purge:
    """Keep training rows of the same video further than ``seconds`` from rows held out."""

    rows: SplitRows
    seconds: float

    def of(self, train: Ints, held: Ints) -> Ints:
        """Training rows without those too near to a row held out."""
        _, code = np.unique(self.rows.video, return_inverse=True)
        seconds = self.rows.pts_seconds
        # Videos one after the other on one clock, further apart than anything is purged.
        at = code * (np.ptp(seconds) + 2 * self.seconds + 1) + seconds
        tested = np.sort(at[held])
        right = np.searchsorted(tested, at[train]).clip(0, len(tested) - 1)
        left = (right - 1).clip(0)
        nearest = np.minimum(np.abs(tested[right] - at[train]), np.abs(tested[left] - at[train]))
        return np.asarray(train[nearest > self.seconds + _CLOCK])


def make_folds(rows: SplitRows, *, kind: SplitKind, seed: int, memory_seconds: float = 0.0) -> Folds:
    """Outer and inner folds of one kind.

    - ``grouped``: whole groups (shot, scene, episode) on one side.
    - ``blocked``: each video cut into contiguous blocks, which serve as groups; training rows within
      a clip's length of a test block, or within the label's memory, are purged.
    - ``video``: one video held out at a time.
    - ``random``: rows alone, whatever they share; the leaky way, for the audit. Its scores are still
      resampled by group (by block where there is one group only).

    Args:
        memory_seconds: how long the label stays alike (``memory.correlation_time``); so much of that is purged as
            leaves half of the training rows.

    Raises:
        ProbeError: too few units for the folds.
    """
    unit = units(rows, kind, memory_seconds=memory_seconds)
    if kind == "random":
        return Folds(kind, _folds(np.arange(len(rows)), OUTER_FOLDS, seed), unit)
    n = len(np.unique(unit))
    if kind == "video" and n < LEAST_VIDEOS:
        raise ProbeError(
            f"leaving one video out needs at least {LEAST_VIDEOS} videos, found {n}. Use --split blocked."
        )
    if kind != "video" and n < OUTER_FOLDS:
        raise ProbeError(
            f"{OUTER_FOLDS} {kind} folds were asked for, found {n} group{'s'[: n != 1]} of examples. "
            + (
                "Use --split blocked, which cuts each video into blocks, or add videos."
                if kind == "grouped"
                else f"Add video: at least {OUTER_FOLDS * _MIN_CLIPS_PER_BLOCK} clips with labels are needed."
            )
        )
    # Where each block is a whole video, no neighbour in time is on the other side.
    if kind == "blocked" and n > len(np.unique(rows.video)):
        return _blocked(rows, unit, seed, memory_seconds)
    return Folds(kind, _folds(unit, n if kind == "video" else OUTER_FOLDS, seed), unit)


def evenly(part: Ints, most: int, moment: Ints | None = None) -> NDArray[np.bool_]:
    """Choose at most so many rows of each part [n], evenly spread over its own in their order.

    Each part begins a row later than the one before: what goes with a row's place in its part is in all of it.

    Args:
        moment: int64 [n], whose rows are chosen together, and are one; increasing with the part and in it.
    """
    if moment is not None:
        _, first, of = np.unique(moment, return_index=True, return_inverse=True)
        return np.asarray(evenly(part[first], most)[of])
    order = np.argsort(part, kind="stable")
    _, starts, counts = np.unique(part[order], return_index=True, return_counts=True)
    found = np.zeros(len(part), dtype=np.bool_)
    for number, (start, count) in enumerate(zip(starts.tolist(), counts.tolist(), strict=True)):
        some = min(most, count)
        found[order[start + (number + np.arange(some) * count // some) % count]] = True
    return found


def _blocked(rows: SplitRows, unit: Ints, seed: int, memory_seconds: float) -> Folds:
    """Purge as far as labels remember, or less where too little would be left; never less than a clip.

    Raises:
        ProbeError: not even that leaves something to train on.
    """
    purge = Purge(rows, max(rows.clip_seconds, memory_seconds))
    folds = _folds(unit, OUTER_FOLDS, seed, purge)
    while purge.seconds > rows.clip_seconds and not _enough_left(folds, len(rows)):
        purge = Purge(rows, max(0.8 * purge.seconds, rows.clip_seconds))
        folds = _folds(unit, OUTER_FOLDS, seed, purge)
    folds = tuple(replace(fold, inner=tuple(part for part in fold.inner if len(part[0]))) for fold in folds)
    if not all(fold.inner for fold in folds):
        raise ProbeError("blocks of time leave nothing to choose a penalty on, a clip apart from them: add video")
    return Folds("blocked", folds, unit, purge)


def _enough_left(folds: Sequence[Fold], rows: int) -> bool:
    """Whether half of the training rows are left in each fold, and a quarter of these in all inner ones."""
    return all(
        len(fold.train) >= _LEAST_KEPT * (rows - len(fold.test))
        and all(len(train) >= _LEAST_KEPT**2 * len(fold.train) for train, _ in fold.inner)
        for fold in folds
    )


def units(rows: SplitRows, kind: SplitKind, *, memory_seconds: float = 0.0) -> Ints:
    """What a split keeps together and resamples, int64 [n]. Raises ProbeError for an unknown kind."""
    if kind not in KINDS:
        raise ProbeError(f"no split {kind!r}: use one of {', '.join(KINDS)}")
    if kind == "video":
        return rows.video
    few = len(np.unique(rows.group)) < OUTER_FOLDS
    return (
        blocks(rows, memory_seconds=memory_seconds)
        if kind == "blocked" or (kind == "random" and few)
        else rows.group
    )


def blocks(rows: SplitRows, *, memory_seconds: float = 0.0) -> Ints:
    """Contiguous blocks of each video in the order of time, about 20 in all: int64 [n].

    Each is at least two clips long, and as long as the label remembers where ten such blocks fit.
    """
    clip = max(rows.clip_seconds, 1e-9)
    spans = {}
    for video in np.unique(rows.video):
        seconds = rows.pts_seconds[rows.video == video]
        spans[int(video)] = (float(seconds.min()), float(np.ptp(seconds)) + clip / 2)
    total = sum(span for _, span in spans.values())
    length = max(total / _BLOCKS, _MIN_CLIPS_PER_BLOCK * clip, min(memory_seconds, total / _LEAST_BLOCKS))
    result = np.zeros(len(rows), dtype=np.int64)
    offset = 0
    for video, (start, span) in spans.items():
        within = rows.video == video
        count = max(1, round(span / length))
        position = (rows.pts_seconds[within] - start) / span * count
        result[within] = offset + np.minimum(position.astype(np.int64), count - 1)
        offset += count
    return result


def _folds(unit: Ints, count: int, seed: int, purge: Purge | None = None) -> tuple[Fold, ...]:
    parts = partition(unit, np.arange(len(unit)), count, seed)
    # Inner folds are made of the other outer folds: two of these left out are the same training set in whichever
    # order, so with 5 folds there are 10 inner training sets to decompose, not 20.
    fold_of = np.empty(len(unit), dtype=np.int64)
    for index, (_, test) in enumerate(parts):
        fold_of[test] = index
    outer = []
    for train, test in _purged(parts, purge):
        inner_count = min(INNER_FOLDS, len(np.unique(fold_of[train])))
        outer.append(Fold(train, test, tuple(_purged(partition(fold_of, train, inner_count, seed + 1), purge))))
    return tuple(outer)


def _purged(parts: list[tuple[Ints, Ints]], purge: Purge | None) -> list[tuple[Ints, Ints]]:
    return [(purge.of(train, held), held) for train, held in parts] if purge else parts


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
