"""Where things are: source pixels, model pixels, tubelets and cells.

Coordinates are continuous: pixel ``i`` covers ``[i, i + 1)``, so a frame ``w`` pixels wide spans
``[0, w]`` and resizing is a plain multiplication.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class View:
    """The part of a source frame that the model sees: ``model = source * scale - offset``.

    Attributes:
        scale: model px per source px, horizontally and vertically (they differ by rounding).
        offset: model px cut away on the left and at the top.
        size: width and height of the model's input in px.
    """

    scale: tuple[float, float]
    offset: tuple[float, float]
    size: tuple[int, int]

    def __post_init__(self) -> None:
        if min(self.scale) <= 0 or min(self.size) <= 0:
            raise ValueError(f"a view needs positive scale and size, got {self.scale = }, {self.size = }")

    def to_model(self, xy_source: Floats) -> Floats:
        """Source px ``[..., 2]`` to model px ``[..., 2]``."""
        return np.asarray(np.asarray(xy_source) * np.array(self.scale) - np.array(self.offset), np.float64)

    def to_source(self, xy_model: Floats) -> Floats:
        """Model px ``[..., 2]`` to source px ``[..., 2]``."""
        return np.asarray((np.asarray(xy_model) + np.array(self.offset)) / np.array(self.scale), np.float64)

    def contains(self, xy_source: Floats) -> NDArray[np.bool_]:
        """Which source points ``[..., 2]`` the model can see, bool ``[...]``."""
        xy_model = self.to_model(xy_source)
        return np.asarray(((xy_model >= 0) & (xy_model < np.array(self.size))).all(axis=-1))


def resize_and_crop(width: int, height: int, *, crop: int) -> tuple[tuple[int, int], View]:
    """The geometry of V-JEPA 2's preprocessing: resize the short side, then cut out the centre.

    Short side to ``int(crop * 256 / 224)``, the other in proportion, both truncated; crop corner at
    ``int((size - crop) / 2.0)``. This is what transformers' ``VJEPA2VideoProcessor`` does.

    Returns:
        The resized (width, height) in px, and the view.
    """
    short = int(crop * 256 / 224)
    if width <= height:
        resized = (short, max(short, int(short * height / width)))
    else:
        resized = (max(short, int(short * width / height)), short)
    left, top = (int((resized[0] - crop) / 2.0), int((resized[1] - crop) / 2.0))
    scale = (resized[0] / width, resized[1] / height)
    return resized, View(scale=scale, offset=(float(left), float(top)), size=(crop, crop))


@dataclass(frozen=True, slots=True)
class TokenGrid:
    """The token grid t' x h' x w' of a clip.

    Attributes:
        time, height, width: tokens along each axis.
        tubelet: frames that one token covers.
        patch: px of the model's input that one token covers, along each side.
    """

    time: int
    height: int
    width: int
    tubelet: int
    patch: int

    def __post_init__(self) -> None:
        if min(self.time, self.height, self.width, self.tubelet, self.patch) < 1:
            raise ValueError(f"a token grid needs positive sizes, got {self}")

    @property
    def tokens(self) -> int:
        return self.time * self.height * self.width

    def tubelet_of(self, position: int) -> int | None:
        """The tubelet that covers sampled frame ``position`` of the clip; None past the last whole one."""
        index = position // self.tubelet
        return index if 0 <= index < self.time else None

    def cell_of(self, xy_model: tuple[float, float]) -> tuple[int, int] | None:
        """Row and column of the token under a point in model px; None outside the input."""
        column, row = int(np.floor(xy_model[0] / self.patch)), int(np.floor(xy_model[1] / self.patch))
        if 0 <= row < self.height and 0 <= column < self.width:
            return row, column
        return None

    def index(self, time: int, row: int, column: int) -> int:
        """Position in the encoder's token order: time, row, column."""
        return (time * self.height + row) * self.width + column


def rotation_vector(turned: Floats) -> Floats:
    """Rotations [t, 3, 3] as axis times angle, [t, 3] in rad; for less than half a turn."""
    pairs = ((2, 1), (0, 2), (1, 0))
    skew = 0.5 * np.stack([turned[:, a, b] - turned[:, b, a] for a, b in pairs], axis=1)
    sine = np.linalg.norm(skew, axis=1)
    cosine = (np.trace(turned, axis1=1, axis2=2) - 1) / 2
    scale = np.where(sine > 1e-9, np.arctan2(sine, cosine) / np.maximum(sine, 1e-9), 1.0)
    return np.asarray(skew * scale[:, None])


def from_six(six: Floats) -> Floats:
    """Rotations [n, 3, 3] with first columns nearest to six numbers [n, 6] (Zhou et al. 2019, section 4.2).

    Where the six numbers are no two directions, they are no rotation: NaN.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        first = six[:, :3] / np.linalg.norm(six[:, :3], axis=1, keepdims=True)
        second = six[:, 3:] - (first * six[:, 3:]).sum(axis=1, keepdims=True) * first
        second = second / np.linalg.norm(second, axis=1, keepdims=True)
    return np.stack([first, second, np.cross(first, second)], axis=2)
