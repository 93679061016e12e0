"""The films of an original run: which frames are looked at, and what the encoders make of the labelled ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldprobe.config import Experiment
from worldprobe.controls import CONTROLS, Control
from worldprobe.encoders.load import load_encoder
from worldprobe.encoders.wrappers.squashed import PREFIX
from worldprobe.errors import ConfigError, VideoError
from worldprobe.labels.original import Boxes, evenly
from worldprobe.pipeline.encode.clips import Sampler, shots_of
from worldprobe.pipeline.encode.encode import encode
from worldprobe.pipeline.encode.stage import controls_of
from worldprobe.pipeline.encode.workers import Spread, device_here, spread_of
from worldprobe.pipeline.failures import Encoded, Failure, cut_short
from worldprobe.pipeline.ledger import device_of
from worldprobe.pipeline.original.steps import Material
from worldprobe.pipeline.progress import Progress
from worldprobe.pipeline.sources import open_source
from worldprobe.protocols import Encoder, Executor
from worldprobe.records import ClipSpec, Tap, VideoRef
from worldprobe.store import Input, Series, Store
from worldprobe.video.video import Video

Ints = NDArray[np.int64]
_KINDS: tuple[Input, ...] = ("still", "native")
Book = Callable[[str, Encoded, str, float | None], None]
"""Told a stage that has just ended, how many clips it made, and on which device."""


@dataclass(frozen=True, slots=True, eq=False)
class SampledFilm:
    """A video, its shots' first frames, and the frames that are looked at, increasing."""

    path: Path
    ref: VideoRef
    shots: tuple[int, ...]
    frames: Ints


def open_films(
    videos: Sequence[Path], experiment: Experiment, store: Store
) -> tuple[list[SampledFilm], list[Failure]]:
    """The videos that can be read, in order, and what is wrong with the others.

    Raises:
        VideoError: none can be read; with ``strict``, one cannot.
        ConfigError: a film is named twice.
    """
    films: list[SampledFilm] = []
    failures: list[Failure] = []
    for path in videos:
        try:
            with open_source(path) as video:
                if same := [film for film in films if film.ref.id == video.ref.id]:
                    raise ConfigError(f"{same[0].path} and {path} are the same film: name it once")
                frames = evenly(video.ref.frames, experiment.samples or 0, every=experiment.every or 1)
                films.append(SampledFilm(path, video.ref, shots_of(video, store), frames))
                lost = cut_short(video.ref)
                if lost and experiment.strict:
                    raise VideoError(f"{path}: {lost[0].error}")
                failures += lost
        except VideoError as error:
            if experiment.strict:
                raise
            failures.append(Failure(str(path), None, str(error)))
    if not films:
        raise VideoError(f"none of the {len(videos)} videos could be read. The first: {failures[0].error}")
    return films, failures


