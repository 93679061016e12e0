"""Transitions of robots' films: a frame, how the robot stood and moved, and the frame that came of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import PredictionError, VideoError
from worldprobe.intervals import Floats
from worldprobe.pipeline.failures import Failure
from worldprobe.pipeline.groups import Groups
from worldprobe.pipeline.sources import open_source
from worldprobe.protocols import Encoder
from worldprobe.records import Clip, ClipSpec, Labels, VideoRef
from worldprobe.video.sample import read_clips, spans

POSE = 7  # x, y, z, three Euler angles (xyz, radians), the gripper's opening
_PREFIX = "state."


@dataclass(frozen=True, slots=True, eq=False)
class Transition:
    """Two frames of a shot, the pose float64 [7] at the first, and the action that leads to the second's."""

    path: Path
    spec: ClipSpec
    group: int
    seconds: float
    pose: Floats
    action: Floats


def pose_difference(before: Floats, after: Floats) -> Floats:
    """The action that leads from a pose [7] to another: positions and openings apart, and the rotation between.

    As DROID's actions are made for V-JEPA 2-AC (Assran et al. 2025, sec. 3): ``after = rotation * before``.
    """
    from scipy.spatial.transform import Rotation

    first, second = (Rotation.from_euler("xyz", pose[3:6]) for pose in (before, after))
    turned = (second * first.inv()).as_euler("xyz")
    return np.concatenate([after[:3] - before[:3], turned, after[6:] - before[6:]])


def transitions(
    videos: Sequence[Path], labels: Labels, *, stride: int, most: int | None, failures: list[Failure]
) -> list[Transition]:
    """Cut transitions of ``stride`` source frames, end to end within each shot, where both poses are known.

    Args:
        most: of a video, evenly spread; all where it is None.
        failures: gets the videos that cannot be read.

    Raises:
        PredictionError: labels without poses of 7 numbers in radians, or no transition of which both are known.
    """
    columns = pose_columns(labels)
    numbers, found = Groups(), list[Transition]()
    for path in videos:
        try:
            with open_source(path) as video:
                ref, shots, times = video.ref, video.shots, video.pts_seconds
        except VideoError as error:
            failures.append(Failure(str(path), None, str(error)))
            continue
        poses = _poses(labels, ref, columns)
        groups = numbers.of(ref, shots)
        starts = [
            (start, int(groups[number]))
            for number, first, end in spans(ref, shots)
            for start in range(first, end - stride, stride)
            if np.isfinite(poses[[start, start + stride]]).all()
        ]
        if most is not None and len(starts) > most:
            starts = [starts[i] for i in np.linspace(0, len(starts) - 1, most).round().astype(int)]
        found += [
            Transition(
                path, ClipSpec(ref, start, 2, stride), group, float(times[start + stride] - times[start]),
                poses[start], pose_difference(poses[start], poses[start + stride]),
            )
            for start, group in starts
        ]  # fmt: skip
    if not found:
        raise PredictionError(
            f"no two frames {stride} apart within a shot have known poses in the labels: use another --stride, or "
            "labels of these videos"
        )
    return found


def pose_columns(labels: Labels) -> list[str]:
    """The labels' columns of the robot's pose. Raises PredictionError where they are not 7, or can be no pose."""
    import polars as pl

    columns = [name for name in labels.table.columns if name.startswith(_PREFIX)]
    if len(columns) != POSE:
        held = f"has {len(columns)} ({', '.join(columns[:8])})" if columns else "has none"
        raise PredictionError(
            f"the predictor reads poses of {POSE} numbers, x, y, z, three Euler angles and the gripper's opening, "
            f"and the labels' state {held}: label a dataset whose state is such a pose (DROID's is)"
        )
    if joints := [name for name in columns if "joint" in name.lower() or "motor" in name.lower()]:
        raise PredictionError(
            f"the predictor reads poses, and the labels' state has joints ({', '.join(joints)}): label a dataset "
            "whose state is a pose (DROID's is)"
        )
    angles = labels.table.select(pl.col(columns[3:6]).cast(pl.Float64).fill_nan(None).abs().max()).row(0)
    if (largest := max((one for one in angles if one is not None), default=0.0)) > 2 * np.pi:
        raise PredictionError(
            f"the predictor reads Euler angles in radians, and {', '.join(columns[3:6])} of the labels are as "
            f"large as {largest:.3g}: they are in degrees, or no angles"
        )
    return columns


def pixels_of(
    found: Sequence[Transition], encoder: Encoder, *, failures: list[Failure]
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """The frames of each transition that can be read, with its number: uint8 [2, 3, h, w]."""
    for path in dict.fromkeys(one.path for one in found):
        numbers = [number for number, one in enumerate(found) if one.path == path]
        with open_source(path) as video:
            view = encoder.view(video.ref.width, video.ref.height)
            specs = [found[number].spec for number in numbers]
            read = read_clips(video, specs, preprocess=encoder.preprocess, view=view)
            for number, clip in zip(numbers, read, strict=True):
                if isinstance(clip, Clip):
                    yield number, clip.pixels
                else:
                    failures.append(Failure(str(path), found[number].spec.start, str(clip[1])))


def _poses(labels: Labels, ref: VideoRef, columns: Sequence[str]) -> Floats:
    """Of every frame of a video, float64 [frames, 7]; NaN where it is not known."""
    table = labels.table
    mine = table.filter(table["video"] == ref.id).unique("frame", keep="first", maintain_order=True)
    poses = np.full((ref.frames, POSE), np.nan)
    frames = mine["frame"].to_numpy()
    within = (frames >= 0) & (frames < ref.frames)
    poses[frames[within]] = mine.select(columns).to_numpy().astype(np.float64)[within]
    return poses
