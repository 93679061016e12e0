"""How far one picture of the world has moved against another, to a few hundredths of a pixel.

Candidates come from phase correlation (Kuglin and Hines 1975) and from a search over coarse pictures; the one
that most of the picture agrees with is refined by robust gradient steps (Odobez and Bouthemy 1995), so that
what moves by itself does not count. Why it is our own: docs/decisions/camera.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.float32]
Floats = NDArray[np.float64]

HEIGHT = 144  # px: pictures are compared at about this height; finer detail is noise
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # of red, green, blue (ITU-R BT.601)
_BLUR = 1.0  # px, so that gradients hold over a step
_COARSE, _REACH = 4, 6  # the search's pixel in px, and how many of them it goes either way
_PEAKS = 3  # of the phase correlation, that are tried
_DIFFERENT = 12.0  # of 255: pixels that differ by more do not agree
_CAPPED = 8.0  # of 255: what differs by more costs no more
_LEAST_OVERLAP = 0.25  # of the picture
_LEAST_AGREEING = 0.5  # of the overlap
_LEAST_CORRELATION = 0.3  # of the fine structure, where they agree
_FINE = 6.0  # px: structure below this size is fine
_STEPS, _CLOSE = 10, 0.003  # at most so many refinements, until they move less than this many px
_NOISE = 0.25  # of 255: the least that differences are taken to scatter


@dataclass(frozen=True, slots=True, eq=False)
class PreparedGrey:
    """A grey picture prepared for comparison: blurred float32 [h, w], its coarse form, its windowed spectrum."""

    smooth: Grey
    coarse: Grey
    spectrum: NDArray[np.complex64]


@dataclass(frozen=True, slots=True)
class Shift:
    """Where the world of one picture lies in another, and how far that can be believed.

    Attributes:
        xy: px to the right and down.
        agreeing: share of the overlap that is alike.
        correlation: of the fine structure where they are alike; about 0 where there is none to hold on to.
    """

    xy: tuple[float, float]
    agreeing: float
    correlation: float

    @property
    def reliable(self) -> bool:
        return not self.changed and self.correlation >= _LEAST_CORRELATION

    @property
    def changed(self) -> bool:
        """Whether most of the picture is another, wherever it is looked for."""
        return self.agreeing < _LEAST_AGREEING


def scale_of(height: int) -> int:
    """Source px that one px of the compared pictures covers, along each axis."""
    return max(1, round(height / HEIGHT))


def shrink(picture: NDArray[np.uint8], scale: int) -> Grey:
    """RGB [h, w, 3] to grey [h / scale, w / scale] by the mean of each square; a rest at the edge is cut."""
    height, width = picture.shape[0] // scale * scale, picture.shape[1] // scale * scale
    rows = picture[:height, :width].reshape(height // scale, scale, width * 3).sum(axis=1, dtype=np.uint32)
    squares = rows.reshape(height // scale, width // scale, scale, 3).sum(axis=2, dtype=np.uint32)
    return np.asarray(squares.astype(np.float32) @ _LUMA / np.float32(scale * scale))


def look(grey: Grey) -> PreparedGrey:
    """Prepare a grey picture float32 [h, w]."""
    from scipy.fft import rfft2
    from scipy.ndimage import gaussian_filter

    height, width = grey.shape
    fade = np.outer(np.hanning(height), np.hanning(width)).astype(np.float32)
    cell = min(_COARSE, height, width)
    rows, columns = height // cell, width // cell
    cells = grey[: rows * cell, : columns * cell].reshape(rows, cell, columns, cell)
    return PreparedGrey(gaussian_filter(grey, _BLUR), cells.mean(axis=(1, 3)), rfft2((grey - grey.mean()) * fade))


def displacement(before: PreparedGrey, after: PreparedGrey) -> Shift:
    """How far the world moved from one picture to another of the same size.

    Up to 24 px either way, a sixth of the height, most of the picture has to agree; beyond that it takes fine
    texture, for phase correlation to find it.
    """
    candidates = [(0, 0), _by_search(before.coarse, after.coarse), *_by_phase(before, after)]
    best = min(candidates, key=lambda xy: _cost(before.smooth, after.smooth, xy))
    return refine(before.smooth, after.smooth, (float(best[0]), float(best[1])))


def refine(
    before: Grey, after: Grey, start: tuple[float, float], *, known: NDArray[np.bool_] | None = None
) -> Shift:
    """The displacement nearest to ``start`` that most of the picture agrees with; pictures are blurred already.

    Args:
        known: bool [h, w], where ``before`` is to be believed; everywhere by default.
    """
    xy = np.array(start, dtype=np.float64)
    for _ in range(_STEPS):
        rows, columns = overlap(before.shape, xy)
        here, there = before[rows, columns], part(after, xy, rows, columns)
        if min(here.shape) < 2 or here.size < _LEAST_OVERLAP * before.size:
            return Shift((float(xy[0]), float(xy[1])), 0.0, 0.0)
        down, right = np.gradient((here + there) / 2)
        rest = there - here
        weight = 1 / (1 + (rest / (2 * (1.4826 * np.median(np.abs(rest)) + _NOISE))) ** 2) ** 2
        if known is not None:
            weight = weight * known[rows, columns]
        mixed = float((weight * right * down).sum())
        square = np.array([[(weight * right * right).sum(), mixed], [mixed, (weight * down * down).sum()]])
        pull = np.array([(weight * right * rest).sum(), (weight * down * rest).sum()])
        step = np.clip(np.linalg.lstsq(square, -pull, rcond=1e-6)[0], -1, 1)
        xy += step
        if np.abs(step).max() < _CLOSE:
            break
    return _judged(before, after, xy, known)


def _judged(before: Grey, after: Grey, xy: Floats, known: NDArray[np.bool_] | None) -> Shift:
    from scipy.ndimage import gaussian_filter

    rows, columns = overlap(before.shape, xy)
    where = known[rows, columns] if known is not None else np.ones(before[rows, columns].shape, dtype=bool)
    if where.sum() < _LEAST_OVERLAP * before.size:
        return Shift((float(xy[0]), float(xy[1])), 0.0, 0.0)
    here, there = before[rows, columns], part(after, xy, rows, columns)
    alike = where & (np.abs(there - here) < _DIFFERENT)
    agreeing = float(alike.sum() / where.sum())
    fine = [(one - gaussian_filter(one, _FINE))[alike] for one in (here, there)]
    power = float(np.sqrt((fine[0] ** 2).sum() * (fine[1] ** 2).sum()))
    correlation = float((fine[0] * fine[1]).sum()) / power if power > 0 else 0.0
    return Shift((float(xy[0]), float(xy[1])), agreeing, correlation)


def _by_phase(before: PreparedGrey, after: PreparedGrey) -> list[tuple[int, int]]:
    """The highest peaks of the phase correlation, apart from each other."""
    from scipy.fft import irfft2

    cross = after.spectrum * np.conj(before.spectrum)
    size = np.abs(cross)
    surface = irfft2(cross / (size + 1e-6 * size.max() + 1e-12), s=before.smooth.shape)
    height, width = surface.shape
    found = []
    for _ in range(_PEAKS):
        y, x = divmod(int(surface.argmax()), width)
        found.append((x - width if x > width // 2 else x, y - height if y > height // 2 else y))
        surface[np.ix_(np.arange(y - 2, y + 3) % height, np.arange(x - 2, x + 3) % width)] = -np.inf
    return found


def _by_search(before: Grey, after: Grey) -> tuple[int, int]:
    """The best of all displacements within reach, by the coarse pictures."""
    steps = range(-_REACH, _REACH + 1)
    x, y = min(((x, y) for y in steps for x in steps), key=lambda xy: _cost(before, after, xy))
    return x * _COARSE, y * _COARSE


def _cost(before: Grey, after: Grey, xy: tuple[int, int]) -> float:
    """Mean difference at a whole displacement, each capped: what moves by itself counts little."""
    (x, y), (height, width) = xy, before.shape
    if abs(x) >= width or abs(y) >= height:  # of a tiny picture nothing overlaps so far away
        return np.inf
    here = before[max(0, -y) : height - max(0, y), max(0, -x) : width - max(0, x)]
    if here.size < _LEAST_OVERLAP * before.size:
        return np.inf
    there = after[max(0, y) : height + min(0, y), max(0, x) : width + min(0, x)]
    apart = there - here
    np.minimum(np.abs(apart, out=apart), _CAPPED, out=apart)
    return float(np.add.reduce(apart, axis=None) / apart.size)  # the mean, of which there are 169 a frame


def overlap(shape: tuple[int, ...], xy: Floats) -> tuple[slice, slice]:
    """Rows and columns of a picture whose displaced place lies within another of the same size."""
    x, y = (int(value) for value in np.floor(xy))
    inside = [(max(0, -by), max(0, -by, min(side, side - by - 1))) for by, side in ((y, shape[0]), (x, shape[1]))]
    return slice(*inside[0]), slice(*inside[1])


def part(picture: Grey, xy: Floats, rows: slice, columns: slice) -> Grey:
    """The picture at the displaced places of some rows and columns, between pixels by bilinear weights."""
    x, y = (int(value) for value in np.floor(xy))
    right, down = np.float32(xy[0] - x), np.float32(xy[1] - y)
    near = picture[rows.start + y : rows.stop + y + 1, columns.start + x : columns.stop + x + 1]
    near = near[:-1] * (1 - down) + near[1:] * down
    return np.asarray(near[:, :-1] * (1 - right) + near[:, 1:] * right)
