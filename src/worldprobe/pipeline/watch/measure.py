"""Measure one checkpoint: its features without labels, and its scores, in a run's folder of its own."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldprobe.config import Experiment, to_toml
from worldprobe.errors import CompareError, WorldprobeError
from worldprobe.findings.score import score_of
from worldprobe.findings.watched import Checkpoint, WatchedScore
from worldprobe.intervals import Score
from worldprobe.io.arrays import read_arrays, write_arrays
from worldprobe.io.files import write_whole
from worldprobe.pipeline.compare import compare
from worldprobe.pipeline.encode.encode import encode
from worldprobe.pipeline.failures import Failure, cut_short, require_readable, write_failures
from worldprobe.pipeline.folder import EXPERIMENT, PROBE, STORE, merge
from worldprobe.pipeline.ledger import Ledger, device_of
from worldprobe.pipeline.probe.plan import METRICS, plan_of
from worldprobe.pipeline.probe.stage import probe_into
from worldprobe.pipeline.probe.unlabelled import unlabelled
from worldprobe.pipeline.progress import Progress
from worldprobe.pipeline.stage_record import write_provenance
from worldprobe.probes.unlabelled import drifted
from worldprobe.protocols import Encoder
from worldprobe.records import Labels
from worldprobe.results import ProbeResult
from worldprobe.store import Series, Store

POOLED = "pooled.safetensors"
# Drift between checkpoints is told from so many moments, which stay when the embeddings are dropped.
MOST_MOMENTS = 1000
_JUDGED = tuple(metrics[0] for metrics in METRICS.values())


@dataclass(frozen=True, slots=True)
class Work:
    """What every checkpoint is measured on: videos, settings, and labels where tasks are probed."""

    videos: Sequence[Path]
    experiment: Experiment
    labels: Labels | None


def measure(
    encoder: Encoder, work: Work, out: Path, *, folder: str, twin: Checkpoint | None, progress: Progress
) -> tuple[Checkpoint, list[Failure]]:
    """Encode, describe and probe; what a call before it did in the folder is not done again.

    Args:
        out: the watch's folder. folder: the checkpoint's, in it.
        twin: what scores are held against.

    Returns:
        The checkpoint's line, still without a name of its own, and what failed of the videos.

    Raises:
        WorldprobeError: as the stages do; StoreError for an encoder that gives values that are not finite.
    """
    started, place = time.perf_counter(), out / folder
    place.mkdir(parents=True, exist_ok=True)
    experiment = work.experiment.model_copy(update={"encoder": encoder.name})
    write_whole(place / EXPERIMENT, to_toml(experiment).encode())
    store, ledger, block = Store(str(place / STORE)), Ledger(), encoder.blocks - 1
    encoded = encode(
        work.videos, encoder=encoder, store=store, blocks=[block], frames=experiment.frames,
        stride=experiment.stride, pool=experiment.pool, progress=progress, classes="cls" in experiment.features,
    )  # fmt: skip
    require_readable(work.videos, encoded.failures, what="encoded")
    failures = [*encoded.failures, *(lost for one in encoded.series for lost in cut_short(one.video))]
    write_failures(place / "failures.jsonl", failures)
    ledger.book(f"encode {encoder.name}", started=started, items=encoded.made, device=device_of(encoder))
    ledger.note(made=encoded.made, found=encoded.found)
    scores: tuple[WatchedScore, ...] = ()
    notes: tuple[str, ...] = ()
    plan = plan_of(experiment, encoder=encoder.name)
    if work.labels is None:
        series = encoded.series
        described = unlabelled(store, plan, series, block)
        refs = [one.video for one in series]
        merge(place, PROBE, described, ledger.costs, revision=encoder.revision, videos=refs)
        write_provenance(place, "probe", series[0], videos=refs, seed=plan.seed, ledger=ledger)
    else:
        probed = probe_into(place, store, work.labels, plan, ledger, progress=progress)
        series, described = probed.series, probed.unlabelled
        scores, notes = _beside_twin(_scores(probed.results, plan.split), place, twin, out)
    _keep_pooled(place / POOLED, store, series, block)
    first = described[0]
    line = Checkpoint(
        name=folder, encoder=encoder.name, revision=encoder.revision, folder=folder,
        precision=str(getattr(encoder, "precision", "")), seconds=round(time.perf_counter() - started, 1),
        features={one.measure: score_of(one) for one in described}, scores=scores, tubelets=first.n,
        videos=first.n_videos, width=first.width, notes=notes,
    )  # fmt: skip
    return line, failures


def _scores(results: Sequence[ProbeResult], split: str) -> list[WatchedScore]:
    """The probes' own scores, each by the metric that is judged."""
    return [
        WatchedScore(
            task=one.task, features=one.features, input=one.input, probe=one.probe, metric=one.metric,
            score=score_of(one), n=one.n_test, n_groups=one.n_groups,
        )
        for one in results
        if (one.control, one.split) == ("none", split) and one.metric in _JUDGED
    ]  # fmt: skip


