"""The application, and the options that several commands take."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperOption

from worldprobe import __version__


class OnceCommand(TyperCommand):
    """A command whose options with one value are given once: of two values nobody could say which was meant."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Raises BadParameter for an option with one value that is given twice."""
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        for option, times in Counter(one for one in order if isinstance(one, TyperOption)).items():
            # A switch says the same however often; one that can be turned off as well may not.
            several = option.multiple or option.count or (option.is_flag and not option.secondary_opts)
            if times > 1 and not several and not ctx.resilient_parsing:
                raise typer.BadParameter(f"given {times} times, and it takes one value", ctx=ctx, param=option)
        return super().parse_args(ctx, args)


app = typer.Typer(
    name="worldprobe",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"worldprobe {__version__}")
        raise typer.Exit


@app.callback()
def _of_all(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """What does a frozen video encoder know, where, and compared with what?"""


Videos = Annotated[
    list[str],
    typer.Argument(
        help="Files, globs, folders, scenes:N\\[@SEED], robots:N\\[@SEED], films:NAME, lerobot:FOLDER, mcap:FILE "
        "or URLs."
    ),
]
EncoderOption = Annotated[
    str,
    typer.Option(
        "--encoder",
        help="vjepa2-tiny, a hub id or folder, onnx:FILE#tensor, random:E, pixels, flow, gaussian, module:Class.",
    ),
]
StoreOption = Annotated[str, typer.Option("--store", help="Folder or fsspec URL of the embeddings.")]
OutOption = Annotated[Path, typer.Option("--out", help="The run's folder.")]
BLOCKS = "last, all, indices, or several as one: 0,6,11,sum:last4,join:3+7."
EVIDENCE = "Beside the scores: code, learning, unlabelled, by comma, or none."
VerifyOption = Annotated[bool, typer.Option("--verify", help="Read what is stored, and make anew what is damaged.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only say what it would take.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print results for machines.")]
LABELLERS = (
    "truth, moving, mot:FILE, coco:FILE, cvat:FILE, labelstudio:FILE, yolotxt:FOLDER (?step=N where it speaks of "
    "every Nth frame), onnx:FILE, hf:HUB_ID, yolo:WEIGHTS, lerobot, mcap."
)


def evidence_of(option: str) -> list[str]:
    """What ``--evidence`` names, as an experiment's ``evidence`` has it."""
    return [] if option == "none" else option.split(",")
