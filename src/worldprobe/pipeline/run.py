"""An experiment from videos to report, in a folder of its own."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from worldprobe.config import Experiment, to_toml
from worldprobe.encoders.load import control_encoders, load_encoder, parse_blocks, twin_of
from worldprobe.errors import VideoError
from worldprobe.execute.outcomes import Executor
from worldprobe.findings.run_files import read_failures
from worldprobe.io.files import StrPath, paths_of, write_whole
from worldprobe.labels.class_maps import class_map, merge_classes
from worldprobe.labels.speeds import speed_notes
from worldprobe.pipeline.checks import check, check_blocks
from worldprobe.pipeline.decode.stage import decode_into, ids_of
from worldprobe.pipeline.decode.stage import plan_of as decode_plan_of
from worldprobe.pipeline.encode.here import encode
from worldprobe.pipeline.encode.workers import Spread, device_here, spread_of
from worldprobe.pipeline.estimate.run import foretold
from worldprobe.pipeline.failures import Failure, cut_short
from worldprobe.pipeline.folder import PROBE, merge
from worldprobe.pipeline.label.label import label, write_labels
from worldprobe.pipeline.label.parts import Parts
from worldprobe.pipeline.label.workers import LabelVideos, label_into
from worldprobe.pipeline.ledger import Ledger, device_of
from worldprobe.pipeline.moments.keep import CONTEXT, keep_moments
from worldprobe.pipeline.pace import pace_notes
from worldprobe.pipeline.predict.stage import predict
from worldprobe.pipeline.probe.answers import Plan, Probed
from worldprobe.pipeline.probe.answers import plan_of as plan_of
from worldprobe.pipeline.probe.probe import probe_inputs
from worldprobe.pipeline.probe.table import write_answers
from worldprobe.pipeline.progress import Progress, silent
from worldprobe.pipeline.stage_record import of_controls, write_provenance
from worldprobe.protocols import Encoder, Labeller
from worldprobe.records import Labels, reading_notes
from worldprobe.store import Input, Store

STORE = "embeddings.zarr"


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
        at = blocks if control == "random-init" else [0]
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


def run(
    experiment: Experiment,
    videos: Sequence[StrPath] | StrPath,
    out: StrPath,
    *,
    store: Store | None = None,
    verify: bool = False,
    executor: Executor | None = None,
    progress: Progress = silent,
) -> list[Failure]:
    """Encode, label and probe; everything is written into ``out``, and a second run does only what is missing.

    Args:
        verify: read what is stored, and make anew what is damaged.
        executor: who encodes and labels, where it is not this process.

    Returns:
        What failed; the rest was done without it.

    Raises:
        WorldprobeError: what concerns the whole experiment; VideoError when no video could be read.
    """
    videos, out = paths_of(videos), Path(out)
    if experiment.protocol == "original":
        from worldprobe.pipeline.original.stage import run_original  # it books and writes as this module does

        return run_original(experiment, videos, out, store=store, executor=executor, progress=progress)
    labeller = check(experiment, videos, out)
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "experiment.toml", to_toml(experiment).encode())
    store = store or Store(str(out / STORE))
    ledger = Ledger(expected=foretold(out)).by(executor)
    encoder, failures = encode_all(
        videos, experiment, store, verify=verify, executor=executor, progress=progress, ledger=ledger
    )
    write_failures(out / "failures.jsonl", failures)
    unread = {failure.video for failure in failures if failure.clip is None}
    readable = [path for path in videos if str(path) not in unread]
    if not readable:
        raise VideoError(f"none of the {len(videos)} videos could be read. The first: {failures[0].error}")

    parts = Parts(out / "labels.parquet", labeller=experiment.labeller, asked=to_toml(experiment))
    started = time.perf_counter()
    found = _label_all(readable, experiment, labeller, parts, failures, executor=executor, progress=progress)
    labels = merge_classes(found, class_map(experiment.classes))
    write_labels(labels, out / "labels.parquet")
    write_failures(out / "failures.jsonl", failures)
    ledger.book("label", started=started, items=len(labels.table), device="cpu")

    plan = plan_of(experiment, encoder=encoder.name)
    probed = probe_into(
        out, store, labels, plan, ledger, inputs=experiment.inputs, executor=executor, progress=progress
    )
    context = experiment.predict.context if experiment.predict else CONTEXT
    keep_moments(out, store, labels, probed, encoder=encoder, context=context)
    if experiment.decode is not None:
        asked = decode_plan_of(experiment, encoder=encoder.name)
        own = Ledger(expected=ledger.expected).by(executor)
        failures += decode_into(
            out, store, ids_of(readable), asked, own, labels=labels, executor=executor, progress=progress
        )
    if experiment.predict is not None:
        failures += predict(experiment, readable, out, progress=progress)  # after decoders, which it draws with
    if experiment.predict is not None or experiment.decode is not None:
        write_failures(out / "failures.jsonl", failures)
    parts.clear()
    return failures


def _label_all(
    videos: Sequence[Path],
    experiment: Experiment,
    labeller: Labeller,
    parts: Parts,
    failures: list[Failure],
    *,
    executor: Executor | None,
    progress: Progress,
) -> Labels:
    """Labels of all videos, by the executor's workers where these can; what fails is added to ``failures``."""
    if executor is not None and executor.name == "ray" and len(videos) > 1:
        by_video = LabelVideos.of(experiment)
        label_into(parts, videos, executor=executor, labeller=by_video, progress=progress)
    return label(
        videos,
        labeller=labeller,
        tracker=experiment.tracker,
        camera=experiment.camera,
        parts=parts,
        failures=None if experiment.strict else failures,
        progress=progress,
    )


