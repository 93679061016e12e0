"""Encoding as a stage of a run: the encoder, and those that its controls read."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from worldprobe.config import Experiment
from worldprobe.controls import CONTROLS, Control, stands_beside
from worldprobe.encoders.load import class_tokens_of, control_encoders, load_encoder, parse_blocks, twin_of
from worldprobe.encoders.network import network_of
from worldprobe.errors import ConfigError, StoreError, VideoError
from worldprobe.findings.wording import count
from worldprobe.io.files import StrPath, paths_of
from worldprobe.pipeline.encode.encode import encode
from worldprobe.pipeline.encode.job import Beside
from worldprobe.pipeline.encode.workers import Spread, device_here, spread_of
from worldprobe.pipeline.failures import Failure, cut_short
from worldprobe.pipeline.ledger import Ledger, device_of
from worldprobe.pipeline.progress import Progress
from worldprobe.pipeline.sources import ref_of
from worldprobe.pipeline.stored import decoded_blocks
from worldprobe.protocols import Encoder, Executor
from worldprobe.records import Block, in_order
from worldprobe.store import Input, Series, Store


def encode_all(
    videos: Sequence[StrPath] | StrPath,
    experiment: Experiment,
    store: Store,
    *,
    verify: bool = False,
    executor: Executor | None = None,
    progress: Progress,
    ledger: Ledger,
    one_kind: bool = False,
) -> tuple[Encoder, list[Failure]]:
    """Encode with the experiment's encoder and with those that its controls read.

    Args:
        one_kind: whether the store may hold these videos in clips of this kind alone, since probes follow.

    Raises:
        StoreError: it holds clips of another kind.
    """
    videos = paths_of(videos)
    device = device_here(experiment, executor)
    encoder = load_encoder(experiment.encoder, device=device, precision=experiment.precision)
    blocks = parse_blocks(experiment.blocks, encoder.blocks)
    check_blocks(experiment, encoder)
    if one_kind:
        _require_one_kind(videos, experiment, encoder.name, store)
    if classes := "cls" in experiment.features:
        class_tokens_of(encoder)
    ledger.network = network_of(encoder, experiment.frames)
    names = controls_of(experiment, encoder)
    others = {
        control: load_encoder(name, device=device, precision=experiment.precision)
        for control, name in names.items()
    }
    failures: list[Failure] = []
    work = _Work(videos, experiment, store, verify, progress, ledger)
    spread = spread_of(experiment, experiment.encoder, executor)
    for input in experiment.inputs:
        beside = [
            (names[control], Beside(other, [0] if floor else blocks, classes and not floor))
            for control, other in others.items()
            if stands_beside(control, experiment.tasks, input)
            for floor in [CONTROLS[control].once]
        ]
        # Decoding is most of a floor's work: in this process each frame is decoded once for all.
        together = [one for _, one in beside] if spread is None else []
        failed = work.encode(encoder, blocks, input, spread, beside=together, classes=classes)
        # A video that cannot be read fails once, whatever the input.
        failures += [one for one in failed if one not in failures]
        for name, one in beside if spread is not None else []:
            # What fails for one encoder fails for all: it is the reading that fails, and it is counted once.
            of = spread_of(experiment, name, executor)
            work.encode(one.encoder, one.blocks, input, of, classes=one.classes)
    return encoder, failures


def _require_one_kind(videos: Sequence[Path], experiment: Experiment, encoder: str, store: Store) -> None:
    """Refuse before anything is encoded what probes would refuse after: clips of two kinds in one store."""
    if "native" not in experiment.inputs or not videos:
        return
    wanted, among = (experiment.frames, experiment.stride, experiment.pool), set(videos)
    # The first video is opened, wherever it lay; of the others the store tells where they lay, which is enough to
    # open those alone that are to be refused.
    for video in [*_ids(videos[:1]), *store.videos()]:
        try:
            found = store.find(video, encoder=encoder)
        except StoreError:  # damaged: it is said where that video is encoded
            continue
        for series, _ in found:
            held = (series.specs[0].frames, series.specs[0].stride, series.pool)
            if held != wanted and (video == series.video.id or _is_among(series, among)):
                raise StoreError(
                    f"{store.location} holds {_in_words(*held)} of {series.video.path}, and {_in_words(*wanted)} "
                    "were asked for: probes could not tell which to read. Give another folder (--out) or store "
                    "(--store), or delete that store to do without it."
                )


def _is_among(series: Series, videos: Collection[Path]) -> bool:
    """Whether a series is of one of the videos, which lies where it lay."""
    path = Path(series.video.path)
    return path in videos and series.video.id in _ids([path])


def _ids(videos: Sequence[Path]) -> list[str]:
    """Ids of videos; one that cannot be read fails when it is encoded, and is counted."""
    found = []
    for path in videos:
        with suppress(VideoError):
            found.append(ref_of(path).id)
    return found


def _in_words(frames: int, stride: int, pool: str) -> str:
    every = f", {stride} frames apart" if stride != 1 else ""
    return f"clips of {count(frames, 'frame')}{every}{', averaged over space' if pool == 'space' else ''}"


def controls_of(experiment: Experiment, encoder: Encoder) -> dict[Control, str]:
    """Name the encoders that an experiment's controls read beside its own, by control."""
    return {
        control: name
        for control, name in control_encoders(encoder.name, twin_of(encoder)).items()
        if control in experiment.controls
        and any(stands_beside(control, experiment.tasks, input) for input in experiment.inputs)
    }


