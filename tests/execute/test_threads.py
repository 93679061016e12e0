"""Work side by side: as many at once as BLAS has threads, and one thread in each."""

import _thread
import signal
import threading
import time

import pytest
import scipy.linalg  # noqa: F401  # its BLAS is another than NumPy's, and counts from when it is loaded
from threadpoolctl import threadpool_info, threadpool_limits

from worldprobe.execute.threads import lazy, one_blas_thread, side_by_side, small_products


def blas_threads() -> set[int]:
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}


def test_each_has_one_thread_of_blas_and_afterwards_all_is_as_it_was() -> None:
    with threadpool_limits(2, user_api="blas"):
        assert side_by_side([blas_threads, blas_threads]) == [{1}, {1}]
        assert blas_threads() == {2}
        with one_blas_thread():
            assert blas_threads() == {1}
        for small in (True, False):
            with small_products(small):
                assert blas_threads() == ({1} if small else {2})
        assert blas_threads() == {2}


def test_properties_of_two_instances_are_worked_out_at_once() -> None:
    """functools.cached_property has one lock for all instances before Python 3.12."""
    meeting = threading.Barrier(2)

    class Slow:
        @lazy
        def value(self) -> int:
            return meeting.wait(timeout=20)

    slow = Slow(), Slow()
    with threadpool_limits(2, user_api="blas"):
        found = side_by_side([lambda: slow[0].value, lambda: slow[1].value])
    assert sorted(found) == [0, 1]
    assert [one.value for one in slow] == found  # nobody else comes to the barrier


@pytest.mark.parametrize("threads", [1, 2])
def test_as_many_at_once_as_there_are_threads_and_answers_in_order(threads: int) -> None:
    meeting = threading.Barrier(threads)

    def work(number: int) -> tuple[int, str]:
        meeting.wait(timeout=60)  # for ever, where fewer work at once than are waited for
        return number, threading.current_thread().name

    with threadpool_limits(threads, user_api="blas"):
        found = side_by_side([lambda number=number: work(number) for number in range(4)])
    assert [number for number, _ in found] == [0, 1, 2, 3]
    alone = {name for _, name in found} == {threading.current_thread().name}
    assert alone == (threads == 1)


def test_another_thread_leaves_blas_as_it_is() -> None:
    """OpenBLAS would not take its number of threads back from it."""
    found: list[set[int]] = []

    def other() -> None:
        with one_blas_thread():
            found.append(blas_threads())
        found.extend(side_by_side([blas_threads, blas_threads]))

    with threadpool_limits(2, user_api="blas"):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert found == [{2}] * 3
        assert blas_threads() == {2}


def test_after_a_failure_nothing_more_begins() -> None:
    begun = []

    def work(number: int) -> None:
        begun.append(number)
        raise ValueError(number)

    with threadpool_limits(2, user_api="blas"), pytest.raises(ValueError):
        side_by_side([lambda number=number: work(number) for number in range(8)])
    assert len(begun) <= 2


def test_an_interrupt_is_not_waited_for() -> None:
    release, finished = threading.Event(), []

    def work() -> None:
        release.wait(timeout=20)
        finished.append(True)

    def interrupt() -> None:
        _thread.interrupt_main()

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # pytest's workers ignore it
    try:
        with threadpool_limits(2, user_api="blas"):
            threading.Timer(0.3, interrupt).start()
            with pytest.raises(KeyboardInterrupt):
                side_by_side([work, work, work])
    finally:
        signal.signal(signal.SIGINT, before)
    assert not finished
    release.set()


def test_an_interrupt_ends_what_goes_on_in_steps() -> None:
    """As a training does: else it goes on to its end, or aborts the process within torch."""
    ended, release = [], threading.Event()

    def work() -> None:
        try:
            while not release.wait(0.01):
                pass
        finally:
            ended.append(threading.current_thread().name)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # pytest's workers ignore it
    try:
        with threadpool_limits(2, user_api="blas"):
            threading.Timer(0.3, _thread.interrupt_main).start()
            with pytest.raises(KeyboardInterrupt):
                side_by_side([work, work, work])
    finally:
        signal.signal(signal.SIGINT, before)
        going = 2 - len(ended)
        release.set()
    assert going == 0
    assert len(ended) == 2  # the third has not begun


@pytest.mark.parametrize("threads", [1, 2])
def test_what_fails_is_raised_and_blas_has_its_threads_again(threads: int) -> None:
    def fails() -> None:
        raise ValueError("of the second")

    with threadpool_limits(threads, user_api="blas"):
        with pytest.raises(ValueError, match="of the second"):
            side_by_side([lambda: None, fails, lambda: None])
        assert blas_threads() == {threads}


def test_a_failure_ends_what_goes_on_beside_it() -> None:
    """As a training does: what fails in one is said minutes before another would end."""
    going, ended, finished = threading.Event(), [], []

    def fails() -> None:
        going.wait(timeout=20)
        raise ValueError("of one")

    def work() -> None:
        going.set()
        try:
            for _ in range(200):
                time.sleep(0.01)
            finished.append(True)
        finally:
            ended.append(True)

    with threadpool_limits(2, user_api="blas"):
        with pytest.raises(ValueError, match="of one"):
            side_by_side([work, fails, work])
        assert (ended, finished) == ([True], [])  # the third has not begun
        assert blas_threads() == {2}
