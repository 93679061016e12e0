"""The clips that the store lacks, read ahead: several videos at a time, each in one pass."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from worldprobe.errors import VideoError
from worldprobe.execute.local import prefetch
from worldprobe.execute.turns import Turn
from worldprobe.pipeline.encode.clips import Sampler, plan_sampled
from worldprobe.pipeline.failures import Encoded, Failure, raise_or_keep
from worldprobe.pipeline.progress import Progress, Tally, silent
from worldprobe.pipeline.sources import open_source
from worldprobe.protocols import Encoder
from worldprobe.records import Clip
from worldprobe.store import Input, Pool, Series, Store
from worldprobe.video.sample import read_clips

_CLIPS_AHEAD = 8
_MOST_READERS = (
    8  # one decodes some 200 frames of 720p a second; what lies behind them is the store's and the bus's
)


@dataclass(frozen=True, slots=True, eq=False)
class Lacking:
    """A clip to encode, and where it belongs."""

    series: Series
    index: int
    clip: Clip


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """What to make of each video, as ``encode`` was asked."""

    encoder: Encoder
    store: Store
    blocks: Sequence[int]
    frames: int
    input: Input
    pool: Pool
    strict: bool
    verify: bool
    sampler: Sampler
    progress: Progress

    @property
    def stage(self) -> str:
        """What progress is told of."""
        return stage_of(self.encoder, self.input)


def stage_of(encoder: Encoder, input: Input) -> str:
    """What progress calls encoding by an encoder: stills are encoded beside native clips, and apart from them."""
    return f"encode {encoder.name}" + ("" if input == "native" else f", {input}")


@contextmanager
def reading(
    turns: Iterable[Turn | None], total: int, order: Order, parts: list[tuple[Path, Encoded]]
) -> Iterator[Generator[Lacking | Turn | None, None, None]]:
    """Items as they are read: clips; after a video's last clip its turn; None where what was read must be written.

    As many threads read as there are videos and cores, a video each; one where the first failure ends all, which is
    to be the first in order. They wait when enough is read, so that on a machine whose cores the encoder needs they
    take no more of them than one would.

    Args:
        parts: gets each video that is begun, and what was found and what failed of it.
    """
    dealt, tally = _Dealt(turns), Tally(order.stage, total, order.progress if total > 1 else silent)
    count = 1 if order.strict else max(1, min(total, _cores(), _MOST_READERS))
    readers = [_items(dealt, total, tally, order, parts) for _ in range(count)]
    try:
        with closing(prefetch(*readers, depth=_CLIPS_AHEAD)) as items:
            yield items
    finally:
        for reader in readers:
            reader.close()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Dealt:
    """One iterator for several threads."""

    def __init__(self, turns: Iterable[Turn | None]) -> None:
        self._turns, self._lock = iter(turns), threading.Lock()

    def __iter__(self) -> Iterator[Turn | None]:
        return self

    def __next__(self) -> Turn | None:
        with self._lock:
            return next(self._turns)


def _items(
    turns: Iterable[Turn | None],
    total: int,
    tally: Tally,
    order: Order,
    parts: list[tuple[Path, Encoded]],
) -> Generator[Lacking | Turn | None, None, None]:
    """What one reader finds in the videos whose turn it takes."""
    for turn in turns:
        if turn is None:
            yield None
            continue
        part = Encoded()
        parts.append((turn.item, part))
        try:
            yield from _clips_of(turn.item, order, part, order.progress if total == 1 else silent)
        except BaseException:
            turn.end()
            raise
        yield turn
        tally.add()


def _clips_of(path: Path, order: Order, part: Encoded, progress: Progress) -> Iterator[Lacking]:
    """The clips of one video that are not done."""
    encoder, store, blocks = order.encoder, order.store, order.blocks
    begun = 0
    try:
        with open_source(path) as video:
            specs, wanted = order.sampler(video)
            series = plan_sampled(video, specs, encoder, store, order.frames, order.input, order.pool)
            part.series.append(series)
            if order.verify:
                store.drop_damaged(series, blocks)
            pending = [index for index in store.pending(series, blocks) if index in wanted]
            part.found += len(wanted) - len(pending)
            missing = [series.specs[index] for index in pending]
            for index, read in zip(
                pending, read_clips(video, missing, preprocess=encoder.preprocess, view=series.view), strict=True
            ):
                if not isinstance(read, Clip):
                    failure = Failure(str(path), read[0].start, str(read[1]))
                    raise_or_keep(failure, read[1], order.strict, part)
                    continue
                yield Lacking(series, index, read)
                begun = len(series.specs)
                progress(order.stage, index + 1, begun)
    except VideoError as error:
        raise_or_keep(Failure(str(path), None, str(error)), error, order.strict, part)
    if begun:  # those at the end may be stored, or cannot be read
        progress(order.stage, begun, begun)
