"""A LeRobot feature's values as numbers, whatever its column holds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.labels.robots.info import Feature

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """``columns`` float64 [n] by the dimension's name, NaN where there is no number; ``notes`` are sentences on the
    feature with a place {} for how many rows they are about, and how many."""

    columns: dict[str, NDArray[np.float64]]
    notes: tuple[tuple[str, int], ...] = ()


def values_of(rows: pl.DataFrame, feature: Feature) -> Values:
    """A feature's values in rows; what is no number is left out, and noted."""
    if feature.name not in rows.columns:
        return Values({}, (("is not in the table ({}): left out.", len(rows)),))
    column = rows[feature.name]
    kind = column.dtype
    while (inner := getattr(kind, "inner", None)) is not None:
        kind = inner
    if not (kind.is_numeric() or str(kind) in ("Boolean", "Null")):
        return Values({}, (("holds no numbers ({}): left out.", len(rows)),))
    flat = [_flat(value) for value in column.to_list()]
    lengths = Counter(len(one) for one in flat if one)
    count, notes = feature.count, []
    if lengths and count not in lengths:
        count = lengths.most_common(1)[0][0]
        notes.append((f"has {count} values a row, meta/info.json says {feature.count}: they are numbered.", 0))
    elif feature.unnamed:
        notes.append(("has names that are not one for each value, or not all different: they are numbered.", 0))
    names = feature.names if count == feature.count else tuple(map(str, range(count)))
    found = np.full((len(flat), count), np.nan)
    for number, one in enumerate(flat):
        if len(one) == count:
            found[number] = one
    found[~np.isfinite(found)] = np.nan
    if lost := int(sum(bool(one) and len(one) != count for one in flat)):
        notes.append((f"has other than {count} values in {{}}: left out.", lost))
    fits = np.array([len(one) == count for one in flat], dtype=bool)
    none = int(sum(not one for one in flat)) if count else 0
    if none:
        notes.append(("is empty in {}: left out.", none))
    if holes := int(np.isnan(found[fits]).any(axis=1).sum()):
        notes.append(("has values that are no finite numbers in {}: left out.", holes))
    return Values({name: found[:, number] for number, name in enumerate(names)}, tuple(notes))


def _flat(value: Any) -> list[float]:
    """A row's value, whatever its shape, as a list in order; NaN for a missing number, none for no value."""
    if value is None:
        return []
    if isinstance(value, list):
        parts = ([np.nan] if one is None else _flat(one) for one in value)
        return [number for part in parts for number in part]
    return [float(value)]
