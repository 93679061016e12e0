"""``protocol = "original"``: the experiment that this project starts from, made again, and how much of it is real.

First as published, artefacts included; then the same with one artefact less at a time, down to the sound protocol.
Two things are not as they were: frames are read exactly, where the original sought by time and took what came, and
every score has an interval.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from worldprobe.config import Experiment, to_toml
from worldprobe.encoders.load import load_encoder
from worldprobe.encoders.wrappers.squashed import PREFIX
from worldprobe.errors import ProbeError
from worldprobe.io.files import StrPath, paths_of, write_whole
from worldprobe.labels.class_maps import class_map, merge_classes
from worldprobe.labels.original import Boxes, most_confident
from worldprobe.labels.table import write_labels
from worldprobe.pipeline.checks import check
from worldprobe.pipeline.encode.workers import device_here
from worldprobe.pipeline.failures import Encoded, Failure, write_failures
from worldprobe.pipeline.folder import EXPERIMENT, PROBE, STORE, merge, write_alignment
from worldprobe.pipeline.groups import Groups
from worldprobe.pipeline.label.label import label
from worldprobe.pipeline.label.parts import Parts
from worldprobe.pipeline.label.workers import label_elsewhere
from worldprobe.pipeline.ledger import Ledger
from worldprobe.pipeline.original.films import SampledFilm, embed, open_films
from worldprobe.pipeline.original.published import scaling
from worldprobe.pipeline.original.steps import Material, split_rows
from worldprobe.pipeline.original.waterfall import waterfall
from worldprobe.pipeline.probe.plan import plan_of
from worldprobe.pipeline.progress import Progress, silent
from worldprobe.pipeline.stage_record import of_controls, put_back, write_provenance
from worldprobe.probes.published import permuted
from worldprobe.probes.splits import make_folds
from worldprobe.protocols import Encoder, Executor, Labeller
from worldprobe.records import Labels
from worldprobe.store import Store


def run_original(
    experiment: Experiment,
    videos: Sequence[StrPath] | StrPath,
    out: StrPath,
    *,
    store: Store | None = None,
    executor: Executor | None = None,
    progress: Progress = silent,
) -> list[Failure]:
    """Label, encode and probe; ``out`` gets the files of any run, and a second run does only what is missing.

    Returns:
        What failed; the rest was done without it.

    Raises:
        WorldprobeError: what concerns the whole experiment; VideoError when no video could be read, ProbeError
            where too few frames have a label.
    """
    videos, out = paths_of(videos), Path(out)
    labeller = check(experiment, videos, out)
    device, precision = device_here(experiment, executor), experiment.precision
    encoder = load_encoder(f"{PREFIX}{experiment.encoder}", device=device, precision=precision)
    encoder.grid(experiment.frames)
    with put_back(out):
        write_whole(out / EXPERIMENT, to_toml(experiment).encode())
        store = store or Store(str(out / STORE))
        return _stages(
            experiment, videos, out, labeller, encoder, store=store, executor=executor, progress=progress
        )


def _stages(
    experiment: Experiment,
    videos: Sequence[Path],
    out: Path,
    labeller: Labeller,
    encoder: Encoder,
    *,
    store: Store,
    executor: Executor | None,
    progress: Progress,
) -> list[Failure]:
    """Label, encode, probe. Returns and raises as ``run_original``."""
    ledger = Ledger().by(executor)
    films, failures = open_films(videos, experiment, store)

    started = time.perf_counter()
    paths = [film.path for film in films]
    parts = Parts(out / "labels.parquet", labeller=experiment.labeller, settings=to_toml(experiment))
    label_elsewhere(parts, paths, experiment, executor=executor, progress=progress)
    found = label(
        paths, labeller=labeller, tracker=experiment.tracker, camera=experiment.camera, parts=parts,
        progress=progress,
    )  # fmt: skip
    labels = merge_classes(found, class_map(experiment.classes))
    write_labels(labels, out / "labels.parquet")
    ledger.book("label", started=started, items=len(labels.table), device="cpu")
    numbers, refs = Groups(), [film.ref for film in films]
    groups = [numbers.of(film.ref, film.shots) for film in films]
    boxes = most_confident(labels, refs, [film.frames for film in films], [film.shots for film in films], groups)
    _require_enough(boxes, experiment, films)

    clock = [time.perf_counter()]

    def book(stage: str, encoded: Encoded, device: str, price: float | None) -> None:
        ledger.book(stage, started=clock[0], items=encoded.made, device=device, price=price)
        ledger.note(made=encoded.made, found=encoded.found, workers=encoded.workers)
        clock[0] = time.perf_counter()

    material, failed = embed(
        encoder, films, boxes, experiment, store, executor=executor, progress=progress, book=book
    )
    failures += failed
    write_failures(out / "failures.jsonl", failures)
    material = _held_only(material)
    _write(out, experiment, films, labels, material, ledger, store, progress)
    parts.clear()
    return failures


def _require_enough(boxes: Boxes, experiment: Experiment, films: Sequence[SampledFilm]) -> None:
    """Say now, before anything is encoded, what the probes would say after it."""
    if not len(boxes):
        raise ProbeError(
            f"none of the {boxes.looked_at:,} frames looked at has a box by {experiment.labeller}. Lower "
            "`confidence`, or take another labeller."
        )
    permuted(len(boxes), seed=experiment.seed)
    seconds = experiment.frames * experiment.stride / min(film.ref.rate for film in films)
    make_folds(split_rows(boxes, seconds), kind=experiment.split, seed=experiment.seed)


def _held_only(material: Material) -> Material:
    """Without the frames that could not be encoded: the original has nothing to say of them either."""
    there = np.flatnonzero(material.held["still"])
    if not len(there):
        raise ProbeError("none of the labelled frames could be encoded; failures.jsonl says why")
    if len(there) == len(material.boxes):
        return material
    return replace(
        material,
        boxes=material.boxes.take(there),
        inputs={key: values[there] for key, values in material.inputs.items()},
        held={kind: held[there] for kind, held in material.held.items()},
    )


def _write(
    out: Path,
    experiment: Experiment,
    films: Sequence[SampledFilm],
    labels: Labels,
    material: Material,
    ledger: Ledger,
    store: Store,
    progress: Progress,
) -> None:
    """Probe, and write results, alignment and provenance."""
    started = time.perf_counter()
    first = material.series[0]
    plan = plan_of(experiment, encoder=first.encoder)
    results = waterfall(material, plan, progress=progress) + scaling(material, plan, progress=progress)
    ledger.book("probe", started=started, items=len(results), device="cpu")
    seen = [film.ref for film in films]
    notes = merge(out, PROBE, results, ledger.costs, revision=first.revision, videos=seen)
    boxes = material.boxes
    alignment = {
        "kept": len(boxes),
        "dropped": {"less confident than another box, or on a frame not taken": len(labels.table) - len(boxes)},
        "frames": {"looked_at": boxes.looked_at, "labelled": len(boxes)},
    }
    write_alignment(out, alignment, [*labels.notes, *notes])
    others = of_controls(store, first, plan.controls)
    write_provenance(
        out, "probe", first, videos=seen, seed=plan.seed, ledger=ledger, labels=labels, controls=others
    )
