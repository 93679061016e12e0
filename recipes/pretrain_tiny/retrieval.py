"""On real films, which no training saw: does a clip's nearest neighbour come from the same shot?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldprobe.protocols import Encoder
from worldprobe.records import Clip
from worldprobe.video.read import open_video
from worldprobe.video.sample import clips, read_clips

# Mean change of 8 x 8 thumbnails (of 255) from one frame to the next that is taken for a cut.
_CUT = 25.0
_BATCH = 8


def real_clips(films: Sequence[Path], encoder: Encoder, *, frames: int) -> tuple[list[Clip], NDArray[np.int64]]:
    """Clips that lie within one shot each, at most 12 a shot, and the number of each one's shot."""
    kept: list[Clip] = []
    shots: list[int] = []
    shot = 0
    for film in films:
        shot += 1
        with open_video(film) as video:
            specs = clips(video.ref, frames=frames, stride=1)
            view = encoder.view(video.ref.width, video.ref.height)
            last, here = None, 0
            for clip in read_clips(video, specs, preprocess=encoder.preprocess, view=view):
                if not isinstance(clip, Clip):
                    continue
                thumbs = _thumbnails(clip.pixels)
                inside = np.abs(np.diff(thumbs, axis=0)).mean((1, 2)).max()
                across = 0.0 if last is None else float(np.abs(thumbs[0] - last).mean())
                last = thumbs[-1]
                if max(inside, across) > _CUT:
                    shot, here = shot + 1, 0
                if inside <= _CUT and here < 12:
                    kept.append(clip)
                    shots.append(shot)
                    here += 1
    number = np.array(shots)
    names, count = np.unique(number, return_counts=True)
    chosen = np.isin(number, names[count >= 2])
    return [clip for clip, keep in zip(kept, chosen, strict=True) if keep], number[chosen]


def _thumbnails(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    t, c, h, w = pixels.shape
    cells = pixels[:, :, : h // 8 * 8, : w // 8 * 8].reshape(t, c, 8, h // 8, 8, w // 8)
    return np.asarray(cells.mean(axis=(1, 3, 5)), dtype=np.float32)


def retrieval(encoder: Encoder, found: Sequence[Clip], shots: NDArray[np.int64], *, seed: int) -> dict[str, float]:
    """Share of clips whose nearest neighbour by cosine of centred ``z`` is of the same shot; resampled by shot."""
    last = encoder.blocks - 1
    parts = [
        encoder.encode(found[i : i + _BATCH], blocks=[last])[last].astype(np.float32).mean((1, 2, 3))
        for i in range(0, len(found), _BATCH)
    ]
    z = np.concatenate(parts)
    z = z - z.mean(0)
    z /= np.linalg.norm(z, axis=1, keepdims=True) + 1e-9
    likeness = z @ z.T
    np.fill_diagonal(likeness, -np.inf)
    right = (shots[likeness.argmax(1)] == shots).astype(np.float64)
    names, code = np.unique(shots, return_inverse=True)
    hits, n = np.bincount(code, weights=right), np.bincount(code)
    draws = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), 1000)
    low, high = np.quantile((draws @ hits) / (draws @ n), [0.025, 0.975])
    return {
        "score": float(right.mean()),
        "low": float(low),
        "high": float(high),
        "clips": len(z),
        "shots": len(names),
    }
