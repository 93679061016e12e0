"""How near drawn frames come to the real ones, and how sharp they are; intervals by resampling groups.

PSNR and SSIM (Wang et al. 2004, by torchmetrics) are means over frames. They favour the mean picture, which is
blurred wherever the embedding leaves something open, so a figure of sharpness stands beside them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from worldprobe.intervals import Draws, bootstrap, no_draws

Frames = NDArray[np.float32]
Masks = NDArray[np.bool_]
Floats = NDArray[np.float64]
METRICS: tuple[Literal["psnr", "ssim", "sharpness"], ...] = ("psnr", "ssim", "sharpness")
COVERAGES: dict[Literal["coverage-50", "coverage-90"], float] = {"coverage-50": 0.5, "coverage-90": 0.9}
"""Central intervals of the samples, and the share of px that each is to hold."""
_SPREADS = 2.0 ** np.arange(-9, -1)
_LEAST_ERROR = 1e-10  # 100 dB: equal bytes have no finite PSNR


@dataclass(slots=True)
class FrameMetrics:
    """Figures of each frame measured so far; scalars only, so it may see any number of frames."""

    psnr: list[Floats] = field(default_factory=list)
    ssim: list[Floats] = field(default_factory=list)
    inside: list[Floats] = field(default_factory=list)
    outside: list[Floats] = field(default_factory=list)
    decoded: list[Floats] = field(default_factory=list)
    real: list[Floats] = field(default_factory=list)
    spread: list[Floats] = field(default_factory=list)
    covered: dict[str, list[Floats]] = field(default_factory=lambda: {name: [] for name in COVERAGES})
    lpips: list[Floats] = field(default_factory=list)
    group: list[NDArray[np.int64]] = field(default_factory=list)

    def add_samples(self, samples: Frames, real: Frames, *, group: int) -> None:
        """Measure samples [S, n, 3, H, W] of frames [n, 3, H, W]: how they differ, and how often they hold them."""
        self.spread.append(samples.std(axis=0).mean(axis=(1, 2, 3), dtype=np.float64))
        for name, share in COVERAGES.items():
            self.covered[name].append(coverage(samples, real, share=share))
        self.group.append(np.full(len(real), group, dtype=np.int64))

    def add(self, decoded: Frames, real: Frames, *, group: int, masks: Masks | None = None) -> None:
        """Measure frames [n, 3, H, W] in 0 to 1 of one group; ``masks`` [n, H, W] say where objects are."""
        squared = (decoded.astype(np.float64) - real) ** 2
        self.psnr.append(decibel(squared.mean(axis=(1, 2, 3))))
        self.ssim.append(ssim(decoded, real))
        if not lpips_missing():
            self.lpips.append(lpips(decoded, real))
        self.decoded.append(edges(decoded))
        self.real.append(edges(real))
        self.group.append(np.full(len(decoded), group, dtype=np.int64))
        nowhere = np.zeros(squared.shape[:1] + squared.shape[2:], dtype=bool)
        self.inside.append(_within(squared, nowhere if masks is None else masks))
        self.outside.append(_within(squared, nowhere if masks is None else ~masks))

    def score(self, metric: str, *, region: str = "all", seed: int) -> tuple[Draws, int]:
        """Score the frames by a metric of ``DecodingResult``; PSNR also inside or outside objects.

        Returns: the score and its resamples, and of how many frames it is; 0 where nothing could be measured.
        """
        group = np.concatenate(self.group)
        if metric == "sharpness":
            real = np.concatenate(self.real)
            return ratio(np.concatenate(self.decoded), real, group, seed=seed), int((real > 0).sum())
        scalars = {"psnr": self.psnr, "ssim": self.ssim, "spread": self.spread, "lpips": self.lpips}
        values = (scalars | self.covered)[metric]
        if region != "all":
            values = {"inside": self.inside, "outside": self.outside}[region]
        found = np.concatenate(values)
        return mean(found, group, seed=seed), int(np.isfinite(found).sum())


@dataclass(slots=True)
class SpreadBins:
    """Errors of samples' means, expected and found, of px by how much the samples differ there.

    Where the real frame is to S samples as one more of them, of variance v (divisor S - 1), the square of their
    mean's error is v (1 + 1 / S): the roots of both means over px. By one half of the samples px are put into
    ranges, the other half is measured, and the other way round: those few that seem to differ least differ by more.
    """

    expected: Floats = field(default_factory=lambda: np.zeros(len(_SPREADS) + 1))
    found: Floats = field(default_factory=lambda: np.zeros(len(_SPREADS) + 1))
    count: Floats = field(default_factory=lambda: np.zeros(len(_SPREADS) + 1))

    def add(self, samples: Frames, real: Frames) -> None:
        """Count the px of samples [S, n, 3, H, W] of real frames [n, 3, H, W]."""
        halves = [samples[::2], samples[1::2]] if len(samples) > 3 else [samples, samples]
        for places, measured in (halves, halves[::-1]):
            of = np.searchsorted(np.square(_SPREADS), _variance(places))
            error = ((measured.mean(axis=0, dtype=np.float64) - real) ** 2).ravel()
            for sums, values in ((self.expected, _variance(measured)), (self.found, error), (self.count, None)):
                sums += np.bincount(of, values, len(sums))

    def rows(self) -> list[tuple[float, float, float]]:
        """Of each range of expected errors that has px: expected, found (roots of mean squares), their share."""
        some = self.count > 0
        expected, found = (np.sqrt(sums[some] / self.count[some]) for sums in (self.expected, self.found))
        share = self.count[some] / self.count.sum()
        return [tuple(map(float, row)) for row in np.stack([expected, found, share], axis=1)]  # type: ignore[misc]


def coverage(samples: Frames, real: Frames, *, share: float) -> Floats:
    """Count the share of each frame's px [n, 3, H, W] in the central interval of its samples [S, n, 3, H, W].

    By the px's rank among the samples, randomised within its place (the mean over that lot, so nothing is drawn):
    where a px is to its samples as one more of them, this is ``share`` for any S and distribution (Hamill 2001;
    Czado, Gneiting and Held 2009). Equal values share their places.
    """
    number, tail = len(samples), (1.0 - share) / 2
    below = (samples < real).sum(axis=0)
    low = below / (number + 1)
    high = (below + (samples == real).sum(axis=0) + 1) / (number + 1)
    within = np.minimum(high, 1.0 - tail) - np.maximum(low, tail)
    found: Floats = (within.clip(0) / (high - low)).mean(axis=(1, 2, 3))
    return found


def _variance(samples: Frames) -> Floats:
    """The squared error of samples' mean that follows from how they differ, of each px."""
    found: Floats = samples.var(axis=0, dtype=np.float64, ddof=1).ravel() * (1 + 1 / len(samples))
    return found


