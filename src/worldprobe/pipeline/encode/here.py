"""Encode in this process: one batch is made while the one before it is written and the next one is read."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldprobe.encoders.reductions import blocks_within, tokens_at
from worldprobe.execute.fitting import Fitting
from worldprobe.pipeline.encode.claims import Claims
from worldprobe.pipeline.encode.job import EncodeJob
from worldprobe.pipeline.encode.order import in_video_order
from worldprobe.pipeline.encode.read_ahead import EncodedVideos, PendingClip, reading
from worldprobe.pipeline.failures import Encoded
from worldprobe.pipeline.progress import Tally, silent
from worldprobe.protocols import Encoder, WithClassTokens
from worldprobe.records import Clip
from worldprobe.store import Pool, Series, shared

# About the most tokens that a batch may hold: enough to fill two cores, 1 GB of activations at ViT-L.
_TOKENS_PER_BATCH = 4096
_INSTEAD = "Use fewer --frames, --precision bf16, or another --device."


def clips_a_batch(encoder: Encoder, frames: int) -> int:
    """Clips of so many frames that are encoded at once, while memory allows it."""
    return max(1, _TOKENS_PER_BATCH // encoder.grid(frames).tokens)


def encode_here(videos: Sequence[Path], job: EncodeJob, *, alone: bool = False) -> Encoded:
    """Encode the videos of a job in this process.

    Args:
        alone: whether nobody else encodes these videos; else those that another run on this machine has are left
            for later, so that two share the work.

    Raises:
        WorldprobeError: what concerns all videos alike; with ``job.strict``, the first failure.
    """
    for one in job.together:
        one.encoder.grid(job.frames)  # refuses a number of frames that does not fit, before anything is read
    claims = Claims(None if alone else f"{shared(job.store)} {job.encoder.name}@{job.encoder.revision}")
    tally = Tally(job.stage, len(videos), job.progress if len(videos) > 1 else silent)
    parts: list[tuple[Path, Encoded]] = []
    batches = {
        one: Batches(
            one.encoder,
            blocks=blocks_within(one.blocks),
            most=clips_a_batch(one.encoder, one.frames),
            classes=one.classes,
        )
        for one in job.together
    }
    remaining = videos
    while remaining:
        taken = EncodedVideos()
        try:
            _one_pass(remaining, job, batches, claims, tally, taken)
        finally:
            claims.release_all()
        parts += taken.parts
        if len(taken.left) == len(remaining):  # nothing is claimed here now, so two runs never wait for each other
            claims.wait(taken.left[0])
        remaining = taken.left
    result = _together(videos, parts)
    result.made = batches[job].made
    result.beside = [(batches[one].made, batches[one].seconds) for one in job.beside]
    return result


def _one_pass(
    videos: Sequence[Path],
    job: EncodeJob,
    batches: Mapping[EncodeJob, Batches],
    claims: Claims,
    tally: Tally,
    taken: EncodedVideos,
) -> None:
    """Encode what can be claimed of the videos."""
    waiting: dict[EncodeJob, list[PendingClip]] = {one: [] for one in batches}
    with _Writer(batches, claims) as writer, reading(videos, job, claims, tally, taken) as clips:
        for clip in clips:
            waiting[clip.job].append(clip)
            if len(waiting[clip.job]) == batches[clip.job].most:
                writer.encode(waiting[clip.job])
                waiting[clip.job] = []
        for batch in waiting.values():
            writer.encode(batch)


class Batches:
    """Encodes clips with the largest batch that memory has allowed so far; ``made`` clips in ``seconds`` up to now.

    Args:
        most: clips a batch to begin with.
        classes: whether class tokens are wanted too.
    """

    def __init__(self, encoder: Encoder, *, blocks: Sequence[int], most: int, classes: bool = False) -> None:
        self.encoder, self.blocks, self.most, self.classes = encoder, blocks, most, classes
        self.made, self.seconds = 0, 0.0
        self._fitting = Fitting(encoder.name, most=most, instead=_INSTEAD)

    def encode(self, clips: Sequence[Clip]) -> list[dict[int, NDArray[np.float16]]]:
        """Tokens at each block, as ``Encoder.encode`` gives them, and class tokens likewise where they are wanted.

        Raises:
            ConfigError: not even one clip fits.
        """
        started = time.perf_counter()
        parts = self._fitting.map(self._pass, clips)
        self.made, self.seconds = self.made + len(clips), self.seconds + time.perf_counter() - started
        return [
            {block: np.concatenate([one[block] for one in output]) for block in self.blocks}
            for output in zip(*parts, strict=True)
        ]

    def _pass(self, clips: Sequence[Clip]) -> Sequence[dict[int, NDArray[np.float16]]]:
        if self.classes:
            assert isinstance(self.encoder, WithClassTokens)
            return self.encoder.encode_with_classes(clips, blocks=self.blocks)
        return [self.encoder.encode(clips, blocks=self.blocks)]


class _Writer:
    """Encodes one batch while the one before it is written."""

    def __init__(self, batches: Mapping[EncodeJob, Batches], claims: Claims) -> None:
        self._batches, self._claims = batches, claims
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="write")
        self._writing: Future[None] | None = None

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.wait()
        finally:
            self._thread.shutdown()

    def encode(self, batch: list[PendingClip]) -> None:
        """Encode clips of one job, and begin to write.

        Raises:
            WorldprobeError: that, or the writing of the batch before it, went wrong.
        """
        if not batch:
            return
        outputs = self._batches[batch[0].job].encode([item.clip for item in batch])
        self.wait()
        self._writing = self._thread.submit(self._write, batch, outputs)

    def wait(self) -> None:
        """Until what was encoded is written."""
        if self._writing is not None:
            self._writing.result()
            self._writing = None

    def _write(self, batch: list[PendingClip], outputs: Sequence[dict[int, NDArray[np.float16]]]) -> None:
        for position, item in enumerate(batch):
            for series, output in zip(item.series, outputs, strict=True):
                tokens = {block: values[position] for block, values in output.items()}
                _store(item.job, series, item.index, tokens)
            self._claims.release(item.path)


def _store(job: EncodeJob, series: Series, index: int, tokens: Mapping[int, NDArray[np.float16]]) -> None:
    """Write a clip's tokens [t', h', w', d] at each block that the job wants."""
    for block in job.blocks:
        values = in_video_order(
            tokens_at(block, tokens), series.specs[index], series.input, tubelet=series.grid.tubelet
        )
        values = _pool(values, series.pool)
        job.store.create(series, [block], width=values.shape[-1])
        job.store.write(series, block, index, values)


def _together(videos: Sequence[Path], parts: list[tuple[Path, Encoded]]) -> Encoded:
    """What became of all videos, in the order in which they were asked for."""
    places = {path: place for place, path in enumerate(videos)}
    result = Encoded()
    for _, part in sorted(parts, key=lambda of: places[of[0]]):
        result.series += part.series
        result.found += part.found
        result.failures += part.failures
    return result


def _pool(tokens: NDArray[np.float16], pool: Pool) -> NDArray[np.float16]:
    if pool == "none":
        return tokens
    return np.asarray(tokens.astype(np.float32).mean(axis=(1, 2)), dtype=np.float16)
