"""Arms: the one that is built here, of primitives, or whatever an MJCF file describes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import VideoError

Floats = NDArray[np.float64]
PREFIX = "arm/"
_GRIPPING = ("finger", "grip", "jaw", "claw", "pinch")
_PINCH = ("pinch", "grasp", "tcp", "tool_center", "ee")
_LEAST_OPENING = 0.01  # m
_TRIED_STEPS = 240  # of physics: half a second
# Fingers' pads stick and turn with what they hold; torque-free arms keep where they are by gravity compensation.
ARM = """
<mujoco model="arm">
  <compiler angle="radian" autolimits="true"/>
  <default>
    <geom density="600" friction="1 .01 .002"/>
    <joint damping="2" armature=".02"/>
    <position kp="500" dampratio="1"/>
    <default class="finger">
      <joint type="slide" range="0 .055" damping="8" armature=".01"/>
      <geom type="box" size=".012 .007 .036" pos="0 .007 .046" friction="2 .05 .01" condim="4"/>
      <position kp="500" kv="20" ctrlrange="-.01 .055" forcerange="-12 12"/>
    </default>
  </default>
  <asset>
    <material name="arm" rgba="{arm}"/><material name="joint" rgba="{joints}"/>
    <material name="finger" rgba="{fingers}"/>
  </asset>
  <worldbody>
    <body name="base" gravcomp="1">
      <geom type="cylinder" size=".08 .04" pos="0 0 .04" material="arm"/>
      <body name="turret" pos="0 0 .08" gravcomp="1">
        <joint name="joint.0" axis="0 0 1" range="-2.8 2.8"/>
        <geom type="cylinder" size=".055 .05" pos="0 0 .05" material="joint"/>
        <body name="upper" pos="0 0 .1" gravcomp="1">
          <joint name="joint.1" axis="0 1 0" range="-1.6 1.9"/>
          <geom type="capsule" size=".034" fromto="0 0 0 0 0 .32" material="arm"/>
          <body name="fore" pos="0 0 .32" gravcomp="1">
            <joint name="joint.2" axis="0 1 0" range="-.2 2.9"/>
            <geom type="cylinder" size=".042 .044" euler="1.5708 0 0" material="joint"/>
            <geom type="capsule" size=".027" fromto="0 0 0 0 0 .30" material="arm"/>
            <body name="wrist" pos="0 0 .30" gravcomp="1">
              <joint name="joint.3" axis="0 1 0" range="-1.8 2.4" armature=".01"/>
              <geom type="cylinder" size=".033 .036" euler="1.5708 0 0" material="joint"/>
              <geom type="capsule" size=".024" fromto="0 0 0 0 0 .05" material="arm"/>
              <body name="hand" pos="0 0 .06" gravcomp="1">
                <joint name="joint.4" axis="0 0 1" range="-3.6 3.6" armature=".01"/>
                <geom type="box" size=".022 .064 .012" pos="0 0 .012" material="joint"/>
                <site name="pinch" pos="0 0 .1"/>
                <body name="finger.0" pos="0 0 .024" childclass="finger" gravcomp="1">
                  <joint name="finger.0" axis="0 1 0"/><geom material="finger"/>
                </body>
                <body name="finger.1" pos="0 0 .024" euler="0 0 3.14159265" childclass="finger" gravcomp="1">
                  <joint name="finger.1" axis="0 1 0"/><geom material="finger"/>
                </body>
              </body>
            </body>
          </body>
        </body>
      </body>
    </body>
  </worldbody>
  <actuator>
    <position name="joint.0" joint="joint.0"/><position name="joint.1" joint="joint.1"/>
    <position name="joint.2" joint="joint.2"/><position name="joint.3" joint="joint.3" kp="200"/>
    <position name="joint.4" joint="joint.4" kp="100"/>
    <position class="finger" name="finger.0" joint="finger.0"/>
    <position class="finger" name="finger.1" joint="finger.1"/>
  </actuator>
