"""Videos to embeddings in the store. What is stored is not done again; what fails is counted and named."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import VideoError, WorldprobeError
from worldprobe.execute.local import prefetch
from worldprobe.execute.turns import Turn, in_turn
from worldprobe.pipeline.batches import Batches
from worldprobe.pipeline.encoders import twin_of
from worldprobe.pipeline.progress import Progress, silent
from worldprobe.pipeline.sources import open_source
from worldprobe.protocols import Encoder
from worldprobe.records import Clip, ClipSpec
from worldprobe.store import Input, Pool, Series, Store
from worldprobe.video.read import Video
from worldprobe.video.sample import clips, read_clips, stills

if TYPE_CHECKING:
    from worldprobe.pipeline.spread import Spread

# About the most tokens that a batch may hold: enough to fill two cores, 1 GB of activations at ViT-L.
_TOKENS_PER_BATCH = 4096
_CLIPS_AHEAD = 8
# The clips of a video in the order in which the store keeps them, and the positions of those that are needed.
Sampler = Callable[[Video], tuple[Sequence[ClipSpec], Collection[int]]]


@dataclass(frozen=True, slots=True)
class Failure:
    """A video or a clip (by its first frame) that could not be encoded, and why."""

    video: str
    clip: int | None
    error: str


@dataclass(slots=True)
class Encoded:
    """What an encode did: the series it looked after, clips made now and found done, and what failed.

    ``workers``: the machines that made them, where these are others than this process, each once.
    """

    series: list[Series] = field(default_factory=list)
    made: int = 0
    found: int = 0
    failures: list[Failure] = field(default_factory=list)
    workers: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    series: Series
    index: int
    clip: Clip


@dataclass(frozen=True, slots=True, eq=False)
class _Order:
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


def encode(
    videos: Sequence[Path],
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
    sampler = sampler or _evenly(encoder, store, frames, stride, input)
    if spread is not None:
        return spread.encode(
            videos, encoder=encoder, store=store, blocks=blocks, frames=frames, input=input, pool=pool,
            sampler=sampler, strict=strict, verify=verify, progress=progress,
        )  # fmt: skip
    encoder.grid(frames)  # refuses a number of frames that does not fit, before anything is read
    result = Encoded()
    batch: list[_Job] = []
    size = max(1, _TOKENS_PER_BATCH // encoder.grid(frames).tokens)
    batches = Batches(encoder, blocks=blocks, most=size)
    turns: list[Turn] = []
    work = f"{store.location} {encoder.name}@{encoder.revision}"
    turns_of = (Turn(path, None) for path in videos) if alone else in_turn(videos, work=work)
    order = _Order(encoder, store, blocks, frames, input, pool, strict, verify, sampler)
    source = _jobs(turns_of, len(videos), order, result, progress)
    try:
        with closing(prefetch(source, depth=_CLIPS_AHEAD)) as jobs:
            for job in jobs:
                if isinstance(job, _Job):
                    batch.append(job)
                elif job is not None:
                    turns.append(job)
                if len(batch) == size or job is None or not batch:
                    _finish(batch, batches, store, result)
                    batch = []
                    while turns:
                        turns.pop().end()
        _finish(batch, batches, store, result)
    finally:
        source.close()
        for turn in turns:
            turn.end()
    return result


def _jobs(
    turns: Iterable[Turn | None], total: int, order: _Order, result: Encoded, progress: Progress
) -> Generator[_Job | Turn | None, None, None]:
    """The clips that are not done, read one after the other; after a video's last its turn; None: write now."""
    number = 0
    for turn in turns:
        if turn is None:
            yield None
            continue
        try:
            yield from _clips_of(turn.item, order, result, progress if total == 1 else silent)
        except BaseException:
            turn.end()
            raise
        yield turn
        number += 1
        if total > 1:
            progress(f"encode {order.encoder.name}", number, total)


