"""What the commands share: videos from arguments, bars on stderr, results on stdout, exit codes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from worldprobe.files import cache

if TYPE_CHECKING:
    from rich.console import Console

    from worldprobe.pipeline.encoded import Failure
    from worldprobe.pipeline.progress import Progress
    from worldprobe.report.facts import Summary


def resolve_videos(sources: Sequence[str]) -> list[Path]:
    """Arguments to files: globs and folders spread out, scenes rendered, films and URLs fetched; each film once."""
    from worldprobe.labels.lerobot import videos
    from worldprobe.video.films import fetch_film
    from worldprobe.video.scenes import render_scenes
    from worldprobe.video.source import distinct, resolve

    def films(name: str, folder: Path) -> Path:
        with bars() as progress:
            return fetch_film(name, folder, progress=progress)

    found = resolve(sources, cache=cache(), scenes=render_scenes, lerobot=videos, films=films)
    kept, again = distinct(found)
    for path, same in again:
        warn(f"{path} holds the same as {same}, and is left out")
    return kept


def show(summary: Summary, out: Path, as_json: bool) -> None:
    """A run's answer: each score beside its controls, and where the report is; on stderr what was done unasked."""
    for note in summary.notes:
        warn(note)
    if as_json:
        typer.echo(summary.model_dump_json())
        return
    from worldprobe.report.decoding_terminal import decoding_tables
    from worldprobe.report.evidence_text import delta_table
    from worldprobe.report.future_terminal import future_tables
    from worldprobe.report.original_text import tables
    from worldprobe.report.terminal import caveat_lines, table

    console = terminal()
    if summary.original:
        for one in tables(summary, summary.original):
            console.print(one)
            console.print()
    elif summary.rows:
        console.print(table(summary, width=console.width))
    if summary.deltas:
        console.print()
        console.print(delta_table(summary.deltas))
    for one in future_tables(summary.future) if summary.future else []:
        console.print(one)
    for one in decoding_tables(summary.decoding) if summary.decoding else []:
        console.print(one)
    for line in caveat_lines(summary):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    console.print(f"Report: {out / 'report.html'}", soft_wrap=True, highlight=False)


def terminal() -> Console:
    """Where tables are printed: as wide as the terminal, or COLUMNS (120) in a pipe."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", "120")))


def say(facts: object, as_json: bool, lines: Sequence[str]) -> None:
    """The same for machines or for people."""
    typer.echo(json.dumps(facts, ensure_ascii=False) if as_json else "\n".join(lines))


def warn(message: str) -> None:
    """One line on stderr, which leaves the results clean."""
    typer.echo(f"worldprobe: {message}", err=True)


def end(failures: Sequence[Failure]) -> None:
    """Name what failed, and end with 3 where something did."""
    for failure in dict.fromkeys(failures):
        where = failure.video if failure.clip is None else f"{failure.video} from frame {failure.clip}"
        warn(f"skipped {where}: {failure.error}")
    if failures:
        raise typer.Exit(3)


@contextmanager
def bars() -> Iterator[Progress]:
    """Bars with rate and time left on a terminal, silence elsewhere."""
    from worldprobe.pipeline.progress import silent

    if not sys.stderr.isatty():
        yield silent
        return
    from rich import progress as rich_bars
    from rich.console import Console
    from rich.text import Text

    class _Rate(rich_bars.ProgressColumn):
        def render(self, task: rich_bars.Task) -> Text:
            return Text(f"{task.speed:.1f}/s" if task.speed else "")

    columns = (
        rich_bars.TextColumn("{task.description:24}"),
        rich_bars.BarColumn(),
        rich_bars.MofNCompleteColumn(),
        _Rate(),
        rich_bars.TimeElapsedColumn(),
        rich_bars.TimeRemainingColumn(),
    )
    with rich_bars.Progress(*columns, console=Console(stderr=True)) as shown:
        tasks: dict[str, Any] = {}

        def tell(stage: str, done: int, total: int, note: str = "") -> None:
            if stage not in tasks:
                tasks[stage] = shown.add_task(stage, total=total)
            shown.update(tasks[stage], completed=done, total=total, description=f"{stage} {note}".strip())

        yield tell
