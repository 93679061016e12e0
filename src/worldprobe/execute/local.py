"""Work on this machine."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from worldprobe.errors import ConfigError
from worldprobe.protocols import Outcome

Item = TypeVar("Item")
_POLL_SECONDS = 0.1


def prefetch(*makers: Iterable[Item], depth: int) -> Generator[Item, None, None]:
    """Make items in threads, one for each maker, together at most ``depth`` ahead of who takes them.

    Decoding and matrix products release the interpreter, so they overlap. What one maker makes comes in its order.
    An error of a maker is raised to the taker, in its place; a taker that stops early stops the makers.
    """
    ready: queue.Queue[tuple[str, Item | BaseException | None]] = queue.Queue(maxsize=depth)
    stopped = threading.Event()

    def put(kind: str, value: Item | BaseException | None) -> None:
        while not stopped.is_set():
            try:
                ready.put((kind, value), timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return

    def make(items: Iterable[Item]) -> None:
        try:
            for item in items:
                put("item", item)
                if stopped.is_set():
                    return
            put("end", None)
        # Whatever a maker meets belongs to the taker, who would else wait for ever.
        except BaseException as error:
            put("error", error)

    threads = [threading.Thread(target=make, args=(items,), name="prefetch", daemon=True) for items in makers]
    for thread in threads:
        thread.start()
    running = len(threads)
    try:
        while running:
            kind, value = ready.get()
            if kind == "end":
                running -= 1
                continue
            if kind == "error":
                assert isinstance(value, BaseException)
                raise value
            yield value  # type: ignore[misc]
    finally:
        stopped.set()
        for thread in threads:
            thread.join()


class Local:
    """local: this process, one item after the other; stages overlap reading and computing themselves."""

    name = "local"
    in_process = True
    workers = 1
    gpus = False

    def __init__(self, argument: str | None = None) -> None:
        if argument is not None:
            raise ConfigError(f"the executor local takes no argument, got {argument!r}")

    def map(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Outcome[Any, Any]]:
        """In order."""
        for item in items:
            try:
                yield Outcome(item, function(item), None)
            except Exception as error:  # whatever an item meets is its own
                yield Outcome(item, None, error)

    def spent(self) -> float | None:
        """Not known here."""
        return None

    def close(self) -> None:
        """Nothing to let go of."""
