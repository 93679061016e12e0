"""Frames in rows and columns, in values: the page has them as a table of pictures, on a ground of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.report.drawing.panels import Panel

Pixels = NDArray[np.uint8]
_RAMP = 64  # steps of a scale


@dataclass(frozen=True, slots=True, eq=False)
class FrameRow:
    """Pictures uint8 [h, w, 3] side by side, None where there is none; ``panel`` is a chart at their end."""

    name: str
    frames: tuple[Pixels | None, ...]
    panel: Panel | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FrameGrid:
    """Rows of pictures beneath the heads of their columns.

    Attributes:
        title: what it is of, such as the window; empty where the figure's caption says it.
        maps: whether rows after the first are values by token, whose cells keep their edges.
        scale: of maps, (the least value, the largest, their colours uint8 [1, n, 3]).
    """

    columns: tuple[str, ...]
    rows: tuple[FrameRow, ...]
    title: str = ""
    maps: bool = False
    scale: tuple[str, str, Pixels] | None = field(default=None)


def coloured(values: NDArray[np.floating[Any]], low: float, high: float) -> Pixels:
    """Values [h, w] as the figures colour them (magma), uint8 [h, w, 3]."""
    from matplotlib import colormaps

    share = np.clip((values - low) / ((high - low) or 1.0), 0.0, 1.0)
    return np.asarray(colormaps["magma"](share, bytes=True))[..., :3]


def scale_of(low: float, high: float, digits: int = 2) -> tuple[str, str, Pixels]:
    """The ends of a scale as text, and its colours."""
    ramp = coloured(np.linspace(low, high, _RAMP)[None], low, high)
    return f"{low:.{digits}f}", f"{high:.{digits}f}", ramp


def frames_of(images: Sequence[NDArray[Any]]) -> tuple[Pixels | None, ...]:
    """Pictures as a row holds them."""
    return tuple(np.asarray(image, dtype=np.uint8) for image in images)
