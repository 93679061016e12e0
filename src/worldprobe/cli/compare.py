"""`compare`: runs beside each other, with the interval of each difference."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from worldprobe.cli.options import JsonOption, OnceCommand, app
from worldprobe.console import echo_json, terminal, warn
from worldprobe.printable import one_line


@app.command(cls=OnceCommand)
def compare(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs; the others are held against the first.")],
    out: Annotated[Path, typer.Option(help="A folder for compare.html, .md and .json.")] = Path("runs/compare"),
    as_json: JsonOption = False,
) -> None:
    """Set several encoders' or runs' scores side by side, with intervals of the differences, paired by group.

    The runs must be of the same videos, labels, clips and split; what else differs is said.

    Example: worldprobe compare runs/tiny runs/pixels --out runs/tiny-pixels
    """
    from worldprobe.pipeline.compare import compare as compare_runs
    from worldprobe.report.forms.comparison import comparison_table, write_comparison

    found = compare_runs(runs)
    write_comparison(out, found)
    for warning in found.warnings:
        warn(warning)
    if as_json:
        echo_json(found.model_dump_json())
        return
    console = terminal()
    console.print(comparison_table(found))
    for one in found.differing:
        console.print(one_line(f"Differs: {one.name}: {' | '.join(one.values)}"), soft_wrap=True, highlight=False)
    console.print(one_line(f"Comparison: {out / 'compare.html'}"), soft_wrap=True, highlight=False)
