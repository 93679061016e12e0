"""What was recorded between two messages, at the times of frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# A state is known between two messages that are no further apart than so many of the topic's usual gaps, or than so
# many seconds.
_GAPS, _LEAST_GAP = 3.0, 0.1
_UNIT = 1e-2  # a quaternion's length is at most so far from 1

Floats = NDArray[np.float64]


def values_at(frames: Floats, times: Floats, values: Floats, *, held: bool) -> Floats:
    """Values at the frames' times, float64 [n]; NaN where no message is near.

    Args:
        frames: seconds, float64 [n], increasing.
        times: of the messages, float64 [m].
        held: the last one sent counts, as it does for commands; else what lies on the line between two messages.
    """
    order = np.argsort(times, kind="stable")
    times, values = times[order], values[order]
    most = max(_LEAST_GAP, _GAPS * float(np.median(np.diff(times)))) if len(times) > 1 else _LEAST_GAP
    after = np.searchsorted(times, frames, side="left").clip(0, len(times) - 1)
    before = (np.searchsorted(times, frames, side="right") - 1).clip(0)
    if held:
        found, known = values[before], (frames - times[before] <= most) & (times[0] <= frames)
    else:
        found = np.interp(frames, times, values)
        known = (times[after] - times[before] <= most) & (times[0] <= frames) & (frames <= times[-1])
    return np.where(known, found, np.nan)


def rotations_at(frames: Floats, times: Floats, quaternions: Floats) -> Floats | None:
    """Rotations at the frames' times, quaternions [n, 4] of length 1; NaN where no message is near.

    A quaternion and its negative are the same rotation, and recorders give either: each is taken on its neighbour's
    side, so that no component jumps, and what lies on the line between two is brought back to length 1 (Shoemake
    1985, "Animating rotation with quaternion curves", by the chord, which between near rotations is the arc).

    Args:
        frames: seconds, float64 [n], increasing.
        times: of the messages, float64 [m].
        quaternions: [m, 4], in any order of their components.

    Returns:
        None where they are no rotations: of another length than 1. Those of no length and NaN, which recorders send
        before they know, are left out.
    """
    lengths = np.linalg.norm(quaternions, axis=1)
    told = np.isfinite(lengths) & (lengths > 0)
    if not told.any() or (np.abs(lengths[told] - 1) > _UNIT).any():
        return None
    times, quaternions = times[told], quaternions[told]
    order = np.argsort(times, kind="stable")
    times, turned = times[order], quaternions[order]
    sides = np.where((turned[1:] * turned[:-1]).sum(axis=1) < 0, -1.0, 1.0)
    turned[1:] *= np.cumprod(sides)[:, None]
    found = np.stack([values_at(frames, times, one, held=False) for one in turned.T], axis=1)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))
