"""Films rendered by several threads or processes at a time."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

from worldprobe.errors import VideoError

Progress = Callable[[str, int, int], None]
Film = tuple[int, Path]


def render_films(
    render: Callable[[int, Path], None],
    films: Sequence[Film],
    *,
    what: str,
    worth: int,
    workers: int | None = None,
    threads: int = 1,
    progress: Progress = lambda *_: None,
) -> None:
    """Render films that are absent, in this process where they are few, else in as many as there are cores.

    Args:
        render: writes one film of a number to a path, whole or not at all; it can be pickled.
        films: number and path of each.
        what: is said in progress and in the error.
        worth: fewer films than these are drawn here: a process takes seconds to begin.
        workers: threads or processes, as many as there are cores unless given.
        threads: of this process, that do as well as processes where films are few or where those would import the
            script that calls this; 1 where ``render`` wants one alone.
        progress: called with ``what``, how much of it is done, and of how much.

    Raises:
        VideoError: a process was ended from outside, or could not begin; or as ``render`` raises it.
    """
    workers, few = min(workers or _cores(), len(films)), len(films) < worth
    if few:
        workers = min(workers, threads)
    if workers < 2:
        for number, film in enumerate(films):
            render(*film)
            progress(what, number + 1, len(films))
        return
    pool: Executor
    if workers <= threads and (few or _imports_a_script()):
        pool = ThreadPoolExecutor(workers, thread_name_prefix="render")
    else:
        # Not forked: threads and GL contexts of this process would come along, half alive.
        pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_leave_interrupts)
    try:
        # A few at a time: each costs its way to the process and back.
        some = max(1, min(16, len(films) // (4 * workers)))
        futures = [pool.submit(_render_some, render, films[at : at + some]) for at in range(0, len(films), some)]
        done = 0
        for future in as_completed(futures):
            done += future.result()
            progress(what, done, len(films))
    except BrokenProcessPool as error:
        raise VideoError(
            f"a process of {what.lower()} was ended by the system, or could not begin (a script of yours needs "
            "`if __name__ == '__main__':`). What is rendered is kept; the same command goes on from there."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _render_some(render: Callable[[int, Path], None], films: Iterable[Film]) -> int:
    count = 0
    for film in films:
        render(*film)
        count += 1
    return count


def _leave_interrupts() -> None:
    """An interrupt is for the process that waits: what is begun is finished, no more is begun."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _imports_a_script() -> bool:
    """Whether a process that begins here imports a script, which may have no guard; our own command has one."""
    main = sys.modules["__main__"]
    if getattr(getattr(main, "__spec__", None), "name", "").endswith(".__main__"):
        return False  # of a package that is run by its name, which processes do not import
    return Path(getattr(main, "__file__", None) or "worldprobe").stem != "worldprobe"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
