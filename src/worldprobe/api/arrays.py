"""Read arrays, pandas and polars frames (neither is imported) as features, labels and groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.probes.evaluate import finite_rows
from worldprobe.probes.linear.estimators import InputError, require_unmasked
from worldprobe.probes.linear.grouped import Kind

# Whole numbers of at most so many different values are classes.
MOST_CLASSES = 10
LABEL = "label"
# Beyond this, and below its inverse, squares and their sums leave float64.
_SQUARABLE = 1e100
# Below this float32 begins to lose digits, and then the numbers.
_LEAST = 1e-30
_TIMES = (date, timedelta, np.datetime64, np.timedelta64)


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """The labels of one task: numbers float64 [n, k], or class names [n]."""

    task: str
    kind: Kind
    values: NDArray[Any]


def seed_of(value: Any) -> int:
    """Read a seed as Python's int. Raises InputError where it is no whole number of 0 or more."""
    if isinstance(value, int | np.integer) and not isinstance(value, bool) and value >= 0:
        return int(value)
    raise InputError(f"a seed is a whole number of 0 or more, got {value!r}")


def features_of(values: Any, name: str) -> NDArray[np.float32]:
    """Read features: float32 [n, d] of an array, a tensor or a frame of numbers; what is wider is centred first.

    Raises:
        InputError: not two-dimensional, no numbers, no rows, or NaN or infinity.
    """
    try:
        found = _array(values, name)
        found = found if found.dtype in (np.float16, np.float32) else found.astype(np.float64)
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} are no array of numbers: {error}") from error
    if found.ndim != 2 or not found.size:
        raise InputError(f"{name} have the shape {found.shape}: rows of features are needed, [n, d]")
    bad = ~finite_rows(found)
    if bad.any():
        raise InputError(
            f"{name} hold NaN or infinity in {int(bad.sum())} of {len(found)} rows, first in row "
            f"{int(bad.argmax())}: leave those rows out, of labels and groups too"
        )
    if found.dtype == np.float64:  # float32 would lose what varies around a large mean
        found = _scaled(found - found.mean(axis=0), _LEAST)
    with np.errstate(over="ignore"):
        found = found.astype(np.float32, copy=False)
    if not finite_rows(found).all():
        raise InputError(f"{name} hold numbers beyond those of float32: divide them first")
    return found


def _array(values: Any, name: str) -> NDArray[Any]:
    """Read an array, a tensor or a column of a frame as NumPy has it.

    Raises:
        InputError: values that a mask hides, which an array without its mask would show again, or complex numbers.
    """
    if hasattr(values, "detach"):  # of torch, which numpy cannot read where it has gradients or bfloat16
        values = values.detach().cpu()
        values = values.float() if str(values.dtype) == "torch.bfloat16" else values
    require_unmasked(values, name)
    found = np.asarray(values)
    if found.dtype.kind == "c":
        raise InputError(f"{name} are complex numbers: give their real and imaginary parts side by side")
    return found


def labels_of(labels: Any, kinds: Mapping[str, Kind] | Kind | None, rows: int) -> list[Labels]:
    """Read labels of n rows: a frame or a dictionary has a task a column, an array is one task.

    A task of numbers is a regression, of anything else (text, booleans, categories, and whole numbers of at most
    ``MOST_CLASSES`` different values) a classification; ``kinds`` says otherwise.

    Raises:
        InputError: another number of rows, missing values, or ``kinds`` that do not go with the labels.
    """
    if isinstance(labels, Mapping) or hasattr(labels, "columns"):
        names = list(labels if isinstance(labels, Mapping) else labels.columns)
        if twice := [name for name, times in Counter(map(str, names)).items() if times > 1]:
            raise InputError(f"labels have several columns {twice[0]!r}: give each a name of its own")
        columns = {str(name): labels[name] for name in names}
    else:
        columns = {str(getattr(labels, "name", None) or LABEL): labels}
    if not columns:
        raise InputError("labels have no columns: there is nothing to probe")
    wanted = kinds if isinstance(kinds, Mapping) else dict.fromkeys(columns, kinds) if kinds else {}
    if unknown := [name for name in wanted if name not in columns]:
        raise InputError(f"kinds name {', '.join(unknown)}, and the labels are {', '.join(columns)}")
    return [_labels(task, column, wanted.get(task), rows) for task, column in columns.items()]


def groups_of(groups: Any, rows: int) -> NDArray[np.int64]:
    """Number the groups of n rows, in the order of their names: int64 [n]. Raises InputError as ``labels_of``."""
    names = _column(groups, "groups", rows)
    if names.ndim != 1:
        raise InputError(f"groups have the shape {names.shape}: one group a row is needed, [{rows}]")
    try:
        return np.unique(names, return_inverse=True)[1].astype(np.int64)
    except TypeError as error:
        raise InputError(f"groups are of types that cannot be compared: {error}. Make them all text") from error


