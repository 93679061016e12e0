"""Encoding by an executor's workers: small parts go out, clips come back through the store."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from worldprobe import provenance
from worldprobe.config import Experiment
from worldprobe.encoders.known import ELSEWHERE
from worldprobe.encoders.load import load_encoder
from worldprobe.errors import ConfigError, RegistryError, StoreError, VideoError, WorldprobeError
from worldprobe.pipeline.encode.here import encode_here
from worldprobe.pipeline.encode.job import EncodeJob
from worldprobe.pipeline.failures import Encoded, Failure, raise_or_keep
from worldprobe.pipeline.sources import open_source
from worldprobe.protocols import Encoder, Executor, Outcome, able
from worldprobe.records import Block, ClipSpec
from worldprobe.store import Input, Pool, Series, Store, keys_of, shared
from worldprobe.video.video import Video

# A part is the work that is done again when a worker is lost, and what one worker may be left with at the end.
CLIPS_PER_PART = 32


@dataclass(frozen=True, slots=True)
class Part:
    """Some clips of one video: their positions among all of its clips, which lie in its shots; and the paths of the
    series that they go to."""

    path: str
    specs: tuple[ClipSpec, ...]
    shots: tuple[int, ...]
    positions: tuple[int, ...]
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PartOutcome:
    """What a worker did of a part: clips made, what failed, and on which machine."""

    clips: int
    failures: tuple[Failure, ...]
    machine: dict[str, Any]


@dataclass(frozen=True, slots=True)
class EncodeParts:
    """The function that workers run on parts; each loads the encoder once.

    Attributes:
        encoder: the name to load it by; ``revision`` is what has to come of it.
        store: a place that every worker reaches.
    """

    encoder: str
    revision: str
    device: str
    precision: str
    store: str
    blocks: tuple[Block, ...]
    frames: int
    input: Input
    pool: Pool
    classes: bool = False

    def at(self, store: str) -> EncodeParts:
        """The same work into another store."""
        return replace(self, store=store)

    @property
    def remote(self) -> Literal["Encoding"]:
        """On Modal."""
        return "Encoding"

    def films(self, part: Part) -> list[str]:
        """What a part is of."""
        return [part.path]

    def moved(self, part: Part, films: Mapping[str, str]) -> Part:
        """The same part of the same video, at another path."""
        return replace(part, path=films[part.path])

    def reads(self, part: Part) -> list[str]:
        """What it needs of a store: nothing."""
        return []

    def leaves(self, part: Part, made: PartOutcome) -> dict[str, Path]:
        """What a part leaves in the store."""
        return {
            key: Path(self.store, key)
            for series in part.keys
            for key in keys_of(series, self.blocks, part.positions, pool=self.pool)
        }

    def __call__(self, part: Part) -> PartOutcome:
        """Encode what is pending of a part."""
        encoder = _loaded(self.encoder, self.device, self.precision)
        if encoder.revision != self.revision:
            raise ConfigError(
                f"{self.encoder} is another one on this worker (revision {encoder.revision[:12]}, expected "
                f"{self.revision[:12]}): give all machines the same weights and the same version of worldprobe"
            )

        def sample(video: Video) -> tuple[Sequence[ClipSpec], Collection[int]]:
            video.shots = part.shots
            return part.specs, part.positions

        job = EncodeJob(
            encoder, Store(self.store), self.blocks, self.frames, self.input, self.pool, sampler=sample,
            classes=self.classes,
        )  # fmt: skip
        done = encode_here([Path(part.path)], job, alone=True)
        return PartOutcome(done.made, tuple(done.failures), _machine())


@dataclass(frozen=True, slots=True)
class Spread:
    """Who encodes, when it is not this process: an executor, and how its workers load the encoder."""

    executor: Executor
    encoder: str
    device: str

    def encode(self, videos: Sequence[Path], job: EncodeJob) -> Encoded:
        """Encode the videos of a job by the executor's workers.

        Raises:
            WorldprobeError: what concerns all videos alike; with ``job.strict``, the first failure.
            StoreError: workers wrote where this machine does not see it.
        """
        encoder = job.encoder
        encoder.grid(job.frames)
        result, parts, place = Encoded(), list[Part](), shared(job.store)
        for path in videos:
            try:
                with open_source(path) as video:
                    series, pending, held = job.pending(video)
            except VideoError as error:
                raise_or_keep(Failure(str(path), None, str(error)), error, job.strict, result)
                continue
            result.series.append(series[0])
            result.found += held
            parts += _cut(path, series, pending)
        # Resolved here: workers of another kind would choose another one.
        precision = str(getattr(encoder, "precision", "auto"))
        work = EncodeParts(
            self.encoder,
            encoder.revision,
            self.device,
            precision,
            place,
            job.blocks,
            job.frames,
            job.input,
            job.pool,
            job.classes,
        )
        for done, outcome in enumerate(self.executor.map(work, parts), start=1):
            _take(outcome, job.strict, result)
            job.progress(f"{job.stage} ({self.executor.name})", done, len(parts))
        _check_seen(job.store, job.blocks, parts, result)
        return result


def spread_of(experiment: Experiment, encoder: str, executor: Executor | None) -> Spread | None:
    """The executor's workers with an encoder (the name to load it by); None where this process encodes."""
    if executor is None or able(executor, "in_process"):
        return None
    return Spread(executor, encoder, experiment.device)


