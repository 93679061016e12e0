"""What the commands share: videos from arguments, progress on stderr, results on stdout, exit codes."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from shlex import quote
from shutil import which
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import typer

from worldprobe.bars import bars as bars
from worldprobe.io.files import cache
from worldprobe.printable import ascii_json, one_line, plain_json, printable

if TYPE_CHECKING:
    from rich.console import Console

    from worldprobe.config import Experiment
    from worldprobe.findings.facts import Summary
    from worldprobe.pipeline.estimate.facts import Estimate, StageName
    from worldprobe.pipeline.failures import Failure


# Rendered videos that stand for all in a dry run.
_STAND_INS = 8


def resolve_videos(sources: Sequence[str], *, dry_run: bool = False) -> list[Path]:
    """Arguments to files, each once: globs and folders spread out, scenes and robots rendered, films fetched.

    In a ``dry_run`` a few of the rendered ones stand for those that are not there yet, and it is said how long
    these will take; a run renders them.
    """
    from worldprobe.labels.robots.lerobot import videos
    from worldprobe.video.films import fetch_film
    from worldprobe.video.rendered.robots.render import RobotSource, render_robots
    from worldprobe.video.rendered.scenes import render_scenes, scene_paths
    from worldprobe.video.source import distinct, resolve

    def films(name: str, folder: Path) -> Path:
        with bars() as progress:
            return fetch_film(name, folder, progress=progress)

    stand_ins: list[Path] = []

    def few(paths: list[Path], render: Callable[[int], list[Path]]) -> list[Path]:
        """All of the paths, or of a dry run those that are there and the first of the others, which stand for the
        rest: no store has what these have not."""
        absent = [at for at, path in enumerate(paths) if not path.exists()] if dry_run else []
        new, rest = absent[:_STAND_INS], absent[_STAND_INS:]
        gone = set(rest)
        if not rest:
            return render(len(paths))
        begun = time.perf_counter()
        render(new[-1] + 1)
        minutes = (time.perf_counter() - begun) / len(new) * len(rest) / (os.cpu_count() or 1) / 60
        warn(
            f"{len(rest):,} videos are rendered when this is run (about {minutes:.0f} min here); {len(new)} stand "
            "for them"
        )
        stand_ins.extend(paths[new[i % len(new)]] for i in range(len(rest)))
        return [path for at, path in enumerate(paths) if at not in gone]

    def scenes(count: int, seed: int, folder: Path) -> list[Path]:
        with bars() as progress:
            return few(
                scene_paths(count, seed, folder),
                lambda some: render_scenes(some, seed, folder, workers=None, progress=progress),
            )

    def robots(source: RobotSource, folder: Path) -> list[Path]:
        with bars() as progress:
            return few(
                source.paths(folder),
                lambda some: render_robots(replace(source, count=some), folder, progress=progress),
            )

    found = resolve(sources, cache=cache(), scenes=scenes, robots=robots, lerobot=videos, films=films, tell=warn)
    kept, again = distinct(found)
    for path, same in again:
        warn(f"{path} holds the same as {same}, and is left out")
    return kept + stand_ins


def show(summary: Summary, out: Path, as_json: bool) -> None:
    """A run's answer: each score beside its controls, and where the report is; on stderr what was done unasked."""
    for note in summary.notes:
        warn(note)
    if as_json:
        echo_json(summary.model_dump_json())
        return
    from worldprobe.findings.next_steps import suggest_commands
    from worldprobe.report.forms.terminal import caveat_lines, story_lines, tables

    console = terminal()
    for line in (*story_lines(summary), ""):
        console.print(one_line(line), highlight=False)
    for table in tables(summary, width=console.width):
        console.print(table)
        console.print()
    for line in caveat_lines(summary):
        console.print(one_line(line), highlight=False)
    print_lines(console, f"Report: {out / 'report.html'}")
    print_lines(console, *(f"Next: {_called()} {one}   # {what}" for one, what in suggest_commands(summary, out)))