def require_same_index(features: Any, others: Mapping[str, Any]) -> None:
    """Raises InputError where frames of pandas number their rows otherwise: rows are matched by position."""
    every = {"features": features}
    for name, other in others.items():
        columns = other.items() if isinstance(other, Mapping) else ()
        every |= {name: other} | {f"{name}[{key!r}]": column for key, column in columns}
    (first, one), *rest = [(name, one) for name, one in every.items() if hasattr(one, "iloc")] or [("", None)]
    for name, other in rest:
        if len(one) == len(other) and not one.index.equals(other.index):
            raise InputError(
                f"the index of {name} differs from that of {first}, and rows are matched by position: sort "
                f"them alike ({name}.loc[{first}.index]), or reset_index(drop=True) where they are"
            )


def _labels(task: str, column: Any, kind: Kind | None, rows: int) -> Labels:
    values = _column(column, f"labels {task!r}", rows)
    kind = kind or _kind(column, values)
    if kind not in ("regression", "classification"):
        raise InputError(f"the kind of {task!r} is 'regression' or 'classification', got {kind!r}")
    if kind == "classification":
        if values.ndim != 1:
            raise InputError(f"{task!r} has the shape {values.shape}: one class a row is needed, [{rows}]")
        return Labels(task, kind, values.astype(np.str_))
    if values.dtype.kind in "mM":  # seconds, from the first of them: what a score is of does not depend on either
        values = (values - values.min()) / np.timedelta64(1, "s")
    try:
        numbers = values.astype(np.float64).reshape(rows, -1)
    except (TypeError, ValueError) as error:
        raise InputError(f"{task!r} is asked for as a regression and holds no numbers: {error}") from error
    if not np.isfinite(numbers).all():
        raise InputError(f"{task!r} holds infinity: leave those rows out, of features and groups too")
    return Labels(task, kind, _scaled(numbers, 1 / _SQUARABLE, _SQUARABLE))


def _scaled(values: NDArray[np.float64], least: float, largest: float = np.inf) -> NDArray[np.float64]:
    """Scale columns whose largest value is not between these by a power of two, on which no score depends."""
    most = np.abs(values).max(axis=0, initial=0.0)
    outside = (most > 0) & ((most < least) | (most > largest))
    return np.asarray(np.ldexp(values, -np.frexp(np.where(outside, most, 0.5))[1]))


def _kind(column: Any, values: NDArray[Any]) -> Kind:
    if str(getattr(column, "dtype", "")) == "category":
        return "classification"
    if values.dtype == object:  # as pandas keeps numbers among which some were missing, and polars decimals
        values = np.array(values.tolist())
        values = values.astype(np.float64) if all(isinstance(one, Decimal) for one in values.flat) else values
    if values.dtype.kind in "mM":
        return "regression"
    if values.dtype.kind not in "iuf":
        return "classification"
    few = values.ndim == 1 and len(np.unique(values)) <= MOST_CLASSES
    return "classification" if values.dtype.kind in "iu" and few else "regression"


def _column(column: Any, name: str, rows: int) -> NDArray[Any]:
    """A column as an array [n] or [n, k] without missing values."""
    values = _array(column, name)
    if values.ndim not in (1, 2) or len(values) != rows:
        raise InputError(f"{name} have the shape {values.shape}, and the features have {rows} rows")
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    missing = np.array([_is_missing(one) for one in values.ravel().tolist()]).reshape(rows, -1).any(axis=1)
    if missing.any():
        raise InputError(
            f"{name} are missing (None, NaN or empty text) in {int(missing.sum())} of {rows} rows, first in row "
            f"{int(missing.argmax())}: leave those rows out, everywhere"
        )
    if values.dtype.kind in "mM" or (values.dtype == object and values.size and isinstance(values.flat[0], _TIMES)):
        return _times(values, name)
    return values


def _times(values: NDArray[Any], name: str) -> NDArray[Any]:
    """Dates or durations as microseconds, datetime64 or timedelta64; of a time zone, in that of Greenwich."""
    kinds = set()
    for one in values.flat if values.dtype == object else ():
        if not isinstance(one, _TIMES):
            kinds.add("others")
        elif isinstance(one, timedelta | np.timedelta64):
            kinds.add("durations")
        else:
            kinds.add("dates with a time zone" if getattr(one, "tzinfo", None) else "dates without a time zone")
    if len(kinds) > 1:
        raise InputError(f"{name} hold {' and '.join(sorted(kinds))}: make them one kind")
    of = "timedelta64[us]" if values.dtype.kind == "m" or kinds == {"durations"} else "datetime64[us]"
    if kinds == {"dates with a time zone"}:
        values = np.array([one.astimezone(UTC).replace(tzinfo=None) for one in values.flat]).reshape(values.shape)
    try:
        return values.astype(of)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{name} cannot be read as times ({error}): give seconds as numbers") from error


def _is_missing(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):  # those of pandas compare with nothing
        return True
    if isinstance(value, np.datetime64 | np.timedelta64):
        return bool(np.isnat(value))
    return bool(value != value) if isinstance(value, float) else isinstance(value, str) and not value
