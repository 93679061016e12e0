"""Frames drawn from embeddings, beside their controls, and the ladder."""

from __future__ import annotations

from worldprobe.findings.facts import Summary
from worldprobe.findings.sections.decoding import DecoderScores, Rung
from worldprobe.findings.wording import DECODER_CAPTIONS, SPEAKS
from worldprobe.report.charts.decoding import calibration_panels, loss_panels
from worldprobe.report.table import (
    Block,
    Cell,
    Column,
    Figure,
    Heading,
    Paragraph,
    Section,
    Table,
    cell,
    in_groups,
    score_cell,
)

_SPREAD = (
    " Spread: the mean deviation of a px (0 to 1) between samples of the same embedding: what it leaves open. In "
    "middle 50 %: the share of px that lie in that central interval of the samples."
)


def decoding(summary: Summary) -> Section | None:
    """Decoders beside their controls, their losses, and the ladder where it was climbed."""
    found = summary.decoding
    if found is None:
        return None
    spread = any(one.spread.value is not None for one in found.drawings)
    size = f"{found.width} × {found.height} px"
    where = (
        f"From {found.tap} to frames of {size}; {found.split} split, scored on groups that no decoder was trained "
        "or chosen on."
    )
    blocks: list[Block] = [
        Paragraph(found.headline),
        Paragraph(where, "soft"),
        Table(
            f"{found.tap} drawn at {size}: {found.split} split, 95 % intervals", _columns(found.drawings),
            found.drawings, caption=found.headline, look="num scores",
        ),
        Paragraph(f"{found.rule}{_SPREAD * spread} {SPEAKS}", "rule", lead="How verdicts are reached."),
        *([Paragraph(f"{found.lpips}.", "soft")] if found.lpips else []),
    ]  # fmt: skip
    for one in found.drawings:
        if one.sureness:
            blocks += [Paragraph(one.sureness), _spreads(one)]
    charts = {"decoder_calibration": calibration_panels(found), "decoder_loss": loss_panels(found)}
    for name in sorted(DECODER_CAPTIONS):  # charts, then pictures, as the write-up has them
        panels = charts.get(name)
        if panels is None or panels or name == "decoder_loss":
            blocks.append(Figure(name, DECODER_CAPTIONS[name], panels or (), drawn=panels is None))
    if found.rungs:
        caption = (
            "From the original's set-up to this one, a change at a time; the first two rungs are scored on the "
            "pairs that they were trained on, as the original was."
        )
        blocks += [Heading("What the blur is made of"), Paragraph(caption, "small"), _ladder(found.rungs)]
    return Section(
        "decoding", "What the embedding holds, drawn", blocks, short="Decoder", chapter="decoding",
        question="What can be drawn from what it holds?",
    )  # fmt: skip


def _columns(drawings: tuple[DecoderScores, ...]) -> list[Column[DecoderScores]]:
    regions = any(one.inside.value is not None for one in drawings)
    spread = any(one.spread.value is not None for one in drawings)
    inside: list[Column[DecoderScores]] = [
        Column("inside objects", lambda one: score_cell(one.inside, 1), right=True, short="inside",
               value_only=True),
        Column("outside", lambda one: score_cell(one.outside, 1), right=True, short="outside", value_only=True),
    ]  # fmt: skip
    spreads: list[Column[DecoderScores]] = [
        Column("Spread", lambda one: score_cell(one.spread, 3), right=True, short="spread", value_only=True),
        Column("In middle 50 %", lambda one: score_cell(one.middle_50), right=True),
        Column("In middle 90 %", lambda one: score_cell(one.middle_90), right=True),
    ]  # fmt: skip
    return [
        Column("Drawn by", _name, short="drawn by", fold=True),
        Column("PSNR, dB", lambda one: score_cell(one.psnr, 1, strong=not one.control), right=True, short="PSNR"),
        *(inside if regions else []),
        Column("SSIM", lambda one: score_cell(one.ssim), right=True, short="SSIM", value_only=True),
        Column("Sharpness", lambda one: score_cell(one.sharpness), right=True, short="sharp.", value_only=True),
        *(spreads if spread else []),
        Column("Verdict", lambda one: cell(one.verdict, kind="verdict")),
        Column("n", lambda one: in_groups(one.n, one.n_groups), right=True),
    ]  # fmt: skip


def _name(one: DecoderScores) -> Cell:
    return cell((one.name, "" if one.control else "strong"), kind="name")


def _spreads(one: DecoderScores) -> Table[tuple[float, float, float]]:
    """Px by how much their samples differ: the error that follows from it, and the error found."""
    columns: list[Column[tuple[float, float, float]]] = [
        Column("Error expected", lambda row: f"{row[0]:.4f}", right=True, short="expected"),
        Column("Error found", lambda row: f"{row[1]:.4f}", right=True, short="found"),
        Column("Ratio", lambda row: f"{row[0] / max(row[1], 1e-9):.2f}", right=True, short="ratio"),
        Column("Share of px", lambda row: f"{row[2]:.1%}", right=True, short="px"),
    ]
    caption = (
        "Px by how much samples differ: how far off their mean is to be (root of the mean square, 0 to 1), and is."
    )
    return Table(f"Spread against error: {one.name}", columns, one.calibration, caption=caption)


def _ladder(rungs: tuple[Rung, ...]) -> Table[Rung]:
    columns: list[Column[Rung]] = [
        Column("", lambda one: str(one.number), short=""),
        Column("Change", lambda one: one.change, short="change", fold=True),
        Column("PSNR, dB", lambda one: score_cell(one.psnr, 1), right=True, short="PSNR"),
        Column("SSIM", lambda one: score_cell(one.ssim), right=True, short="SSIM", value_only=True),
        Column("Sharpness", lambda one: score_cell(one.sharpness), right=True, short="sharp.", value_only=True),
        Column("Frames", lambda one: in_groups(one.n, one.n_groups), right=True),
    ]  # fmt: skip
    return Table("What the blur is made of", columns, rungs, "From the original's decoder, a change at a time.")
