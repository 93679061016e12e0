"""Physics of a clip: a course followed by inverse kinematics, and what then happens, at every control step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.video.rendered.robots.arm import Arm
from worldprobe.video.rendered.robots.behaviours import course
from worldprobe.video.rendered.robots.plan import FRAMES, RATE, ClipPlan
from worldprobe.video.rendered.robots.world import STEP_SECONDS, World

Floats = NDArray[np.float64]
STEPS_A_FRAME = 2  # control steps
CONTROL = STEPS_A_FRAME * RATE
_DAMPING = 0.03  # of the least squares: how far from a singular pose is still calm
_TURN_METRES = 0.3  # what a radian of the gripper's turn is worth
_TURNS_WRIST = 5  # joints: with fewer an arm cannot also choose how its gripper is turned about where it points
_MOST_TURN = 0.25  # rad a joint turns in one iteration
_TOUCH_NEWTONS = 0.05  # less is a finger that hovers at an object's skin
_ACROSS = 0.5  # share of a finger's force that acts the way the gripper closes


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A behaviour as physics had it, at each control step [t, ...]; the clip begins at the step ``first``.

    Attributes:
        qpos, qvel: of the whole world.
        target: joint angles that were commanded for the next step, [t, n].
        grip: how far the gripper was commanded to open, 0 to 1.
        force: between robot and subject, in N; 0 where they do not touch.
        held: whether fingers press on the subject from both sides.
    """

    qpos: Floats
    qvel: Floats
    target: Floats
    grip: Floats
    force: Floats
    held: NDArray[np.bool_]
    first: int

    @property
    def frames(self) -> NDArray[np.int64]:
        """The control step of each frame of the clip."""
        return self.first + STEPS_A_FRAME * np.arange(FRAMES)


def simulate(mujoco: Any, world: World, plan: ClipPlan) -> Recording:
    """Play a plan's behaviour from its beginning to past the clip's end."""
    model, data, arm = world.model, world.data, world.arm
    wanted = course(plan, rate=CONTROL)
    targets = _joint_targets(mujoco, world, wanted.xyz, wanted.yaw)
    _set_arm(data, arm, targets[0])
    data.qpos[arm.finger_qpos] = arm.closed_qpos + wanted.opening[0] * (arm.open_qpos - arm.closed_qpos)
    mujoco.mj_forward(model, data)
    substeps = round(1 / (CONTROL * STEP_SECONDS))
    steps = len(targets)
    qpos, qvel = np.zeros((steps, model.nq)), np.zeros((steps, model.nv))
    force, held = np.zeros(steps), np.zeros(steps, dtype=np.bool_)
    for step in range(steps):
        following = min(step + 1, steps - 1)
        qpos[step], qvel[step] = data.qpos, data.qvel
        force[step], held[step] = _touch(mujoco, world)
        for part in range(substeps):
            share = (part + 1) / substeps
            data.ctrl[arm.actuators] = (1 - share) * targets[step] + share * targets[following]
            opening = (1 - share) * wanted.opening[step] + share * wanted.opening[following]
            data.ctrl[arm.finger_actuators] = arm.closed_ctrl + opening * (arm.open_ctrl - arm.closed_ctrl)
            mujoco.mj_step(model, data)
    first = wanted.event - plan.before * STEPS_A_FRAME
    return Recording(
        qpos, qvel, np.concatenate([targets[1:], targets[-1:]]), np.append(wanted.opening[1:], wanted.opening[-1]),
        force, held, first,
    )  # fmt: skip


def hand_pose(data: Any, arm: Arm) -> tuple[Floats, Floats]:
    """Where the fingers meet [3] in m, and how they lie [3, 3], in the world."""
    turned = data.xmat[arm.hand].reshape(3, 3)
    return data.xpos[arm.hand] + turned @ arm.pinch, turned @ arm.turn


def _set_arm(data: Any, arm: Arm, angles: Floats) -> None:
    data.qpos[arm.qpos] = angles
    data.ctrl[arm.actuators] = angles


