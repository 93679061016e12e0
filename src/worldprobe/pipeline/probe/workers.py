"""What an executor's workers do of probing, who read the features from the store: they add up the sums that linear
probes need, and work out code lengths and learning curves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from worldprobe.pipeline.probe.evidence import Working, Worth, WorthPart
from worldprobe.pipeline.probe.inputs import gather
from worldprobe.pipeline.probe.moments import LabelledTubelets
from worldprobe.probes.linear.scatter import PIECE, Scatter
from worldprobe.protocols import Executor, able
from worldprobe.records import Block
from worldprobe.store import Series, Store, shared

Ints = NDArray[np.int64]
# By series, block, kind of features, and whether it is a floor: whoever adds up moments read so.
Adding = Callable[[Sequence[Series], Block, str, bool], Callable[[Sequence[Ints]], list[Scatter]]]


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Some moments of some series, which belong to the set of that number."""

    set: int
    number: int
    series: tuple[Series, ...]
    moments: LabelledTubelets


@dataclass(frozen=True, slots=True)
class AddUp:
    """The function that workers run on pieces: features from the store, and how they scatter."""

    store: str
    block: Block
    kind: str
    floor: bool

    def __call__(self, piece: Piece) -> Scatter:
        """Of the piece's rows, in their order: pieces added up in theirs are what one process makes of all rows."""
        rows = gather(
            Store(self.store), piece.series, piece.moments, block=self.block, kind=self.kind, floor=self.floor
        )
        return Scatter.of(rows)


def adding(executor: Executor | None, store: Store, moments: LabelledTubelets) -> Adding | None:
    """Workers that add up moments; None where this process does."""
    if not able(executor, "adds_sums"):
        return None

    def of(
        series: Sequence[Series], block: Block, kind: str, floor: bool
    ) -> Callable[[Sequence[Ints]], list[Scatter]]:
        work = AddUp(shared(store), block, kind, floor)

        def sums(sets: Sequence[Ints]) -> list[Scatter]:
            pieces = [
                _piece(index, start, series, moments.at(rows[start : start + PIECE]))
                for index, rows in enumerate(sets)
                for start in range(0, len(rows), PIECE)
            ]
            done = {(one.item.set, one.item.number): one.get() for one in executor.map(work, pieces)}
            found: list[Scatter | None] = [None] * len(sets)
            for index, start in sorted(done):
                before = found[index]
                found[index] = done[index, start] if before is None else before + done[index, start]
            return [one for one in found if one is not None]

        return sums

    return of


@dataclass(frozen=True, slots=True, eq=False)
class CurveTask:
    """Questions to be worked out, of that number, and the moments that are their rows, with the series of these."""

    number: int
    part: WorthPart
    series: tuple[Series, ...]
    moments: LabelledTubelets


@dataclass(frozen=True, slots=True)
class WorkOut:
    """The function that workers run on tasks: features from the store, and what they are worth."""

    store: str
    block: Block
    kind: str

    def __call__(self, task: CurveTask) -> Worth:
        """Work out a task's code lengths or learning curves."""
        rows = gather(Store(self.store), task.series, task.moments, block=self.block, kind=self.kind)
        return task.part.work_out(rows)


def working(
    executor: Executor | None,
    store: Store,
    moments: LabelledTubelets,
    series: Sequence[Series],
    block: Block,
    kind: str,
) -> Working | None:
    """Workers that work out what features of a kind at a block are worth; None where this process does."""
    if not able(executor, "fits_curves"):
        return None
    work = WorkOut(shared(store), block, kind)

    def worked(parts: Sequence[WorthPart]) -> Iterator[tuple[int, Worth]]:
        tasks = []
        for number, part in enumerate(parts):
            used, theirs = _with_series(series, moments.at(np.flatnonzero(part.usable)))
            tasks.append(CurveTask(number, part, used, theirs))
        for outcome in executor.map(work, tasks):
            yield outcome.item.number, outcome.get()

    return worked


def _piece(index: int, start: int, series: Sequence[Series], moments: LabelledTubelets) -> Piece:
    return Piece(index, start, *_with_series(series, moments))


def _with_series(
    series: Sequence[Series], moments: LabelledTubelets
) -> tuple[tuple[Series, ...], LabelledTubelets]:
    """Moments with those series alone in which they lie."""
    videos, number = np.unique(moments.video, return_inverse=True)
    return tuple(series[video] for video in videos), replace(moments, video=number)
