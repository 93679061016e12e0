"""The sums that linear probes need, added up by an executor's workers, which read the features from the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

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


def _piece(index: int, start: int, series: Sequence[Series], moments: LabelledTubelets) -> Piece:
    """With those series alone in which its moments lie."""
    videos, number = np.unique(moments.video, return_inverse=True)
    return Piece(index, start, tuple(series[video] for video in videos), replace(moments, video=number))
