"""Possible and impossible films of a robot, alike but for the violation: physics plays, and one thing is changed.

After the violation-of-expectation tests of IntPhys (Riochet et al. 2018), as ``video.rendered.violations``. Of each
pair one is what physics makes of a behaviour; in the other the object's pose is another from one frame on. Kinds
come in opposites, so that neither more motion nor an emptier picture passes for surprise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import VideoError
from worldprobe.video.rendered.robots.camera import CameraPath, camera_path
from worldprobe.video.rendered.robots.draw import Painter, mujoco_module
from worldprobe.video.rendered.robots.plan import RATE, Behaviour, ClipPlan, View, plan_clip
from worldprobe.video.rendered.robots.simulate import STEPS_A_FRAME, Recording, hand_pose, simulate
from worldprobe.video.rendered.robots.world import World, build_world
from worldprobe.video.rendered.violations import EARLIEST, FRAMES, LATEST, Pair

Floats = NDArray[np.float64]
RobotKind = Literal[
    "robot-through-table", "robot-float", "robot-through-hand", "robot-untouched", "robot-teleport", "robot-vanish",
    "robot-appear",
]  # fmt: skip
ROBOT_KINDS: tuple[RobotKind, ...] = get_args(RobotKind)
_VERSION = 1
_TRIES = 60
_FALLS, _MOVES, _RESTS = 0.05, 0.04, 0.004  # m: at least, at least, at most
_JUMP, _PUSHED = 0.13, 0.1  # m
_AWAY = (0.0, 0.0, -50.0)  # beyond what the camera draws
_SEEN, _HIDDEN = 0.5, 0.1  # the share of an object that is seen beside the arm, at least, and behind it, at most
_BEFORE = (0, 6)  # frames at one of which it is to be seen
_PALMS = (0.06, 0.1, 0.03)  # m above where the fingers meet: what may hide it
_NEAR = 0.5  # m from the camera to it
_GRAVITY = 9.81
_STEEPEST, _FLATTEST = 1.25, 0.3  # rad: how a camera looks past the hand


@dataclass(frozen=True, slots=True, eq=False)
class _Played:
    """What physics made of a plan: the state at each frame [t, nq], and where in it its object's pose is."""

    plan: ClipPlan
    world: World
    recording: Recording
    qpos: Floats
    at: slice

    @property
    def place(self) -> Floats:
        """Where the object is, [t, 3] in m."""
        return self.qpos[:, self.at][:, :3]

    @property
    def steps(self) -> NDArray[np.int64]:
        last = len(self.recording.qpos) - 1
        return np.minimum(self.recording.first + STEPS_A_FRAME * np.arange(FRAMES), last)

    @property
    def touched(self) -> NDArray[np.bool_]:
        """Whether the robot touches the object, [t]."""
        return np.asarray(self.recording.force[self.steps] > 0)

    def moved(self, pose: Floats, first: int) -> Floats:
        """The states with another pose of the object from a frame on: [t, 3 or 7]."""
        changed = self.qpos.copy()
        changed[first:, self.at.start : self.at.start + pose.shape[1]] = pose[first:]
        return changed


# A kind's films: the states of both, and a camera other than the plan's; None where the plan does not show it.
_Films = tuple[Floats, Floats, View | None]
_Change = Callable[[_Played, np.random.Generator], _Films | None]


def render_robot_pair(kind: RobotKind, seed: int, index: int) -> Pair:
    """Render a pair. The same arguments give the same pair on the same machine, whatever else is rendered.

    - ``robot-through-table``: a dropped object comes to rest on the table; it falls through.
    - ``robot-float``: a dropped object falls; it stays in the air.
    - ``robot-through-hand``: a pushed object moves on; it stays, and the hand goes through it.
    - ``robot-untouched``: an object that nothing touches lies still; it moves as if pushed.
    - ``robot-teleport``: an object lies still; it lies elsewhere from one frame to the next.
    - ``robot-vanish``: an object that the arm hides is there again afterwards; it is not.
    - ``robot-appear``: nothing is hidden by the arm; afterwards an object is there.

    Raises:
        VideoError: MuJoCo is not installed, or cannot draw here.
    """
    mujoco = mujoco_module()
    number = ROBOT_KINDS.index(kind)
    behaviours, before, change = _KINDS[kind]
    for attempt in range(_TRIES):
        generator = np.random.default_rng([_VERSION, seed, number, index, attempt])
        plan = plan_clip(int(generator.integers(2**31)), 0, camera="fixed")
        behaviour = behaviours[int(generator.integers(len(behaviours)))]
        played = _play(mujoco, replace(plan, behaviour=behaviour, before=before))
        films = change(played, generator)
        if films is None:
            continue
        possible, impossible = _drawn(mujoco, played, *films)
        differ = np.flatnonzero((possible != impossible).any(axis=(1, 2, 3)))
        if len(differ) and EARLIEST - 1 <= differ[0] <= LATEST + 2:
            return Pair(kind, possible, impossible, int(differ[0]))
    raise VideoError(
        f"none of {_TRIES} clips shows what {kind} needs (seed {seed}, pair {index}). Choose another seed."
    )


