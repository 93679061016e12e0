"""Numbered pictures in a folder, apart from other pictures in it, each with the frame that it is."""

from __future__ import annotations

import fnmatch
import math
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from worldprobe.errors import VideoError
from worldprobe.video.image import PICTURE_SUFFIXES, Picture

# Numbers that leave this many times as many places empty as they fill are times or ids, not frames.
_MOST_EMPTY = 10
_NAMED = 3
_LONGEST_NUMBER = 255  # digits; no name is longer
_PATTERN = re.compile(r"%(0?)(\d*)d")
# What Roboflow's export adds to each name: another hash for every picture.
_HASH = re.compile(r"\.rf\.[0-9a-f]+$")
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Numbered:
    """Pictures in order: a text for a frame whose picture is not there, and notes on the names."""

    pictures: list[Picture | str]
    notes: tuple[str, ...]


def is_pattern(name: str) -> bool:
    """Whether a file's name stands for many: ``%06d.jpg``, ``*.png``."""
    return bool(_PATTERN.search(name)) or any(sign in name for sign in "*?[")


def pictures_in(folder: Path, pattern: str | None = None) -> list[Path]:
    """The picture files of a folder, those that a pattern or glob stands for; without hidden ones.

    Raises:
        VideoError: the folder cannot be read.
    """
    try:
        found = [path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES]
    except OSError as error:
        raise VideoError(f"{folder} cannot be read: {error.strerror}.") from error
    found = [path for path in found if not path.name.startswith(".") and not path.is_dir()]
    return sorted(path for path in found if pattern is None or _stands_for(pattern, path.name))


def numbered(folder: Path, files: Sequence[Path], *, length: int | None = None) -> Numbered:
    """Files in order of the number in their names, a frame for each number from the first to the last.

    Args:
        length: how many pictures a list beside them promises, counted from 1; its first frame is then picture 1
            (0 where there is one), so that labels by number stay right where the first ones are not there.

    Raises:
        VideoError: names of several kinds, without numbers, or two of one number.
    """
    kinds: dict[tuple[str, ...], list[Path]] = defaultdict(list)
    for path in files:
        kinds[_kind(path)].append(path)
    ordered = sorted(kinds.values(), key=len, reverse=True)
    mine, others = ordered[0], ordered[1:]
    if len(files) > 1 and (len(mine) == 1 or any(len(other) > 1 for other in others)):
        raise VideoError(_several_kinds(folder, ordered))
    notes = [f"leaves out {_some([path.name for other in others for path in other])}, which is named otherwise."]
    found = _placed(folder, mine, length)
    return Numbered(found.pictures, (*(notes if others else ()), *found.notes))


def _placed(folder: Path, files: Sequence[Path], length: int | None) -> Numbered:
    values = {path: tuple(int(digits) for digits in _DIGITS.findall(_stem(path))) for path in files}
    varying = [place for place in range(len(values[files[0]])) if len({v[place] for v in values.values()}) > 1]
    ordered = sorted(files, key=lambda path: values[path])
    if len(files) > 1 and not varying:  # 1.jpg and 01.jpg
        raise VideoError(_twice(folder, ordered[0], ordered[1]))
    if len(varying) > 1:
        note = "has pictures with several numbers in their names: taken in their order, one after another."
        return Numbered([Picture(path.name, path) for path in ordered], (note,))
    # The only picture's number is its last.
    at = varying[0] if varying else -1
    by_number: dict[int, Path] = {}
    for path in ordered:
        number = values[path][at] if values[path] else 0
        if by_number.setdefault(number, path) is not path:
            raise VideoError(_twice(folder, by_number[number], path))
    return _frames(by_number, length)


def _frames(by_number: dict[int, Path], length: int | None) -> Numbered:
    numbers = list(by_number)
    step = math.gcd(*(number - numbers[0] for number in numbers)) or 1
    first, last, count = numbers[0], numbers[-1], len(numbers)
    if length is not None and first >= 1 and last <= length:
        first, step = 1, 1
    places = (last - first) // step + 1
    if places > _MOST_EMPTY * count + _MOST_EMPTY:
        note = (
            f"has numbers in its pictures' names that are no frames ({first} to {last}): taken one after another."
        )
        return Numbered([Picture(path.name, path) for path in by_number.values()], (note,))
    notes = []
    if step > 1:
        notes.append(
            f"has pictures numbered in steps of {step}: taken as frames 0 to {places - 1}, one after another."
        )
    elif first > 1:
        notes.append(f"has pictures that are numbered from {first} on: that one is frame 0.")
    absent = [number for number in range(first, last + 1, step) if number not in by_number]
    if absent:
        notes.append(
            f"lacks {len(absent)} of its {places} pictures (numbers {_some(list(map(str, absent)))}): their "
            "frames stay empty, so that the others keep their numbers."
        )
    pictures: list[Picture | str] = []
    for number in range(first, last + 1, step):
        path = by_number.get(number)
        pictures.append("its picture is not in the folder" if path is None else Picture(path.name, path))
    return Numbered(pictures, tuple(notes))


def _kind(path: Path) -> tuple[str, ...]:
    """What a name has beside its numbers."""
    suffix = path.suffix.lower().replace(".jpeg", ".jpg").replace(".tiff", ".tif")
    return (*_DIGITS.split(_stem(path)), suffix)


def _stem(path: Path) -> str:
    return _HASH.sub("", path.stem)


def _several_kinds(folder: Path, kinds: Sequence[Sequence[Path]]) -> str:
    if len(kinds[0]) == 1:
        return (
            f"the {len(kinds)} pictures in {folder} ({_some([kind[0].name for kind in kinds])}) have no numbers "
            "that tell their order. A film of pictures has names that differ in a number, such as 000001.jpg."
        )
    examples = ", ".join(f"{len(kind)} like {kind[0].name}" for kind in kinds[:_NAMED])
    more = f" and {len(kinds) - _NAMED} kinds more" if len(kinds) > _NAMED else ""
    example = _pattern(kinds[0])
    return (
        f"{folder} holds pictures with several kinds of names: {examples}{more}. Name one kind, such as "
        f"'{folder / example}', or give each a folder of its own."
    )


def _pattern(kind: Sequence[Path]) -> str:
    """A pattern that stands for names of one kind, and for no other kind's: ``%06d.jpg``."""
    first = kind[0].name
    found = list(_DIGITS.finditer(_stem(kind[0])))
    if not found:
        return f"*{kind[0].suffix}"
    last = found[-1]
    padded = last[0].startswith("0") and len({len(path.name) for path in kind}) == 1
    number = f"%0{len(last[0])}d" if padded else "%d"
    return first[: last.start()].replace("%", "%%") + number + first[last.end() :].replace("%", "%%")


def _twice(folder: Path, one: Path, other: Path) -> str:
    return f"{folder} holds two pictures of one number: {one.name} and {other.name}. Take one of them away."


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")


def _stands_for(pattern: str, name: str) -> bool:
    if not _PATTERN.search(pattern):
        return fnmatch.fnmatchcase(name, pattern)
    before, zeros, digits, after = _PATTERN.split(pattern, maxsplit=1)
    least = int(digits or 1)
    if least > _LONGEST_NUMBER:
        return False
    number = rf"(?:\d{{{least}}}|[1-9]\d{{{least},}})" if zeros or least > 1 else r"(?:0|[1-9]\d*)"
    literal = (re.escape(part.replace("%%", "%")) for part in (before, after))
    return re.fullmatch(number.join(literal), name) is not None
