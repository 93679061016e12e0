"""How far a predicted future lies from the true one. Axes: b clips, k horizons, s tokens of a tubelet, d width."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.float32]
# A token has changed when a block of its px differs by this much on average (of 255) from the context's last (by
# what codecs let still backgrounds drift, 8 to 12 in half a second, it has not),
CHANGED = 16.0
# and by so many times what such blocks differ by where nothing moves.
_BEYOND = 4.0
# The share of tokens in which nothing is taken to move.
_QUIET = 0.25
_MOST_NOISE = 8.0
# px along the side of a block, where a patch can be cut into such.
_BLOCK = 4
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

    A token's patch is averaged over its tubelet and over blocks of about 4 px, so that grain averages out. It has
    moved when any of its blocks, in any colour, differs from the context's last tubelet by more than 16 of 255, and
    by more than 4 times the noise of the clip.

    Args:
        pixels: uint8 [b, t, 3, h, w] of context + horizon tubelets or more.
        side: tokens along each side of a frame.
    """
    blocks = blocks_of(pixels[:, : (context + horizon) * tubelet], tubelet, side)
    least = np.maximum(CHANGED, _BEYOND * _noise(blocks))
    apart = np.abs(blocks[:, context:] - blocks[:, context - 1 : context]).max(axis=-1)
    return np.asarray(apart > least[:, None, None])


def blocks_of(pixels: NDArray[np.uint8], tubelet: int, side: int) -> Tokens:
    """Mean colours of the blocks of each token's patch, [b, t, 3, h, w] to [b, t', side * side, blocks * 3]."""
    b, _, _, height, width = pixels.shape
    patches = height // side, width // side
    down, across = (next(px for px in range(min(_BLOCK, patch), patch + 1) if patch % px == 0) for patch in patches)
    cut = (side, patches[0] // down, down, side, patches[1] // across, across)
    means = pixels.reshape(b, -1, tubelet, 3, *cut).mean(axis=(2, 6, 9), dtype=np.float32)
    return np.asarray(means.transpose(0, 1, 3, 5, 2, 4, 6).reshape(b, means.shape[1], side * side, -1))


def _noise(blocks: Tokens) -> Tokens:
    """The deviation of what blocks [b, t', s, m] change by where nothing moves, at most 8 of 255: float32 [b].

    That is the quietest quarter of the tokens. Grain is new in every frame, so it is told from steady motion by
    second differences. Where all of a clip moves by more than its own structures, nothing tells the two apart: no
    film's grain is beyond the bound.
    """
    order = min(2, blocks.shape[1] - 1)
    steps = np.sqrt((np.diff(blocks, n=order, axis=1) ** 2).mean(axis=-1)).reshape(len(blocks), -1)
    # A difference of three has thrice the variance of one of two.
    quiet = np.quantile(steps, _QUIET, axis=1) / np.sqrt(2 * order - 1)
    return np.asarray(np.minimum(quiet, _MOST_NOISE), dtype=np.float32)


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
