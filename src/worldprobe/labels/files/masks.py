"""Boxes of masks as COCO writes them: polygons, run lengths, and run lengths packed into text."""

from __future__ import annotations

from typing import Any

import numpy as np

from worldprobe.labels.values import LARGEST, excerpt, number, whole

Box = tuple[float, float, float, float]
_LETTERS = 13  # of one packed number, as many as 64 bits take
_FIRST_LETTER = 48  # "0" stands for 0


def box_of(segmentation: Any, frame: tuple[int, int]) -> Box | None:
    """Left, top, width and height in px of a mask; None where it covers nothing.

    Args:
        segmentation: a list of polygons (x, y, x, y, ...), or ``{"size": [h, w], "counts": [...] or "..."}``.
        frame: width and height of the film, which a run-length mask has to have.

    Raises:
        ValueError: neither, or damaged.
    """
    if isinstance(segmentation, dict):
        return _box_of_runs(segmentation, frame)
    if not isinstance(segmentation, list):
        raise ValueError(f"segmentation {excerpt(segmentation)} is neither polygons nor run lengths")
    polygons = segmentation if all(isinstance(one, list) for one in segmentation) else [segmentation]
    points: list[tuple[float, float]] = []
    for polygon in polygons:
        if len(polygon) % 2 or 0 < len(polygon) < 6:
            raise ValueError(f"polygon {excerpt(polygon)} is not three or more pairs of x and y")
        values = [number(one, "polygon's coordinate") for one in polygon]
        points += zip(values[::2], values[1::2], strict=True)
    return box_around(points)


def box_around(points: list[tuple[float, float]]) -> Box | None:
    """The box of some points; None where there are none."""
    if not points:
        return None
    across, down = zip(*points, strict=True)
    return min(across), min(down), max(across) - min(across), max(down) - min(down)


def unpacked(text: str) -> list[int]:
    """Run lengths from COCO's text: six bits a letter, five of them the number's, lowest first, the sixth set where
    it goes on; from the fourth on, each number is the difference from the one before the last.

    Raises:
        ValueError: a letter that none is, or an end within a number.
    """
    counts: list[int] = []
    value = shift = 0
    for letter in text:
        code = ord(letter) - _FIRST_LETTER
        if not 0 <= code < 64 or shift >= 5 * _LETTERS:
            raise ValueError(f"run lengths {excerpt(text)} are not COCO's text: {excerpt(letter)} stands in it")
        value |= (code & 31) << shift
        shift += 5
        if not code & 32:
            if code & 16:
                value -= 1 << shift
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    if shift:
        raise ValueError(f"run lengths {excerpt(text)} are not COCO's text: they end within a number")
    return counts


def _box_of_runs(mask: dict[str, Any], frame: tuple[int, int]) -> Box | None:
    size, counts = mask.get("size"), mask.get("counts")
    if not isinstance(size, list) or len(size) != 2 or not isinstance(counts, list | str):
        raise ValueError(f"run lengths {excerpt(mask)} have no size [height, width] or no counts")
    height, width = (whole(one, "mask's size") for one in size)
    if (width, height) != frame:
        raise ValueError(f"its mask is of {width} x {height} px, the film has {frame[0]} x {frame[1]}")
    runs = unpacked(counts) if isinstance(counts, str) else [whole(one, "run length") for one in counts]
    if min(runs, default=0) < 0 or max(runs, default=0) > LARGEST or sum(runs) != height * width:
        raise ValueError(f"run lengths {excerpt(counts)} do not add up to {height} x {width} pixels")
    # Columns first, background first.
    ends = np.cumsum(np.array(runs, dtype=np.int64))
    starts, stops = ends[:-1][::2], ends[1::2]
    drawn = stops > starts[: len(stops)]
    starts, last = starts[: len(stops)][drawn], stops[drawn] - 1
    if not len(starts):
        return None
    # A run over the end of a column touches the picture's bottom and top.
    over = starts // height != last // height
    top = 0 if over.any() else int((starts % height).min())
    bottom = height - 1 if over.any() else int((last % height).max())
    left, right = int((starts // height).min()), int((last // height).max())
    return float(left), float(top), float(right - left + 1), float(bottom - top + 1)
