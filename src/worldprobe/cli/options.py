"""The application, and the options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="worldprobe",
    help="What does a frozen video encoder know, where, and compared with what?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
)

Videos = Annotated[
    list[str],
    typer.Argument(help="Files, globs, folders, scenes:N\\[@SEED], films:NAME, lerobot:FOLDER or http(s) URLs."),
]
EncoderOption = Annotated[
    str,
    typer.Option("--encoder", help="vjepa2-tiny, a hub id or folder, random:E, pixels, gaussian, module:Class."),
]
StoreOption = Annotated[str, typer.Option("--store", help="Folder or fsspec URL of the embeddings.")]
OutOption = Annotated[Path, typer.Option("--out", help="The run's folder.")]
TasksOption = Annotated[str, typer.Option("--tasks", help="Also motion8, approach, count, visible, state, action.")]
VerifyOption = Annotated[bool, typer.Option("--verify", help="Read what is stored, and make anew what is damaged.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print results for machines.")]
LABELLERS = (
    "truth, moving, mot:FILE, coco:FILE, cvat:FILE, labelstudio:FILE, yolotxt:FOLDER (?step=N where it speaks of "
    "every Nth frame), onnx:FILE, hf:HUB_ID, yolo:WEIGHTS, lerobot."
)
