"""`render`: rendered films and their truth, in a folder to keep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from worldprobe.cli.options import JsonOption, OnceCommand, app
from worldprobe.console import resolve_videos, say


@app.command(cls=OnceCommand)
def render(
    source: Annotated[
        str, typer.Argument(help="scenes:N\\[@SEED] or robots:N\\[@SEED]\\[?camera=KIND&model=FILE].")
    ],
    out: Annotated[Path, typer.Argument(help="The folder; what it holds of these films is kept.")],
    lerobot: Annotated[
        bool, typer.Option("--lerobot", help="Of robots: a LeRobot dataset (v3.0), an episode a film.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Render films whose truth is known: scenes, or simulated robots. Each lies beside its truth (Parquet).

    Example: worldprobe render robots:500 robots --lerobot
    """
    from worldprobe.errors import VideoError
    from worldprobe.video.rendered.keep import keep_films
    from worldprobe.video.rendered.robots.lerobot import write_lerobot

    if not source.startswith(("scenes:", "robots:")):
        raise VideoError(f"{source} is not rendered. Give scenes:N or robots:N, such as robots:500@1.")
    films = resolve_videos([source])
    if lerobot:
        write_lerobot(films, out)
    else:
        keep_films(films, out)
    kept = "a LeRobot dataset (v3.0): lerobot:" if lerobot else "each beside its truth: "
    say(
        {"films": len(films), "folder": str(out), "lerobot": lerobot}, as_json, [f"{len(films)} films, {kept}{out}"]
    )
