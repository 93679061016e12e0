"""`encode`, `label` and `probe`: the pipeline a stage at a time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from worldprobe.cli.options import (
    BLOCKS,
    EVIDENCE,
    LABELLERS,
    DryRunOption,
    EncoderOption,
    JsonOption,
    OnceCommand,
    OutOption,
    StoreOption,
    VerifyOption,
    Videos,
    app,
    evidence_of,
)
from worldprobe.console import bars, end, resolve_videos, say, say_estimates, show, show_estimates, warn
from worldprobe.labels.values import counted

if TYPE_CHECKING:
    from worldprobe.records import Labels


@app.command(cls=OnceCommand)
def encode(
    videos: Videos,
    store: StoreOption,
    encoder: EncoderOption = "vjepa2-tiny",
    blocks: Annotated[str, typer.Option(help=BLOCKS)] = "last",
    pool: Annotated[str, typer.Option(help="none keeps tokens, space averages them.")] = "none",
    frames: Annotated[int, typer.Option(help="Frames a clip.")] = 16,
    stride: Annotated[int, typer.Option(help="Source frames from one to the next.")] = 1,
    input: Annotated[
        str, typer.Option("--input", help="native, still, shuffled, reversed; several by comma.")
    ] = "native",
    controls: Annotated[bool, typer.Option("--controls", help="Also the encoders that controls read.")] = False,
    cls: Annotated[bool, typer.Option("--cls", help="Also class tokens, for features cls.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32, bf16, fp16.")] = "auto",
    verify: VerifyOption = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Encode videos into a store. What is there already is not done again.

    Example: worldprobe encode film.mp4 --store embeddings.zarr --controls
    """
    from worldprobe.config import make_experiment
    from worldprobe.pipeline.encode.stage import encode_all
    from worldprobe.pipeline.failures import require_readable
    from worldprobe.pipeline.ledger import Ledger
    from worldprobe.pipeline.pace import pace_notes
    from worldprobe.records import reading_notes
    from worldprobe.store import Store

    values = {"videos": videos, "encoder": encoder, "blocks": blocks, "pool": pool, "frames": frames}
    values["features"] = ["z", *(["cls"] if cls else [])]  # nothing is probed here: any pooling will do
    values |= {"stride": stride, "input": input.split(","), "device": device, "precision": precision}
    if not controls:  # "majority" reads no embeddings: with it alone nothing but the encoder itself is run
        values["controls"] = ["majority"]
    ledger, paths = Ledger(), resolve_videos(videos, dry_run=dry_run)
    if dry_run:
        show_estimates(make_experiment(values), paths, ["encode"], as_json, store=store)
        return
    with bars() as progress:
        _, failures = encode_all(
            paths, make_experiment(values), Store(store), verify=verify, progress=progress, ledger=ledger
        )
    require_readable(paths, failures, what="encoded")
    costs = [cost.model_dump() for cost in ledger.costs]
    say(costs, as_json, [f"{c['stage']}: {c['items']} clips in {c['seconds']:.1f} s" for c in costs])
    pace = pace_notes(ledger.videos.values(), frames=frames, stride=0 if input == "still" else stride)
    for note in (*reading_notes(ledger.videos.values()), *pace):
        warn(note)
    end(failures)


