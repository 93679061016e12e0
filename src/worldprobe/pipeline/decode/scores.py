"""Test rows drawn by decoders and by trivial ways, held against the real frames; and the lines of the results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.decoders import metrics
from worldprobe.decoders.batches import ready
from worldprobe.decoders.metrics import FrameMetrics, SpreadBins
from worldprobe.decoders.pairs import Averaged
from worldprobe.intervals import Draws, Standing, no_draws, standings
from worldprobe.pipeline.decode.frames import Regions
from worldprobe.pipeline.decode.training import ScoredDecoder, TokenPairs, Workshop
from worldprobe.results import FEW_GROUPS, DecodingBaseline, DecodingMetric, DecodingResult

Frames = NDArray[np.float32]
BICUBIC: tuple[tuple[DecodingBaseline, int], ...] = (("bicubic-8", 8), ("bicubic-16", 16))
FLOW_STEPS = (1, 4, 16)
_REGIONS = ("all", "inside", "outside")


@dataclass(slots=True, eq=False)
class ScoredFrames:
    """One thing that was scored: whose frames, and their tally."""

    encoder: str
    tap: str
    decoder: str
    n_train: int
    baseline: DecodingBaseline = "none"
    variant: str = ""
    protocol: str = "sound"
    change: str = ""
    tally: FrameMetrics = field(default_factory=FrameMetrics)
    spread: FrameMetrics = field(default_factory=FrameMetrics)
    bins: SpreadBins = field(default_factory=SpreadBins)


def score(shop: Workshop, scored: Sequence[ScoredDecoder], regions: Regions | None) -> list[DecodingResult]:
    """Every decoder, and the mean image and bicubic frames beside the first."""
    lines: list[ScoredFrames] = []
    for number, one in enumerate(scored):
        lines += lines_of(shop, one, regions)
        if not number:
            lines += trivial(shop, one, regions)
    stands = iter(_judged(shop, lines))
    return [
        result
        for line in lines
        for result in results_of(shop, line, next(stands) if line.baseline == "none" else None)
    ]


def _judged(shop: Workshop, lines: Sequence[ScoredFrames]) -> list[dict[str, Standing]]:
    """How each decoder's PSNR, each way to ask it, stands to the baselines'; all draw the same frames."""
    psnr = [(line.baseline, line.tally.score("psnr", seed=shop.plan.seed)[0]) for line in lines]
    baselines: dict[str, Draws] = {name: draws for name, draws in psnr if name != "none"}
    return standings([(draws, baselines) for name, draws in psnr if name == "none"])


def lines_of(shop: Workshop, one: ScoredDecoder, regions: Regions | None = None) -> list[ScoredFrames]:
    """Draw and measure the rows of one decoder: one line, or for a sampling one a line for each way to ask it."""
    module = one.decoder.module
    sampling = hasattr(module, "draw")

    def line(variant: str) -> ScoredFrames:
        return ScoredFrames(
            one.encoder, one.tap, one.decoder.name, one.n_train, one.baseline, variant, one.protocol, one.change
        )

    if not sampling:
        only = line("")
        for group, tokens, real, masks in _test(shop, one.source, one.rows, regions):
            only.tally.add(_flat(one.decoder.decode(tokens, seed=shop.plan.seed)), real, group=group, masks=masks)
        return [only]
    steps = {count: line(f"{count} step{'s'[: count != 1]}") for count in FLOW_STEPS}
    count, samples = FLOW_STEPS[1], shop.plan.decode.samples
    together = line(f"mean of {samples} samples, {count} steps")
    for group, tokens, real, masks in _test(shop, one.source, one.rows, regions):
        for number, each in steps.items():
            seeds = range(samples if number == count else 1)
            frames = [_flat(draw(one, tokens, steps=number, seed=shop.plan.seed + seed)) for seed in seeds]
            each.tally.add(frames[0], real, group=group, masks=masks)
            if number == count:
                together.tally.add(np.mean(frames, axis=0), real, group=group, masks=masks)
                together.spread.add_samples(np.stack(frames), real, group=group)
                together.bins.add(np.stack(frames), real)
    return [steps[count], *(each for number, each in steps.items() if number != count), together]


def draw(one: ScoredDecoder, tokens: Frames, *, steps: int, seed: int) -> Frames:
    """One sample of a sampling decoder in so many steps: float32 [n, frames, 3, H, W]."""
    import torch

    module: Any = one.decoder.module
    generator = torch.Generator(one.decoder.device).manual_seed(seed)
    with torch.inference_mode():
        given = torch.from_numpy(np.ascontiguousarray(tokens)).to(one.decoder.device)
        found = module.draw(given, generator=generator, steps=steps)
    return np.asarray(found.float().cpu().numpy(), dtype=np.float32)


def mean_image(shop: Workshop) -> Frames:
    """The mean of all training frames, float32 [3, H, W] in 0 to 1."""
    rows = shop.rows
    total = np.zeros((3, *rows.size))
    for row in rows.training:
        total += rows.pairs.frames.read(row).mean(axis=(0, 1), dtype=np.float64)
    return np.asarray(total / len(rows.training) / 255, dtype=np.float32)


def bicubic(frames: Frames, *, cells: int) -> Frames:
    """Frames [n, 3, H, W] averaged to ``cells`` a side, and back by bicubic interpolation."""
    import torch
    from torch.nn.functional import adaptive_avg_pool2d, interpolate

    small = adaptive_avg_pool2d(torch.from_numpy(np.ascontiguousarray(frames)), cells)
    back = interpolate(small, size=frames.shape[-2:], mode="bicubic", align_corners=False)
    return np.asarray(back.clamp(0, 1).numpy(), dtype=np.float32)


def trivial(shop: Workshop, like: ScoredDecoder, regions: Regions | None) -> list[ScoredFrames]:
    """What needs no embedding: the mean image, and frames known at 8 x 8 and 16 x 16 only."""
    controls = shop.plan.decode.controls
    ways: list[tuple[DecodingBaseline, Callable[[Frames], Frames]]] = []
    if "mean-image" in controls:
        mean = mean_image(shop)
        ways.append(("mean-image", lambda real: np.broadcast_to(mean, real.shape).copy()))
    if "bicubic" in controls:
        ways += [(name, lambda real, cells=cells: bicubic(real, cells=cells)) for name, cells in BICUBIC]  # type: ignore[misc]
    lines = [ScoredFrames("none", "none", name, like.n_train, name) for name, _ in ways]
    for group, _, real, masks in _test(shop, like.source, like.rows, regions):
        for line, (_, way) in zip(lines, ways, strict=True):
            line.tally.add(way(real), real, group=group, masks=masks)
    return lines


def results_of(
    shop: Workshop, line: ScoredFrames, against: Mapping[str, Standing] | None = None
) -> list[DecodingResult]:
    """A line's scores, and how its PSNR stands to that of baselines."""
    found: list[tuple[DecodingMetric, str, tuple[Draws, int]]] = []
    for metric in metrics.METRICS:
        found.append((metric, "all", line.tally.score(metric, seed=shop.plan.seed)))
    for region in _REGIONS[1:]:
        inside = line.tally.score("psnr", region=region, seed=shop.plan.seed)
        if inside[0].value is not None:
            found.append(("psnr", region, inside))
    if line.spread.spread:
        sampled: tuple[DecodingMetric, ...] = ("spread", *metrics.COVERAGES)
        found += [(metric, "all", line.spread.score(metric, seed=shop.plan.seed)) for metric in sampled]
    if line.baseline == "none":
        reason = metrics.lpips_missing()
        lpips = (no_draws(""), 0) if reason else line.tally.score("lpips", seed=shop.plan.seed)
        found.append(("lpips", "all", lpips))
    height, width = shop.rows.size
    groups = len(np.unique(np.concatenate(line.tally.group)))
    few = [f"{groups} groups held out: the interval is rough"] if groups < FEW_GROUPS else []
    scored = [(metric, region, draws.score(), n) for metric, region, (draws, n) in found]
    return [
        DecodingResult(
            encoder=line.encoder,
            tap=line.tap,
            decoder=line.decoder,
            baseline=line.baseline,
            variant=line.variant,
            protocol=line.protocol,
            change=line.change,
            metric=metric,
            region=region,
            score=score.value,
            low=score.low,
            high=score.high,
            n=n,
            n_groups=groups,
            n_train=line.n_train,
            width=width,
            height=height,
            split=shop.plan.split,
            seed=shop.plan.seed,
            against=against if against and (metric, region) == ("psnr", "all") else {},
            calibration=line.bins.rows() if metric == "spread" else [],
            notes=few if metric == "psnr" and line.baseline == "none" else [reason] if metric == "lpips" else [],
        )
        for metric, region, score, n in scored
    ]


def _test(
    shop: Workshop, source: TokenPairs, rows: Sequence[int], regions: Regions | None
) -> Iterator[tuple[int, Frames, Frames, NDArray[np.bool_] | None]]:
    """Of each row: group, tokens, frames [n, 3, H, W], where objects are; thinned evenly to the plan's most."""
    most = shop.plan.decode.most_tested
    if len(rows) > most:
        rows = [rows[i * len(rows) // most] for i in range(most)]
    each = max(1, most // len(rows))
    for row in rows:
        tokens, frames = ready(*source.read(row))
        every = -(-len(tokens) // each)
        masks = None if regions is None or isinstance(source, Averaged) else regions.of(row)[::every]
        real = frames[::every]
        flat = None if masks is None else masks.reshape(-1, *masks.shape[2:])
        yield int(shop.rows.group[row]), tokens[::every], _flat(real), flat


def _flat(frames: Frames) -> Frames:
    """[n, frames, 3, H, W] to [n * frames, 3, H, W]."""
    return frames.reshape(-1, *frames.shape[2:])
