"""What films are called: as briefly as tells them apart."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

_FOR_ALL_SYSTEMS = re.compile(r"[\\/:*?%\"<>|]+")
_LONGEST = 150  # characters; file systems end at 255 bytes


def short_names(paths: Iterable[str | Path]) -> dict[str, str]:
    """Each path's last part, with as many of the folders above it as tell it from the others.

    ``a/front/file-000.mp4`` and ``a/side/file-000.mp4`` are front/file-000.mp4 and side/file-000.mp4.

    Returns:
        The name of each path, by its text.
    """
    parts = {str(path): PurePath(os.path.abspath(path)).parts for path in paths}
    length = dict.fromkeys(parts, 1)

    def name(path: str) -> tuple[str, ...]:
        return parts[path][-length[path] :]

    while True:
        # The same file named twice cannot be told apart, and need not be.
        count = Counter(name(path) for path in {parts[path]: path for path in parts}.values())
        alike = [path for path in parts if count[name(path)] > 1 and length[path] < len(parts[path])]
        if not alike:
            return {path: "/".join(part.strip("/") for part in name(path)) for path in parts}
        for path in alike:
            length[path] += 1


def file_names(paths: Sequence[str | Path]) -> list[str]:
    """A name for each path that a file may have: without suffix and folders, but for what tells it from others."""
    known = short_names(paths)
    whole = [known[str(path)] for path in paths]
    found = [_as_file(PurePath(name).with_suffix("").as_posix()) for name in whole]
    alike = Counter(name.casefold() for name in found)
    found = [
        _as_file(long) if alike[name.casefold()] > 1 else name for name, long in zip(found, whole, strict=True)
    ]
    taken: Counter[str] = Counter()
    for place, name in enumerate(found):
        while taken[found[place].casefold()]:
            taken[name.casefold()] += 1
            found[place] = f"{name}-{taken[name.casefold()]}"
        taken[found[place].casefold()] += 1
    return found


def _as_file(name: str) -> str:
    return _FOR_ALL_SYSTEMS.sub("-", name)[-_LONGEST:]
