"""`report`, `list` and `doctor`: what there is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from worldprobe.cli.options import BLOCKS, JsonOption, OnceCommand, app
from worldprobe.console import say, show
from worldprobe.errors import ConfigError

if TYPE_CHECKING:
    from worldprobe.plugins.registry import Listed


@app.command(cls=OnceCommand)
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


@app.command(name="list", cls=OnceCommand)
def list_plugins(
    kind: Annotated[
        str | None, typer.Argument(help="encoders, executors, labellers, probes or decoders; none: all of them.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """What there is, from this package and from others, and what is broken and why.

    Example: worldprobe list encoders
    """
    from dataclasses import asdict

    from worldprobe.plugins import registry

    if kind is None:
        found_all = {one: registry.listed(one) for one in get_args(registry.Kind)}
        facts = {one: [asdict(plugin) for plugin in found] for one, found in found_all.items()}
        lines = [line for one, found in found_all.items() for line in (f"{one}:", *_lines(found), *_unnamed(one))]
        say(facts, as_json, lines)
        return
    if kind not in get_args(registry.Kind):
        raise ConfigError(f"nothing to list under {kind!r}: use {', '.join(get_args(registry.Kind))}")
    found = registry.listed(kind)  # type: ignore[arg-type]
    say([asdict(one) for one in found], as_json, [*_lines(found), *_unnamed(kind)])


def _lines(found: Sequence[Listed]) -> list[str]:
    """A line for each plug-in: what it is, or why it is broken."""
    summaries = [f"BROKEN: {one.problem}" if one.problem else one.summary.replace("``", "") for one in found]
    return [f"  {one.name:26} {one.distribution:14} {words}" for one, words in zip(found, summaries, strict=True)]


def _unnamed(kind: str) -> list[str]:
    """What there is of a kind without a name of its own here."""
    if kind != "encoders":
        return []
    from worldprobe.encoders.vision.families import titles

    checkpoints = f"  HUB_ID or FOLDER: checkpoints of V-JEPA 2 and 2.1, {titles()}"
    return [checkpoints, f"  Of any of them, --blocks {BLOCKS}"]


@app.command(cls=OnceCommand)
def doctor(
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Measure for about 10 s how fast the known encoders would go.")
    ] = False,
    price: Annotated[float | None, typer.Option(help="Of an hour of this machine, for --calibrate.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check this machine: versions, devices, video decoding, memory, disk, and what each extra would bring.

    Example: worldprobe doctor --calibrate
    """
    import shutil

    import av
    import psutil
    import torch

    from worldprobe import provenance
    from worldprobe.cli.extras import extra_lines, extras
    from worldprobe.io.files import cache

    facts: dict[str, Any] = provenance.collect()
    facts["cuda"] = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    facts["h264"] = {"decode": "h264" in av.codecs_available, "encode": "libx264" in av.codecs_available}
    facts["cache"] = str(cache())
    facts["free_disk_gb"] = round(shutil.disk_usage(Path.cwd()).free / 1e9, 1)
    facts["free_memory_gb"] = round(psutil.virtual_memory().available / 1e9, 1)
    facts["extras"] = extras()
    memory = f"{facts['free_memory_gb']} GB of memory free"
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    h264 = facts["h264"]
    lines = [
        f"versions   {versions}",
        f"machine    {facts['platform']}, {facts['cores']} cores, {memory}, {facts['free_disk_gb']} GB disk here",
        f"device     {facts['cuda'] or 'cpu (torch finds no CUDA GPU)'}",
        f"h264       reads {'yes' if h264['decode'] else 'NO'}, writes {'yes' if h264['encode'] else 'NO'}",
        f"cache      {facts['cache']} (WORLDPROBE_CACHE)",
        *extra_lines(facts["extras"]),
    ]
    if calibrate:
        from dataclasses import asdict

        from worldprobe.pipeline.estimate.machine import as_lines
        from worldprobe.pipeline.estimate.machine import calibrate as measure

        rates, speeds = measure(price=price)
        facts["rates"], facts["encoding"] = asdict(rates), [asdict(one) for one in speeds]
        lines += as_lines(rates, speeds)
    say(facts, as_json, lines)
