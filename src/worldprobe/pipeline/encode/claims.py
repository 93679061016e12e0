"""Two runs on one machine share the videos: what one encodes, the other leaves for later.

Only a saving, never what keeps results right: the store's keys are content, and writing one twice writes the same.
A claim ends with its process, however that ends, since it is the kernel's lock on an open file.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from pathlib import Path

from filelock import FileLock, Timeout

from worldprobe.io.files import cache

# Names of lock files are few, so that a million videos do not leave a million files behind.
_SLOTS = 4096
_POLL_SECONDS = 0.2


class Claims:
    """The videos that this process encodes; a video's claim ends when it was read and all its clips are written.

    Args:
        work: what is done to the videos: only runs that do the same share them. None claims nothing.
    """

    def __init__(self, work: str | None) -> None:
        self._work = work
        self._held: dict[Path, FileLock] = {}
        self._users: Counter[Path] = Counter()
        self._guard = threading.Lock()

    def take(self, video: Path) -> bool:
        """Claim a video for whoever reads it; False where another run has it."""
        lock = self._lock(video)
        if lock is not None:
            try:
                lock.acquire(blocking=False)
                self._held[video] = lock
            except Timeout:
                return False
            except OSError:  # no lock to be had here: the work may be done twice, and is right all the same
                pass
        self.share(video)
        return True

    def share(self, video: Path) -> None:
        """One more (a clip that was read) needs the claim."""
        with self._guard:
            self._users[video] += 1

    def release(self, video: Path) -> None:
        """One less needs the claim; others have the video when nobody does."""
        with self._guard:
            self._users[video] -= 1
            lock = self._held.pop(video, None) if self._users[video] <= 0 else None
        if lock is not None:
            lock.release()

    def release_all(self) -> None:
        """Others have every video, whatever was not finished."""
        while self._held:
            self._held.popitem()[1].release()

    def wait(self, video: Path) -> None:
        """Until no other run has a video."""
        lock = self._lock(video)
        if lock is not None:
            with lock.acquire(poll_interval=_POLL_SECONDS):
                pass

    def _lock(self, video: Path) -> FileLock | None:
        if self._work is None:
            return None
        folder = cache() / "claims"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            return None
        slot = int(hashlib.sha256(f"{self._work}\n{video.resolve()}".encode()).hexdigest(), 16) % _SLOTS
        return FileLock(folder / f"{slot:03x}", thread_local=False)
