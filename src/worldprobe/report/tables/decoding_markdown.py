"""Decoders in ``report.md``."""

from __future__ import annotations

from worldprobe.findings.decoding import Decoding
from worldprobe.findings.score import Score
from worldprobe.findings.wording import DECODER_CAPTIONS, count, with_interval
from worldprobe.report.forms.marks import escaped, table


def decoding_parts(decoding: Decoding, figures: list[str]) -> list[str]:
    """Markdown blocks; ``figures`` are the names of those that the run has."""
    regions = any(one.inside.value is not None for one in decoding.drawings)
    spread = any(one.spread.value is not None for one in decoding.drawings)
    heads = ["Drawn by", "PSNR (dB)", *(["Inside objects", "Outside"] * regions), "SSIM", "Sharpness"]
    heads += [*(["Spread"] * spread), "Verdict", "n"]
    rows = []
    for one in decoding.drawings:
        scores = [one.psnr, *([one.inside, one.outside] * regions)]
        cells = [escaped(one.name) if one.control else f"**{escaped(one.name)}**"]
        cells += [with_interval(score, 1) for score in scores]
        cells += [with_interval(score) for score in (one.ssim, one.sharpness, *([one.spread] * spread))]
        rows.append([*cells, escaped(one.verdict), f"{one.n:,} in {count(one.n_groups, 'group')}"])
    parts = [
        "## Decoders: what the embedding holds, drawn",
        escaped(decoding.headline),
        f"From {escaped(decoding.tap)} to frames of {decoding.width} x {decoding.height} px; {decoding.split} "
        "split, scored on groups that no decoder was trained or chosen on.",
        table(heads, rows),
        f"*{escaped(decoding.rule)}*",
        *([escaped(decoding.lpips) + "."] if decoding.lpips else []),
        # Loss, then pictures, as the write-up has them.
        *(
            f"![{DECODER_CAPTIONS[name]}](figures/{name}.png)"
            for name in sorted(DECODER_CAPTIONS)
            if name in figures
        ),
    ]
    if decoding.rungs:
        parts += ["### What the blur is made of", _ladder(decoding)]
    return parts


def _ladder(decoding: Decoding) -> str:
    def cells(*scores: Score) -> list[str]:
        return [with_interval(scores[0], 1), *(with_interval(score) for score in scores[1:])]

    rows = [
        [str(one.number), escaped(one.change), *cells(one.psnr, one.ssim, one.sharpness), f"{one.n:,}"]
        for one in decoding.rungs
    ]
    return table(["", "Change", "PSNR (dB)", "SSIM", "Sharpness", "Frames"], rows)
