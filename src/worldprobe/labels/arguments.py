"""What follows a labeller's colon: a file, and how the pictures that it speaks of were taken from the film."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from worldprobe.errors import LabelError

_LARGEST = 2**31


@dataclass(frozen=True, slots=True)
class Numbering:
    """How a file numbers frames: number n is the film's frame ``start + (n - first) * step``, rounded.

    Attributes:
        step: frames of the film from one number to the next; None where nobody said so.
        start: frame of the film (from 0) that ``first`` is.
        first: the number that the file begins to count with; None where that is to be seen from the file.
    """

    step: float | None = None
    start: int = 0
    first: int | None = None

    @property
    def stated(self) -> bool:
        return self != Numbering()


def named_file(argument: str | None, name: str, example: str, *, folder: bool = False) -> tuple[Path, Numbering]:
    """The path and the options of ``PATH?step=5&start=3&first=1``.

    Raises:
        LabelError: no argument, no such file (or folder, where ``folder``), an unknown option, a value out of
            range.
    """
    if not argument:
        raise LabelError(f"{name} needs a {'folder' if folder else 'file'}: {example}")

    def exists(path: Path) -> bool:
        # A path may hold what no path may: a null byte, or more letters than a name can have.
        try:
            return path.is_dir() if folder else path.is_file()
        except (OSError, ValueError):
            return False

    whole, (text, mark, options) = Path(argument), argument.rpartition("?")
    if exists(whole) or not mark:
        path, numbering = whole, Numbering()
    else:
        path, numbering = Path(text), _numbering(options, f"{name}:{text}")
    if not exists(path):
        raise LabelError(f"no {'folder' if folder else 'file'} of labels at {path}")
    return path, numbering


def with_option(asked: str, option: str) -> str:
    """An option as it is to be added to what was typed."""
    return f"{'&' if '?' in asked else '?'}{option}"


def _numbering(options: str, asked: str) -> Numbering:
    given: dict[str, float] = {}
    for option in options.split("&"):
        key, _, text = option.partition("=")
        if key not in ("step", "start", "first") or key in given:
            what = f"{key!r} twice" if key in given else f"no option {key!r}"
            raise LabelError(
                f"{asked} takes {what}: after '?' there may be step (frames of the film from one picture to the "
                "next), start (the film's frame of the first picture) and first (the number of the first picture), "
                f"as in {asked}?step=5&start=0"
            )
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        whole = key == "step" or value.is_integer()
        if not (0 <= value <= _LARGEST and whole) or (key == "step" and value == 0):
            kind = "a number above 0" if key == "step" else "a whole number from 0 on"
            raise LabelError(f"{asked}: {key}={text} is not {kind}")
        given[key] = value
    step, start, first = (given.get(key) for key in ("step", "start", "first"))
    return Numbering(step, int(start or 0), None if first is None else int(first))
