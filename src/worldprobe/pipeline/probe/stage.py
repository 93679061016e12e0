"""Probing as a stage of a run: everything it leaves in the run's folder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from worldprobe.io.files import StrPath
from worldprobe.labels.speeds import speed_notes
from worldprobe.pipeline.claim import alone
from worldprobe.pipeline.costs import cost_and_sight
from worldprobe.pipeline.folder import PROBE, merge, write_alignment
from worldprobe.pipeline.ledger import Ledger
from worldprobe.pipeline.pace import pace_notes
from worldprobe.pipeline.probe.answers import Probed
from worldprobe.pipeline.probe.plan import Plan
from worldprobe.pipeline.probe.probe import probe_inputs
from worldprobe.pipeline.probe.self_test import self_test
from worldprobe.pipeline.probe.table import write_answers
from worldprobe.pipeline.progress import Progress, silent
from worldprobe.pipeline.stage_record import of_controls, write_provenance
from worldprobe.protocols import Executor
from worldprobe.records import Labels, reading_notes
from worldprobe.store import Input, Store


@alone("probe")
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
    self_test()
    started = time.perf_counter()
    every = inputs or (plan.input,)
    probed = probe_inputs(store, labels, plan, every, partial=True, executor=executor, progress=progress)
    foretold = sum(count * ledger.expected.get(f"probe {name}", 0.0) for name, count in probed.fits.items())
    each = foretold / len(probed.results) if foretold and probed.results else None
    ledger.book("probe", started=started, items=len(probed.results), device="cpu", each=each)
    series, videos = probed.series[0], [one.video for one in probed.series]
    found = [*probed.results, *probed.evidence, *probed.unlabelled]
    probed.notes += merge(out, PROBE, found, ledger.costs, revision=series.revision, videos=videos)
    write_answers(out, probed.answers)
    spec = series.specs[0]
    pace = pace_notes(videos, frames=spec.frames, stride=spec.stride)
    notes = dict.fromkeys([*reading_notes(videos), *pace, *labels.notes, *speed_notes(labels), *probed.notes])
    write_alignment(out, {"kept": probed.kept, "dropped": probed.dropped}, list(notes))
    others = of_controls(store, series, plan.controls)
    costs = cost_and_sight(out, store, probed.series, ledger, block=probed.block)
    write_provenance(
        out, "probe", series, videos=videos, seed=plan.seed, ledger=ledger, labels=labels, controls=others, **costs
    )
    return probed
