"""A clip's pictures and truth: what physics and geometry know of each frame."""

from __future__ import annotations

import colorsys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.video.rendered.robots.camera import CameraPath, camera_path
from worldprobe.video.rendered.robots.draw import Painter
from worldprobe.video.rendered.robots.plan import FRAMES, RATE, ClipPlan
from worldprobe.video.rendered.robots.simulate import CONTROL, STEPS_A_FRAME, Recording, hand_pose, simulate
from worldprobe.video.rendered.robots.world import SUPERSAMPLED, World, build_world

Floats = NDArray[np.float64]
Columns = dict[str, Any]
OWN_ARM = "built-in"
_HUES = ("red", "yellow", "green", "cyan", "blue", "magenta")
# Turns about its own z axis after which a shape looks as before, each upside down too; 0: any turn does.
_SYMMETRY = {"box": 2, "cross": 4, "sphere": 0, "cylinder": 0, "capsule": 0}


def film_clip(
    mujoco: Any, plan: ClipPlan, arm_model: Path | None = None
) -> tuple[list[NDArray[np.uint8]], Columns]:
    """Play and film a plan.

    Returns:
        Pictures uint8 [h, w, 3], and columns of the truth, a value for each of them.

    Raises:
        VideoError: the arm does not load, or has no gripper; MuJoCo cannot draw here.
    """
    world = build_world(mujoco, plan, arm_model)
    recording = simulate(mujoco, world, plan)
    # With the frame before the first, so that the first has a motion too.
    steps = np.concatenate([[recording.first - STEPS_A_FRAME], recording.frames])
    hands = [_at_step(mujoco, world, recording, step) for step in steps]
    at, turned = np.array([one[0] for one in hands]), np.array([one[1] for one in hands])
    path = camera_path(plan.view, (at, turned))
    truth = _of_arm(world, recording, at, turned)
    truth |= {f"camera_{axis}": column for axis, column in zip(_MOTION, path.motion().T, strict=True)}
    later = CameraPath(path.position[1:], path.axes[1:], path.fovy)
    painter = Painter(mujoco, world)
    try:
        drawn = [painter.frame(recording.qpos[step], later, time) for time, step in enumerate(recording.frames)]
    finally:
        painter.close()
    posed = np.array([one[2] for one in hands]), np.array([one[3] for one in hands])
    truth |= _of_subject(plan, recording, path, posed, [one[1:] for one in drawn])
    truth["model"] = [arm_model.stem if arm_model else OWN_ARM] * FRAMES
    return [one[0] for one in drawn], truth


_MOTION = ("dx", "dy", "dz", "rx", "ry", "rz")


def _at_step(mujoco: Any, world: World, recording: Recording, step: int) -> tuple[Floats, ...]:
    """Gripper and subject at a step: position and rotation of each."""
    world.data.qpos[:] = recording.qpos[step]
    mujoco.mj_kinematics(world.model, world.data)
    body = world.things[0]
    return (
        *hand_pose(world.data, world.arm),
        world.data.xpos[body].copy(),
        world.data.xmat[body].reshape(3, 3).copy(),
    )


def _of_arm(world: World, recording: Recording, at: Floats, turned: Floats) -> Columns:
    """The robot's own columns; ``at`` [1 + t, 3] and ``turned`` [1 + t, 3, 3] are where its gripper is and how it
    lies, from the frame before the first."""
    arm, frames = world.arm, recording.frames
    angles = recording.qpos[frames][:, arm.qpos]
    # Of two fingers that slide, how far apart they are.
    opens = np.sign(arm.open_qpos - arm.closed_qpos)
    opening = (recording.qpos[frames][:, arm.finger_qpos] - arm.closed_qpos) @ opens
    speed = _hand_speed(world, recording)
    columns: Columns = {f"ee_{axis}": at[1:, number] for number, axis in enumerate("xyz")}
    columns |= {f"ee_v{axis}": speed[:, number] for number, axis in enumerate("xyz")}
    columns |= _six("ee", turned[1:])
    columns |= {f"joint.{number}": angles[:, number] for number in range(angles.shape[1])}
    columns["gripper"] = opening
    columns |= {f"state.{name}": angles[:, number] for number, name in enumerate(arm.names)}
    columns["state.gripper"] = opening
    # What was commanded until the next frame.
    ahead = np.minimum(frames + STEPS_A_FRAME - 1, len(recording.target) - 1)
    columns |= {f"action.{name}": recording.target[ahead, number] for number, name in enumerate(arm.names)}
    columns["action.gripper"] = recording.grip[ahead]
    return columns


