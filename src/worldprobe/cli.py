"""The command line: parse, one API call, print. Results on stdout, progress on stderr."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from worldprobe.console import bars, end, resolve_videos, say, show, warn
from worldprobe.errors import ConfigError, WorldprobeError

if TYPE_CHECKING:
    from worldprobe.config import Experiment

app = typer.Typer(
    name="worldprobe",
    help="What does a frozen video encoder know, where, and compared with what?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
)

Videos = Annotated[
    list[str], typer.Argument(help="Files, globs, folders, scenes:N[@SEED], lerobot:FOLDER or http(s) URLs.")
]
EncoderOption = Annotated[
    str,
    typer.Option("--encoder", help="vjepa2-tiny, a hub id or folder, random:E, pixels, gaussian, module:Class."),
]
StoreOption = Annotated[str, typer.Option("--store", help="Folder or fsspec URL of the embeddings.")]
OutOption = Annotated[Path, typer.Option("--out", help="The run's folder.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print results for machines.")]
DEMO_SCENES = "scenes:200"
LABELLERS = "truth, moving, mot:FILE, coco:FILE, onnx:FILE, hf:HUB_ID, lerobot."


@app.command()
def demo(
    videos: Annotated[list[str] | None, typer.Argument(help="Videos; none: 200 rendered scenes.")] = None,
    labeller: Annotated[
        str | None,
        typer.Option(help=f"{LABELLERS} By default truth or moving."),
    ] = None,
    encoder: EncoderOption = "vjepa2-tiny",
    out: OutOption = Path("runs/demo"),
    as_json: JsonOption = False,
) -> None:
    """The whole pipeline: on rendered scenes with exact truth, or on your own videos.

    Example: worldprobe demo film.mp4 --out runs/film
    """
    from worldprobe.config import make_experiment

    sources = videos or [DEMO_SCENES]
    paths = resolve_videos(sources)
    kinds = {source.partition(":")[0] for source in sources}
    robots = kinds == {"lerobot"}
    values: dict[str, Any] = {
        "videos": sources,
        "encoder": encoder,
        "labeller": labeller or ("truth" if kinds == {"scenes"} else "lerobot" if robots else "moving"),
        # Few videos have too few groups for whole ones to be held out; a robot's episodes are many.
        "split": "grouped" if robots or len(paths) >= 10 else "blocked",
    }
    if robots and not labeller:
        values["tasks"] = ["state", "action"]
    _run(make_experiment(values), paths, out, None, as_json)


@app.command(name="run")
def run_experiment(
    experiment: Annotated[Path, typer.Argument(help="An experiment file (TOML).")],
    out: Annotated[Path | None, typer.Option(help="The run's folder; by default runs/NAME.")] = None,
    store: Annotated[str | None, typer.Option(help="Embeddings; by default in the run's folder.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run an experiment file: encode, label, probe, report.

    Example: worldprobe run examples/scenes.toml
    """
    from worldprobe.config import read_experiment

    read = read_experiment(experiment)
    _run(read, resolve_videos(read.videos), out or Path("runs") / experiment.stem, store, as_json)


@app.command()
def encode(
    videos: Videos,
    store: StoreOption,
    encoder: EncoderOption = "vjepa2-tiny",
    blocks: Annotated[str, typer.Option(help="last, all, or indices such as 0,6,11.")] = "last",
    pool: Annotated[str, typer.Option(help="none keeps tokens, space averages them.")] = "none",
    frames: Annotated[int, typer.Option(help="Frames a clip.")] = 16,
    stride: Annotated[int, typer.Option(help="Source frames from one to the next.")] = 1,
    input: Annotated[str, typer.Option("--input", help="native clips, or one still repeated.")] = "native",
    controls: Annotated[bool, typer.Option("--controls", help="Also the encoders that controls read.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32, bf16.")] = "auto",
    as_json: JsonOption = False,
) -> None:
    """Encode videos into a store. What is there already is not done again.

    Example: worldprobe encode film.mp4 --store embeddings.zarr --controls
    """
    from worldprobe.config import CONTROLS, make_experiment
    from worldprobe.pipeline.run import Ledger, encode_all
    from worldprobe.store import Store

    values = {"videos": videos, "encoder": encoder, "blocks": blocks, "pool": pool, "frames": frames}
    values["features"] = ["z"]  # nothing is probed here: any pooling will do
    values |= {"stride": stride, "input": input, "device": device, "precision": precision}
    # "majority" reads no embeddings: with it alone nothing but the encoder itself is run.
    values["controls"] = list(CONTROLS) if controls else ["majority"]
    ledger = Ledger()
    with bars() as progress:
        _, failures = encode_all(
            resolve_videos(videos), make_experiment(values), Store(store), progress=progress, ledger=ledger
        )
    costs = [cost.model_dump() for cost in ledger.costs]
    say(costs, as_json, [f"{c['stage']}: {c['items']} clips in {c['seconds']:.1f} s" for c in costs])
    end(failures)


