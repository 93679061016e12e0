"""Two runs on one machine share the work: what one is at, the other leaves for later.

Only a saving, never a lock that keeps results right: the store's keys are content, and writing one twice writes
the same. A turn ends with its process, however that ends, since it is the kernel's lock on an open file.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from worldprobe.io.files import cache

# Names of lock files are few, so that a million videos do not leave a million files behind.
_SLOTS = 4096
_POLL_SECONDS = 0.2


@dataclass(slots=True)
class Turn:
    """That this process is at an item, until ``end``."""

    item: Path
    file: int | None

    def end(self) -> None:
        """Let others have it."""
        if self.file is not None:
            os.close(self.file)
            self.file = None

    def __del__(self) -> None:
        # One that was handed over to a taker who stopped.
        self.end()


def in_turn(items: Sequence[Path], *, work: str) -> Iterator[Turn | None]:
    """Each item once, those that another run is at after the others.

    Args:
        work: what is done to the items: only runs that do the same wait for each other.

    Yields:
        A turn, which the taker ends; or None where only items of others are left: end your turns now, so that
        two runs never wait for each other.
    """
    waiting = list(items)
    while waiting:
        later: list[Path] = []
        for item in waiting:
            turn = _begin(item, work)
            if turn is None:
                later.append(item)
            else:
                yield turn
        if len(later) == len(waiting):
            yield None
            time.sleep(_POLL_SECONDS)
        waiting = later


def _begin(item: Path, work: str) -> Turn | None:
    """A turn at an item; None where another one has it."""
    slot = int(hashlib.sha256(f"{work}\n{item.resolve()}".encode()).hexdigest(), 16) % _SLOTS
    file: int | None = None
    try:
        folder = cache() / "turns"
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(folder / f"{slot:03x}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        assert file is not None
        os.close(file)
        return None
    except OSError:  # no lock to be had here: the work may be done twice, and is right all the same
        if file is not None:
            with suppress(OSError):
                os.close(file)
        return Turn(item, None)
    return Turn(item, file)
