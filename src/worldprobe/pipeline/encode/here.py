"""Videos to embeddings in the store. What is stored is not done again; what fails is counted and named."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from worldprobe.execute.fitting import Fitting
from worldprobe.execute.turns import Turn, in_turn
from worldprobe.io.files import StrPath, paths_of
from worldprobe.pipeline.encode.clips import Sampler, evenly
from worldprobe.pipeline.encode.read_ahead import Lacking, Order, reading
from worldprobe.pipeline.failures import Encoded
from worldprobe.pipeline.progress import Progress, silent
from worldprobe.protocols import Encoder
from worldprobe.records import Clip
from worldprobe.store import Input, Pool, Store

if TYPE_CHECKING:
    from worldprobe.pipeline.encode.workers import Spread


_INSTEAD = "Use fewer --frames, --precision bf16, or another --device."


class Batches:
    """Encodes clips with the largest batch that memory has allowed so far.

    Args:
        most: clips a batch to begin with.
    """

    def __init__(self, encoder: Encoder, *, blocks: Sequence[int], most: int) -> None:
        self.encoder, self.blocks = encoder, blocks
        self._fitting = Fitting(encoder.name, most=most, instead=_INSTEAD)

    def encode(self, clips: Sequence[Clip]) -> dict[int, NDArray[np.float16]]:
        """Tokens at each block, as ``Encoder.encode`` gives them.

        Raises:
            ConfigError: not even one clip fits.
        """
        parts = self._fitting.map(lambda batch: self.encoder.encode(batch, blocks=self.blocks), clips)
        return {block: np.concatenate([part[block] for part in parts]) for block in self.blocks}


# About the most tokens that a batch may hold: enough to fill two cores, 1 GB of activations at ViT-L.
_TOKENS_PER_BATCH = 4096


def clips_a_batch(encoder: Encoder, frames: int) -> int:
    """Clips of so many frames that are encoded at once, while memory allows it."""
    return max(1, _TOKENS_PER_BATCH // encoder.grid(frames).tokens)


def clips_in_flight(encoder: Encoder, frames: int) -> int:
    """The most clips that are encoded again after a kill: the batch that was being made, and the one before it.

    That one is being written, and the next is begun only when its last clip is stored.
    """
    return 2 * clips_a_batch(encoder, frames)


def encode(
    videos: Sequence[StrPath] | StrPath,
    *,
    encoder: Encoder,
    store: Store,
    blocks: Sequence[int],
    frames: int = 16,
    stride: int = 1,
    input: Input = "native",
    pool: Pool = "none",
    strict: bool = False,
    verify: bool = False,
    progress: Progress = silent,
    sampler: Sampler | None = None,
    spread: Spread | None = None,
    alone: bool = False,
) -> Encoded:
    """Encode every clip of every video that the store does not hold yet.

    Args:
        frames, stride: a clip is ``frames`` source frames, ``stride`` apart; clips lie end to end. With
            ``input="still"`` it is one frame repeated, a still for each tubelet of the native clips.
        pool: ``space`` averages tokens over space before storing.
        strict: raise the first failure instead of collecting it.
        sampler: gives each video's clips instead; they have to be of ``frames`` frames.
        verify: read what the store holds, and make anew what is damaged.
        spread: the workers that do it instead of this process.
        alone: whether nobody else is at these videos; else what another run on this machine is at is left for
            later, so that two share the work.

    Raises:
        WorldprobeError: whatever concerns all videos alike (the encoder, the store), or with ``strict``
            the first failure.
    """
    videos = paths_of(videos)
    sampler = sampler or evenly(encoder, store, frames, stride, input)
    if spread is not None:
        return spread.encode(
            videos, encoder=encoder, store=store, blocks=blocks, frames=frames, input=input, pool=pool,
            sampler=sampler, strict=strict, verify=verify, progress=progress,
        )  # fmt: skip
    encoder.grid(frames)  # refuses a number of frames that does not fit, before anything is read
    size = clips_a_batch(encoder, frames)
    work = f"{store.location} {encoder.name}@{encoder.revision}"
    turns_of = (Turn(path, None) for path in videos) if alone else in_turn(videos, work=work)
    order = Order(encoder, store, blocks, frames, input, pool, strict, verify, sampler, progress)
    batch: list[Lacking] = []
    parts: list[tuple[Path, Encoded]] = []
    with _Making(Batches(encoder, blocks=blocks, most=size), store) as making:
        with reading(turns_of, len(videos), order, parts) as items:
            for item in items:
                if isinstance(item, Lacking):
                    batch.append(item)
                elif item is not None:
                    making.turns.append(item)
                if len(batch) == size or item is None or not batch:
                    making.make(batch)
                    batch = []
                if item is None:
                    making.wait()
        making.make(batch)
    return _together(videos, parts, made=making.made)


class _Making:
    """Encodes one batch while the one before it is written.

    ``turns``: of videos of which nothing will come any more; they end when all that came of them is written.
    """

    def __init__(self, batches: Batches, store: Store) -> None:
        self._batches, self._store = batches, store
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="write")
        self._writing: Future[None] | None = None
        self.turns: list[Turn] = []
        self.made = 0

    def __enter__(self) -> _Making:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.wait()
        finally:
            self._writer.shutdown()
            for turn in self.turns:
                turn.end()

    def make(self, batch: list[Lacking]) -> None:
        """Encode, and begin to write.

        Raises:
            WorldprobeError: that, or the writing of the batch before it, went wrong.
        """
        outputs = self._batches.encode([item.clip for item in batch]) if batch else {}
        self.wait()
        self._writing = self._writer.submit(self._write, batch, outputs, self.turns)
        self.turns = []

    def wait(self) -> None:
        """Until what was made is written."""
        if self._writing is not None:
            self._writing.result()
            self._writing = None

    def _write(self, batch: list[Lacking], outputs: dict[int, NDArray[np.float16]], turns: list[Turn]) -> None:
        try:
            for position, item in enumerate(batch):
                for block in self._batches.blocks:
                    values = _pool(outputs[block][position], item.series.pool)
                    self._store.create(item.series, [block], width=values.shape[-1])
                    self._store.write(item.series, block, item.index, values)
                self.made += 1
        finally:
            for turn in turns:
                turn.end()


def _together(videos: Sequence[Path], parts: list[tuple[Path, Encoded]], *, made: int) -> Encoded:
    """What became of all videos, in the order in which they were asked for."""
    places = {path: place for place, path in enumerate(videos)}
    result = Encoded(made=made)
    for _, part in sorted(parts, key=lambda of: places[of[0]]):
        result.series += part.series
        result.found += part.found
        result.failures += part.failures
    return result


def _pool(tokens: NDArray[np.float16], pool: Pool) -> NDArray[np.float16]:
    if pool == "none":
        return tokens
    return np.asarray(tokens.astype(np.float32).mean(axis=(1, 2)), dtype=np.float16)
