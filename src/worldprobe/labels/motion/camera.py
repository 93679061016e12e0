"""What the camera's own motion does to the picture, and labels that say so, for speeds to be freed of it.

A camera that turns, tilts or moves sideways shifts the whole picture; that shift is measured, from frame to
frame, and nothing else: zoom, roll and parallax are not.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from worldprobe.labels.motion.register import PreparedGrey, displacement, look, scale_of, shrink
from worldprobe.labels.speeds import SPEED_WINDOW_SECONDS, spacing_of, window, windows
from worldprobe.protocols import FrameSource
from worldprobe.records import Labels

if TYPE_CHECKING:
    import polars as pl

Floats = NDArray[np.float64]
COLUMNS = ("camera_vx", "camera_vy")
_MOST_UNKNOWN = 0.2  # of the frames, without a word


def global_motion(video: FrameSource) -> Floats:
    """How far the camera shifted the picture from the frame before to each frame, float64 [frames, 2], source px.

    Rightwards and downwards: a camera that pans to the right gives negative first values. NaN at the first
    frame of a shot, after frames that cannot be read, and where no shift can be believed: nothing in the picture to
    hold on to, or most of it changed. Reads the video once and holds two frames, however long it is.
    """
    ref = video.ref
    scale = scale_of(ref.height)
    found = np.full((ref.frames, 2), np.nan)
    cuts = set(video.shots)
    before: tuple[int, PreparedGrey] | None = None
    for index, picture in video.frames():
        now = look(shrink(picture, scale))
        if before is not None and before[0] == index - 1 and index not in cuts:
            shift = displacement(before[1], now)
            if shift.reliable:
                found[index] = np.array(shift.xy) * scale
        before = index, now
    return np.asarray(found, np.float64)


def camera_velocity(motion: Floats, pts_seconds: Floats) -> Floats:
    """The speed at which the camera moves the picture at each frame, float64 [frames, 2], source px a second.

    Measured as the speeds of tracks are: over the frames within 0.2 s on either side and at least over those beside
    it (``labels/speeds.py``), never across a NaN of the motion. NaN for a frame that stands alone.

    Args:
        motion: as ``global_motion`` gives it. pts_seconds: time of each frame, float64 [frames].
    """
    unknown: NDArray[np.bool_] = np.asarray(np.isnan(motion).any(axis=1))
    run = np.cumsum(unknown)  # frames of one run are joined by known motion
    begins, ends = np.searchsorted(run, run), np.searchsorted(run, run, side="right") - 1
    first, last = window(pts_seconds, spacing_of(pts_seconds))
    return _velocity(motion, pts_seconds, np.maximum(first, begins), np.minimum(last, ends))


def _velocity(motion: Floats, pts_seconds: Floats, first: NDArray[np.int64], last: NDArray[np.int64]) -> Floats:
    """From each first to each last frame [m]: px a second, float64 [m, 2]; NaN across an unknown step."""
    unknown: NDArray[np.bool_] = np.asarray(np.isnan(motion).any(axis=1))
    place = np.cumsum(np.where(unknown[:, None], 0.0, motion), axis=0)
    lost = np.cumsum(unknown)
    elapsed = pts_seconds[last] - pts_seconds[first]
    speed = np.full((len(first), 2), np.nan)
    moved: NDArray[np.bool_] = np.asarray((elapsed > 0) & (lost[last] == lost[first]))
    speed[moved] = (place[last] - place[first])[moved] / elapsed[moved, None]
    return speed


def with_camera(labels: Labels, video: FrameSource) -> Labels:
    """The labels with the columns ``camera_vx`` and ``camera_vy``: the speed that the camera gives to whatever
    stands still in the world, px a second at that frame. ``targets.tracks`` takes them from the speeds.
    Rows of other videos are left as they are. A note says so where it is not known for many of the frames.
    """
    import polars as pl

    motion = global_motion(video)
    speed = camera_velocity(motion, video.pts_seconds)
    table = labels.table
    mine = (table["video"] == video.ref.id).to_numpy()
    own = _at_labels(table.filter(pl.Series(mine)), motion, speed, video)
    columns = []
    for axis, name in enumerate(COLUMNS):
        old = table[name].to_numpy() if name in table.columns else np.full(len(table), np.nan)
        values = old.astype(np.float64)
        values[mine] = own[:, axis]
        columns.append(pl.Series(name, values, dtype=pl.Float64))
    unknown = int(np.isnan(speed).any(axis=1).sum())
    notes = labels.notes
    if unknown > _MOST_UNKNOWN * len(speed):
        notes += (
            f"{video.ref.path}: the camera's motion is not known in {unknown} of {len(speed)} frames (little "
            "texture, or most of the picture changes), and no speeds are taken there. With a camera that stands "
            'still, leave it in: without --subtract-camera, or camera = "kept".',
        )
    return replace(labels, table=table.with_columns(columns), notes=notes)


def _at_labels(table: pl.DataFrame, motion: Floats, speed: Floats, video: FrameSource) -> Floats:
    """The camera's speed at each row [m, 2]: where that of its track is taken over more than 0.2 s on either side,
    over the same time."""
    frame, seconds = table["frame"].to_numpy(), table["pts_seconds"].to_numpy()
    found: Floats = np.array(speed[frame])
    shot = np.searchsorted(np.asarray(video.shots), frame, side="right")
    first, last = windows(table["object"].to_numpy(), shot, seconds)
    wide = np.maximum(seconds - seconds[first], seconds[last] - seconds) > SPEED_WINDOW_SECONDS + 1e-9
    found[wide] = _velocity(motion, video.pts_seconds, frame[first[wide]], frame[last[wide]])
    return found
