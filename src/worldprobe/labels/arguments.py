"""What follows a labeller's colon: a file, and how the pictures that it speaks of were taken from the film."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
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

    exists = is_folder if folder else is_file
    path, options = parted(argument, exists)
    numbering = _numbering(options, f"{name}:{path}") if options is not None else Numbering()
    if not exists(path):
        raise LabelError(f"no {'folder' if folder else 'file'} of labels at {path}")
    return path, numbering


def parted(argument: str, exists: Callable[[Path], bool]) -> tuple[Path, str | None]:
    """A path and the options behind its last question mark; None without one, or where something is called so."""
    head, mark, options = argument.rpartition("?")
    whole = not mark or exists(Path(argument))
    return (Path(argument), None) if whole else (Path(head), options)


def options_of(text: str, known: Collection[str], *, spec: str, takes: str) -> dict[str, str]:
    """The values in ``key=value&key=value``. Raises LabelError, with what it ``takes``, for another key, one that
    stands there twice, or one without a value."""
    found: dict[str, str] = {}
    for option in text.split("&"):
        key, _, value = option.partition("=")
        if key not in known or key in found or not value:
            what = f"{key!r} twice" if key in found else f"no option {(option if key in known else key)!r}"
            raise LabelError(f"{spec} takes {what}: after '?' there may be {takes}")
        found[key] = value
    return found


def is_file(path: Path) -> bool:
    # A path may hold what no path may: a null byte, or more letters than a name can have.
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def with_option(spec: str, option: str) -> str:
    """An option as it is to be added to what was typed."""
    return f"{'&' if '?' in spec else '?'}{option}"


def _numbering(options: str, spec: str) -> Numbering:
    takes = (
        "step (frames of the film from one picture to the next), start (the film's frame of the first picture) and "
        f"first (the number of the first picture), as in {spec}?step=5&start=0"
    )
    given: dict[str, float] = {}
    for key, text in options_of(options, ("step", "start", "first"), spec=spec, takes=takes).items():
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        whole = key == "step" or value.is_integer()
        if not (0 <= value <= _LARGEST and whole) or (key == "step" and value == 0):
            kind = "a number above 0" if key == "step" else "a whole number from 0 on"
            raise LabelError(f"{spec}: {key}={text} is not {kind}")
        given[key] = value
    step, start, first = (given.get(key) for key in ("step", "start", "first"))
    return Numbering(step, int(start or 0), None if first is None else int(first))
