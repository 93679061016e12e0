"""`predict`: the future, predicted and held against what came."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from worldprobe.cli.options import DryRunOption, EncoderOption, JsonOption, OnceCommand, OutOption, Videos, app
from worldprobe.console import bars, end, resolve_videos, show, show_estimates
from worldprobe.errors import ConfigError


@app.command(cls=OnceCommand)
def predict(
    videos: Videos,
    out: OutOption,
    encoder: EncoderOption = "vjepa2-tiny",
    context: Annotated[int, typer.Option(help="Tubelets (2 frames) that are seen.")] = 4,
    horizon: Annotated[int, typer.Option(help="Tubelets that are told.")] = 4,
    mode: Annotated[str, typer.Option(help="joint: all at once; rolling: one at a time, fed back.")] = "joint",
    stride: Annotated[int, typer.Option(help="Source frames from one to the next.")] = 1,
    pairs: Annotated[int, typer.Option(help="Also surprise at so many impossible videos of each kind.")] = 0,
    robot_pairs: Annotated[int, typer.Option(help="The same of simulated robots (extra \\[robots]).")] = 0,
    twin: Annotated[bool, typer.Option("--twin/--no-twin", help="Also the untrained twin.")] = True,
    decoder: Annotated[Path | None, typer.Option(help="A trained decoder's folder, to draw what is told.")] = None,
    labels: Annotated[
        list[Path] | None,
        typer.Option(help="Also what is read from predicted futures: a table of `worldprobe label`."),
    ] = None,
    tasks: Annotated[str, typer.Option(help="What is read, with --labels; of robots also actions and states.")] = (
        "xy,size,class,velocity"
    ),
    actions: Annotated[
        list[Path] | None,
        typer.Option(help="The energy of actions instead (V-JEPA 2-AC): a table of `worldprobe label` with poses."),
    ] = None,
    precision: Annotated[str, typer.Option(help="auto, fp32, bf16, fp16.")] = "auto",
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Predict the future of videos from a context that has not seen it, beside baselines that know nothing.

    Example: worldprobe predict scenes:200 --out runs/future
    """
    from worldprobe.config import make_experiment
    from worldprobe.labels.table import read_tables
    from worldprobe.pipeline.checks import ids_among, require_sound
    from worldprobe.pipeline.failures import add_failures
    from worldprobe.pipeline.folder import require_own
    from worldprobe.pipeline.predict.energy import predict_energy
    from worldprobe.pipeline.predict.stage import predict as predict_videos
    from worldprobe.pipeline.predict.stage import record
    from worldprobe.pipeline.stage_record import put_back
    from worldprobe.report.write import write_report
    from worldprobe.video.rendered.robots.draw import gl_context

    table: dict[str, Any] = {"context": context, "horizon": horizon, "mode": mode, "twin": twin, "pairs": pairs}
    table["robot_pairs"] = robot_pairs
    table["decoder"] = str(decoder) if decoder else None
    values: dict[str, Any] = {"videos": videos, "encoder": encoder, "stride": stride, "precision": precision}
    values |= {"tasks": tasks.split(",")} if labels else {}
    experiment = make_experiment({**values, "predict": table})
    paths = resolve_videos(videos, dry_run=dry_run)
    require_own(out, {"videos": videos, "encoder": encoder}, ids=lambda: ids_among(paths), part=True)
    require_sound(out, by=["energy" if actions else "predict"])
    if actions:
        _refuse(others=bool(pairs or robot_pairs or decoder or labels), steps=(context, horizon, mode))
        if dry_run:
            raise ConfigError("--dry-run does not count the energy of --actions: it takes one prediction a frame")
    if robot_pairs:
        gl_context()
    poses = read_tables(actions) if actions else None
    known = read_tables(labels) if labels else None
    if known is not None and not set(known.table["video"]) & ids_among(paths):
        raise ConfigError("--labels speaks of none of these videos: label them with `worldprobe label`")
    if dry_run:
        show_estimates(experiment, paths, ["predict"], as_json)
        return
    with put_back(out), bars() as progress:
        record(experiment, out)
        if poses is not None:
            failures = predict_energy(experiment, paths, poses, out, progress=progress)
        else:
            failures = predict_videos(experiment, paths, out, labels=known, progress=progress)
    add_failures(out / "failures.jsonl", failures)
    show(write_report(out), out, as_json)
    end(failures)


def _refuse(*, others: bool, steps: tuple[int, int, str]) -> None:
    """Raises ConfigError for what the energy of actions has no use for."""
    if others:
        raise ConfigError(
            "--actions measures energies alone: leave out --pairs, --robot-pairs, --decoder and --labels"
        )
    if steps != (4, 4, "joint"):
        raise ConfigError("--actions looks one step ahead of one frame: leave out --context, --horizon and --mode")
