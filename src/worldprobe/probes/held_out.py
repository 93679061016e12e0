"""Hold out the values of a factor: train on some cameras, say, and test on another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import ProbeError
from worldprobe.probes.splits import INNER_FOLDS, OUTER_FOLDS, Fold, Folds, partition

Ints = NDArray[np.int64]
# Numbers of more values than this are cut at their terciles; of more words than this several are held out at once.
MOST_VALUES = 5
_LEAST_GROUPS = 2
_LEAST_TRAINING = 5


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """A factor's values: ``names``, and which of them each row has, int64 [n], -1 where it is not known or in one
    group only; ``notes`` say what was cut or left out."""

    names: tuple[str, ...]
    code: Ints
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Folds that hold out values, and the usual ones beside them.

    Attributes:
        held: each fold tests on some values and trains on the others.
        usual: groups held out as usual, the training sets cut by whole groups to what each value's moments are
            trained on in ``held``: what is lost is lost to the new value, not to less data.
    """

    held: Folds
    usual: Folds


def values_of(factor: str, column: NDArray[Any], group: Ints) -> Values:
    """The values of a factor, by the column's text or numbers [n].

    Raises:
        ProbeError: it differs within a group, or fewer than two values are in two groups each.
    """
    known = np.isfinite(column) if column.dtype.kind == "f" else column != ""
    if not known.any():
        raise ProbeError(f"{factor} cannot be held out: no moment has a value of it")
    words, notes = column, list[str]()
    if column.dtype.kind == "f":
        words, notes = _as_words(factor, column, known, group)
    names, code = np.unique(words, return_inverse=True)
    code = np.where(known, code, -1)
    pairs = np.unique(np.stack([group[known], code[known]], axis=1), axis=0)
    if len(pairs) > len(np.unique(pairs[:, 0])):
        of = len(pairs) - len(np.unique(pairs[:, 0]))
        raise ProbeError(
            f"{factor} cannot be held out: it changes within {of} of {len(np.unique(group))} groups. "
            "Name a column that is the same throughout a video or an episode"
        )
    count = {value: int((pairs[:, 1] == value).sum()) for value in range(len(names))}
    kept = [value for value, groups in count.items() if groups >= _LEAST_GROUPS]
    there = ", ".join(f"{names[value]} ({groups})" for value, groups in count.items() if groups)
    if len(kept) < 2:
        raise ProbeError(
            f"{factor} cannot be held out: two values in {_LEAST_GROUPS} groups each are needed, found {there}"
        )
    if rare := [str(names[value]) for value, groups in count.items() if 0 < groups < _LEAST_GROUPS]:
        notes.append(f"left out, in fewer than {_LEAST_GROUPS} groups: {factor} {', '.join(rare)}")
    if lost := int((~known).sum()):
        notes.append(f"{lost} moments without a {factor} left out")
    again = np.full(len(names) + 1, -1)
    again[kept] = np.arange(len(kept))
    return Values(tuple(str(names[value]) for value in kept), again[code], tuple(notes))


def _as_words(
    factor: str, column: NDArray[Any], known: NDArray[np.bool_], group: Ints
) -> tuple[NDArray[Any], list[str]]:
    """Numbers by name: each value if they are few, else thirds of the groups."""
    different = np.unique(column[known])
    if len(different) <= MOST_VALUES:
        return np.array([f"{value:g}" for value in column]), []
    _, first = np.unique(group[known], return_index=True)
    low, high = np.quantile(column[known][first], [1 / 3, 2 / 3])
    third = np.searchsorted([low, high], np.where(known, column, 0.0))
    names = np.array([f"up to {low:.3g}", f"{low:.3g} to {high:.3g}", f"over {high:.3g}"])
    return names[third], [f"{factor} is cut at its terciles, {low:.3g} and {high:.3g}"]


def hold_out(factor: str, code: Ints, usual: Folds, *, seed: int) -> HeldOut:
    """Folds of rows whose values are ``code`` [n], all known; where there are many values, several at a time.

    Args:
        usual: the folds of groups that these rows are scored by otherwise.

    Raises:
        ProbeError: a value's moments would be trained on too few groups.
    """
    unit, held, beside = usual.unit, [], []
    for number, (train, test) in enumerate(partition(code, np.arange(len(code)), MOST_VALUES, seed)):
        groups = len(np.unique(unit[train]))
        if groups < _LEAST_TRAINING:
            raise ProbeError(
                f"{factor} cannot be held out: without one of its values {groups} groups are left to train on, and "
                f"{_LEAST_TRAINING} are needed"
            )
        held.append(_fold(train, test, unit, seed))
        for fold in usual.folds:
            mine = np.intersect1d(fold.test, test)
            if len(mine):
                beside.append(_fold(_cut(fold.train, len(train), unit, seed + number), mine, unit, seed))
    return HeldOut(Folds("grouped", tuple(held), unit), Folds("grouped", tuple(beside), unit))


def _fold(train: Ints, test: Ints, unit: Ints, seed: int) -> Fold:
    return Fold(train, test, tuple(partition(unit, train, min(INNER_FOLDS, len(np.unique(unit[train]))), seed + 1)))


def _cut(train: Ints, rows: int, unit: Ints, seed: int) -> Ints:
    """About so many of some rows, by whole groups drawn at random."""
    if len(train) <= rows:
        return train
    names, code, sizes = np.unique(unit[train], return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    kept = order[: max(OUTER_FOLDS, int(np.searchsorted(np.cumsum(sizes[order]), rows)) + 1)]
    return np.asarray(train[np.isin(code, kept)])