@app.command(cls=OnceCommand)
def label(
    videos: Videos,
    out: Annotated[Path, typer.Option(help="The table to write: Parquet, or .csv.")],
    labeller: Annotated[str, typer.Option(help=LABELLERS)] = "moving",
    tracker: Annotated[str, typer.Option(help="own ids, or by overlap, bytetrack, ocsort, sort.")] = "own",
    confidence: Annotated[float | None, typer.Option(help="Least score, for detectors.")] = None,
    every: Annotated[int | None, typer.Option(help="Look at every so many frames only, for detectors.")] = None,
    draw: Annotated[bool, typer.Option("--preview", help="Also the labels drawn on the film: mp4, PNG.")] = False,
    subtract_camera: Annotated[bool, typer.Option("--subtract-camera", help="Free speeds of its motion.")] = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Label videos: where things are, in source pixels and frames.

    Example: worldprobe label film.mp4 --labeller moving --out labels.parquet --preview
    """
    from worldprobe.config import make_experiment
    from worldprobe.errors import ConfigError
    from worldprobe.labels.load import load_labeller
    from worldprobe.labels.table import check_form, write_labels
    from worldprobe.pipeline.failures import Failure, require_readable
    from worldprobe.pipeline.label.checks import check_labeller
    from worldprobe.pipeline.label.label import label as label_videos
    from worldprobe.pipeline.label.parts import Parts

    if out.is_dir():
        raise ConfigError(f"--out {out} is a folder: name the table to write, such as {out / 'labels.parquet'}")
    check_form(out)
    loaded = load_labeller(labeller, confidence=confidence, every=every, folder=out.parent)
    paths = resolve_videos(videos, dry_run=dry_run)
    check_labeller(loaded, paths, tracker=tracker)
    if dry_run:
        values = {"videos": videos, "labeller": labeller, "confidence": confidence, "every": every}
        show_estimates(make_experiment(values), paths, ["label"], as_json)
        return
    camera: Literal["kept", "subtracted"] = "subtracted" if subtract_camera else "kept"
    parts = Parts(out, labeller=labeller, settings=f"{tracker} {confidence} {every} {camera}")
    failures: list[Failure] = []
    with bars() as progress:
        labels = label_videos(
            paths,
            labeller=loaded,
            tracker=tracker,
            camera=camera,
            parts=parts,
            failures=failures,
            progress=progress,
        )
    readable = require_readable(paths, failures)
    write_labels(labels, out)
    parts.clear()
    previews: list[str] = []
    if draw:
        from worldprobe.pipeline.label.preview import preview_all

        previews = [str(path) for path in preview_all(readable, labels, beside=out)]
    facts, counts = _counted_labels(labels, out, previews)
    say(facts, as_json, [counts, *(f"Preview: {path}" for path in previews)])
    for note in labels.notes:
        warn(note)
    end(failures)


def _counted_labels(labels: Labels, out: Path, previews: list[str]) -> tuple[dict[str, Any], str]:
    """Count the labels, their frames and objects: as JSON has them, and as a line."""
    table = labels.table
    frames = table.select("video", "frame").n_unique()
    tracked = table.filter(table["object"] >= 0)
    objects = tracked.select("video", "object").n_unique()
    facts: dict[str, Any] = {"labels": len(table), "frames": frames, "out": str(out), "objects": objects}
    facts |= {"previews": previews, "notes": list(labels.notes)}
    of = f" of {counted(objects, 'object')}" + " and others without a track" * (0 < len(tracked) < len(table))
    of = of if len(tracked) or not len(table) else " without tracks"
    return facts, f"{counted(len(table), 'label')}{of} on {counted(frames, 'frame')}: {out}"


@app.command(cls=OnceCommand)
def probe(
    store: StoreOption,
    labels: Annotated[list[Path], typer.Option(help="A table that `worldprobe label` wrote; may be repeated.")],
    out: OutOption,
    encoder: EncoderOption = "vjepa2-tiny",
    tasks: Annotated[
        str,
        typer.Option(help="Also motion8, approach, count, visible, state, action, task, pose, relative-action."),
    ] = "xy,size,class,motion,velocity",
    features: Annotated[str, typer.Option(help="Of z,grid,cls,delta,z+delta,tokens.")] = "z,grid",
    split: Annotated[str, typer.Option(help="grouped, blocked, video, or random (leaks).")] = "grouped",
    hold_out: Annotated[
        str | None, typer.Option(help="Also by values of this column of the labels, such as camera.")
    ] = None,
    controls: Annotated[str, typer.Option(help="all, or some, by comma.")] = "all",
    blocks: Annotated[str, typer.Option(help=BLOCKS)] = "last",
    input: Annotated[
        str, typer.Option("--input", help="native, still, shuffled, reversed; several by comma.")
    ] = "native",
    probes: Annotated[str, typer.Option(help="linear, mlp, knn, attentive, or others by name.")] = "linear",
    pca: Annotated[int | None, typer.Option(help="Probes see so many principal components.")] = None,
    evidence: Annotated[str, typer.Option(help=EVIDENCE)] = "code,learning,unlabelled",
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Probe embeddings in a store for labelled properties, each score beside its controls.

    Example: worldprobe probe --store embeddings.zarr --labels labels.parquet --split blocked --out runs/film
    """
    # Longer than other functions are: a command declares its options, and imports what is slow to load itself.
    from worldprobe.config import make_experiment, to_toml
    from worldprobe.encoders.load import stored_name
    from worldprobe.io.files import write_whole
    from worldprobe.labels.table import read_tables, write_labels
    from worldprobe.pipeline.checks import require_sound
    from worldprobe.pipeline.failures import add_failures, cut_short
    from worldprobe.pipeline.folder import require_own
    from worldprobe.pipeline.ledger import Ledger
    from worldprobe.pipeline.moments.keep import keep_moments
    from worldprobe.pipeline.probe.plan import plan_of
    from worldprobe.pipeline.probe.questions import check_probes
    from worldprobe.pipeline.probe.stage import probe_into
    from worldprobe.pipeline.stored import encoded_videos, find_series
    from worldprobe.report.write import write_report
    from worldprobe.store import Store

    values: dict[str, Any] = {"videos": [store], "encoder": encoder, "split": split, "blocks": blocks}
    values |= {"pca": pca, "hold_out": hold_out}
    values |= {"input": input.split(","), "probes": probes.split(",")}
    values |= {"tasks": tasks.split(","), "features": features.split(","), "evidence": evidence_of(evidence)}
    if controls != "all":
        values["controls"] = controls.split(",")
    experiment = make_experiment(values)
    check_probes(plan_of(experiment, encoder=encoder))
    table, embeddings = read_tables(labels), Store(store)
    plan = plan_of(experiment, encoder=stored_name(encoder))
    # What the store and the table say of themselves, so that the run's folder tells how it was made.
    known, _ = encoded_videos(embeddings, table, encoder=plan.encoder, input=plan.input)
    series = find_series(embeddings, known, encoder=plan.encoder, input=plan.input, block=None)
    values |= {"videos": [one.video.path for one in series] or [store]}
    values["labeller"] = ", ".join(sorted(set(table.table["source"])))
    require_own(out, {**values, "protocol": "sound"}, ids=lambda: {one.video.id for one in series})
    require_sound(out, by=["probe"])
    if dry_run:
        from worldprobe.pipeline.estimate.run import estimate_probe

        say_estimates(estimate_probe(embeddings, table, plan, experiment.inputs), as_json, alone=False)
        return
    with bars() as progress:
        probed = probe_into(out, embeddings, table, plan, Ledger(), inputs=experiment.inputs, progress=progress)
    write_labels(table, out / "labels.parquet")
    keep_moments(out, embeddings, table, probed)
    first = probed.series[0]
    values |= {"pool": first.pool, "frames": first.specs[0].frames, "stride": max(first.specs[0].stride, 1)}
    values["camera"] = "subtracted" if "camera_vx" in table.table.columns else "kept"
    write_whole(out / "experiment.toml", to_toml(make_experiment(values)).encode())
    lost = [failure for series in probed.series for failure in cut_short(series.video)]
    add_failures(out / "failures.jsonl", lost)
    show(write_report(out), out, as_json)
    end(lost)
