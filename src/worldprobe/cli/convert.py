"""`convert`: the authors' own checkpoints, made into a folder that is an encoder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from worldprobe.cli.options import JsonOption, OnceCommand, app
from worldprobe.console import say


@app.command(cls=OnceCommand)
def convert(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="An official .pt of V-JEPA 1, 2, 2-AC or 2.1.")],
    out: Annotated[Path, typer.Argument(help="A new folder, which --encoder takes.")],
    encoder: Annotated[
        str | None,
        typer.Option(help="The key of the encoder; by default ema_encoder, target_encoder or encoder."),
    ] = None,
    heads: Annotated[int | None, typer.Option(min=1, help="Of attention, for a width of your own.")] = None,
    crop: Annotated[int | None, typer.Option(min=16, help="Px of a side, where the file does not say it.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make an encoder's folder of an official checkpoint of V-JEPA, V-JEPA 2, 2-AC or 2.1.

    The file is read as weights only. Optimizer, other encoders and heads are left out, and said.

    Example: worldprobe convert vjepa2_1_vitl_dist_vitG_384.pt vjepa2_1_vit_large_384
    """
    from worldprobe.encoders.official import convert as convert_file

    found = convert_file(source, out, encoder=encoder, heads=heads, crop=crop)
    lines = [
        f"V-JEPA {found.version}: {found.blocks} blocks of {found.width}, {found.parameters:,} parameters, "
        f"{found.crop} px" + (f", from {found.taken}" if found.taken else ""),
        f"Left out: {', '.join(found.left_out) or 'nothing'}",
        *(f"Note: {note}" for note in found.notes),
        f"Encoder: {found.folder}",
    ]
    say({**asdict(found), "folder": str(found.folder)}, as_json, lines)
