"""How far a predicted future lies from the true one. Axes: b clips, k horizons, s tokens of a tubelet, d width."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.float32]
# A token has changed when its pixels differ by this much on average (of 255) from the context's last.
CHANGED = 8.0
# Moments that are compared at once: a film's would not fit in single precision.
_CHUNK = 256


def l1(predicted: Tokens, true: Tokens) -> NDArray[np.float32]:
    """Mean absolute difference over d, which is what training minimises: [b, k, s, d] twice to [b, k, s]."""
    return np.asarray(np.abs(predicted - true).mean(axis=-1), dtype=np.float32)


def cosine(predicted: Tokens, true: Tokens) -> NDArray[np.float32]:
    """Cosine of each predicted token and the true one, [b, k, s]; 0 where either has no length."""
    lengths = np.linalg.norm(predicted, axis=-1) * np.linalg.norm(true, axis=-1)
    products = np.einsum("bksd,bksd->bks", predicted, true)
    return np.asarray(np.where(lengths > 0, products / np.maximum(lengths, 1e-12), 0.0), dtype=np.float32)


def changed(pixels: NDArray[np.uint8], *, context: int, horizon: int, tubelet: int, side: int) -> NDArray[np.bool_]:
    """Which tokens' pixels have moved since the end of the context, bool [b, horizon, side * side].

    A token's pixels, all frames of its tubelet, against those of the context's last tubelet in the same place:
    they have moved when they differ by more than 8 of 255 on average.

    Args:
        pixels: uint8 [b, t, 3, h, w] of context + horizon tubelets or more.
        side: tokens along each side of a frame.
    """
    b, _, _, height, width = pixels.shape
    shape = (b, -1, tubelet, 3, side, height // side, side, width // side)
    cells = pixels[:, : (context + horizon) * tubelet].reshape(shape)
    last = cells[:, context - 1 : context].astype(np.int16)
    moved = [np.abs(cells[:, context + k : context + k + 1] - last).mean(axis=(2, 3, 5, 7)) for k in range(horizon)]
    return np.concatenate(moved, axis=1).reshape(b, horizon, -1) > CHANGED


def ranks(
    predicted: NDArray[np.floating], moments: NDArray[np.floating], true: NDArray[np.int64]
) -> NDArray[np.int64]:
    """At which place the true moment stands among a video's moments, by likeness to what was predicted: 1 is first.

    Likeness is the cosine of all tokens of a tubelet at once. A moment that is as like as the true one stands
    before it, so that a constant does not win.

    Args:
        predicted: [m, s, d].
        moments: [v, s, d], every moment of the same video.
        true: int64 [m], which of them each told one should be.
    """
    width = int(np.prod(predicted.shape[1:]))
    likeness = np.empty((len(predicted), len(moments)), dtype=np.float32)
    for i in range(0, len(predicted), _CHUNK):
        a = np.asarray(predicted[i : i + _CHUNK], dtype=np.float32).reshape(-1, width)
        for j in range(0, len(moments), _CHUNK):
            b = np.asarray(moments[j : j + _CHUNK], dtype=np.float32).reshape(-1, width)
            b /= np.maximum(np.linalg.norm(b, axis=1, keepdims=True), 1e-12)
            likeness[i : i + _CHUNK, j : j + _CHUNK] = a @ b.T
    own = likeness[np.arange(len(predicted)), true]
    return np.asarray((likeness >= own[:, None]).sum(axis=1), dtype=np.int64)