@dataclass(frozen=True, slots=True)
class _Work:
    """Hold what every encoder of a run encodes, and where its costs are booked."""

    videos: Sequence[Path]
    experiment: Experiment
    store: Store
    verify: bool
    progress: Progress
    ledger: Ledger

    def encode(
        self,
        encoder: Encoder,
        blocks: Sequence[Block],
        input: Input,
        spread: Spread | None,
        *,
        beside: Sequence[Beside] = (),
        classes: bool,
    ) -> list[Failure]:
        """Encode one kind of input, ``classes`` with class tokens; returns what failed."""
        started, experiment, ledger = time.perf_counter(), self.experiment, self.ledger
        encoded = encode(
            self.videos,
            encoder=encoder,
            store=self.store,
            blocks=blocks,
            frames=experiment.frames,
            stride=experiment.stride,
            input=input,
            pool=experiment.pool,
            strict=experiment.strict,
            verify=self.verify,
            spread=spread,
            progress=self.progress,
            beside=beside,
            classes=classes,
        )
        of = f", {input}" if len(experiment.inputs) > 1 else ""
        device = device_of(encoder) if spread is None else spread.executor.name
        price = None if spread is None else spread.executor.spent()
        each = None if spread else ledger.expected.get(encoder.name)  # foretold for this machine
        apart = sum(seconds for _, seconds in encoded.beside)
        ledger.book(
            f"encode {encoder.name}{of}", started=started + apart, items=encoded.made, device=device, price=price,
            each=each,
        )  # fmt: skip
        for one, (made, seconds) in zip(beside, encoded.beside, strict=True):
            ledger.book(
                f"encode {one.encoder.name}{of}", started=time.perf_counter() - seconds, items=made,
                device=device_of(one.encoder), each=ledger.expected.get(one.encoder.name),
            )  # fmt: skip
        made = encoded.made + sum(made for made, _ in encoded.beside)
        ledger.note(made=made, found=encoded.found, workers=encoded.workers)
        ledger.videos |= {one.video.id: one.video for one in encoded.series}
        lost = [failure for one in encoded.series for failure in cut_short(one.video)]
        if lost and experiment.strict:
            raise VideoError(f"{lost[0].video}: {lost[0].error}")
        return [*encoded.failures, *lost]


def check_blocks(experiment: Experiment, encoder: Encoder) -> None:
    """Raises ConfigError: decoders of blocks that the experiment does not store, or that do not go together."""
    if experiment.decode is None:
        return
    choice, stored = experiment.decode.blocks, parse_blocks(experiment.blocks, encoder.blocks)
    wanted = [] if choice in ("last", "all") else parse_blocks(choice, encoder.blocks)
    if missing := [block for block in wanted if block not in stored]:
        missed, those = (", ".join(map(str, blocks)) for blocks in (missing, stored))
        raise ConfigError(
            f"[decode] asks for the blocks [{missed}] of {encoder.name}, and the experiment stores [{those}]: "
            f"set blocks = {','.join(map(str, in_order([*stored, *missing])))!r}, or leave them out of [decode]"
        )
    decoded_blocks(choice, stored)