def probe_into(
    out: StrPath,
    store: Store,
    labels: Labels,
    plan: Plan,
    ledger: Ledger,
    *,
    inputs: Sequence[Input] = (),
    executor: Executor | None = None,
    progress: Progress = silent,
) -> Probed:
    """Probe each kind of input (the plan's alone where none is named); write results, alignment and provenance.

    Labels of what is not in the store are left out, counted, and a note says so.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    every = inputs or (plan.input,)
    probed = probe_inputs(store, labels, plan, every, partial=True, executor=executor, progress=progress)
    told = sum(count * ledger.expected.get(f"probe {name}", 0.0) for name, count in probed.fits.items())
    each = told / len(probed.results) if told and probed.results else None
    ledger.book("probe", started=started, items=len(probed.results), device="cpu", each=each)
    series, videos = probed.series[0], [one.video for one in probed.series]
    found = [*probed.results, *probed.evidence]
    probed.notes += merge(out, PROBE, found, ledger.costs, revision=series.revision, videos=videos)
    write_answers(out, probed.answers)
    spec = series.specs[0]
    pace = pace_notes(videos, frames=spec.frames, stride=spec.stride)
    notes = dict.fromkeys([*reading_notes(videos), *pace, *labels.notes, *speed_notes(labels), *probed.notes])
    alignment = {"kept": probed.kept, "dropped": probed.dropped, "notes": list(notes)}
    write_whole(out / "alignment.json", json.dumps(alignment).encode())
    others = of_controls(store, series, plan.controls)
    write_provenance(
        out, "probe", series, videos=videos, seed=plan.seed, ledger=ledger, labels=labels, controls=others
    )
    return probed


def add_failures(path: Path, failures: Sequence[Failure]) -> None:
    """Write down what failed beside what is written. Raises WorldprobeError where the file is damaged."""
    if failures:
        read = read_failures(path)
        known = [Failure(one.video, int(one.clip) if one.clip.isdigit() else None, one.error) for one in read]
        write_failures(path, [*known, *failures])


def write_failures(path: Path, failures: Sequence[Failure]) -> None:
    """A line for each failure; no file where there is none."""
    if failures:
        different = dict.fromkeys(failures)  # several stages meet what is wrong with a film
        write_whole(path, "".join(json.dumps(asdict(f)) + "\n" for f in different).encode())
    else:
        path.unlink(missing_ok=True)
