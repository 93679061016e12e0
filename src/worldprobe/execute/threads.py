"""Work side by side, a thread each, instead of several threads within each product.

Probing multiplies many small matrices, for which BLAS's threads wait for each other longer than they work: two of
them take a logistic regression twice as long as one does.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Generic, TypeVar

Done = TypeVar("Done")
Value = TypeVar("Value")
_LOOK, _PATIENCE = 0.1, 2.0  # seconds
# Features of more bytes are answered one after the other, with all of BLAS's threads: memory holds one set of them,
# and their products are long enough for threads not to wait for each other.
MOST_TOGETHER = 2**26


class lazy(Generic[Value]):  # a decorator, as functools.cached_property is
    """Work a property out when it is first asked for, and keep it in the instance.

    As ``functools.cached_property``, which until Python 3.12 holds a lock that all instances share while it works:
    two decompositions side by side were one after the other. Of one instance two threads may both do the work.
    """

    def __init__(self, make: Callable[[Any], Value]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Value:
        if instance is None:
            return self  # type: ignore[return-value]
        found: Value = instance.__dict__.setdefault(self._name, self._make(instance))
        return found


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Have the process's BLAS work in the calling thread alone, until the end of the context.

    Of the main thread only: OpenBLAS takes no number of threads back from another one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with _libraries().limit(limits=1):
        yield


@contextmanager
def small_products(small: bool) -> Iterator[None]:
    """Have BLAS work in one thread where its products are small, and in all of its threads where they are not.

    In small products and decompositions, which probing does by the thousand, BLAS's threads wait for each other
    longer than they work.
    """
    if not small:
        yield
        return
    with one_blas_thread():
        yield


def blas_threads() -> int:
    """How many threads BLAS has; 1 from another thread than the main one, which does all by itself."""
    main = threading.current_thread() is threading.main_thread()
    return max((int(one["num_threads"]) for one in _libraries().info() if main), default=1)


def side_by_side(works: Sequence[Callable[[], Done]], *, begin: Callable[[], None] | None = None) -> list[Done]:
    """Do each work in a thread of its own, as many at once as BLAS has threads; what they return, in their order.

    An interrupt is raised in them too, at their next line of Python; one that is within a long product then is not
    waited for, and ends with the process. A failure interrupts the others in the same way, and they are waited for:
    what they would have found is not returned, and whoever goes on without it finds nobody at work.

    Args:
        begin: called first in each of these threads; not where the calling thread does all.

    Raises:
        Exception: what the first of them that fails raises; those that have not begun are not done.
    """
    lanes = min(len(works), blas_threads())
    with one_blas_thread():
        if lanes < 2:
            return [work() for work in works]
        found: dict[int, Done] = {}
        failed: list[tuple[int, BaseException]] = []
        waiting, lock, stop = iter(enumerate(works)), threading.Lock(), threading.Event()

        def lane(ended: threading.Event) -> None:
            number = -1
            try:
                if begin is not None:
                    begin()
                while not stop.is_set():
                    with lock:
                        number, work = next(waiting, (-1, None))
                    if work is None:
                        return
                    found[number] = work()
            except BaseException as error:  # raised again by the thread that waits
                failed.append((number, error))
                stop.set()
            finally:
                ended.set()

        # Until Python 3.12 a thread whose join is interrupted counts as ended: so events say it.
        lanes_ended = [threading.Event() for _ in range(lanes)]
        threads = [threading.Thread(target=lane, args=(ended,), daemon=True) for ended in lanes_ended]
        try:
            for one in threads:
                one.start()
            for ended in lanes_ended:
                while not ended.wait(_LOOK) and not stop.is_set():  # a wait without an end is not interrupted
                    pass
            if reasons := list(failed):  # without what those say that are interrupted
                _interrupt(threads, lanes_ended)
                for one, ended in zip(threads, lanes_ended, strict=True):
                    while not ended.wait(_LOOK) and one.is_alive():
                        pass
        except BaseException:
            stop.set()
            _interrupt(threads, lanes_ended)
            raise
        if reasons:
            raise min(reasons, key=lambda one: one[0])[1]
        return [found[number] for number in range(len(works))]


def together(works: Sequence[Callable[[], Done]], *, nbytes: int) -> list[Done]:
    """Do works on features of so many bytes ``side_by_side``, or one after the other where they fill memory."""
    return side_by_side(works) if nbytes <= MOST_TOGETHER else [work() for work in works]


def torch_lanes(works: int) -> int:
    """How many of so many works ``torch_side_by_side`` does at a time."""
    import torch

    return min(works, torch.get_num_threads(), blas_threads())


def torch_side_by_side(works: Sequence[Callable[[], Done]]) -> list[Done]:
    """Do works of torch's on a CPU ``side_by_side``, each lane with its share of torch's threads.

    Threads that share the operations of one small network wait for each other, hundreds of times a pass.
    """
    import torch

    lanes, threads = torch_lanes(len(works)), torch.get_num_threads()
    if lanes < 2:
        return [work() for work in works]
    try:
        return side_by_side(works, begin=lambda: torch.set_num_threads(threads // lanes))
    finally:
        torch.set_num_threads(threads)  # a thread's number is also what later threads begin with


def _interrupt(threads: Sequence[threading.Thread], ended: Sequence[threading.Event]) -> None:
    """End what threads do, and wait a little for them: one that is within torch as the process ends aborts it."""
    going = [(one.ident, event) for one, event in zip(threads, ended, strict=True) if one.ident is not None]
    for ident, event in going:
        if not event.is_set():
            thread, error = ctypes.c_ulong(ident), ctypes.py_object(KeyboardInterrupt)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, error)
    end = time.monotonic() + _PATIENCE
    for _, event in going:
        event.wait(max(0.0, end - time.monotonic()))


@lru_cache(maxsize=1)
def _libraries() -> Any:
    """The BLAS libraries of this process: NumPy's and SciPy's are two."""
    import scipy.linalg  # noqa: F401  # what is not loaded yet would not be found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")
