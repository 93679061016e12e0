"""Work side by side, a thread each, instead of several threads within each product.

Probing multiplies many small matrices, for which BLAS's threads wait for each other longer than they work: two of
them take a logistic regression twice as long as one does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar

Done = TypeVar("Done")


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Have BLAS work in the calling thread alone; it is the whole process's BLAS, until the end of the context."""
    with _libraries().limit(limits=1):
        yield


def side_by_side(works: Sequence[Callable[[], Done]]) -> list[Done]:
    """Do each work in a thread of its own, as many at once as BLAS has threads; what they return, in their order.

    Raises:
        Exception: what the first of them that fails raises; those that have not begun are not done.
    """
    lanes = min(len(works), max((one["num_threads"] for one in _libraries().info()), default=1))
    with one_blas_thread():
        if lanes < 2:
            return [work() for work in works]
        with ThreadPoolExecutor(lanes) as pool:
            waiting = [pool.submit(work) for work in works]
            try:
                return [one.result() for one in waiting]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


@lru_cache(maxsize=1)
def _libraries() -> Any:
    """The BLAS libraries of this process: NumPy's and SciPy's are two."""
    import scipy.linalg  # noqa: F401  # what is not loaded yet would not be found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")
