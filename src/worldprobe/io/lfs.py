"""Files that Git LFS left out of a copy: a pointer of three lines lies in each one's place."""

from __future__ import annotations

from pathlib import Path

_HEAD = b"version https://git-lfs.github.com/spec/"


def lfs_pointer(path: Path) -> str:
    """The words that a file is only a pointer, for whoever could not read it; none where it is none."""
    try:
        with path.open("rb") as file:
            held = file.read(len(_HEAD)) == _HEAD
    except (OSError, ValueError):
        return ""
    return f"{path} is a Git LFS pointer, not the file: run `git lfs pull` in its repository." if held else ""