def _clips_of(path: Path, order: _Order, result: Encoded, progress: Progress) -> Iterator[_Job]:
    """The clips of one video that are not done."""
    encoder, store, blocks = order.encoder, order.store, order.blocks
    try:
        with open_source(path) as video:
            specs, wanted = order.sampler(video)
            series = plan_sampled(video, specs, encoder, store, order.frames, order.input, order.pool)
            result.series.append(series)
            if order.verify:
                store.drop_damaged(series, blocks)
            pending = [index for index in store.pending(series, blocks) if index in wanted]
            result.found += len(wanted) - len(pending)
            missing = [series.specs[index] for index in pending]
            for index, read in zip(
                pending, read_clips(video, missing, preprocess=encoder.preprocess, view=series.view), strict=True
            ):
                if not isinstance(read, Clip):
                    failure = Failure(str(path), read[0].start, str(read[1]))
                    raise_or_keep(failure, read[1], order.strict, result)
                    continue
                yield _Job(series, index, read)
                progress(f"encode {encoder.name}", index + 1, len(series.specs))
    except VideoError as error:
        raise_or_keep(Failure(str(path), None, str(error)), error, order.strict, result)


def raise_or_keep(failure: Failure, error: WorldprobeError, strict: bool, result: Encoded) -> None:
    """With ``strict`` raise the error, else write it down."""
    if strict:
        raise error
    result.failures.append(failure)


def _evenly(encoder: Encoder, store: Store, frames: int, stride: int, input: Input) -> Sampler:
    """Clips end to end within each shot, or a still for each tubelet of them; all of them."""

    def sample(video: Video) -> tuple[Sequence[ClipSpec], Collection[int]]:
        if input == "native":
            specs = clips(video.ref, frames=frames, stride=stride, shots=shots_of(video, store))
        else:
            specs = stills(video.ref, frames=frames, every=stride * encoder.tubelet)
        return specs, range(len(specs))

    return sample


def shots_of(video: Video, store: Store) -> tuple[int, ...]:
    """What is stored of a video was cut so: what is added has to fit, wherever the store was made."""
    return store.shots(video.ref.id) or video.shots


def plan_series(
    video: Video, encoder: Encoder, store: Store, *, frames: int, stride: int, input: Input, pool: Pool
) -> Series:
    """The clips that ``encode`` would make of a video, and where they would lie in the store."""
    specs, _ = _evenly(encoder, store, frames, stride, input)(video)
    return plan_sampled(video, specs, encoder, store, frames, input, pool)


def plan_sampled(
    video: Video,
    specs: Sequence[ClipSpec],
    encoder: Encoder,
    store: Store,
    frames: int,
    input: Input,
    pool: Pool,
) -> Series:
    """The series of these clips of a video."""
    # As whoever cut the clips knows the file: a worker may see it at another path.
    ref = specs[0].video if specs else video.ref
    return Series(
        video=ref,
        specs=tuple(specs),
        encoder=encoder.name,
        revision=encoder.revision,
        status=encoder.status,
        twin=twin_of(encoder),
        input=input,
        pool=pool,
        grid=encoder.grid(frames),
        view=encoder.view(ref.width, ref.height),
        shots=shots_of(video, store),
        origin=dict(getattr(encoder, "origin", {})),
    )


def _finish(batch: list[_Job], batches: Batches, store: Store, result: Encoded) -> None:
    """Encode a batch and write each clip."""
    if not batch:
        return
    outputs = batches.encode([job.clip for job in batch])
    for position, job in enumerate(batch):
        for block in batches.blocks:
            values = _pool(outputs[block][position], job.series.pool)
            store.create(job.series, [block], width=values.shape[-1])
            store.write(job.series, block, job.index, values)
        result.made += 1


def _pool(tokens: NDArray[np.float16], pool: Pool) -> NDArray[np.float16]:
    if pool == "none":
        return tokens
    return np.asarray(tokens.astype(np.float32).mean(axis=(1, 2)), dtype=np.float16)
