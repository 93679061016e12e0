"""How stages tell how far they are."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # every command loads this module, and most of them nothing of these
    import numpy as np
    from numpy.typing import NDArray

    from worldprobe.protocols import FrameSource
    from worldprobe.records import VideoRef


class Progress(Protocol):
    """Called with a stage, how many are done, and of how many; a note may say how it goes."""

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None: ...


def silent(stage: str, done: int, total: int, note: str = "") -> None:
    """Tell nobody."""


class Tally:
    """Counts what is done of a stage, by whichever thread, and tells of each in order."""

    def __init__(self, stage: str, total: int, progress: Progress) -> None:
        self._stage, self.total, self._progress = stage, total, progress
        self._done, self._lock = 0, threading.Lock()

    def add(self, count: int = 1, note: str = "") -> None:
        """So many more are done; never more than there are."""
        with self._lock:
            self._done = min(self._done + count, self.total)
            self._progress(self._stage, self._done, self.total, note)

    @contextmanager
    def part(self, count: int) -> Iterator[Callable[[], None]]:
        """A part of so many: what to call after each. Those that it turns out to lack count as done at its end."""
        left, lock = count, threading.Lock()

        def step() -> None:
            nonlocal left
            with lock:
                if not left:
                    return
                left -= 1
            self.add()

        yield step
        if left:
            self.add(left)


class Watched:
    """A FrameSource that tells how far its reader is."""

    def __init__(self, source: FrameSource, *, stage: str, progress: Progress) -> None:
        self._source = source
        self._stage = stage
        self._progress = progress

    @property
    def ref(self) -> VideoRef:
        return self._source.ref

    @property
    def pts_seconds(self) -> NDArray[np.float64]:
        return self._source.pts_seconds

    @property
    def shots(self) -> tuple[int, ...]:
        return self._source.shots

    def frames(self, indices: Sequence[int] | None = None) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """As the source, counted."""
        for index, frame in self._source.frames(indices):
            self._progress(self._stage, index + 1, self.ref.frames)
            yield index, frame
