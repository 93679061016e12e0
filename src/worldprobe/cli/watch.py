"""`watch`: every checkpoint of a training, measured as it appears."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worldprobe.cli.options import LABELLERS, JsonOption, OnceCommand, app
from worldprobe.console import bars, echo_json, end, print_lines, resolve_videos, say, terminal, warn

if TYPE_CHECKING:
    from worldprobe.pipeline.watch.watch import Watch, Watching


@app.command(cls=OnceCommand)
def watch(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where a training puts its checkpoints.")],
    videos: Annotated[
        list[str],
        typer.Argument(help="What each is measured on: files, globs, folders, scenes:N, ... as for encode."),
    ],
    out: Annotated[Path, typer.Option(help="Where what is measured goes.")] = Path("runs/watch"),
    once: Annotated[bool, typer.Option("--once", help="Measure what is there, and end.")] = False,
    every: Annotated[float, typer.Option(min=1, help="Seconds between two looks.")] = 30.0,
    tries: Annotated[int, typer.Option(min=1, help="Of a checkpoint that does not load, until it is left.")] = 3,
    encoder: Annotated[
        str, typer.Option(help="{} is a checkpoint's path: onnx:{}#tensor, {}?size=448, module:Class:{}.")
    ] = "{}",
    match: Annotated[
        str | None, typer.Option(help="Names of checkpoints, such as 'step-*'; by default all that are some.")
    ] = None,
    tasks: Annotated[str, typer.Option(help="As of probe; none: features without labels alone.")] = "xy,size,class",
    features: Annotated[str, typer.Option(help="Of z,grid,cls,delta,z+delta,tokens.")] = "z,grid",
    labeller: Annotated[str | None, typer.Option(help=f"{LABELLERS} By default truth or moving.")] = None,
    labels: Annotated[list[Path] | None, typer.Option(help="Tables of labels instead; may be repeated.")] = None,
    split: Annotated[str | None, typer.Option(help="grouped, blocked or video; by the number of videos.")] = None,
    frames: Annotated[int, typer.Option(help="Frames a clip.")] = 16,
    stride: Annotated[int, typer.Option(help="Source frames from one to the next.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32, bf16, fp16.")] = "auto",
    keep: Annotated[bool, typer.Option("--keep-embeddings", help="Do not drop them when measured.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what there is, and what it would take.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Probe and rank every checkpoint of a training as it appears: is it collapsing, and what did it learn when?

    What is measured is never measured again; Ctrl-C ends it, and the same command goes on.

    Example: worldprobe watch runs/pretrain/checkpoints scenes:100 --out runs/watch --once
    """
    from worldprobe.config import make_experiment
    from worldprobe.pipeline.watch.watch import Watch, Watching

    probed, kinds = tasks != "none", {one.partition(":")[0] for one in videos}
    values: dict[str, Any] = {"videos": videos, "encoder": encoder, "frames": frames, "stride": stride}
    values |= {"device": device, "precision": precision, "evidence": ["unlabelled"], "controls": ["majority"]}
    values |= {"labeller": labeller or ("truth" if kinds <= {"scenes", "robots"} else "moving")}
    if probed:
        values |= {"tasks": tasks.split(","), "features": features.split(",")}
    make_experiment({**values, **({"split": split} if split else {})})  # before anything is fetched or rendered
    paths = resolve_videos(videos)
    values["split"] = split or ("grouped" if len(paths) >= 10 else "blocked")
    of = Watching(
        folder, out, paths, make_experiment(values), tasks=probed, tables=tuple(labels or ()), match=match,
        keep=keep, tries=tries,
    )  # fmt: skip
    if dry_run:
        _foretell(of, as_json)
        return
    with Watch(of) as watching:
        _watch(watching, once=once, every=every, as_json=as_json)
        for name in watching.waiting:
            warn(f"{name}: still being written")
        end(watching.failures)
        if len(watching.facts().left) > len(watching.refused):
            raise typer.Exit(3)


def _watch(watch: Watch, *, once: bool, every: float, as_json: bool) -> None:
    """Look until there is nothing left to wait for, or for ever; print after each look that found something."""
    from worldprobe.errors import ConfigError
    from worldprobe.pipeline.watch.watch import SETTLED_SECONDS
    from worldprobe.report.forms.watched import write_watched

    def tell(line: str) -> None:
        warn(line)
        write_watched(watch.of.out, watch.facts())  # now: the next one may take hours

    looks, said = 0, False
    for one in watch.refused:
        warn(f"{one.name} is left out: {one.why}")
    while True:
        with bars() as progress:
            measured = watch.round(progress=progress, tell=tell)
        looks += 1
        if measured or looks == 1:
            _show(watch, as_json)
        writing = watch.waiting
        if once and not (writing and looks <= watch.of.tries):
            facts = watch.facts()
            if not facts.checkpoints and len(facts.left) == len(watch.refused):
                raise ConfigError(
                    f"{watch.of.folder} holds no checkpoint: no folder with a config.json and safetensors, or "
                    "nothing that --match names"
                )
            return
        if not once and not said:
            warn(f"watching {watch.of.folder}, a look every {every:g} s; Ctrl-C ends it")
            said = True
        time.sleep(SETTLED_SECONDS if writing else every)


def _show(watch: Watch, as_json: bool) -> None:
    from worldprobe.report.forms.watched import watched_tables, write_watched

    found = watch.facts()
    if not found.checkpoints:
        return
    write_watched(watch.of.out, found)
    if as_json:
        echo_json(found.model_dump_json())
        return
    console = terminal()
    for table in watched_tables(found, width=console.width):
        console.print(table)
    print_lines(console, *found.conclusions, f"Report: {watch.of.out / 'watch.html'}")


def _foretell(of: Watching, as_json: bool) -> None:
    """Say what there is, and what one checkpoint and all of them would take; nothing is stored."""
    from worldprobe.findings.wording import count, duration
    from worldprobe.pipeline.estimate.facts import as_facts, as_lines
    from worldprobe.pipeline.estimate.run import estimate_run
    from worldprobe.pipeline.watch.watch import Watch
    from worldprobe.store import Store

    watch = Watch(of)
    todo, known = watch.planned()
    lines = [f"{one.name}: measured" for one in known]
    lines += [f"{one.name}: {one.lacks or 'to be measured'}" for one in todo]
    lines += [f"{one.name}: {one.why}" for one in watch.refused]
    facts: dict[str, Any] = {"measured": [one.name for one in known], "to measure": [one.name for one in todo]}
    whole = [one for one in todo if not one.lacks]
    if whole:
        experiment = of.named(whole[0])
        found, failures = estimate_run(experiment, of.videos, Store(str(of.out / "dry.zarr")), of.out)
        once = [one for one in found if one.stage == "label" and of.labels_anew]
        each = [one for one in found if one.stage == "encode" or (one.stage == "probe" and of.tasks)]
        makes = len(whole) + (not known)  # with the untrained twin, which is measured once
        seconds = makes * sum(one.seconds for one in each) + sum(one.seconds for one in once)
        lines += as_lines([*once, *each])[:-1]
        lines.append(
            f"{count(len(whole), 'checkpoint')}{'' if known else ' and the untrained twin'}: about "
            f"{duration(seconds)}. Nothing was stored."
        )
        facts |= {"of one": as_facts([*once, *each]), "seconds": round(seconds, 1)}
    say(facts, as_json, lines or [f"{of.folder}: no checkpoint yet"])
    end(failures if whole else [])
