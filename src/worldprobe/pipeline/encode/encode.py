"""Encode videos into the store. What is stored is not done again; what fails is counted and named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from worldprobe.io.files import StrPath, paths_of
from worldprobe.pipeline.encode.clips import Sampler, evenly
from worldprobe.pipeline.encode.here import encode_here
from worldprobe.pipeline.encode.job import Beside, EncodeJob
from worldprobe.pipeline.encode.workers import Spread
from worldprobe.pipeline.failures import Encoded
from worldprobe.pipeline.progress import Progress, silent
from worldprobe.protocols import Encoder
from worldprobe.records import Block
from worldprobe.store import Input, Pool, Store


def encode(
    videos: Sequence[StrPath] | StrPath,
    *,
    encoder: Encoder,
    store: Store,
    blocks: Sequence[Block],
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
    beside: Sequence[Beside] = (),
    classes: bool = False,
) -> Encoded:
    """Encode every clip of every video that the store does not hold yet.

    Args:
        frames, stride: a clip is ``frames`` source frames, ``stride`` apart; clips lie end to end. With
            ``input="still"`` it is one frame repeated, a still for each tubelet of the native clips. ``shuffled``
            and ``reversed`` are native clips with their frames in another order, as ``order.frame_order`` says;
            tokens are stored where the video has them.
        pool: ``space`` averages tokens over space before storing.
        strict: raise the first failure instead of collecting it.
        sampler: gives each video's clips instead; they have to be of ``frames`` frames.
        verify: read what the store holds, and make anew what is damaged.
        spread: the workers that do it instead of this process.
        alone: whether nobody else encodes these videos; else those that another run on this machine has are left
            for later, so that two share the work.
        beside: other encoders to make clips of the same videos with, so that each frame is decoded once for all;
            not by workers, nor with a ``sampler``.
        classes: store class tokens too, of the same pass, as ``NAME?tokens=cls`` would.

    Raises:
        NoClassToken: the encoder has none to store.
        WorldprobeError: whatever concerns all videos alike (the encoder, the store), or with ``strict``
            the first failure.
    """
    job = EncodeJob(
        encoder, store, tuple(blocks), frames, input, pool,
        sampler=sampler or evenly(encoder, store, frames, stride, input),
        strict=strict, verify=verify, progress=progress, classes=classes,
    )  # fmt: skip
    if beside:
        assert spread is None, "workers have one encoder each"
        assert sampler is None, "a sampler is of one encoder"
        others = [
            replace(
                job, encoder=one.encoder, blocks=tuple(one.blocks), classes=one.classes,
                sampler=evenly(one.encoder, store, frames, stride, input),
            )
            for one in beside
        ]  # fmt: skip
        job = replace(job, beside=tuple(others))
    paths = paths_of(videos)
    return encode_here(paths, job, alone=alone) if spread is None else spread.encode(paths, job)
