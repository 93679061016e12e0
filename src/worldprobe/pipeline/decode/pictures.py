"""Frames to look at: a few test moments by every decoder and control, and a film of all test clips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldprobe.decoders.batches import ready
from worldprobe.decoders.pairs import Averaged
from worldprobe.io.arrays import write_arrays
from worldprobe.pipeline.decode.scores import BICUBIC, FLOW_STEPS, bicubic, draw, mean_image
from worldprobe.pipeline.decode.training import ScoredDecoder, Workshop
from worldprobe.video.write import write_video

PICTURES = "pictures.safetensors"
_MOMENTS = 6
_SAMPLES = 3
_LEAST_WIDTH = 256
_SPREAD_GAIN = 4.0  # a deviation of a quarter of the range is white

Frames = NDArray[np.float32]


def write_pictures(shop: Workshop, scored: Sequence[ScoredDecoder], path: Path) -> None:
    """The first frame of a few test moments, as drawn by each: uint8 [moments, H, W, 3] each."""
    rows = scored[0].rows
    chosen = [rows[i * len(rows) // _MOMENTS] for i in range(_MOMENTS)] if len(rows) > _MOMENTS else list(rows)
    real = np.stack([_moment(ready(*shop.rows.pairs.read(row))[1]) for row in chosen])
    pictures: dict[str, Frames] = {"real": real}
    for one in sorted(scored, key=lambda each: each.baseline != "none"):
        if isinstance(one.source, Averaged):
            continue
        tokens = np.stack([_moment(ready(*one.source.read(row))[0]) for row in chosen])
        title = one.decoder.name if one.baseline == "none" else f"{one.decoder.name}: {one.baseline}"
        if one.baseline == "none" and hasattr(one.decoder.module, "draw"):
            count = shop.plan.decode.samples
            samples = [draw(one, tokens, steps=FLOW_STEPS[1], seed=seed)[:, 0] for seed in range(count)]
            pictures |= {f"{title}, sample {k + 1}": samples[k] for k in range(min(_SAMPLES, count))}
            pictures[f"{title}, mean of {count}"] = np.mean(samples, axis=0)
            spread = np.std(samples, axis=0).mean(axis=1, keepdims=True) * _SPREAD_GAIN
            pictures[f"{title}, spread"] = np.repeat(spread.clip(0, 1), 3, axis=1)
        else:
            pictures[title] = one.decoder.decode(tokens, seed=shop.plan.seed)[:, 0]
    if "mean-image" in shop.plan.decode.controls:
        pictures["mean image"] = np.broadcast_to(mean_image(shop), real.shape)
    if "bicubic" in shop.plan.decode.controls:
        pictures |= {f"bicubic {cells} x {cells}": bicubic(real, cells=cells) for _, cells in BICUBIC}
    arrays = {f"{number:02d}": _bytes(one) for number, one in enumerate(pictures.values())}
    write_arrays(path, arrays, {"titles": list(pictures)})


def write_film(shop: Workshop, scored: Sequence[ScoredDecoder], path: Path) -> None:
    """All test clips one after the other as H.264: real frames above what each decoder draws of them."""
    first = shop.series[0].specs[0]
    rate = Fraction(first.video.rate / max(first.stride, 1) / shop.rows.pairs.every).limit_denominator(1001)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, _film(shop, [one for one in scored if one.baseline == "none"]), rate=rate)


def _film(shop: Workshop, scored: Sequence[ScoredDecoder]) -> Iterator[NDArray[np.uint8]]:
    larger = max(1, -(-_LEAST_WIDTH // shop.rows.size[1]))
    for row in sorted(scored[0].rows, key=lambda each: shop.rows.pairs.clips[each]):
        tokens, real = ready(*shop.rows.pairs.read(row))
        stack = [real]
        for one in scored:
            stack.append(one.decoder.decode(tokens, seed=shop.plan.seed))
        high = np.concatenate([_bytes(frames.reshape(-1, *frames.shape[2:])) for frames in stack], axis=1)
        for frame in high.repeat(larger, axis=1).repeat(larger, axis=2):
            yield frame[: len(frame) // 2 * 2, : frame.shape[1] // 2 * 2]


def _moment(tubelets: Frames) -> Frames:
    """The middle one of a clip's tubelets; of frames [n, frames, 3, H, W] its first frame."""
    middle: Frames = tubelets[len(tubelets) // 2]
    return np.asarray(middle[0]) if tubelets.ndim == 5 else middle


def _bytes(frames: Frames) -> NDArray[np.uint8]:
    """float [n, 3, H, W] in 0 to 1 to uint8 [n, H, W, 3]."""
    return (frames * 255 + 0.5).clip(0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