@app.command()
def label(
    videos: Videos,
    out: Annotated[Path, typer.Option(help="The table to write (Parquet).")],
    labeller: Annotated[str, typer.Option(help=LABELLERS)] = "moving",
    tracker: Annotated[str, typer.Option(help="own ids, or by overlap, bytetrack, ocsort, sort.")] = "own",
    confidence: Annotated[float | None, typer.Option(help="Least score, for detectors.")] = None,
    every: Annotated[int | None, typer.Option(help="Look at every so many frames only, for detectors.")] = None,
    draw: Annotated[bool, typer.Option("--preview", help="Also the labels drawn on the film: mp4, PNG.")] = False,
    subtract_camera: Annotated[bool, typer.Option("--subtract-camera", help="Free speeds of its motion.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Label videos: where things are, in source pixels and frames.

    Example: worldprobe label film.mp4 --labeller moving --out labels.parquet --preview
    """
    from worldprobe.pipeline.label import label as label_videos
    from worldprobe.pipeline.label import load_labeller, write_labels

    loaded = load_labeller(labeller, confidence=confidence, every=every)
    paths = resolve_videos(videos)
    camera: Literal["kept", "subtracted"] = "subtracted" if subtract_camera else "kept"
    with bars() as progress:
        labels = label_videos(paths, labeller=loaded, tracker=tracker, camera=camera, progress=progress)
    write_labels(labels, out)
    drawn: list[str] = []
    if draw:
        from worldprobe.pipeline.preview import preview_all

        drawn = [str(path) for path in preview_all(paths, labels, beside=out)]
    table = labels.table
    facts = {"labels": len(table), "frames": table.select("video", "frame").n_unique(), "out": str(out)}
    objects = table.select("video", "object").n_unique()
    facts |= {"objects": objects, "previews": drawn, "notes": list(labels.notes)}
    said = "{labels} labels of {objects} objects on {frames} frames: {out}".format(**facts)
    say(facts, as_json, [said, *(f"Preview: {path}" for path in drawn)])
    for note in labels.notes:
        warn(note)
    if not len(table) and not labels.notes:
        warn(f"{loaded.name} found nothing. Try another labeller (`worldprobe list labellers`).")


@app.command()
def probe(
    store: StoreOption,
    labels: Annotated[Path, typer.Option(help="A table that `worldprobe label` wrote.")],
    out: OutOption,
    encoder: EncoderOption = "vjepa2-tiny",
    tasks: Annotated[str, typer.Option(help="Also approach, state, action.")] = "xy,size,class,motion,velocity",
    features: Annotated[str, typer.Option(help="Of z,grid.")] = "z,grid",
    split: Annotated[str, typer.Option(help="grouped, blocked, video, or random (leaks).")] = "grouped",
    controls: Annotated[str, typer.Option(help="all, or some, by comma.")] = "all",
    blocks: Annotated[str, typer.Option(help="last, all, or indices; of those in the store.")] = "last",
    input: Annotated[str, typer.Option("--input", help="native or still.")] = "native",
    seed: Annotated[int, typer.Option(help="Of folds, shuffles and resamples.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Probe embeddings in a store for labelled properties, each score beside its controls.

    Example: worldprobe probe --store embeddings.zarr --labels labels.parquet --split blocked --out runs/film
    """
    from worldprobe.config import CONTROLS, make_experiment, to_toml
    from worldprobe.files import write_whole
    from worldprobe.pipeline.label import read_labels, write_labels
    from worldprobe.pipeline.run import Ledger, plan_of, probe_into
    from worldprobe.report.write import write_report
    from worldprobe.store import Store

    values: dict[str, Any] = {"videos": [store], "encoder": encoder, "split": split, "blocks": blocks}
    values |= {"input": input, "seed": seed, "tasks": tasks.split(","), "features": features.split(",")}
    values["controls"] = list(CONTROLS) if controls == "all" else controls.split(",")
    plan = plan_of(make_experiment(values), encoder=encoder)
    table = read_labels(labels)
    with bars() as progress:
        probed = probe_into(out, Store(store), table, plan, Ledger(), progress=progress)
    write_labels(table, out / "labels.parquet")
    # What the store and the table say of themselves, so that the run's folder tells how it was made.
    first = probed.series[0]
    values |= {"videos": [series.video.path for series in probed.series], "pool": first.pool}
    values |= {"frames": first.specs[0].frames, "stride": max(first.specs[0].stride, 1)}
    values["labeller"] = ", ".join(sorted(set(table.table["source"])))
    values["camera"] = "subtracted" if "camera_vx" in table.table.columns else "kept"
    write_whole(out / "experiment.toml", to_toml(make_experiment(values)).encode())
    show(write_report(out), out, as_json)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="A run's folder.")],
    open_it: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a run's report.html, report.md and figures anew.

    Example: worldprobe report runs/demo --open
    """
    from worldprobe.report.write import write_report

    show(write_report(run), run, as_json)
    if open_it:
        typer.launch(str((run / "report.html").resolve()))


@app.command(name="list")
def list_plugins(
    kind: Annotated[str, typer.Argument(help="encoders, labellers or probes.")], as_json: JsonOption = False
) -> None:
    """What there is, from this package and from others, and what is broken.

    Example: worldprobe list encoders
    """
    from dataclasses import asdict

    from worldprobe import registry

    if kind not in ("encoders", "labellers", "probes"):
        raise ConfigError(f"nothing to list under {kind!r}: use encoders, labellers or probes")
    found = registry.listed(kind)  # type: ignore[arg-type]
    lines = [f"{one.name:14} {one.distribution:16} {one.problem or one.summary}" for one in found]
    say([asdict(one) for one in found], as_json, lines)


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Check this machine: versions, devices, video decoding, disk.

    Example: worldprobe doctor
    """
    import shutil

    import av
    import torch

    from worldprobe import provenance
    from worldprobe.files import cache

    facts: dict[str, Any] = provenance.collect()
    facts["cuda"] = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    facts["h264"] = {"decode": "h264" in av.codecs_available, "encode": "libx264" in av.codecs_available}
    facts["cache"] = str(cache())
    facts["free_disk_gb"] = round(shutil.disk_usage(Path.cwd()).free / 1e9, 1)
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    h264 = facts["h264"]
    lines = [
        f"versions   {versions}",
        f"machine    {facts['platform']}, {facts['cores']} cores, {facts['free_disk_gb']} GB free here",
        f"device     {facts['cuda'] or 'cpu (torch finds no CUDA GPU)'}",
        f"h264       reads {'yes' if h264['decode'] else 'NO'}, writes {'yes' if h264['encode'] else 'NO'}",
        f"cache      {facts['cache']} (WORLDPROBE_CACHE)",
    ]
    say(facts, as_json, lines)


def main() -> None:
    """Entry point: a user's mistake ends with one line and exit code 1, never a traceback."""
    try:
        app(standalone_mode=True)
    except WorldprobeError as error:
        sys.stderr.write(f"worldprobe: {error}\n")
        raise SystemExit(1) from None


def _run(experiment: Experiment, paths: Sequence[Path], out: Path, store: str | None, as_json: bool) -> None:
    from worldprobe.pipeline.run import run
    from worldprobe.report.write import write_report
    from worldprobe.store import Store

    with bars() as progress:
        failures = run(experiment, paths, out, store=Store(store) if store else None, progress=progress)
    show(write_report(out), out, as_json)
    end(failures)