def _called() -> str:
    """How this command was called, where it is not on the path."""
    name = Path(sys.argv[0])
    return "worldprobe" if name.name != "worldprobe" or which("worldprobe") else quote(str(name))


def show_estimates(
    experiment: Experiment, videos: Sequence[Path], stages: Collection[StageName], as_json: bool, *, store: str = ""
) -> None:
    """What these stages would take, on stdout; nothing is kept. Raises WorldprobeError as the stages do."""
    from worldprobe.pipeline.estimate.run import estimate_run
    from worldprobe.store import Store

    with TemporaryDirectory() as nowhere:  # no run's folder, and where no store is named an empty one
        place = Store(store or str(Path(nowhere, "store")))
        found, failures = estimate_run(experiment, videos, place, Path(nowhere, "run"), stages=stages)
    say_estimates(found, as_json, alone=set(stages) <= {"encode", "label"})
    end(failures)


def say_estimates(found: Sequence[Estimate], as_json: bool, *, alone: bool) -> None:
    """Print estimates; ``alone``: of a command that nothing follows."""
    from worldprobe.pipeline.estimate.facts import as_facts, as_lines

    say(as_facts(found), as_json, as_lines(found, alone=alone))


def show_comparison(runs: Sequence[Path], out: Path, as_json: bool) -> None:
    """Compare runs, write the comparison into a folder and print it; on stderr what has to be said first."""
    from worldprobe.pipeline.compare import compare
    from worldprobe.report.forms.comparison import comparison_tables, write_comparison

    found = compare(runs)
    write_comparison(out, found)
    for warning in found.warnings:
        warn(warning)
    if as_json:
        echo_json(found.model_dump_json())
        return
    console = terminal()
    for table in comparison_tables(found):
        console.print(table)
    differing = (f"Differs: {one.name}: {' | '.join(one.values)}" for one in found.differing)
    print_lines(console, *found.unlike, *differing, f"Comparison: {out / 'compare.html'}")


def print_lines(console: Console, *lines: str) -> None:
    """Print sentences, each on a line that the terminal breaks."""
    for line in lines:
        console.print(one_line(line), soft_wrap=True, highlight=False)


def terminal(*, stderr: bool = False) -> Console:
    """Where tables and bars are printed: as wide as the terminal, or COLUMNS (120) in a pipe.

    Nothing that is printed there is read as markup or as an emoji's name, and no name steers the terminal: names
    are users', and may hold anything.
    """
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class _Plain(Console):
        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
            for segment in super().render(renderable, options):
                # What rich itself says to the terminal comes as control.
                yield segment if segment.control else segment._replace(text=printable(segment.text))

    wide = (sys.stderr if stderr else sys.stdout).isatty()
    return _Plain(stderr=stderr, width=None if wide else _columns(), markup=False, emoji=False)


def _columns() -> int:
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdecimal() and 0 < int(columns) < 10_000 else 120


def say(facts: object, as_json: bool, lines: Sequence[str]) -> None:
    """The same for machines or for people."""
    if as_json:
        echo_json(json.dumps(facts, ensure_ascii=False))
    else:
        typer.echo("\n".join(map(one_line, lines)))


def echo_json(text: str) -> None:
    """JSON on stdout, in whatever characters that has."""
    typer.echo(plain_json(text) if "utf" in (sys.stdout.encoding or "").lower() else ascii_json(plain_json(text)))


def warn(message: str) -> None:
    """One line on stderr, which leaves the results clean."""
    typer.echo(f"worldprobe: {one_line(message)}", err=True)


def end(failures: Sequence[Failure]) -> None:
    """Name what failed, and end with 3 where something did."""
    for failure in dict.fromkeys(failures):
        where = failure.video if failure.clip is None else f"{failure.video} from frame {failure.clip}"
        warn(f"skipped {where}: {failure.error}")
    if failures:
        raise typer.Exit(3)
