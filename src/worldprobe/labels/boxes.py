"""Boxes as (left, top, right, bottom): overlap and suppression."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def iou(a: Floats, b: Floats) -> Floats:
    """Intersection over union of every pair: boxes [n, 4] and [m, 4] to [n, m]; 0 where both are empty."""
    corner = np.maximum(a[:, None, :2], b[None, :, :2])
    opposite = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(opposite - corner, 0, None).prod(axis=2)
    areas = [np.clip(x[:, 2:] - x[:, :2], 0, None).prod(axis=1) for x in (a, b)]
    union = areas[0][:, None] + areas[1][None, :] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def nms(boxes: Floats, scores: Floats, *, threshold: float) -> NDArray[np.int64]:
    """Greedy non-maximum suppression: indices kept of boxes [n, 4], best score first.

    A box goes when it overlaps a better one that is kept by more than ``threshold``.
    """
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(int(best))
        order = order[iou(boxes[[best]], boxes[order])[0] <= threshold]
    return np.array(kept, dtype=np.int64)


def corners(centre_and_size: Floats) -> Floats:
    """Boxes [n, 4] as x, y, w, h of centre and size, to corners [n, 4]."""
    half = centre_and_size[:, 2:] / 2
    return np.concatenate([centre_and_size[:, :2] - half, centre_and_size[:, :2] + half], axis=1)


def centre_and_size(boxes: Floats) -> Floats:
    """Boxes [n, 4] as corners, to x, y, w, h of centre and size [n, 4]."""
    return np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], axis=1)
