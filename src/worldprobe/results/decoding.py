"""What decoders draw."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from worldprobe.intervals import Standing
from worldprobe.results.line import Result

DecodingBaseline = Literal[
    "none", "mean-image", "shuffled-embedding", "random-init", "pixels", "bicubic-8", "bicubic-16", "copy-last"
]

DecodingMetric = Literal["psnr", "ssim", "lpips", "sharpness", "spread", "coverage-50", "coverage-90"]


class DecodingResult(Result):
    """How near the frames drawn from embeddings come to the real ones, on groups that no decoder was trained on.

    ``metric``: PSNR in dB and SSIM, means over frames; ``sharpness``, the mean length of differences between
    neighbouring px over that of the real frames; ``spread``, the mean deviation of a px (0 to 1) between samples;
    ``coverage-50`` and ``-90``, the share of px in the central interval of samples that is to hold so many %.
    ``region`` is "all", or the px "inside" or "outside" the labelled objects' boxes. ``variant`` says how a decoder
    sampled ("4 steps", "mean of 4 samples"). ``protocol`` is "sound", or a rung of the ladder from the original
    protocol to it, whose ``change`` says what was changed; only there may frames be of training pairs.
    ``against``: how its PSNR stands to each baseline's, frames paired. ``calibration`` of a spread, of px by how
    much one half of the samples differ: the error of the other half's mean that follows from how these differ, the
    error found (roots of mean squares), and their share.
    """

    written_by = "decode"
    kind: Literal["decoding"] = "decoding"
    encoder: str
    tap: str
    decoder: str
    target: Literal["actual", "predicted"] = "actual"
    baseline: DecodingBaseline = "none"
    variant: str = ""
    protocol: str = "sound"
    change: str = ""
    metric: DecodingMetric
    region: Literal["all", "inside", "outside"] = "all"
    score: float | None
    low: float | None
    high: float | None
    n: int
    n_groups: int
    n_train: int
    width: int
    height: int
    split: str
    seed: int
    against: dict[str, Standing] = Field(default_factory=dict)
    calibration: list[tuple[float, float, float]] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
