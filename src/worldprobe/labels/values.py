"""Values that somebody wrote into JSON, XML or text: taken where they can be meant in one way only, else refused.

All of these raise ValueError with a few words that complete "annotation 7: ...".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

LARGEST = 2**53  # whole numbers above it are not exact in a float64
_LISTED = 5
_WORD = 40  # letters of a strange value that are repeated to the user


def number(value: Any, what: str) -> float:
    """A finite number, also where it is written as text."""
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str) or "_" in str(value):
            raise ValueError
        found = float(value)
    except (ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise ValueError(f"{what} {excerpt(value)} is not a number")
    return found


def whole(value: Any, what: str) -> int:
    """A whole number that a float64 can hold."""
    found = number(value, what)
    if not found.is_integer() or abs(found) > LARGEST:
        raise ValueError(f"{what} {excerpt(value)} is not a whole number")
    return int(found)


def flag(value: Any) -> bool:
    """Whether a mark is set, which tools write as 1, true or "1"."""
    if isinstance(value, str):
        return value.strip().lower() not in ("", "0", "false", "no", "none", "off", "0.0")
    return bool(value) and not (isinstance(value, float) and math.isnan(value))


def key(value: Any, what: str) -> int | str:
    """An id by which entries name each other: 2, 2.0 and "2" are the same."""
    if isinstance(value, str) and value.strip():
        try:
            return whole(value, what)
        except ValueError:
            return clean(value.strip())
    return whole(value, what)


def clean(text: object) -> str:
    """Text that can be printed and stored: halves of letters, which JSON can hold, become question marks."""
    return str(text).encode("utf-8", "replace").decode("utf-8")


def excerpt(value: Any) -> str:
    """A value in a message, cut short."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a whole number of more digits than Python prints, lists in lists
        text = "..."
    return text if len(text) <= _WORD else text[: _WORD - 3] + "..."


def some(values: Iterable[object]) -> str:
    """The first few different values, in words."""
    different = list(dict.fromkeys(clean(value)[:_WORD] for value in values))
    return ", ".join(different[:_LISTED]) + ", ..." * (len(different) > _LISTED)


def counted(number: int, what: str) -> str:
    """Of "box" and the like: "1 box", "2 boxes"."""
    ending = "es" if what.endswith(("x", "s", "ch")) else "s"
    return f"{number} {what}{ending if number != 1 else ''}"


def track(value: Any) -> int | str | None:
    """A track's id: a number or a name; None for none, which tools also write as -1 or nothing at all."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    known = key(value, "track")
    return None if isinstance(known, int) and known < 0 else known


def track_numbers(tracks: Sequence[int | str | None]) -> tuple[list[int], list[str]]:
    """Tracks as numbers, -1 for none; names are numbered in order, after the numbers that there are; and notes."""
    taken = [one for one in tracks if isinstance(one, int)]
    names = list(dict.fromkeys(one for one in tracks if isinstance(one, str)))
    of_name = {name: at for at, name in enumerate(names, start=max([-1, *taken]) + 1)}
    found = [-1 if one is None else of_name[one] if isinstance(one, str) else one for one in tracks]
    if not names:
        return found, []
    first = some(f"{name[:30]} is {of_name[name]}" for name in names)
    return found, [f"tracks have names in it: numbered in order ({first})"]
