"""`decode`: pictures of what an embedding holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worldprobe.cli.options import DryRunOption, EncoderOption, JsonOption, OnceCommand, OutOption, Videos, app
from worldprobe.console import bars, end, resolve_videos, show, show_estimates

if TYPE_CHECKING:
    from worldprobe.pipeline.estimate.facts import StageName
    from worldprobe.pipeline.failures import Failure


@app.command(cls=OnceCommand)
def decode(
    videos: Videos,
    out: OutOption,
    encoder: EncoderOption = "vjepa2-tiny",
    decoder: Annotated[str, typer.Option(help="cnn, flow, or both: cnn,flow.")] = "cnn",
    store: Annotated[str | None, typer.Option(help="Embeddings to use; by default they are made.")] = None,
    weights: Annotated[Path | None, typer.Option(help="A decoder trained before: its folder.")] = None,
    blocks: Annotated[str, typer.Option(help="last, indices (0,6,11), sum:last4 or join:3+7.")] = "last",
    size: Annotated[int | None, typer.Option(help="px of the frames; by default half of the encoder's.")] = None,
    steps: Annotated[int | None, typer.Option(help="Training steps; by default the decoder's own.")] = None,
    split: Annotated[str, typer.Option(help="grouped, blocked or video.")] = "grouped",
    video: Annotated[Path | None, typer.Option(help="Also a film (mp4): real above decoded.")] = None,
    executor: Annotated[
        str, typer.Option(help="Who encodes and trains: local, ray\\[:WORKERS], modal\\[:GPU].")
    ] = "local",
    ray_address: Annotated[str | None, typer.Option(help="A Ray cluster; none: one is started here.")] = None,
    price: Annotated[float | None, typer.Option(help="Of an hour of Modal's GPU, in place of the list's.")] = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train a decoder on embeddings, and score on held-out groups what it draws, beside every control.

    Example: worldprobe decode scenes:200 --decoder cnn --out runs/decoded --video decoded.mp4
    """
    # Longer than other functions are: a command declares its options, and imports what is slow to load itself.
    from worldprobe.config import Decode, make_experiment
    from worldprobe.encoders.load import stored_name
    from worldprobe.pipeline.checks import check_decoders, ids_among, require_sound
    from worldprobe.pipeline.decode.stage import decode_into, plan_of, truth_of
    from worldprobe.pipeline.encode.stage import encode_all
    from worldprobe.pipeline.failures import readable, write_failures
    from worldprobe.pipeline.folder import STORE, require_own
    from worldprobe.pipeline.ledger import Ledger
    from worldprobe.pipeline.sources import ids_of
    from worldprobe.pipeline.stage_record import put_back, record_experiment
    from worldprobe.plugins import registry
    from worldprobe.report.write import write_report
    from worldprobe.store import Store

    table: dict[str, Any] = {"decoders": decoder.split(","), "blocks": blocks, "size": size, "steps": steps}
    values: dict[str, Any] = {"videos": videos, "encoder": encoder, "split": split, "blocks": blocks}
    experiment = make_experiment({**values, "controls": ["random-init", "pixels"], "decode": table})
    workers = registry.create("executors", executor, offered={"address": ray_address, "price": price})
    paths = resolve_videos(videos, dry_run=dry_run)
    # What is wrong is said before anything is encoded.
    require_own(out, {"videos": videos, "encoder": encoder}, ids=lambda: ids_among(paths), part=True)
    require_sound(out, by=["decode"])
    check_decoders(experiment.decode or Decode())
    if weights is not None:
        from worldprobe.decoders import load
        from worldprobe.pipeline.decode.training_clips import known_clips

        load(weights)
        known_clips(weights)
    if dry_run:
        stages: list[StageName] = [] if store else ["encode"]
        show_estimates(experiment, paths, stages + ["train"] * (weights is None), as_json, store=store or "")
        return
    embeddings, ledger, name = Store(store or str(out / STORE)), Ledger().by(workers), ""
    with put_back(out), bars() as progress:
        record_experiment(experiment, out, "decode")
        failures: list[Failure] = []
        if store is None:
            loaded, failures = encode_all(
                paths, experiment, embeddings, executor=workers, progress=progress, ledger=ledger
            )
            paths, name = readable(paths, failures), loaded.name
        plan = plan_of(experiment, encoder=name or stored_name(encoder), weights=weights)
        failures += decode_into(
            out, embeddings, ids_of(paths), plan, ledger,
            labels=truth_of(paths), film=video, executor=workers, progress=progress,
        )  # fmt: skip
    write_failures(out / "failures.jsonl", failures)
    show(write_report(out), out, as_json)
    end(failures)