def device_here(experiment: Experiment, executor: Executor | None) -> str:
    """The device to load an encoder for, where this process may only describe it: workers have GPUs."""
    elsewhere = executor is not None and executor.gpus and experiment.device == "auto"
    return ELSEWHERE if elsewhere else experiment.device


@lru_cache(maxsize=1)
def _machine() -> dict[str, Any]:
    return provenance.machine()


@lru_cache(maxsize=1)
def _loaded(name: str, device: str, precision: str) -> Encoder:
    """One encoder at a time: the next one takes the memory of the last."""
    return load_encoder(name, device=device, precision=precision)


def _cut(path: Path, series: Sequence[Series], pending: Sequence[int]) -> list[Part]:
    found, first, keys = [], series[0], tuple(one.path for one in series)
    for start in range(0, len(pending), CLIPS_PER_PART):
        positions = tuple(pending[start : start + CLIPS_PER_PART])
        found.append(Part(str(path.resolve()), first.specs, first.shots, positions, keys))
    return found


def _take(outcome: Outcome[Part, PartOutcome], strict: bool, result: Encoded) -> None:
    """Count what became of a part. What concerns all parts alike (no store, no weights) is raised."""
    if outcome.error is not None:
        part, error = outcome.item, outcome.error
        if not isinstance(error, WorldprobeError) or isinstance(error, (StoreError, ConfigError, RegistryError)):
            raise error
        failure = Failure(part.path, part.specs[part.positions[0]].start, str(error))
        raise_or_keep(failure, error, strict, result)
        return
    made, here = outcome.get(), outcome.item
    result.made += made.clips
    if made.clips and made.machine not in result.workers:
        result.workers.append(made.machine)
    for failure in made.failures:
        # Where the worker saw the film says nothing to the user.
        message = failure.error.replace(failure.video, here.path)
        raise_or_keep(replace(failure, video=here.path, error=message), VideoError(message), strict, result)


def _check_seen(store: Store, blocks: Sequence[Block], parts: Sequence[Part], result: Encoded) -> None:
    """What workers made has to be here."""
    requested = sum(len(part.positions) for part in parts)
    found = sum(len(series.specs) - len(store.pending(series, blocks)) for series in result.series)
    if result.made and found < result.made:
        raise StoreError(
            f"workers encoded {result.made} of {requested} clips, and {found} are in {store.location}: they wrote "
            "where this machine does not see it. Use --store with a folder that all machines share, or with s3://..."
        )
