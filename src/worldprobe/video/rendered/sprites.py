"""Drawing for rendered scenes: outlines with soft edges, textures, and backgrounds that pan."""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Box = tuple[slice, slice]  # rows and columns of a frame
Shape = Literal["disc", "square", "triangle", "cross"]
SHAPES: tuple[Shape, ...] = ("disc", "square", "triangle", "cross")
TEXTURES = ("stripes", "checks", "dots", "gradient")
_TILE = 256
_ARM = 0.36  # half the width of a cross's arm, as a share of half its side


def area(shape: Shape, half_width: float, half_height: float) -> float:
    """Area of an outline in px, from half the sides of its box."""
    share = {"disc": np.pi / 4, "square": 1.0, "triangle": 0.5, "cross": 2 * _ARM - _ARM**2}[shape]
    return float(4 * half_width * half_height * share)


def extent(shape: Shape, centre: tuple[float, float], half: tuple[float, float], size: tuple[int, int]) -> Box:
    """Find the rows and columns of a frame outside of which an outline covers nothing.

    Args:
        shape: the outline's.
        centre: of the outline's box, in px.
        half: half the box's width and height in px.
        size: width and height of the frame in px.
    """
    start, count = _boxes(shape, np.array([centre]), half)
    columns, rows = (
        slice(*(min(max(0, int(end)), most) for end in (first, first + length)))
        for first, length, most in zip(start[0], count, size, strict=True)
    )
    return rows, columns


def _boxes(shape: Shape, centres: NDArray[np.float64], half: tuple[float, float]) -> tuple[Ints, tuple[int, int]]:
    """First column and row of the box of an outline at each of its centres [t, 2], int64 [t, 2], and its size."""
    a, b = half
    left, above, below = 0.5, 0.5, 0.5  # a soft edge reaches half a pixel along its normal
    if shape == "disc":
        left, above, below = 0.5 * a / min(half), 0.5 * b / min(half), 0.5 * b / min(half)
    elif shape == "triangle":
        slope = float(np.hypot(2 * b, a))
        left, above = 0.25 * (slope + a) / b, 0.5 * slope / a
    # A hundredth more: edges are computed in float32.
    low = np.array((a + left, b + above)) + 0.01
    reach = low + (a + left, b + below) + 0.01
    return np.floor(centres - low - 0.5).astype(np.int64), (int(reach[0]) + 3, int(reach[1]) + 3)


def coverage(shape: Shape, *, centre: tuple[float, float], half: tuple[float, float], box: Box) -> Floats:
    """How much of each pixel an outline covers, 0 to 1, float32 [h, w] of a box.

    Args:
        centre: of the outline's box, in px; pixel i covers [i, i + 1).
        half: half the box's width and height in px.
        box: rows and columns of the frame.
    """
    return _coverage(shape, *_offsets(centre, box), half)


def _coverage(shape: Shape, x: Floats, y: Floats, half: tuple[float, float]) -> Floats:
    """Coverage of pixels whose middles lie at offsets from an outline's centre: [..., 1, w] and [..., h, 1]."""
    a, b = half
    if shape == "disc":
        distance = (np.sqrt((x / a) ** 2 + (y / b) ** 2) - 1.0) * min(a, b)
    elif shape == "square":
        distance = np.maximum(np.abs(x) - a, np.abs(y) - b)
    elif shape == "triangle":
        slope = np.hypot(2 * b, a)
        distance = np.maximum(y - b, (2 * b * np.abs(x) - a * (y + b)) / slope)
    else:
        upright = np.maximum(np.abs(x) - _ARM * a, np.abs(y) - b)
        lying = np.maximum(np.abs(x) - a, np.abs(y) - _ARM * b)
        distance = np.minimum(upright, lying)
    return np.asarray(np.clip(0.5 - distance, 0.0, 1.0), dtype=np.float32)


def texture(name: str, *, centre: tuple[float, float], period: float, angle: float, box: Box) -> Floats:
    """A pattern that moves with its object, in -1 to 1, mean about 0, float32 [h, w] of a box; ``period`` in px."""
    return _texture(name, *_offsets(centre, box), period, angle)


def _texture(name: str, x: Floats, y: Floats, period: float, angle: float) -> Floats:
    """The pattern at offsets from its object's centre, of shapes that go together."""
    turn = 2 * np.pi / period
    along = (x * np.cos(angle) + y * np.sin(angle)) * turn
    if name == "stripes":
        pattern = np.sin(along)
    elif name == "gradient":
        pattern = np.clip(along / (2 * np.pi), -1, 1)
    else:
        across = (y * np.cos(angle) - x * np.sin(angle)) * turn
        checks = name == "checks"
        pattern = np.sign(np.sin(along) * np.sin(across)) if checks else np.cos(along) * np.cos(across)
    return np.asarray(pattern, dtype=np.float32)