def _play(mujoco: Any, plan: ClipPlan) -> _Played:
    world = build_world(mujoco, plan)
    recording = simulate(mujoco, world, plan)
    start = int(world.model.jnt_qposadr[world.model.body_jntadr[world.things[0]]])
    steps = np.minimum(recording.first + STEPS_A_FRAME * np.arange(FRAMES), len(recording.qpos) - 1)
    return _Played(plan, world, recording, recording.qpos[steps], slice(start, start + 7))


def _drawn(
    mujoco: Any, played: _Played, possible: Floats, impossible: Floats, view: View | None
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Both films, uint8 [t, h, w, 3]; what they share is drawn once."""
    path = _seen_from(view or played.plan.view)
    painter = Painter(mujoco, played.world)
    try:
        first = [painter.picture(qpos, path, time) for time, qpos in enumerate(possible)]
        second = [
            first[time] if (qpos == possible[time]).all() else painter.picture(qpos, path, time)
            for time, qpos in enumerate(impossible)
        ]
    finally:
        painter.close()
    return np.stack(first), np.stack(second)


def _released(played: _Played) -> int | None:
    """The frame from which a dropped object falls; None where it was not held, or falls outside of the film."""
    held = np.flatnonzero(played.recording.held[played.steps])
    if not len(held) or held[-1] + 1 >= FRAMES or not held[0] < EARLIEST - 2:
        return None
    first = int(held[-1]) + 1
    return first if played.place[first, 2] - played.place[-1, 2] > _FALLS else None


def _float(played: _Played, generator: np.random.Generator) -> _Films | None:
    first = _released(played)
    if first is None:
        return None
    stays = np.repeat(played.qpos[first - 1 : first, played.at], FRAMES, axis=0)
    return played.qpos, played.moved(stays, first), None


def _through_table(played: _Played, generator: np.random.Generator) -> _Films | None:
    first = _released(played)
    if first is None:
        return None
    height = played.place[:, 2]
    landed = first + int(np.argmax(height[first:] < height[-1] + 0.01))
    if height[landed] >= height[-1] + 0.01 or landed < first + 2:
        return None
    pose = played.qpos[:, played.at].copy()
    speed = (height[landed - 1] - height[landed - 2]) * RATE
    seconds = (np.arange(FRAMES) - (landed - 1)) / RATE
    falls = height[landed - 1] + speed * seconds - _GRAVITY / 2 * seconds**2
    pose[landed:] = pose[landed - 1]
    pose[landed:, 2] = falls[landed:]
    return played.qpos, played.moved(pose, landed), None


def _through_hand(played: _Played, generator: np.random.Generator) -> _Films | None:
    touched = np.flatnonzero(played.touched)
    if not len(touched) or touched[0] < 1:
        return None
    first = int(touched[0])
    if float(np.hypot(*(played.place[-1] - played.place[first])[:2])) < _MOVES:
        return None
    stays = np.repeat(played.qpos[first - 1 : first, played.at], FRAMES, axis=0)
    return played.qpos, played.moved(stays, first), None


def _still(played: _Played) -> bool:
    """Whether nothing touches the object and it lies still."""
    return not played.touched.any() and float(np.ptp(played.place, axis=0).max()) < _RESTS


def _aside(played: _Played, generator: np.random.Generator, far: float) -> Floats | None:
    """A way on the table that is free of the other objects, [3] in m, across the picture."""
    start = played.place[0]
    others = [thing.xy for thing in played.plan.things[1:]]
    for side in generator.permutation([-1.0, 1.0]):
        way = np.array([generator.uniform(-0.3, 0.3), side, 0.0])
        way *= far / np.linalg.norm(way)
        end = (start + way)[:2]
        if abs(end[1]) < 0.3 and all(np.hypot(*(end - other)) > 0.1 for other in others):
            return way
    return None


def _untouched(played: _Played, generator: np.random.Generator) -> _Films | None:
    way = _aside(played, generator, _PUSHED) if _still(played) else None
    if way is None:
        return None
    first = int(generator.integers(EARLIEST, LATEST + 1))
    share = np.clip((np.arange(FRAMES) - first + 1) / 10, 0, 1)
    share = share**2 * (3 - 2 * share)
    return played.qpos, played.moved(played.place + share[:, None] * way, first), None


def _teleport(played: _Played, generator: np.random.Generator) -> _Films | None:
    way = _aside(played, generator, _JUMP) if _still(played) else None
    if way is None:
        return None
    first = int(generator.integers(EARLIEST, LATEST + 1))
    return played.qpos, played.moved(played.place + way, first), None


def _vanish(played: _Played, generator: np.random.Generator) -> _Films | None:
    hidden = _behind_the_arm(played) if _still(played) else None
    if hidden is None:
        return None
    first, view = hidden
    return played.qpos, played.moved(np.tile(_AWAY, (FRAMES, 1)), first), view


def _appear(played: _Played, generator: np.random.Generator) -> _Films | None:
    hidden = _behind_the_arm(played) if _still(played) else None
    if hidden is None:
        return None
    first, view = hidden
    gone = played.moved(np.tile(_AWAY, (FRAMES, 1)), 0)
    return gone, np.concatenate([gone[:first], played.qpos[first:]]), view


def _behind_the_arm(played: _Played) -> tuple[int, View] | None:
    """A frame, and a camera from which the hand hides the object then, and earlier in the film does not."""
    mujoco, world = mujoco_module(), played.world
    painter = Painter(mujoco, world)
    try:
        for first, palm in product(range(EARLIEST, LATEST + 1, 2), _PALMS):
            world.data.qpos[:] = played.qpos[first]
            mujoco.mj_kinematics(world.model, world.data)
            hand, _ = hand_pose(world.data, world.arm)
            away = hand + np.array([0.0, 0.0, palm]) - played.place[first]
            elevation = float(np.arctan2(away[2], np.hypot(away[0], away[1])))
            azimuth = float(np.arctan2(away[1], away[0]))
            # From behind the arm it would hide everything.
            if not _FLATTEST < elevation < _STEEPEST or abs(azimuth) > np.pi / 2:
                continue
            view = replace(
                played.plan.view, azimuth=azimuth, elevation=elevation, distance=_NEAR, sweep=0.0,
                target=played.place[first].copy(),
            )  # fmt: skip
            *before, then = _shares(painter, played, view, (*_BEFORE, first))
            if max(before) > _SEEN and then < _HIDDEN:
                return first, view
    finally:
        painter.close()
    return None


def _shares(painter: Painter, played: _Played, view: View, times: Sequence[int]) -> list[float]:
    """How much of the object is seen at these frames, of what would be if it were alone."""
    path = _seen_from(view)
    masks = [painter.frame(played.qpos[time], path, time)[1:] for time in times]
    return [float(seen.sum()) / max(int(alone.sum()), 1) for seen, alone in masks]


def _seen_from(view: View) -> CameraPath:
    """The path of a camera that does not go with the hand."""
    return camera_path(view, (np.zeros((FRAMES, 3)), np.tile(np.eye(3), (FRAMES, 1, 1))))


# Behaviours that show it, frames before what these are about, and what is changed.
_KINDS: dict[RobotKind, tuple[tuple[Behaviour, ...], int, _Change]] = {
    "robot-through-table": (("drop",), 13, _through_table),
    "robot-float": (("drop",), 15, _float),
    "robot-through-hand": (("push",), 18, _through_hand),
    "robot-untouched": (("wave", "reach"), 16, _untouched),
    "robot-teleport": (("wave", "reach"), 16, _teleport),
    "robot-vanish": (("wave",), 16, _vanish),
    "robot-appear": (("wave",), 16, _appear),
}
