"""Where a clip's camera is at each frame, and what it sees where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldprobe.geometry import rotation_vector
from worldprobe.video.rendered.robots.plan import RATE, SIDE, View

Floats = NDArray[np.float64]
# On the wrist: beside the fingers and behind them, looking at where they meet; in m in the gripper's own frame.
_WRIST_AT, _WRIST_LOOKS_AT, _WRIST_FOVY = (-0.09, 0.0, -0.11), (0.0, 0.0, 0.03), 62.0


@dataclass(frozen=True, slots=True, eq=False)
class CameraPath:
    """A camera over time: ``position`` [t, 3] in m, and ``axes`` [t, 3, 3] whose columns are, in the world, the
    picture's right, its down, and into the picture; ``fovy`` in degrees."""

    position: Floats
    axes: Floats
    fovy: float

    def into(self, points: Floats) -> Floats:
        """Points of the world, [t, 3], in the camera's frame: right, down, depth in m."""
        return np.asarray(np.einsum("tji,tj->ti", self.axes, points - self.position))

    def pixels(self, points: Floats) -> Floats:
        """Where points of the camera's frame, [t, 3], lie in the picture, [t, 2] in px."""
        focal = SIDE / 2 / np.tan(np.deg2rad(self.fovy) / 2)
        return np.asarray(SIDE / 2 + focal * points[:, :2] / np.maximum(points[:, 2:], 1e-6))

    def motion(self) -> Floats:
        """Since the time before, in its own frame: moved by [3] in m, turned by [3] in rad; [t - 1, 6]."""
        moved = np.einsum("tji,tj->ti", self.axes[:-1], np.diff(self.position, axis=0))
        turned = np.einsum("tji,tjk->tik", self.axes[:-1], self.axes[1:])
        return np.concatenate([moved, rotation_vector(turned)], axis=1)


def camera_path(view: View, hands: tuple[Floats, Floats]) -> CameraPath:
    """Lay out a camera's path over frames ``1 / RATE`` seconds apart.

    Args:
        hands: where the gripper is, [t, 3], and how it lies, [t, 3, 3], at each frame.
    """
    at, turned = hands
    count = len(at)
    if view.kind == "wrist":
        position = at + turned @ np.array(_WRIST_AT)
        looks_at = at + turned @ np.array(_WRIST_LOOKS_AT)
        return CameraPath(position, _axes(looks_at - position, -turned[:, :, 0]), _WRIST_FOVY)
    azimuth = view.azimuth + view.sweep * (np.arange(count) - count / 2) / RATE
    flat = np.cos(view.elevation)
    away = np.stack(
        [flat * np.cos(azimuth), flat * np.sin(azimuth), np.full(count, np.sin(view.elevation))], axis=1
    )
    return CameraPath(
        view.target + view.distance * away, _axes(-away, np.tile([0.0, 0.0, 1.0], (count, 1))), view.fovy
    )


def _axes(looks: Floats, up: Floats) -> Floats:
    """A camera's right, down and forward as columns, from where it looks and what is up, [t, 3] each."""
    forward = looks / np.linalg.norm(looks, axis=1, keepdims=True)
    right = np.cross(forward, up)
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    return np.stack([right, np.cross(forward, right), forward], axis=2)
