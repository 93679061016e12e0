"""Clips whose frames an encoder sees in another order than the video's, by kind of input."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from worldprobe.records import Clip, ClipSpec
from worldprobe.store import Input

Ints = NDArray[np.int64]


def frame_order(spec: ClipSpec, input: Input, *, tubelet: int) -> Ints:
    """The position in the video's order of the frame that an encoder sees at each position of a clip, int64 [t].

    ``reversed``: backwards. ``shuffled``: tubelets in a random order, and the frames of each in a random order: it
    follows from the video, the clip and the tubelet alone, and is never the video's own. Frames that fill no whole
    tubelet stay at the end, so that every tubelet holds the frames of one of the native clip's, and has its label.
    """
    order = np.arange(spec.frames, dtype=np.int64)
    whole = spec.frames // tubelet * tubelet
    if input == "reversed":
        order[:whole] = order[:whole][::-1]
    if input == "shuffled" and whole > 1:
        key = hashlib.sha256(
            f"{spec.video.id} {spec.start} {spec.frames} {spec.stride} {tubelet}".encode()
        ).digest()
        generator = np.random.default_rng(int.from_bytes(key[:8], "little"))
        tubelets = order[:whole].reshape(-1, tubelet)
        while True:
            drawn = generator.permuted(generator.permutation(tubelets), axis=1).ravel()
            if (drawn != order[:whole]).any():
                break
        order[:whole] = drawn
    return order


def reordered(clip: Clip, input: Input, *, tubelet: int) -> Clip:
    """A clip as this kind of input shows it."""
    if input in ("native", "still"):
        return clip
    order = frame_order(clip.spec, input, tubelet=tubelet)
    return replace(clip, pts_seconds=clip.pts_seconds[order], pixels=clip.pixels[order])


def in_video_order(
    values: NDArray[np.float16], spec: ClipSpec, input: Input, *, tubelet: int
) -> NDArray[np.float16]:
    """Tokens [t', ...] of a clip that an encoder saw in another order, each tubelet's where the video has it."""
    if input in ("native", "still"):
        return values
    seen = frame_order(spec, input, tubelet=tubelet)[: len(values) * tubelet : tubelet] // tubelet
    found = np.empty_like(values)
    found[seen] = values
    return found
