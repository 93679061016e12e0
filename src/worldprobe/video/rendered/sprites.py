"""Drawing for rendered scenes: outlines with soft edges, textures, and backgrounds that pan."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
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


def extent(centre: tuple[float, float], half: tuple[float, float], size: tuple[int, int]) -> Box:
    """Find the rows and columns of a frame outside of which an outline covers nothing.

    Args:
        centre: of the outline's box, in px.
        half: half the box's width and height in px.
        size: width and height of the frame in px.
    """
    # A soft edge reaches half a pixel along its normal: further where a corner is sharp, or one side the shorter.
    margin = 1 + np.hypot(2 * half[0], 2 * half[1]) / min(half)
    columns, rows = (
        slice(*(min(max(0, int(end)), most) for end in (at - reach - margin, at + reach + margin + 1)))
        for at, reach, most in zip(centre, half, size, strict=True)
    )
    return rows, columns


def coverage(shape: Shape, *, centre: tuple[float, float], half: tuple[float, float], box: Box) -> Floats:
    """How much of each pixel an outline covers, 0 to 1, float32 [h, w] of a box.

    Args:
        centre: of the outline's box, in px; pixel i covers [i, i + 1).
        half: half the box's width and height in px.
        box: rows and columns of the frame.
    """
    x, y = _offsets(centre, box)
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
    x, y = _offsets(centre, box)
    along = (x * np.cos(angle) + y * np.sin(angle)) * (2 * np.pi / period)
    across = (y * np.cos(angle) - x * np.sin(angle)) * (2 * np.pi / period)
    pattern = {
        "stripes": lambda: np.sin(along),
        "checks": lambda: np.sign(np.sin(along) * np.sin(across)),
        "dots": lambda: np.cos(along) * np.cos(across),
        "gradient": lambda: np.clip(along / (2 * np.pi), -1, 1),
    }[name]()
    return np.asarray(pattern, dtype=np.float32)


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
    fy, fx = np.fft.fftfreq(_TILE)[:, None], np.fft.rfftfreq(_TILE)[None, :]
    frequency = np.hypot(fx, fy)
    frequency[0, 0] = np.inf
    tile = np.fft.irfft2(white * frequency**-roughness, s=(_TILE, _TILE))
    return np.asarray(tile / tile.std(), dtype=np.float32)


def window(tile: Floats, *, corner: tuple[float, float], size: tuple[int, int]) -> Floats:
    """The part of a wrapping tile whose corner lies at a point, between pixels too: float32 [h, w]."""
    fx, fy = corner[0] % 1.0, corner[1] % 1.0
    columns = (int(np.floor(corner[0])) + np.arange(size[0] + 1)) % _TILE
    rows = (int(np.floor(corner[1])) + np.arange(size[1] + 1)) % _TILE
    part = tile[np.ix_(rows, columns)]
    part = part[:-1] * (1 - fy) + part[1:] * fy
    return np.asarray(part[:, :-1] * (1 - fx) + part[:, 1:] * fx, dtype=np.float32)