def _hand_speed(world: World, recording: Recording) -> Floats:
    """The gripper's velocity in the world at each frame, [t, 3] in m a second: across two control steps."""
    import mujoco

    found = np.zeros((FRAMES, 3))
    for number, step in enumerate(recording.frames):
        before, after = (_at_step(mujoco, world, recording, step + d)[0] for d in (-1, 1))
        found[number] = (after - before) * CONTROL / 2
    return found


def _of_subject(
    plan: ClipPlan, recording: Recording, path: CameraPath, posed: tuple[Floats, Floats], masks: list[Any]
) -> Columns:
    """Columns of the subject: box, pose, what touches it; ``posed`` is from the frame before the first."""
    frames, (at, turned) = recording.frames, posed
    seen_from = path.into(at)
    centre = path.pixels(seen_from)
    speed = np.gradient(centre, 1 / RATE, axis=0)[1:]
    turned_seen = np.einsum("tji,tjk->tik", path.axes, turned)
    box, visible = _boxes(masks, centre[1:])
    touching = recording.force > 0
    columns: Columns = {
        "class": [plan.things[0].shape] * FRAMES,
        **dict(zip(("x", "y", "w", "h"), box.T, strict=True)),
        "vx": speed[:, 0], "vy": speed[:, 1],
        "visible": np.nan_to_num(visible), "occluded": 1 - visible,
        "depth": seen_from[1:, 2],
        "contact": touching[frames].astype(np.int64), "force": recording.force[frames],
        "grasped": recording.held[frames].astype(np.int64),
        "time_to_contact": _until(touching)[frames],
    }  # fmt: skip
    for where, points, axes in (("object", at, turned), ("seen", seen_from, turned_seen)):
        columns |= {f"{where}_{axis}": points[1:, number] for number, axis in enumerate("xyz")}
        columns |= _six(where, axes[1:])
    subject = plan.things[0]
    constant = {
        "symmetry": _SYMMETRY[subject.shape], "shape": subject.shape, "colour": hue_name(subject.colour),
        "behaviour": plan.behaviour, "camera": plan.view.kind,
    }  # fmt: skip
    return columns | {name: [value] * FRAMES for name, value in constant.items()}


def _six(of: str, axes: Floats) -> Columns:
    """The first two columns of rotations [t, 3, 3]: six numbers without a jump anywhere (Zhou et al. 2019)."""
    six = axes[:, :, :2].transpose(0, 2, 1).reshape(-1, 6)
    return {f"{of}_r{number}": six[:, number] for number in range(6)}


def hue_name(colour: Floats) -> str:
    """Name the nearest of six hues to a colour [3] in 0 to 1."""
    return _HUES[round(colorsys.rgb_to_hsv(*map(float, colour))[0] * len(_HUES)) % len(_HUES)]


def _boxes(masks: list[Any], centre: Floats) -> tuple[Floats, Floats]:
    """Boxes [t, 4] of what is seen, in px; and the share seen of what would be alone, NaN where nothing would.

    Where nothing is seen, the box is of what is hidden, or, outside the picture, empty at the centre.
    """
    boxes, visible = np.zeros((len(masks), 4)), np.full(len(masks), np.nan)
    for time, (seen, alone) in enumerate(masks):
        if whole := int(alone.sum()):
            visible[time] = min(1.0, int(seen.sum()) / whole)
        mask = seen if seen.any() else alone
        if not mask.any():
            boxes[time, :2] = centre[time]
            continue
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        low = np.array([columns[0], rows[0]]) / SUPERSAMPLED
        high = np.array([columns[-1] + 1, rows[-1] + 1]) / SUPERSAMPLED
        boxes[time] = [*(low + high) / 2, *(high - low)]
    return boxes, visible


def _until(touching: NDArray[np.bool_]) -> Floats:
    """Seconds until the next touch begins, [t]; NaN while touching, and where none comes."""
    found = np.full(len(touching), np.nan)
    following = np.inf
    for step in range(len(touching) - 1, -1, -1):
        following = 0.0 if touching[step] else following + 1
        if 0 < following < np.inf:
            found[step] = following / CONTROL
    return found
