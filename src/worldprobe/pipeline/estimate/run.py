"""What a run would take, before anything is paid for: clips, tokens, operations, bytes, time and price."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import product
from pathlib import Path

import numpy as np

from worldprobe.config import Experiment
from worldprobe.controls import CONTROLS, Control, stands_beside
from worldprobe.encoders.known import names
from worldprobe.encoders.load import class_tokens_of, load_encoder, parse_blocks
from worldprobe.encoders.network import flop_of
from worldprobe.encoders.reductions import blocks_within
from worldprobe.encoders.wrappers.squashed import PREFIX
from worldprobe.errors import RegistryError, VideoError
from worldprobe.io.files import StrPath, paths_of
from worldprobe.pipeline.checks import check
from worldprobe.pipeline.encode.clips import plan_sampled, plan_series
from worldprobe.pipeline.encode.stage import controls_of
from worldprobe.pipeline.estimate.facts import ALL_STAGES, Estimate, StageName, priced, timed
from worldprobe.pipeline.estimate.probing import probing, probing_stored
from worldprobe.pipeline.estimate.stages import labelling, predicting, training
from worldprobe.pipeline.failures import Failure
from worldprobe.pipeline.ledger import device_of
from worldprobe.pipeline.original.films import native_starts, open_films
from worldprobe.pipeline.probe.plan import Plan, plan_of
from worldprobe.pipeline.sources import open_source
from worldprobe.pipeline.stored import to_encode
from worldprobe.protocols import Encoder
from worldprobe.records import Block, Clip, ClipSpec, Labels, breadth
from worldprobe.store import Input, Series, Store
from worldprobe.video.sample import read_clips
from worldprobe.video.video import Video

CALIBRATION_SECONDS = 10.0
_BYTES_PER_VALUE = 2  # the store keeps float16


def estimate_run(
    experiment: Experiment,
    videos: Sequence[StrPath] | StrPath,
    store: Store,
    out: StrPath,
    *,
    price: float | None = None,
    seconds: float | None = None,
    stages: Collection[StageName] = ALL_STAGES,
) -> tuple[list[Estimate], list[Failure]]:
    """What every stage of a run would take: encoding, labelling, predicting, training. Nothing is stored.

    Args:
        out: the run's folder, where a decoder may lie.
        price: of an hour of this machine.
        seconds: to calibrate for; 10 if None.
        stages: of these alone, for a command that is a part of a run.

    Returns:
        The estimates, and the videos that the run would go on without.

    Raises:
        WorldprobeError: what the run itself would say before it begins.
    """
    videos, out = paths_of(videos), Path(out)
    check(experiment, videos, out)
    failures: list[Failure] = []
    there = {"predict": experiment.predict is not None, "train": experiment.decode is not None}
    parts = [stage for stage in stages if there.get(stage, True)]
    each = (CALIBRATION_SECONDS if seconds is None else seconds) / len(parts)
    found: list[Estimate] = []
    if {"encode", "probe", "train"} & set(parts):  # the others follow from what is encoded
        found = estimate(experiment, videos, store, price=price, seconds=each, failures=failures)
    unread = {failure.video for failure in failures}
    readable = [path for path in videos if str(path) not in unread]
    if "label" in parts:
        label = labelling(experiment, readable, price=price, seconds=each)
        found += [label] if label.clips else []
    if experiment.protocol == "original":  # its steps ask few questions of few frames
        return found, failures
    if not {"probe", "train", "predict"} & set(parts):
        return found, failures
    encoder = _load(experiment.encoder, experiment)
    if "probe" in parts:
        plan = plan_of(experiment, encoder=encoder.name)
        found += probing(experiment, plan, encoder, found[0], readable, price=price, seconds=each)
    if "train" in parts:
        clips = [found[0].clips]
        if experiment.decode is not None and experiment.decode.videos is not None:
            # Some of the videos, and it hangs on which how many clips these have.
            planned = _planned(experiment, readable, encoder, experiment.pool, store, [])
            clips = [len(series.specs) for _, series in planned]
        found += training(experiment, encoder, found[0], clips, price=price, seconds=each)
    if "predict" in parts:
        found += predicting(experiment, encoder, readable, price=price, seconds=each)
    return found, failures


def estimate_probe(
    store: Store, labels: Labels, plan: Plan, inputs: Sequence[Input], *, seconds: float | None = None
) -> list[Estimate]:
    """Estimate what probing what is in a store would take, by about 10 s of such fits. Nothing is stored.

    Raises:
        WorldprobeError: as probing itself.
    """
    return probing_stored(store, labels, plan, inputs, seconds=CALIBRATION_SECONDS if seconds is None else seconds)


def estimate(
    experiment: Experiment,
    videos: Sequence[StrPath] | StrPath,
    store: Store,
    *,
    price: float | None = None,
    seconds: float = CALIBRATION_SECONDS,
    failures: list[Failure] | None = None,
) -> list[Estimate]:
    """What encoding would take with the experiment's encoder and with those of its controls. Nothing is stored.

    Each encoder is run on one of the pending clips for its share of ``seconds``, reading included, and the rate
    found is taken for all of them: rough where films differ much in size or codec. Of the original protocol it is
    not known yet which frames will have a label: all those looked at count.

    Args:
        price: of an hour of this machine.
        failures: gets the videos that cannot be encoded, which are left out; None raises the first one's error.

    Raises:
        VideoError: a video cannot be encoded; none can.
    """
    videos = paths_of(videos)
    original = experiment.protocol == "original"
    encoder = _load((PREFIX if original else "") + experiment.encoder, experiment)
    blocks = [encoder.blocks - 1] if original else parse_blocks(experiment.blocks, encoder.blocks)
    controls = controls_of(experiment, encoder)
    if classes := "cls" in experiment.features:
        class_tokens_of(encoder)
    each, lost = seconds / (1 + len(controls)), failures
    found: list[Estimate] = []
    read: tuple[Control, ...] = ("none", *controls)
    for control in read:
        one = encoder if control == "none" else _load(controls[control], experiment)
        floor = control != "none" and CONTROLS[control].once
        at = [0] if floor else blocks
        pool = "none" if floor or not original else "space"
        inputs = [input for input in experiment.inputs if stands_beside(control, experiment.tasks, input)]
        of = experiment.model_copy(update={"input": inputs})
        apart = original or control == "none"  # of all others frames are decoded once for all
        found.append(
            _one(
                one, at, pool, of, videos, store, price=price, seconds=each, failures=lost, apart=apart,
                classes=classes and not floor,
            )
        )  # fmt: skip
        lost = [] if failures is not None else None  # what fails for one fails for all: it is counted once
    return found


def _load(name: str, experiment: Experiment) -> Encoder:
    """The encoder of a name; of a known checkpoint that is not at hand, the same network with random weights.

    These take as long, and a dry run needs no network: what it says is found under the checkpoint's own name.
    """
    options = {"device": experiment.device, "precision": experiment.precision}
    try:
        return load_encoder(name, **options)
    except RegistryError:
        if name not in names() or Path(name).is_dir():
            raise
        stand_in = load_encoder(f"random:{name}", **options)
        stand_in.name, stand_in.twin = name, stand_in.name  # type: ignore[attr-defined]
        return stand_in


def _planned(
    experiment: Experiment,
    videos: Sequence[Path],
    encoder: Encoder,
    pool: str,
    store: Store,
    failures: list[Failure] | None,
) -> Iterator[tuple[Video, Series]]:
    """Each video, open, with what would be encoded of it; of each kind of input."""
    if experiment.protocol == "original":
        films, lost = open_films(videos, experiment, store)
        if failures is None and lost:
            raise VideoError(lost[0].error)
        if failures is not None:
            failures += lost
        frames, stride = experiment.frames, experiment.stride
        for film in films:
            for input in ("still", "native"):
                starts = film.frames if input == "still" else native_starts(film, frames=frames, stride=stride)
                begins = np.unique(starts[starts >= 0]).tolist()
                specs = [ClipSpec(film.ref, at, frames, stride if input == "native" else 0) for at in begins]
                if specs:
                    with open_source(film.path) as video:
                        yield video, plan_sampled(video, specs, encoder, store, frames, input, pool)  # type: ignore[arg-type]
        return
    unread: set[Path] = set()
    for path, input in product(videos, experiment.inputs):
        try:
            with open_source(path) as video:
                yield video, plan_series(
                    video, encoder, store, frames=experiment.frames, stride=experiment.stride,
                    input=input, pool=experiment.pool,
                )  # fmt: skip
        except VideoError as error:
            if failures is None:
                raise
            if path not in unread:
                failures.append(Failure(str(path), None, str(error)))
            unread.add(path)


def _one(
    encoder: Encoder,
    blocks: Sequence[Block],
    pool: str,
    experiment: Experiment,
    videos: Sequence[Path],
    store: Store,
    *,
    price: float | None,
    seconds: float,
    failures: list[Failure] | None,
    apart: bool,
    classes: bool,
) -> Estimate:
    of_class = class_tokens_of(encoder) if classes else None
    clips = stored = 0
    per_clip: float | None = None
    width = 0
    seen: list[str] = []
    for video, series in _planned(experiment, videos, encoder, pool, store, failures):
        seen.append(series.video.id)
        pending = to_encode(store, series, blocks)
        if of_class is not None:
            frames, input = experiment.frames, series.input
            beside = plan_sampled(video, series.specs, of_class, store, frames, input, series.pool)
            pending = sorted({*pending, *to_encode(store, beside, blocks)})
        clips, stored = clips + len(series.specs), stored + len(series.specs) - len(pending)
        if pending and per_clip is None:
            per_clip, width = _calibrated(encoder, blocks, video, series, pending[0], seconds, apart=apart)
        elif not width:  # what comes after needs to know it
            _, width = _calibrated(encoder, blocks, video, series, 0, 0.0, apart=apart)
    if not seen:
        first = failures[0].error if failures else ""
        raise VideoError(f"none of the {len(videos)} videos could be read. The first: {first}")
    grid = encoder.grid(experiment.frames)
    kept = grid.time if (experiment.pool if pool != "space" else pool) == "space" else grid.tokens
    kept += grid.time if classes else 0
    expected = (clips - stored) * (per_clip or 0.0)
    operations = flop_of(encoder, experiment.frames)
    return Estimate(
        encoder=encoder.name,
        device=device_of(encoder),
        # Once for each kind of input; rendered videos may stand for others that are not there yet.
        videos=len(set(seen)) if experiment.protocol == "original" else len(seen) // len(experiment.inputs),
        clips=clips,
        stored=stored,
        tokens=grid.tokens,
        gflop=None if operations is None else operations / 1e9,
        store_bytes=(clips - stored) * kept * width * sum(map(breadth, blocks)) * _BYTES_PER_VALUE,
        seconds=expected,
        price=priced(expected, price),
        width=width,
        most=experiment.protocol == "original",
    )


def _calibrated(
    encoder: Encoder,
    blocks: Sequence[Block],
    video: Video,
    series: Series,
    index: int,
    seconds: float,
    *,
    apart: bool,
) -> tuple[float, int]:
    """Seconds that one clip takes, encoding, and reading if it is read ``apart``; and the width of a token."""
    width = 0

    def read() -> Clip:
        (clip,) = read_clips(video, [series.specs[index]], preprocess=encoder.preprocess, view=series.view)
        if not isinstance(clip, Clip):
            raise clip[1]
        return clip

    def once() -> None:
        nonlocal width
        clip = read() if known is None else known
        width = next(iter(encoder.encode([clip], blocks=blocks_within(blocks)).values())).shape[-1]

    known = None if apart else read()
    return timed(once, seconds), width
