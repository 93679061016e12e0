"""The pictures of what a run keeps to be looked at: frames as the model sees them, and tokens as colours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from worldprobe.findings.sections.moments import ShownClip
from worldprobe.pipeline.pictures import Pixels, write_picture
from worldprobe.records import ClipSpec
from worldprobe.store import Series

MOST_FRAMES = 32


def token_maps(clips: Sequence[NDArray[np.float32] | None]) -> list[Pixels | None]:
    """The first three principal components of all clips' tokens as red, green and blue: uint8 [t', h', w', 3] each.

    As Oquab et al. 2023 (DINOv2), fig. 1; one basis for all clips, so that colours compare between them.
    """
    known = [clip for clip in clips if clip is not None]
    if not known:
        return [None] * len(clips)
    rows = np.concatenate([clip.reshape(-1, clip.shape[-1]) for clip in known])
    centre = rows.mean(axis=0)
    _, axes = np.linalg.eigh((rows - centre).T @ (rows - centre))
    axes = axes[:, ::-1][:, :3]
    axes = np.pad(axes, ((0, 0), (0, 3 - axes.shape[1])))  # fewer than three dimensions leave colours out
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), range(axes.shape[1])])  # a sign means nothing: fix it
    low, high = np.quantile((rows - centre) @ axes, [0.01, 0.99], axis=0)
    scale = 255 / np.maximum(high - low, 1e-9)
    return [
        None if clip is None else (((clip - centre) @ axes - low) * scale).clip(0, 255).astype(np.uint8)
        for clip in clips
    ]


def places(series: Series, spec: ClipSpec) -> range:
    """At most so many frames; of long clips the first of each tubelet, and of very long ones the beginning."""
    grid = series.grid
    step = 1 if spec.frames <= MOST_FRAMES else grid.tubelet
    return range(0, min(spec.frames, MOST_FRAMES * step, grid.time * grid.tubelet), step)


def seen_part(series: Series) -> tuple[float, float, float, float]:
    """The part of the frame that the model sees, in source px: left, top, right, bottom."""
    low = series.view.to_source(np.zeros(2))
    high = series.view.to_source(np.array(series.view.size, dtype=np.float64))
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def write_strip(frames: Pixels, one: ShownClip, path: Path, series: Series, spec: ClipSpec) -> None:
    """The shown frames side by side, each what the model sees of it."""
    strip = Image.new("RGB", (one.width * len(one.seconds), one.height))
    for place, frame in enumerate(places(series, spec)):
        picture = Image.fromarray(frames[frame])
        seen = picture.resize((one.width, one.height), Image.Resampling.BICUBIC, box=_within(series))
        strip.paste(seen, (place * one.width, 0))
    write_picture(strip, path, "WEBP")


def _within(series: Series) -> tuple[float, float, float, float]:
    left, top, right, bottom = seen_part(series)
    return max(0.0, left), max(0.0, top), min(series.video.width, right), min(series.video.height, bottom)
