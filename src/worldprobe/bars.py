"""How far a command is, on stderr: bars on a terminal, now and then a line elsewhere.

``WORLDPROBE_PROGRESS`` says otherwise: ``off``, ``plain`` (lines) or ``bars``.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from worldprobe.errors import ConfigError
from worldprobe.pipeline.progress import Progress, silent
from worldprobe.printable import one_line

if TYPE_CHECKING:
    from rich.progress import TaskID

VARIABLE = "WORLDPROBE_PROGRESS"
# A log is told of nothing that is over before anyone would ask.
_FIRST_SECONDS, _NEXT_SECONDS = 10.0, 30.0


@dataclass(slots=True)
class StagePass:
    """One time that a stage is gone through; ``number`` tells it from others of the same name."""

    number: int
    stage: str
    done: int
    total: int
    note: str = ""

    @property
    def finished(self) -> bool:
        return self.done >= self.total


class Courses:
    """Makes courses of the calls of a ``Progress``, which may come from any thread.

    The count of a course only grows, and what is finished stays so: a stage that begins anew is another course.

    Args:
        show: called with a course whenever it has changed, by one thread at a time.
    """

    def __init__(self, show: Callable[[StagePass], None]) -> None:
        self._show, self._lock = show, threading.Lock()
        self._latest: dict[str, StagePass] = {}
        self._count = 0

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        with self._lock:
            course = self._latest.get(stage)
            if course is None or (course.finished and done < total) or done <= 1 < course.done:
                course = self._latest[stage] = StagePass(self._count, stage, done, total)
                self._count += 1
            elif course.finished or done < course.done:
                return
            course.done, course.total, course.note = done, total, note
            self._show(course)


class Lines:
    """Writes a line of a course that lasts: after ten seconds, then every half minute, and at its end.

    Args:
        write: takes a line.
        clock: seconds.
    """

    def __init__(self, write: Callable[[str], object], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._write, self._clock = write, clock
        self._before = clock()  # when the call before came: the first of a course comes after its first piece
        self._began: dict[int, float] = {}
        self._first: dict[int, tuple[float, int]] = {}  # when a course was first heard of, and how much was done
        self._due: dict[int, float] = {}
        self._spoken: set[int] = set()

    def __call__(self, course: StagePass) -> None:
        """Tell of it, where it is time to."""
        now = self._clock()
        number = course.number
        began = self._began.setdefault(number, self._before)
        since, start = self._first.setdefault(number, (now, course.done))
        self._before = now
        if now < self._due.setdefault(number, began + _FIRST_SECONDS) and not (
            course.finished and number in self._spoken
        ):
            return
        self._due[number] = now + _NEXT_SECONDS
        self._spoken.add(number)
        rest = f" in {lasting(now - began)}" if course.finished else ""
        # What came first may have come many at once, of an earlier run, or after what is done once: it has no pace.
        if not course.finished and (advanced := course.done - start) > 0:
            rest = f", about {lasting((now - since) / advanced * (course.total - course.done))} left"
        note = f" {course.note}" if course.note else ""
        self._write(f"worldprobe: {course.stage}{note}: {course.done:,} of {course.total:,}{rest}")


def lasting(seconds: float) -> str:
    """A time in words: seconds, minutes or hours."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


@contextmanager
def bars() -> Iterator[Progress]:
    """What stages tell of their progress, shown as this place allows.

    Raises:
        ConfigError: the variable says what nobody knows.
    """
    setting = os.environ.get(VARIABLE) or ("bars" if sys.stderr.isatty() else "plain")
    if setting == "off":
        yield silent
    elif setting == "plain":
        yield Courses(Lines(_line))
    elif setting == "bars":
        with _live_bars() as show:
            yield Courses(show)
    else:
        raise ConfigError(f"{VARIABLE} is {setting!r}, and may be off, plain or bars")


def _line(text: str) -> None:
    sys.stderr.write(f"{one_line(text)}\n")
    sys.stderr.flush()


@contextmanager
def _live_bars() -> Iterator[Callable[[StagePass], None]]:
    """A bar for each course, with rate and time left."""
    from rich import progress as rich_bars
    from rich.console import Console
    from rich.text import Text

    class _Rate(rich_bars.ProgressColumn):
        def render(self, task: rich_bars.Task) -> Text:
            return Text(f"{task.speed:.1f}/s" if task.speed else "")

    columns = (
        rich_bars.TextColumn("{task.description:24}", markup=False),
        rich_bars.BarColumn(),
        rich_bars.MofNCompleteColumn(),
        _Rate(),
        rich_bars.TimeElapsedColumn(),
        rich_bars.TimeRemainingColumn(),
    )
    with rich_bars.Progress(*columns, console=Console(stderr=True)) as display:
        tasks: dict[int, TaskID] = {}

        def show(course: StagePass) -> None:
            if course.number not in tasks:
                tasks[course.number] = display.add_task(one_line(course.stage), total=course.total)
            line = one_line(f"{course.stage} {course.note}")
            display.update(tasks[course.number], completed=course.done, total=course.total, description=line)

        yield show
