"""The closing table of decoders on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worldprobe.findings.decoding import Decoding
from worldprobe.findings.wording import interval, number

if TYPE_CHECKING:
    from rich.table import Table


def decoding_tables(decoding: Decoding) -> list[Table]:
    """Decoders beside their controls, and the ladder where it was climbed."""
    from rich.text import Text

    size = f"{decoding.width} x {decoding.height} px"
    table = _blank(f"{decoding.tap} drawn at {size}: {decoding.split} split, 95 % intervals", decoding.headline)
    table.add_column("drawn by", overflow="fold")
    for name in ("PSNR", "inside", "outside", "SSIM", "sharp.", "spread"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in decoding.drawings:
        style = "" if one.control else "bold"
        psnr = Text.assemble((number(one.psnr.value, 1), style), " ", (interval(one.psnr, 1), "dim"))
        table.add_row(
            Text(one.name, style), psnr, number(one.inside.value, 1), number(one.outside.value, 1),
            number(one.ssim.value), number(one.sharpness.value), number(one.spread.value, 3),
        )  # fmt: skip
    return [table, *([_ladder(decoding)] if decoding.rungs else [])]


def _ladder(decoding: Decoding) -> Table:
    table = _blank("What the blur is made of", "From the original's decoder, a change at a time.")
    table.add_column("")
    table.add_column("change", overflow="fold")
    for name in ("PSNR", "SSIM", "sharp."):
        table.add_column(name, justify="right", no_wrap=True)
    for one in decoding.rungs:
        psnr = f"{number(one.psnr.value, 1)} {interval(one.psnr, 1)}"
        table.add_row(str(one.number), one.change, psnr, number(one.ssim.value), number(one.sharpness.value))
    return table


def _blank(title: str, caption: str) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    return Table(
        title=Text(title), title_style="", caption=Text(caption), caption_style="dim", caption_justify="left",
        box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False,
    )  # fmt: skip
