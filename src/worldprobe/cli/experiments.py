"""`demo` and `run`: whole experiments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from worldprobe.cli.options import (
    EVIDENCE,
    LABELLERS,
    DryRunOption,
    EncoderOption,
    JsonOption,
    OnceCommand,
    OutOption,
    VerifyOption,
    app,
    evidence_of,
)
from worldprobe.console import bars, end, resolve_videos, say, show, show_comparison, show_estimates, warn
from worldprobe.errors import ConfigError, NoClassToken, WorldprobeError

if TYPE_CHECKING:
    from worldprobe.config import Experiment
    from worldprobe.pipeline.failures import Failure
    from worldprobe.protocols import Executor

Done = TypeVar("Done")
DEMO_SCENES = "scenes:1000"
DEMO_STEPS = 300
# Of more scenes probes are trained on about so many moments in all, and so many scenes are drawn and predicted.
MANY_SCENES, MANY_MOMENTS = 200, 1000
_RECORDED = ({"lerobot"}, {"mcap"})  # sources that come with their own labels


@app.command(cls=OnceCommand)
def demo(
    videos: Annotated[list[str] | None, typer.Argument(help="Videos; none: 1,000 rendered scenes.")] = None,
    labeller: Annotated[
        str | None,
        typer.Option(help=f"{LABELLERS} By default truth or moving."),
    ] = None,
    encoder: EncoderOption = "vjepa2-tiny",
    frames: Annotated[int, typer.Option(help="Frames a clip; fewer for short episodes.")] = 16,
    evidence: Annotated[
        str | None, typer.Option(help=f"{EVIDENCE} By default all; a first look at scenes, and robots, none.")
    ] = None,
    out: OutOption = Path("runs/demo"),
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """The whole pipeline: on rendered scenes with exact truth, or on your own videos.

    Example: worldprobe demo film.mp4 --out runs/film
    """
    from worldprobe.config import SIMULATED_TASKS, make_experiment
    from worldprobe.pipeline.estimate.facts import ALL_STAGES

    sources = videos or [DEMO_SCENES]
    paths = resolve_videos(sources, dry_run=dry_run)
    kinds = {source.partition(":")[0] for source in sources}
    robots = kinds in _RECORDED
    values: dict[str, Any] = {
        "videos": sources,
        "encoder": encoder,
        "frames": frames,
        "labeller": labeller or _labeller_of(kinds),
        # Few videos have too few groups for whole ones to be held out; a robot's episodes are many.
        "split": "grouped" if robots or len(paths) >= 10 else "blocked",
    }
    if robots and not labeller:
        values["tasks"] = ["state", "action"]
    elif kinds == {"robots"} and not labeller:
        values["tasks"] = ["xy", "class", *SIMULATED_TASKS]
    if evidence is not None:
        values["evidence"] = evidence_of(evidence)
    elif not videos or kinds == {"robots"}:
        values["evidence"] = []  # code lengths and learning curves take as long as all the rest of a first look
    if kinds == {"scenes"}:
        # Enough to see what is in the tokens, and a minute of training rather than ten.
        values["decode"] = {"steps": DEMO_STEPS, "controls": ["mean-image", "bicubic", "shuffled"]}
        if encoder == "vjepa2-tiny":
            # Others may have no predictor; the untrained twin would take as long again.
            values["predict"] = {"twin": False}
        if len(paths) > MANY_SCENES:
            # Another scene teaches more than another moment of one; so many futures show who predicts well.
            values["moments_per_clip"] = max(1, MANY_MOMENTS // len(paths))
            values["decode"]["videos"] = MANY_SCENES
            if "predict" in values:
                values["predict"]["videos"] = MANY_SCENES
    if dry_run:
        show_estimates(make_experiment(values), paths, ALL_STAGES, as_json)
        return
    _run(make_experiment(values), paths, out, None, as_json)


def _labeller_of(kinds: set[str]) -> str:
    """The labeller that fits the kinds of sources."""
    if kinds <= {"scenes", "robots"}:
        return "truth"
    return next(iter(kinds)) if kinds in _RECORDED else "moving"


@app.command(name="run", cls=OnceCommand)
def run_experiment(
    experiment: Annotated[Path, typer.Argument(help="An experiment file (TOML).")],
    out: Annotated[Path | None, typer.Option(help="The run's folder; by default runs/NAME.")] = None,
    store: Annotated[str | None, typer.Option(help="Embeddings; by default in the run's folder.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what each stage would take.")] = False,
    price: Annotated[
        float | None, typer.Option(help="Of an hour: of this machine (--dry-run) or Modal's GPU.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first video or clip that fails.")] = False,
    verify: VerifyOption = False,
    encoders: Annotated[
        str | None, typer.Option(help="Which table [encoders.NAME] of the file; by default the first.")
    ] = None,
    executor: Annotated[str, typer.Option(help="Who does the work: local, ray\\[:WORKERS], modal.")] = "local",
    ray_address: Annotated[str | None, typer.Option(help="A Ray cluster; none: one is started here.")] = None,
    gpu: Annotated[str, typer.Option(help="What --executor modal rents.")] = "A10G",
    as_json: JsonOption = False,
) -> None:
    """Run an experiment file: encode, label, probe, report. With several encoders: each, and compare them.

    Example: worldprobe run examples/scenes.toml
    """
    from worldprobe.config import read_encoders

    read = read_encoders(experiment, wanted=encoders)
    if strict:
        read = {name: one.model_copy(update={"strict": True}) for name, one in read.items()}
    folder = out or Path("runs") / experiment.stem
    if dry_run:
        rented = gpu if executor == "modal" else ""
        _estimate(read, folder, store or str(folder / "embeddings.zarr"), price, rented, as_json)
        return
    from worldprobe.plugins import registry

    workers = registry.create("executors", executor, offered={"address": ray_address, "gpu": gpu, "price": price})
    try:
        if "" in read:
            _run(read[""], resolve_videos(read[""].videos), folder, store, as_json, verify=verify, executor=workers)
        else:
            _run_each(read, folder, store, as_json, verify=verify, executor=workers)
    finally:
        workers.close()


def _estimate(
    experiments: Mapping[str, Experiment], out: Path, store: str, price: float | None, rented: str, as_json: bool
) -> None:
    """``rented``: also what a GPU that an executor rents would take, of which ``price`` is then an hour's."""
    from worldprobe.pipeline.estimate.facts import as_facts, as_lines, foretell
    from worldprobe.pipeline.estimate.rented import on_rented
    from worldprobe.pipeline.estimate.run import estimate_run
    from worldprobe.store import Store

    failures: list[Failure] = []
    facts: list[dict[str, Any]] = []
    lines: list[str] = []
    for name, one in experiments.items():
        work = partial(
            estimate_run, videos=resolve_videos(one.videos, dry_run=True), store=Store(store), out=out / name,
            price=None if rented else price,
        )  # fmt: skip
        found, failed = _with_class_tokens_or_without(work, one, name)
        foretell(out / name, found)
        found = on_rented(found, rented, price=price) if rented else found
        failures += failed
        facts += as_facts(found) if not name else [{"run": name, **fact} for fact in as_facts(found)]
        lines += as_lines(found) if not name else [f"{name}: {line}" for line in as_lines(found)]
    say(facts, as_json, lines)
    end(failures)