def decibel(squared_error: Floats) -> Floats:
    """PSNR of mean squared errors of values in 0 to 1."""
    return np.asarray(-10.0 * np.log10(np.maximum(squared_error, _LEAST_ERROR)))


def ssim(decoded: Frames, real: Frames) -> Floats:
    """Structural similarity of each frame [n, 3, H, W], Gaussian window of 11 px and 1.5 px deviation."""
    import torch
    from torchmetrics.functional.image import structural_similarity_index_measure

    found: Any = structural_similarity_index_measure(
        torch.from_numpy(decoded), torch.from_numpy(real), data_range=1.0, reduction="none"
    )
    return np.atleast_1d(np.asarray(found.numpy(), dtype=np.float64))


def edges(frames: Frames) -> Floats:
    """Mean length of the differences to the next px, right and down, of each frame [n, 3, H, W].

    Sharpness is that of the drawn frames over that of the real ones: below 1 blurred, above 1 noisy.
    """
    across = np.diff(frames, axis=-1)[..., :-1, :]
    down = np.diff(frames, axis=-2)[..., :, :-1]
    return np.asarray(np.sqrt(across**2 + down**2).mean(axis=(1, 2, 3)), dtype=np.float64)


def mean(values: Floats, group: NDArray[np.int64], *, seed: int) -> Draws:
    """Average the values that are there, and on resamples of the groups."""
    known = np.isfinite(values)
    return ratio(np.where(known, values, 0.0), known.astype(np.float64), group, seed=seed)


def ratio(above: Floats, below: Floats, group: NDArray[np.int64], *, seed: int) -> Draws:
    """Divide sum by sum, and on resamples of the groups; not measured where there is nothing to divide by."""
    _, code = np.unique(group, return_inverse=True)
    tops, bottoms = np.bincount(code, above), np.bincount(code, below)
    if not bottoms.sum():
        return no_draws("")

    def statistic(weights: Floats) -> Floats:
        return np.asarray((weights @ tops) / (weights @ bottoms))

    value = float(tops.sum() / bottoms.sum())
    return bootstrap(statistic, len(tops), seed=seed, scale="plain", value=value)


def lpips(decoded: Frames, real: Frames) -> Floats:
    """Perceptual distance of each frame by AlexNet's features (Zhang et al. 2018), by torchmetrics."""
    import torch
    from torchmetrics.functional.image import learned_perceptual_image_patch_similarity as distance

    pairs = zip(torch.from_numpy(decoded), torch.from_numpy(real), strict=True)
    return np.array([float(distance(a[None], b[None], net_type="alex", normalize=True)) for a, b in pairs])


def lpips_missing() -> str:
    """Why LPIPS cannot be measured here, its weights being fetched for nobody; empty where it can."""
    from importlib.util import find_spec

    if find_spec("torchvision") is None:
        return "LPIPS not measured: its network comes with torchvision, which is not installed"
    import torch

    if not list((Path(torch.hub.get_dir()) / "checkpoints").glob("alexnet-*.pth")):
        return f"LPIPS not measured: AlexNet's weights are not in {torch.hub.get_dir()}/checkpoints"
    return ""


def _within(squared: Floats, masks: Masks) -> Floats:
    """PSNR over the px of a mask [n, H, W]; NaN where it is empty."""
    count = masks.sum(axis=(1, 2)) * squared.shape[1]
    with np.errstate(invalid="ignore"):
        error = (squared * masks[:, None]).sum(axis=(1, 2, 3)) / count
    return np.where(count > 0, decibel(np.where(count > 0, error, 1.0)), np.nan)
