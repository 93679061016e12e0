"""The films of an original run: which frames are looked at, and what the encoders make of the labelled ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldprobe.config import Experiment
from worldprobe.errors import ConfigError, VideoError
from worldprobe.labels.original import Boxes, evenly
from worldprobe.pipeline.encode import Failure, Sampler, encode, shots_of
from worldprobe.pipeline.encoders import control_encoders, load_encoder, twin_of
from worldprobe.pipeline.progress import Progress
from worldprobe.pipeline.sources import open_source
from worldprobe.pipeline.steps import Material
from worldprobe.protocols import Encoder
from worldprobe.records import ClipSpec, Tap, VideoRef
from worldprobe.results import Control
from worldprobe.store import Input, Series, Store
from worldprobe.video.read import Video

Ints = NDArray[np.int64]
Book = Callable[[str, int, str], None]
"""Told a stage that has just ended, how many clips it made, and on which device."""


@dataclass(frozen=True, slots=True, eq=False)
class Film:
    """A video, its shots' first frames, and the frames that are looked at, increasing."""

    path: Path
    ref: VideoRef
    shots: tuple[int, ...]
    frames: Ints


def open_films(videos: Sequence[Path], experiment: Experiment, store: Store) -> tuple[list[Film], list[Failure]]:
    """The videos that can be read, in order, and what is wrong with the others.

    Raises:
        VideoError: none can be read; with ``strict``, one cannot.
        ConfigError: a film is named twice.
    """
    films: list[Film] = []
    failures: list[Failure] = []
    for path in videos:
        try:
            with open_source(path) as video:
                if same := [film for film in films if film.ref.id == video.ref.id]:
                    raise ConfigError(f"{same[0].path} and {path} are the same film: name it once")
                frames = evenly(video.ref.frames, experiment.samples or 0, every=experiment.every or 1)
                films.append(Film(path, video.ref, shots_of(video, store), frames))
        except VideoError as error:
            if experiment.strict:
                raise
            failures.append(Failure(str(path), None, str(error)))
    if not films:
        raise VideoError(f"none of the {len(videos)} videos could be read. The first: {failures[0].error}")
    return films, failures


def native_starts(film: Film, *, frames: int, stride: int) -> Ints:
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
    films: Sequence[Film], boxes: Boxes, experiment: Experiment, store: Store, *, progress: Progress, book: Book
) -> tuple[Material, list[Failure]]:
    """Encode the labelled frames, as stills and as native clips, by the encoder and by those of its controls.

    The store keeps each by its place among all frames looked at, so that other labels add clips to what is there.
    """
    device, precision = experiment.device, experiment.precision
    encoder = load_encoder(f"squashed:{experiment.encoder}", device=device, precision=precision)
    others = control_encoders(encoder.name, twin_of(encoder))
    names: dict[Control, str] = {"none": encoder.name}
    names |= {control: others[control] for control in ("random-init", "pixels") if control in others}
    inputs: dict[tuple[Input, Control], NDArray[np.float32]] = {}
    held: dict[Input, NDArray[np.bool_]] = {}
    stills: list[Series] = []
    failures: list[Failure] = []
    clips = {"still": [film.frames for film in films]}
    clips["native"] = [native_starts(film, frames=experiment.frames, stride=experiment.stride) for film in films]
    for control, name in names.items():
        if control not in ("none", *experiment.controls):
            continue
        one = encoder if control == "none" else load_encoder(name, device=device, precision=precision)
        kinds: tuple[Input, ...] = ("still", "native")
        for kind in kinds:
            series, failed = _encode(
                films, boxes, clips[kind], one, kind, control, experiment, store, progress, book
            )
            # What fails for one encoder fails for all: it is the reading that fails, and it is counted once.
            failures += failed if (control, kind) == ("none", "still") else []
            stills = series if (control, kind) == ("none", "still") else stills
            values, there = _read(films, boxes, clips[kind], series, store, one.blocks - 1)
            inputs[kind, control] = values
            held[kind] = held.get(kind, there) & there
    span = experiment.frames * experiment.stride / min(film.ref.rate for film in films)
    tap = str(Tap(encoder.name, encoder.blocks - 1))
    return Material(boxes, inputs, held, tap, tuple(stills), span), failures


def _encode(
    films: Sequence[Film],
    boxes: Boxes,
    starts: Sequence[Ints],
    encoder: Encoder,
    kind: Input,
    control: Control,
    experiment: Experiment,
    store: Store,
    progress: Progress,
    book: Book,
) -> tuple[list[Series], list[Failure]]:
    """One encoder on one kind of input; ``starts`` are each film's clips, one for each frame looked at."""
    stride = experiment.stride if kind == "native" else 0
    encoded = encode(
        [film.path for film, begins in zip(films, starts, strict=True) if (begins >= 0).any()],
        encoder=encoder,
        store=store,
        blocks=[encoder.blocks - 1],
        frames=experiment.frames,
        input=kind,
        # Pixels are compared as the 8 x 8 picture that they are, all others as the mean over tokens.
        pool="none" if control == "pixels" else "space",
        strict=experiment.strict,
        progress=lambda stage, done, total, note="": progress(f"{stage} ({kind})", done, total, note),
        sampler=_sampler(films, boxes, starts, frames=experiment.frames, stride=stride),
    )
    book(f"encode {encoder.name} ({kind})", encoded.made, str(getattr(encoder, "device", "cpu")))
    return encoded.series, encoded.failures


def _sampler(films: Sequence[Film], boxes: Boxes, starts: Sequence[Ints], *, frames: int, stride: int) -> Sampler:
    """Clips of all frames looked at; those that have a label are needed."""
    place = {film.ref.id: index for index, film in enumerate(films)}

    def sample(video: Video) -> tuple[Sequence[ClipSpec], Collection[int]]:
        index = place[video.ref.id]
        begins = np.unique(starts[index][starts[index] >= 0])
        labelled = np.isin(films[index].frames, boxes.frame[boxes.film == index])
        needed = np.searchsorted(begins, starts[index][labelled & (starts[index] >= 0)])
        return [ClipSpec(video.ref, int(start), frames, stride) for start in begins], set(needed.tolist())

    return sample


def _read(
    films: Sequence[Film],
    boxes: Boxes,
    starts: Sequence[Ints],
    series: Sequence[Series],
    store: Store,
    block: int,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The mean over all tokens of each labelled frame's clip, float32 [n, d] (pixels keep their places), and which
    of them the store holds, bool [n]."""
    values: NDArray[np.float32] | None = None
    held = np.zeros(len(boxes), dtype=bool)
    place = {film.ref.id: index for index, film in enumerate(films)}
    for one in series:
        index = place[one.video.id]
        rows = np.flatnonzero(boxes.film == index)
        begins = starts[index][np.searchsorted(films[index].frames, boxes.frame[rows])]
        for clip, embeddings in store.read(one, block):
            here = rows[begins == one.specs[clip].start]
            if not len(here):
                continue
            mean = embeddings.values.astype(np.float32).mean(axis=0).ravel()
            if values is None:
                values = np.zeros((len(boxes), len(mean)), dtype=np.float32)
            values[here], held[here] = mean, True
    return (np.zeros((len(boxes), 1), dtype=np.float32) if values is None else values), held
