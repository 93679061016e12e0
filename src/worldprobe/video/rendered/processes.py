"""Films rendered by several threads or processes at a time."""

from __future__ import annotations

import ast
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import current_process, get_context, parent_process
from pathlib import Path

from worldprobe.errors import VideoError

Progress = Callable[[str, int, int], None]
Film = tuple[int, Path]
_LOOK = 0.1  # seconds
_COMMAND = "worldprobe.cli"  # what our command's script imports


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
        threads: of this process, that do as well as processes where films are few, where those would import the
            script that calls this, or where this one may have none; 1 where ``render`` wants one alone.
        progress: called with ``what``, how much of it is done, and of how much.

    Raises:
        VideoError: a process was ended from outside, or could not begin; or as ``render`` raises it.
    """
    here = len(films) < worth or current_process().daemon  # which may have no processes of its own
    workers = min(workers or _cores(), len(films))
    if here:
        workers = min(workers, threads)
    if workers < 2:
        for number, film in enumerate(films):
            render(*film)
            progress(what, number + 1, len(films))
        return
    pool: Executor
    if workers <= threads and (here or _imports_a_script()):
        pool = ThreadPoolExecutor(workers, thread_name_prefix="render")
    else:
        # Not forked: threads and GL contexts of this process would come along, half alive.
        pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_follow)
    try:
        # A few at a time: each costs its way to the process and back.
        some = max(1, min(8, len(films) // (4 * workers)))
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
        _shut(pool)


def _render_some(render: Callable[[int, Path], None], films: Iterable[Film]) -> int:
    count = 0
    for film in films:
        render(*film)
        count += 1
    return count


def _shut(pool: Executor) -> None:
    """Wait until what is begun is finished; no more is begun.

    An interrupt is raised after that: a pool of processes that is half shut keeps its process waiting for ever.
    """
    ended, interrupts = threading.Event(), list[KeyboardInterrupt]()

    def shut() -> None:  # in a thread, which no interrupt reaches
        try:
            pool.shutdown(cancel_futures=True)
        finally:
            ended.set()

    threading.Thread(target=shut, daemon=True).start()
    while not ended.is_set():
        try:
            ended.wait(_LOOK)
        except KeyboardInterrupt as error:
            interrupts.append(error)
    if interrupts:
        raise interrupts[0]


def _follow() -> None:
    """Leave interrupts to the process that this one works for, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def end() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end, daemon=True).start()


def _imports_a_script() -> bool:
    """Whether a process that begins here imports a script, which may have no guard; our own command has one."""
    main = sys.modules["__main__"]
    if getattr(getattr(main, "__spec__", None), "name", "").endswith(".__main__"):
        return False  # of a package that is run by its name, which processes do not import
    file = getattr(main, "__file__", None)
    return file is not None and not _is_our_command(Path(file))


def _is_our_command(script: Path) -> bool:
    """Whether a script only imports our command and calls it within a guard, as every installer writes it.

    Its name says nothing, as a user's own may be called so; nor does its folder, of which installers have many.
    """
    try:
        *before, last = ast.parse(script.read_bytes()).body
    except (OSError, SyntaxError, ValueError, RecursionError):
        return False
    # A line of text hides from Python what a shell reads, where the interpreter's path is long or has spaces.
    imports = [one for one in before if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))]
    return (
        all(isinstance(one, ast.Import | ast.ImportFrom) for one in imports)
        and any(isinstance(one, ast.ImportFrom) and one.module == _COMMAND for one in imports)
        and isinstance(last, ast.If)
        and ast.unparse(last.test) == "__name__ == '__main__'"
    )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
