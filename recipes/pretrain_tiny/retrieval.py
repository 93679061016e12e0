"""On real films, which no training saw: does a clip's nearest neighbour come from the same shot?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldprobe.intervals import Draws
from worldprobe.probes.metrics import ratio_draws
from worldprobe.protocols import Encoder
from worldprobe.records import Clip
from worldprobe.video.read import open_video
from worldprobe.video.sample import clips, read_clips

_MOST_PER_SHOT = 12
_BATCH = 8


def real_clips(films: Sequence[Path], encoder: Encoder, *, frames: int) -> tuple[list[Clip], NDArray[np.int64]]:
    """Clips that lie within one shot each, the first 12 of a shot, and the number of each one's shot."""
    kept: list[Clip] = []
    shots: list[int] = []
    before = 0
    for film in films:
        with open_video(film) as video:
            specs = clips(video.ref, frames=frames, stride=1, shots=video.shots)
            shot_of = np.searchsorted(video.shots, [spec.start for spec in specs], side="right") + before
            before += len(video.shots)
            few = [i for i in range(len(specs)) if (shot_of[:i] == shot_of[i]).sum() < _MOST_PER_SHOT]
            view = encoder.view(video.ref.width, video.ref.height)
            read = read_clips(video, [specs[i] for i in few], preprocess=encoder.preprocess, view=view)
            for i, clip in zip(few, read, strict=True):
                if isinstance(clip, Clip):
                    kept.append(clip)
                    shots.append(int(shot_of[i]))
    number = np.array(shots)
    names, count = np.unique(number, return_counts=True)
    chosen = np.isin(number, names[count >= 2])
    return [clip for clip, keep in zip(kept, chosen, strict=True) if keep], number[chosen]


def retrieval(encoder: Encoder, found: Sequence[Clip], shots: NDArray[np.int64], *, seed: int) -> Draws:
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
    return ratio_draws(right, np.ones_like(right), shots, seed=seed, scale="share", empty="no clips")