def _run_each(
    experiments: Mapping[str, Experiment],
    out: Path,
    store: str | None,
    as_json: bool,
    *,
    verify: bool,
    executor: Executor,
) -> None:
    """Run each encoder's experiment in a folder of its own, on one store, and compare all that could be run."""
    from worldprobe.pipeline.folder import STORE
    from worldprobe.pipeline.run import run
    from worldprobe.report.write import write_report
    from worldprobe.store import Store

    paths = resolve_videos(next(iter(experiments.values())).videos)
    failures: list[Failure] = []
    left_out: dict[str, WorldprobeError] = {}
    for name, one in experiments.items():
        place = Store(store or str(out / STORE))
        try:
            with bars() as progress:
                work = partial(
                    run, videos=paths, out=out / name, store=place, verify=verify, executor=executor,
                    progress=progress,
                )  # fmt: skip
                failures += _with_class_tokens_or_without(work, one, name)
        except WorldprobeError as error:  # weights that are not here, say: others are compared without them
            left_out[name] = error
            warn(f"{name} is left out: {error}")
            continue
        write_report(out / name)
        warn(f"{name}: {out / name / 'report.html'}")
    ran = [out / name for name in experiments if name not in left_out]
    if len(ran) < 2:
        raise next(iter(left_out.values()), ConfigError("comparing needs at least two encoders: name more"))
    show_comparison(ran, out, as_json)
    end(failures)
    if left_out:
        raise typer.Exit(3)


def _with_class_tokens_or_without(work: Callable[[Experiment], Done], experiment: Experiment, name: str) -> Done:
    """Do it; where one of several encoders has no class tokens, without the features ``cls``, which is said."""
    try:
        return work(experiment)
    except NoClassToken as error:
        others = [kind for kind in experiment.features if kind != "cls"]
        if not name or not others:
            raise
        warn(f"{name} is compared without features cls: {error}")
        return work(experiment.model_copy(update={"features": others}))


def _run(
    experiment: Experiment,
    paths: Sequence[Path],
    out: Path,
    store: str | None,
    as_json: bool,
    *,
    verify: bool = False,
    executor: Executor | None = None,
) -> None:
    from worldprobe.pipeline.folder import changed_settings
    from worldprobe.pipeline.run import run
    from worldprobe.report.write import write_report
    from worldprobe.store import Store

    replaced = changed_settings(out, experiment)
    with bars() as progress:
        place = Store(store) if store else None
        failures = run(experiment, paths, out, store=place, verify=verify, executor=executor, progress=progress)
    for line in replaced:
        warn(line)
    show(write_report(out), out, as_json)
    end(failures)