def appearances(
    shape: Shape,
    name: str,
    *,
    centres: NDArray[np.float64],
    half: tuple[float, float],
    period: float,
    angle: float,
    size: tuple[int, int],
) -> list[tuple[Box, Floats, Floats]]:
    """Draw an object at each of its centres [t, 2], px: a box of the frame, and its coverage and texture there.

    The very numbers of ``extent``, ``coverage`` and ``texture``, for many frames at once: they are a few hundred
    pixels a frame, for which numpy's calls would take longer than the pixels. Where nothing is covered, the texture
    is 0.

    Args:
        shape, name: of its outline and its texture.
        half: half its box's width and height in px.
        period, angle: of its texture, in px and radians.
        size: width and height of the frame in px.
    """
    start, (width, height) = _boxes(shape, centres, half)
    low = np.clip(start, 0, size)
    high = np.clip(start + np.array((width, height)), 0, size)
    middle = centres.astype(np.float32)
    columns, rows = (
        (start[:, axis, None] + np.arange(length)).astype(np.float32) + np.float32(0.5) - middle[:, axis, None]
        for axis, length in ((0, width), (1, height))
    )
    inside = np.flatnonzero((low < high).all(axis=1))
    masks = np.zeros((len(centres), height, width), np.float32)
    patterns = np.zeros_like(masks)
    x, y = columns[inside, None, :], rows[inside, :, None]
    found = _coverage(shape, x, y, half)
    masks[inside] = found
    # Sines are the dearest of all: only of pixels that show them.
    covered = found > 0
    shown = np.zeros_like(found)
    shown[covered] = _texture(
        name, np.broadcast_to(x, found.shape)[covered], np.broadcast_to(y, found.shape)[covered], period, angle
    )
    patterns[inside] = shown
    boxes = []
    for time, (first, begin, end) in enumerate(zip(start.tolist(), low.tolist(), high.tolist(), strict=True)):
        box = (slice(begin[1], end[1]), slice(begin[0], end[0]))
        down, across = (slice(begin[i] - first[i], max(begin[i], end[i]) - first[i]) for i in (1, 0))
        boxes.append((box, masks[time, down, across], patterns[time, down, across]))
    return boxes


def _offsets(centre: tuple[float, float], box: Box) -> tuple[Floats, Floats]:
    """Where the middles of a box's pixels lie from a centre, in px: float32 [1, w] and [h, 1]."""
    x = np.arange(box[1].start, box[1].stop, dtype=np.float32)[None, :] + 0.5 - centre[0]
    y = np.arange(box[0].start, box[0].stop, dtype=np.float32)[:, None] + 0.5 - centre[1]
    return x, y


def noise_tile(generator: np.random.Generator, *, roughness: float) -> Floats:
    """Smooth noise that wraps around, float32 [256, 256], mean 0 and spread 1.

    White noise whose spectrum falls with frequency to the power ``roughness``.
    """
    white = np.fft.rfft2(generator.standard_normal((_TILE, _TILE)))
    frequency, where = _frequencies()
    tile = np.fft.irfft2(white * (frequency**-roughness)[where], s=(_TILE, _TILE))
    return np.asarray(tile / tile.std(), dtype=np.float32)


@cache
def _frequencies() -> tuple[NDArray[np.float64], Ints]:
    """A tile's spectral frequencies, each once, and which of them each of its coefficients has.

    A power of each of the 33,000 coefficients takes longer than the transform.
    """
    fy, fx = np.fft.fftfreq(_TILE)[:, None], np.fft.rfftfreq(_TILE)[None, :]
    frequency = np.hypot(fx, fy)
    frequency[0, 0] = np.inf
    once, where = np.unique(frequency, return_inverse=True)
    return once, where.reshape(frequency.shape)


def wrapped(tile: Floats, size: tuple[int, int]) -> Floats:
    """A tile beyond its right and lower edges, such that any window of a size (width, height) lies within it."""
    width, height = size
    across = np.concatenate([tile] * (1 + -(-width // _TILE)), axis=1)[:, : _TILE + width]
    return np.concatenate([across] * (1 + -(-height // _TILE)))[: _TILE + height]


def window(tile: Floats, *, corner: tuple[float, float], size: tuple[int, int]) -> Floats:
    """The part of a wrapping tile whose corner lies at a point, between pixels too: float32 [h, w].

    Args:
        tile: as ``wrapped`` gives it for this size.
    """
    fx, fy = corner[0] % 1.0, corner[1] % 1.0
    left, top = int(np.floor(corner[0])) % _TILE, int(np.floor(corner[1])) % _TILE
    part = tile[top : top + size[1] + 1, left : left + size[0] + 1]
    part = part[:-1] * (1 - fy) + part[1:] * fy
    return np.asarray(part[:, :-1] * (1 - fx) + part[:, 1:] * fx, dtype=np.float32)
