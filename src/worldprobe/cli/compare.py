"""`compare`: runs beside each other, with the interval of each difference."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from worldprobe.cli.options import JsonOption, OnceCommand, app
from worldprobe.console import show_comparison


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
    show_comparison(runs, out, as_json)
