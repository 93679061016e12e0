"""Files that are written whole or not at all, and the folder for what can be made again."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

from worldprobe.errors import WorldprobeError, WriteError


def cache() -> Path:
    """Where rendered scenes, fetched films and detections are kept: WORLDPROBE_CACHE, or the user's cache."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("WORLDPROBE_CACHE") or Path(home) / "worldprobe")


StrPath: TypeAlias = str | os.PathLike[str]
"""A place as users of the library name it."""


def paths_of(places: Sequence[StrPath] | StrPath) -> list[Path]:
    """Places as paths; one alone, which is no list of its letters, is a list of one."""
    if isinstance(places, str) or not isinstance(places, Sequence):
        return [Path(places)]
    return [Path(place) for place in places]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path``, which takes its place when the block ends without an error.

    Raises:
        WriteError: no space, no permission, or no such place; what was at ``path`` before is still there.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except WorldprobeError:
        raise
    except OSError as error:
        raise WriteError(
            f"cannot write {path}: {error.strerror or error}. What was there before is kept."
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def drop_leftovers(path: Path) -> None:
    """Remove what processes that were killed have left of ``path``; for whoever alone writes it."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        with suppress(OSError):
            leftover.unlink()


def sha256(path: Path) -> str:
    """Of a file's content, hexadecimal, as ``sha256sum`` prints it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, with the folders above it."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)