def _beside_twin(
    scores: Sequence[WatchedScore], place: Path, twin: Checkpoint | None, out: Path
) -> tuple[tuple[WatchedScore, ...], tuple[str, ...]]:
    """Scores with what they have over the twin's, and why they have nothing where they cannot be compared."""
    if twin is None:
        return tuple(scores), ()
    try:
        found = compare([out / twin.folder, place])
    except CompareError as error:
        return tuple(scores), (f"not held against the untrained twin: {error}",)
    cells = {(one.task, one.features, one.input, one.probe): one.cells[1] for one in found.readings}
    held = (
        one.model_copy(update={"over_twin": cell.difference, "standing": cell.standing})
        if (cell := cells.get(one.reading)) and cell.standing != "base"
        else one
        for one in scores
    )
    return tuple(held), ()


def _keep_pooled(path: Path, store: Store, series: Sequence[Series], block: int) -> None:
    """Keep moments, pooled over space and evenly chosen, with the videos that they are of, and a key to which."""
    held = [(one, store.held(one, block)) for one in series]
    total = sum(len(clips) * one.grid.time for one, clips in held)
    each = max(1, -(-total // MOST_MOMENTS))
    rows: list[NDArray[np.float32]] = []
    videos: list[int] = []
    known = hashlib.sha256()
    at = 0
    for video, (one, clips) in enumerate(held):
        for clip in clips:
            chosen = [t for t in range(one.grid.time) if (at + t) % each == 0]
            at += one.grid.time
            if not chosen:
                continue
            values = store.clip(one, block, clip).values[chosen].astype(np.float32)
            rows.append(values.mean(axis=(1, 2)) if values.ndim == 4 else values)
            videos += [video] * len(chosen)
            known.update(f"{one.video.id} {one.specs[clip].start} {chosen}\n".encode())
    write_arrays(path, {"rows": np.concatenate(rows), "videos": np.array(videos)}, {"key": known.hexdigest()})


def with_drift(line: Checkpoint, others: Sequence[Checkpoint], out: Path) -> Checkpoint:
    """A checkpoint with its drift from others, where it has none from them yet."""
    missing = [one for one in others if one.revision not in line.drift]
    if not missing:
        return line
    more = {one.revision: _drift(out / line.folder, out / one.folder) for one in missing}
    return line.model_copy(update={"drift": {**line.drift, **more}})


def _drift(one: Path, other: Path) -> Score:
    try:
        (ours, of), (theirs, others) = (read_arrays(folder / POOLED, stage="watch") for folder in (one, other))
    except WorldprobeError as error:
        return Score(value=None, note=f"{other.name} has no pooled moments ({error})")
    if of["key"] != others["key"]:
        return Score(value=None, note="of other moments")
    return drifted(ours["rows"], theirs["rows"], ours["videos"])
