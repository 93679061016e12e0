"""One process at a time writes a stage of a run's folder.

Two would read each other's half: a decoder the frames that the other cuts at another size, a report the answers of
one beside the results of the other. A claim ends with its process, however that ends, since it is the kernel's lock
on an open file. It is kept in this machine's cache, so that nothing of it lies in the folder: two machines that
share a folder are not kept apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import ParamSpec, TypeVar

from filelock import FileLock, Timeout

from worldprobe.errors import ConfigError
from worldprobe.io.files import cache

P = ParamSpec("P")
T = TypeVar("T")
# So long the children of a process that was killed may take to end.
_PATIENCE_SECONDS = 3.0


def alone(stage: str, *, patience: float | None = None) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Run a function with a stage of the folder ``out``, one of its arguments, claimed.

    Raises:
        ConfigError: as ``claimed``.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def within(*args: P.args, **kwargs: P.kwargs) -> T:
            out = signature(function).bind(*args, **kwargs).arguments["out"]
            with claimed(Path(out), stage, patience=patience):
                return function(*args, **kwargs)

        return within

    return decorate


@contextmanager
def claimed(out: Path, stage: str, *, patience: float | None = None) -> Iterator[None]:
    """Keep other processes of this machine from a stage of a run's folder; within this one it may be claimed again.

    Args:
        patience: seconds to wait for another process.

    Raises:
        ConfigError: another process has claimed it.
    """
    name = hashlib.sha256(f"{stage}\n{out.resolve()}".encode()).hexdigest()[:32]
    folder, lock = cache() / "claims", None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"run-{name}", thread_local=False, is_singleton=True)
        lock.acquire(timeout=_PATIENCE_SECONDS if patience is None else patience)
    except Timeout:
        raise ConfigError(
            f"another process of worldprobe writes {out} ({stage}): let it end and ask again, what it has done is "
            "not done anew; or give this one its own --out"
        ) from None
    except (OSError, NotImplementedError):  # no lock to be had here
        lock = None
    try:
        yield
    finally:
        if lock is not None:
            lock.release()
