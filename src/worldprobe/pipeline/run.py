"""An experiment from videos to report, in a folder of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from worldprobe.config import Experiment, to_toml
from worldprobe.io.files import StrPath, paths_of, write_whole
from worldprobe.pipeline.checks import check
from worldprobe.pipeline.claim import alone
from worldprobe.pipeline.decode.stage import decode_into
from worldprobe.pipeline.decode.stage import plan_of as decode_plan_of
from worldprobe.pipeline.encode.stage import encode_all
from worldprobe.pipeline.failures import Failure, require_readable, write_failures
from worldprobe.pipeline.folder import EXPERIMENT, STORE
from worldprobe.pipeline.label.parts import Parts
from worldprobe.pipeline.label.stage import label_all
from worldprobe.pipeline.ledger import Ledger, foretold
from worldprobe.pipeline.moments.keep import CONTEXT, keep_moments
from worldprobe.pipeline.predict.stage import predict
from worldprobe.pipeline.probe.plan import plan_of
from worldprobe.pipeline.probe.self_test import self_test
from worldprobe.pipeline.probe.stage import probe_into
from worldprobe.pipeline.progress import Progress, silent
from worldprobe.pipeline.sources import ids_of
from worldprobe.pipeline.stage_record import put_back
from worldprobe.protocols import Executor, Labeller
from worldprobe.store import Store


@alone("probe")
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
        executor: who does the work that its workers can do, where it is not this process.

    Returns:
        What failed; the rest was done without it.

    Raises:
        WorldprobeError: what concerns the whole experiment; VideoError when no video could be read.
    """
    videos, out = paths_of(videos), Path(out)
    self_test()
    if experiment.protocol == "original":
        from worldprobe.pipeline.original.stage import run_original  # few runs need what it imports

        return run_original(experiment, videos, out, store=store, executor=executor, progress=progress)
    labeller = check(experiment, videos, out)
    with put_back(out):
        write_whole(out / EXPERIMENT, to_toml(experiment).encode())
        return _stages(
            experiment, videos, out, labeller,
            store=store or Store(str(out / STORE)), verify=verify, executor=executor, progress=progress,
        )  # fmt: skip


def _stages(
    experiment: Experiment,
    videos: Sequence[Path],
    out: Path,
    labeller: Labeller,
    *,
    store: Store,
    verify: bool,
    executor: Executor | None,
    progress: Progress,
) -> list[Failure]:
    """One stage after the other, each on what those before it left. Returns and raises as ``run``."""
    ledger = Ledger(expected=foretold(out)).by(executor)
    encoder, failures = encode_all(
        videos, experiment, store, verify=verify, executor=executor, progress=progress, ledger=ledger, one_kind=True
    )
    write_failures(out / "failures.jsonl", failures)
    readable = require_readable(videos, failures)
    parts = Parts(out / "labels.parquet", labeller=experiment.labeller, settings=to_toml(experiment))
    labels = label_all(
        readable, experiment, labeller, parts, failures, out=out, ledger=ledger, executor=executor,
        progress=progress,
    )  # fmt: skip
    plan = plan_of(experiment, encoder=encoder.name)
    probed = probe_into(
        out, store, labels, plan, ledger, inputs=experiment.inputs, executor=executor, progress=progress
    )
    context = experiment.predict.context if experiment.predict else CONTEXT
    keep_moments(out, store, labels, probed, encoder=encoder, context=context)
    if experiment.decode is not None:
        failures += decode_into(
            out, store, ids_of(readable), decode_plan_of(experiment, encoder=encoder.name),
            Ledger(expected=ledger.expected).by(executor), labels=labels, executor=executor, progress=progress,
        )  # fmt: skip
    if experiment.predict is not None:
        # After decoders, which it draws with.
        failures += predict(
            experiment, readable, out, labels=labels, executor=executor, store=store, progress=progress
        )
    if experiment.predict is not None or experiment.decode is not None:
        write_failures(out / "failures.jsonl", failures)
    parts.clear()
    return failures