</mujoco>
"""


@dataclass(frozen=True, slots=True, eq=False)
class Arm:
    """What of a compiled model is the arm.

    Attributes:
        qpos, dof, actuators, range: of the arm's joints [n]; ``range`` [n, 2] in rad.
        names: of the arm's joints.
        finger_qpos, finger_actuators: of the gripper.
        open_ctrl, closed_ctrl: what opens and closes it, for each of its actuators.
        open_qpos, closed_qpos: where its joints then are.
        bodies: of the whole robot.
        fingers: the bodies of each finger, with what hangs on them; a jaw that moves alone closes on the hand.
        hand: the body that the fingers hang on; ``pinch`` where they meet and ``turn`` [3, 3] how they lie in its
            frame: the second column is how they open, the third where they point.
        rest: qpos of the arm's joints as the file has it, [n].
    """

    qpos: NDArray[np.int64]
    dof: NDArray[np.int64]
    actuators: NDArray[np.int64]
    range: Floats
    names: tuple[str, ...]
    finger_qpos: NDArray[np.int64]
    finger_actuators: NDArray[np.int64]
    open_ctrl: Floats
    closed_ctrl: Floats
    open_qpos: Floats
    closed_qpos: Floats
    bodies: frozenset[int]
    fingers: tuple[frozenset[int], ...]
    hand: int
    pinch: Floats
    turn: Floats
    rest: Floats


def arm_spec(mujoco: Any, model: Path | None, colours: dict[str, str]) -> Any:
    """The arm as a specification to attach. Raises VideoError for a file that MuJoCo does not load."""
    if model is None:
        return mujoco.MjSpec.from_string(ARM.format(**colours))
    try:
        spec = mujoco.MjSpec.from_file(str(model))
        spec.compile()
    except (ValueError, OSError, RuntimeError) as error:
        lines = str(error).strip().splitlines()
        raise VideoError(f"{model} does not load as MJCF: {lines[0] if lines else error}") from error
    for key in list(spec.keys):  # poses of the arm alone do not fit a world with objects
        spec.delete(key)
    return spec


def find_arm(mujoco: Any, model: Any, data: Any, called: str) -> Arm:
    """Find the arm's joints and its gripper in a compiled model: the gripper is what is named so.

    Raises:
        VideoError: there is no gripper, or no joint that a position moves.
    """
    kinds = mujoco.mjtTrn
    names = {j: model.joint(j).name.removeprefix(PREFIX) for j in range(model.njnt)}
    mine = [j for j in names if model.joint(j).name.startswith(PREFIX)]
    gripping = [j for j in mine if any(word in names[j].lower() for word in _GRIPPING)]
    moved, grips = {}, []
    for a in range(model.nu):
        kind, target = model.actuator_trntype[a], int(model.actuator_trnid[a, 0])
        if kind == kinds.mjTRN_JOINT and target in mine and target not in gripping:
            moved[target] = a
        else:
            grips.append(a)
    if not gripping or not grips:
        raise VideoError(
            f"{called} has no gripper that is known as one: name its joints with one of {', '.join(_GRIPPING)}, "
            "and give it an actuator"
        )
    if len(moved) < 3:
        raise VideoError(
            f"{called} moves {len(moved)} joints besides its gripper: an arm needs 3 actuators or more"
        )
    joints = sorted(moved)
    roots = sorted({int(model.jnt_bodyid[j]) for j in gripping})
    roots = [body for body in roots if not any(_within(model, body, other) for other in roots if other != body)]
    hand = int(model.body_parentid[roots[0]])
    fingers = [frozenset(b for b in range(model.nbody) if _within(model, b, root)) for root in roots]
    if len(fingers) == 1:
        fingers.append(frozenset({hand}))
    pinch, turn = _grip_frame(mujoco, model, data, fingers, hand, gripping)
    finger_qpos = model.jnt_qposadr[gripping].astype(np.int64)
    ends = _ends(mujoco, model, data, fingers, finger_qpos, np.array(grips))
    if ends[1][0] - ends[0][0] < _LEAST_OPENING:
        raise VideoError(f"the gripper of {called} does not open: its actuators move its fingers no cm apart")
    return Arm(
        qpos=model.jnt_qposadr[joints].astype(np.int64),
        dof=model.jnt_dofadr[joints].astype(np.int64),
        actuators=np.array([moved[j] for j in joints]),
        range=np.where(
            model.jnt_limited[joints][:, None].astype(bool), model.jnt_range[joints], [[-np.pi, np.pi]]
        ).astype(np.float64),
        names=tuple(names[j] for j in joints),
        finger_qpos=finger_qpos,
        finger_actuators=np.array(grips),
        open_ctrl=ends[1][1],
        closed_ctrl=ends[0][1],
        open_qpos=ends[1][2],
        closed_qpos=ends[0][2],
        bodies=frozenset(b for b in range(model.nbody) if model.body(b).name.startswith(PREFIX)),
        fingers=tuple(fingers),
        hand=hand,
        pinch=pinch,
        turn=turn,
        rest=data.qpos[model.jnt_qposadr[joints]].astype(np.float64),
    )


def _within(model: Any, body: int, ancestor: int) -> bool:
    while body and body != ancestor:
        body = int(model.body_parentid[body])
    return body == ancestor


def _centres(model: Any, data: Any, fingers: list[frozenset[int]]) -> list[Floats]:
    """The middle of each finger, as far as it has a shape."""
    found = []
    for finger in fingers:
        geoms = [g for g in range(model.ngeom) if int(model.geom_bodyid[g]) in finger]
        found.append(np.mean([data.geom_xpos[g] for g in geoms] or [data.xpos[min(finger)]], axis=0))
    return found


def _ends(
    mujoco: Any,
    model: Any,
    data: Any,
    fingers: list[frozenset[int]],
    qpos: NDArray[np.int64],
    grips: NDArray[np.int64],
) -> list[tuple[float, Floats, Floats]]:
    """The gripper closed, and open: how far apart its fingers are, in m, what commands it, where its joints are.

    Both ends are tried, with nothing in the way: which of them opens it no file says.
    """
    flags, found = int(model.opt.disableflags), []
    model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_CONTACT | mujoco.mjtDisableBit.mjDSBL_GRAVITY
    for ctrl in model.actuator_ctrlrange[grips].T.astype(np.float64):
        tried = mujoco.MjData(model)
        tried.qpos[:] = data.qpos
        tried.ctrl[grips] = ctrl
        mujoco.mj_step(model, tried, _TRIED_STEPS)
        mujoco.mj_kinematics(model, tried)
        first, *rest = _centres(model, tried, fingers)
        apart = float(np.mean([np.linalg.norm(first - other) for other in rest]))
        found.append((apart, ctrl, tried.qpos[qpos].copy()))
    model.opt.disableflags = flags
    return sorted(found, key=lambda end: end[0])


def _grip_frame(
    mujoco: Any, model: Any, data: Any, fingers: list[frozenset[int]], hand: int, gripping: list[int]
) -> tuple[Floats, Floats]:
    """Where fingers meet, and how they lie, in the hand's frame."""
    mujoco.mj_kinematics(model, data)
    origin, turned = data.xpos[hand].copy(), data.xmat[hand].reshape(3, 3).copy()
    centre = np.mean(_centres(model, data, fingers), axis=0)
    sites = [s for s in range(model.nsite) if model.site(s).name.removeprefix(PREFIX).lower().startswith(_PINCH)]
    at = data.site_xpos[sites[0]].copy() if sites else centre
    along = turned.T @ (at - origin)
    along /= max(float(np.linalg.norm(along)), 1e-9)
    j = gripping[0]
    slides = model.jnt_type[j] == mujoco.mjtJoint.mjJNT_SLIDE
    opens = turned.T @ (data.xaxis[j] if slides else np.cross(data.xaxis[j], turned @ along))
    opens -= along * (along @ opens)
    opens /= max(float(np.linalg.norm(opens)), 1e-9)
    return turned.T @ (at - origin), np.stack([np.cross(opens, along), opens, along], axis=1)
