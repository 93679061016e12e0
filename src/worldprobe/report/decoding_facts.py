"""What a report states of frames drawn from embeddings, typed."""

from __future__ import annotations

from worldprobe.report.base import Fact, Score


class Drawing(Fact):
    """One decoder, one way to ask it, or one control. ``verdict`` is empty for controls."""

    name: str
    encoder: str
    control: bool
    psnr: Score
    inside: Score
    outside: Score
    ssim: Score
    sharpness: Score
    spread: Score
    n: int
    n_groups: int
    n_train: int
    verdict: str = ""


class Rung(Fact):
    """One rung of the ladder from the original's decoder to a sound one."""

    number: int
    change: str
    psnr: Score
    ssim: Score
    sharpness: Score
    n: int
    n_groups: int


class Decoding(Fact):
    """Everything a run says of decoders."""

    tap: str
    width: int
    height: int
    split: str
    headline: str
    rule: str
    drawings: tuple[Drawing, ...]
    rungs: tuple[Rung, ...]
    lpips: str
    caveats: tuple[str, ...]