def _joint_targets(mujoco: Any, world: World, xyz: Floats, yaw: Floats) -> Floats:
    """Joint angles [t, n] that bring the gripper, pointing down, where it is to be: damped least squares."""
    model, arm = world.model, world.arm
    data = mujoco.MjData(model)
    data.qpos[:] = world.data.qpos
    data.qpos[arm.qpos] = np.where(np.abs(arm.rest) > 1e-6, arm.rest, np.clip(_bent(arm), *arm.range.T))
    jacobian, turning = np.zeros((3, model.nv)), np.zeros((3, model.nv))
    found = np.zeros((len(yaw), len(arm.qpos)))
    for step in range(len(yaw)):
        cos, sin = np.cos(yaw[step]), np.sin(yaw[step])
        # Pointing down, opening to the left of where the yaw points.
        wanted = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]]) @ np.diag([-1.0, 1.0, -1.0])
        for _ in range(100 if step == 0 else 4):
            mujoco.mj_kinematics(model, data)
            mujoco.mj_comPos(model, data)
            at, turned = hand_pose(data, arm)
            # What is skew in the turn still to make is its axis times the sine of its angle.
            left = wanted @ turned.T
            turn = [left[2, 1] - left[1, 2], left[0, 2] - left[2, 0], left[1, 0] - left[0, 1]]
            weights = _TURN_METRES * np.eye(3)
            if len(arm.qpos) < _TURNS_WRIST:
                weights -= _TURN_METRES * np.outer(turned[:, 2], turned[:, 2])
            error = np.concatenate([xyz[step] - at, weights @ turn / 2])
            if np.abs(error).max() < 1e-4:
                break
            mujoco.mj_jac(model, data, jacobian, turning, at, arm.hand)
            rows = np.concatenate([jacobian[:, arm.dof], weights @ turning[:, arm.dof]])
            change = rows.T @ np.linalg.solve(rows @ rows.T + _DAMPING**2 * np.eye(6), error)
            change *= min(1.0, _MOST_TURN / max(float(np.abs(change).max()), 1e-9))
            data.qpos[arm.qpos] = np.clip(data.qpos[arm.qpos] + change, *arm.range.T)
        found[step] = data.qpos[arm.qpos]
    return found


def _bent(arm: Arm) -> Floats:
    """A pose to begin from: bent forward, away from the singular one that is straight."""
    bent = np.zeros(len(arm.qpos))
    bent[1 : min(4, len(bent))] = [0.3, 1.6, 1.2][: len(bent) - 1]
    return bent


def _touch(mujoco: Any, world: World) -> tuple[float, bool]:
    """The force between robot and subject, in N, and whether fingers press on it from both sides."""
    model, data, arm, subject = world.model, world.data, world.arm, world.things[0]
    total, force, presses = 0.0, np.zeros(6), np.zeros((len(arm.fingers), 3))
    for number in range(data.ncon):
        contact = data.contact[number]
        first, second = int(model.geom_bodyid[contact.geom1]), int(model.geom_bodyid[contact.geom2])
        if subject not in (first, second) or not {first, second} & arm.bodies:
            continue
        mujoco.mj_contactForce(model, data, number, force)
        total += float(np.linalg.norm(force[:3]))
        # A contact's force acts on its second body, in axes that are rows.
        on_subject = contact.frame.reshape(3, 3).T @ force[:3] * (1 if second == subject else -1)
        for index, finger in enumerate(arm.fingers):
            if {first, second} & finger:
                presses[index] += on_subject
    if total < _TOUCH_NEWTONS:
        return 0.0, False
    across = presses @ (data.xmat[arm.hand].reshape(3, 3) @ arm.turn[:, 1])
    # Fingers that push side by side press one way, and hardly across.
    firm = np.abs(across) > np.maximum(_TOUCH_NEWTONS, _ACROSS * np.linalg.norm(presses, axis=1))
    return total, bool((firm & (across > 0)).any() and (firm & (across < 0)).any())
