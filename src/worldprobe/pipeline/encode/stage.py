"""Encoding as a stage of a run: the encoder, and those that its controls read."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from worldprobe.config import Experiment
from worldprobe.controls import CONTROLS
from worldprobe.encoders.load import control_encoders, load_encoder, parse_blocks, twin_of
from worldprobe.errors import ConfigError, VideoError
from worldprobe.io.files import StrPath, paths_of
from worldprobe.pipeline.encode.encode import encode
from worldprobe.pipeline.encode.workers import Spread, device_here, spread_of
from worldprobe.pipeline.failures import Failure, cut_short
from worldprobe.pipeline.ledger import Ledger, device_of
from worldprobe.pipeline.progress import Progress
from worldprobe.protocols import Encoder, Executor
from worldprobe.store import Store


def encode_all(
    videos: Sequence[StrPath] | StrPath,
    experiment: Experiment,
    store: Store,
    *,
    verify: bool = False,
    executor: Executor | None = None,
    progress: Progress,
    ledger: Ledger,
) -> tuple[Encoder, list[Failure]]:
    """Encode with the experiment's encoder and with those that its controls read."""
    videos = paths_of(videos)
    device = device_here(experiment, executor)
    encoder = load_encoder(experiment.encoder, device=device, precision=experiment.precision)
    blocks = parse_blocks(experiment.blocks, encoder.blocks)
    check_blocks(experiment, encoder)
    failures: list[Failure] = []
    spread = spread_of(experiment, experiment.encoder, executor)
    for failure in _encode_one(videos, encoder, blocks, experiment, store, verify, spread, progress, ledger):
        # A video that cannot be read fails once, whatever the input.
        failures += [failure] if failure not in failures else []
    for control, name in control_encoders(encoder.name, twin_of(encoder)).items():
        if control not in experiment.controls:
            continue
        other = load_encoder(name, device=device, precision=experiment.precision)
        at = [0] if CONTROLS[control].once else blocks
        # What fails for one encoder fails for all: it is the reading that fails, and it is counted once.
        spread = spread_of(experiment, name, executor)
        _encode_one(videos, other, at, experiment, store, verify, spread, progress, ledger)
    return encoder, failures


def _encode_one(
    videos: Sequence[Path],
    encoder: Encoder,
    blocks: Sequence[int],
    experiment: Experiment,
    store: Store,
    verify: bool,
    spread: Spread | None,
    progress: Progress,
    ledger: Ledger,
) -> list[Failure]:
    """Each kind of input that the experiment asks for; returns what failed."""
    failures = []
    for input in experiment.inputs:
        started = time.perf_counter()
        encoded = encode(
            videos,
            encoder=encoder,
            store=store,
            blocks=blocks,
            frames=experiment.frames,
            stride=experiment.stride,
            input=input,
            pool=experiment.pool,
            strict=experiment.strict,
            verify=verify,
            spread=spread,
            progress=progress,
        )
        stage = f"encode {encoder.name}" + (f", {input}" if len(experiment.inputs) > 1 else "")
        device = device_of(encoder) if spread is None else spread.executor.name
        price = None if spread is None else spread.executor.spent()
        each = None if spread else ledger.expected.get(encoder.name)  # foretold for this machine
        ledger.book(stage, started=started, items=encoded.made, device=device, price=price, each=each)
        ledger.note(made=encoded.made, found=encoded.found, workers=encoded.workers)
        ledger.videos |= {one.video.id: one.video for one in encoded.series}
        lost = [failure for one in encoded.series for failure in cut_short(one.video)]
        if lost and experiment.strict:
            raise VideoError(f"{lost[0].video}: {lost[0].error}")
        failures += [*encoded.failures, *lost]
    return failures


def check_blocks(experiment: Experiment, encoder: Encoder) -> None:
    """Raises ConfigError: decoders of blocks that the experiment does not store."""
    wanted = experiment.decode.blocks if experiment.decode else "last"
    if wanted in ("last", "all"):
        return
    stored = parse_blocks(experiment.blocks, encoder.blocks)
    if missing := [block for block in parse_blocks(wanted, encoder.blocks) if block not in stored]:
        raise ConfigError(
            f"[decode] asks for the blocks {missing} of {encoder.name}, and the experiment stores {stored}: "
            f"set blocks = {','.join(map(str, sorted({*stored, *missing})))!r}, or leave them out of [decode]"
        )