def native_starts(film: SampledFilm, *, frames: int, stride: int) -> Ints:
    """Where a clip begins that holds each frame looked at in its middle, or as near as its shot allows; -1 where
    the shot is shorter than a clip."""
    span = (frames - 1) * stride + 1
    starts = np.full(len(film.frames), -1, dtype=np.int64)
    for first, end in pairwise([*film.shots, film.ref.frames]):
        if end - first >= span:
            here = (film.frames >= first) & (film.frames < end)
            starts[here] = np.clip(film.frames[here] - frames // 2 * stride, first, end - span)
    return starts


def embed(
    encoder: Encoder,
    films: Sequence[SampledFilm],
    boxes: Boxes,
    experiment: Experiment,
    store: Store,
    *,
    executor: Executor | None = None,
    progress: Progress,
    book: Book,
) -> tuple[Material, list[Failure]]:
    """Encode the labelled frames, as stills and as native clips, by the encoder and by those of its controls.

    The store keeps each by its place among all frames looked at, so that other labels add clips to what is there.
    """
    names = controls_of(experiment, encoder)
    native = [native_starts(film, frames=experiment.frames, stride=experiment.stride) for film in films]
    work = _Work(films, boxes, {"still": [film.frames for film in films], "native": native}, experiment, store)
    inputs: dict[tuple[Input, Control], NDArray[np.float32]] = {}
    held: dict[Input, NDArray[np.bool_]] = {}
    stills: list[Series] = []
    failures: list[Failure] = []
    read: tuple[Control, ...] = ("none", *names)
    for control in read:
        one, floor = encoder, control != "none" and CONTROLS[control].once
        if control != "none":
            device = device_here(experiment, executor)
            one = load_encoder(names[control], device=device, precision=experiment.precision)
        encoder_name = f"{PREFIX}{experiment.encoder}" if control == "none" else names[control]
        spread = spread_of(experiment, encoder_name, executor)
        for kind in _KINDS:
            encoded = work.encode(one, kind, keep_places=floor, spread=spread, progress=progress)
            where = device_of(one) if spread is None else spread.executor.name
            price = None if spread is None else spread.executor.spent()
            book(f"encode {one.name} ({kind})", encoded, where, price)
            # What fails for one encoder fails for all: it is the reading that fails, and it is counted once.
            if (control, kind) == ("none", "still"):
                failures, stills = encoded.failures, encoded.series
            inputs[kind, control], there = work.read(encoded.series, kind, one.blocks - 1)
            held[kind] = held.get(kind, there) & there
    span = experiment.frames * experiment.stride / min(film.ref.rate for film in films)
    tap = str(Tap(encoder.name, encoder.blocks - 1))
    return Material(boxes, inputs, held, tap, tuple(stills), span), failures


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    """What every encoder is asked for. ``starts``: by kind of input, of each film's clips, one for each frame."""

    films: Sequence[SampledFilm]
    boxes: Boxes
    starts: dict[Input, list[Ints]]
    experiment: Experiment
    store: Store

    def encode(
        self, encoder: Encoder, kind: Input, *, keep_places: bool, spread: Spread | None, progress: Progress
    ) -> Encoded:
        """One encoder on one kind of input, its last block. Pixels are compared as the 8 x 8 picture that they are
        (``keep_places``), all others as the mean over tokens."""

        return encode(
            [film.path for film, begins in zip(self.films, self.starts[kind], strict=True) if (begins >= 0).any()],
            encoder=encoder,
            store=self.store,
            blocks=[encoder.blocks - 1],
            frames=self.experiment.frames,
            input=kind,
            pool="none" if keep_places else "space",
            strict=self.experiment.strict,
            progress=progress,
            sampler=self._sampler(kind),
            spread=spread,
        )

    def _sampler(self, kind: Input) -> Sampler:
        """Clips of all frames looked at; those that have a label are needed."""
        stride = self.experiment.stride if kind == "native" else 0

        def sample(video: Video) -> tuple[Sequence[ClipSpec], Collection[int]]:
            film = self._place(video.ref)
            starts = self.starts[kind][film]
            begins = np.unique(starts[starts >= 0])
            labelled = np.isin(self.films[film].frames, self.boxes.frame[self.boxes.film == film])
            needed = np.searchsorted(begins, starts[labelled & (starts >= 0)])
            specs = [ClipSpec(video.ref, int(start), self.experiment.frames, stride) for start in begins]
            return specs, set(needed.tolist())

        return sample

    def read(
        self, series: Sequence[Series], kind: Input, block: int
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """The mean over time of each labelled frame's clip, float32 [n, d], and which of them the store holds."""
        values: NDArray[np.float32] | None = None
        held = np.zeros(len(self.boxes), dtype=bool)
        for one in series:
            film = self._place(one.video)
            rows = np.flatnonzero(self.boxes.film == film)
            begins = self.starts[kind][film][np.searchsorted(self.films[film].frames, self.boxes.frame[rows])]
            for clip, embeddings in self.store.read(one, block):
                here = rows[begins == one.specs[clip].start]
                if not len(here):
                    continue
                mean = embeddings.values.astype(np.float32).mean(axis=0).ravel()
                if values is None:
                    values = np.zeros((len(self.boxes), len(mean)), dtype=np.float32)
                values[here], held[here] = mean, True
        return (np.zeros((len(self.boxes), 1), dtype=np.float32) if values is None else values), held

    def _place(self, ref: VideoRef) -> int:
        """Which of the films it is."""
        return next(index for index, film in enumerate(self.films) if film.ref.id == ref.id)
