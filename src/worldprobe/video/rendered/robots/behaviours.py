"""Scripted behaviours: where the gripper is to be, how turned and how far open, at every moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldprobe.video.rendered.robots.plan import FRAMES, RATE, Behaviour, ClipPlan, Thing

Floats = NDArray[np.float64]
_OVER = 0.11  # above an object, in m: clear of whatever stands about
_SETTLE = 0.15  # seconds until what was dropped into the world lies still
_REPEATS = {"box": 2, "cross": 4, "capsule": 2}  # grasps in a turn that are alike


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """What the gripper is to do: ``xyz`` [t, 3] in m, ``yaw`` [t] in rad and ``opening`` [t] from 0, closed, to 1,
    at steps of ``1 / rate`` seconds; ``event`` is the step that the behaviour is about."""

    xyz: Floats
    yaw: Floats
    opening: Floats
    event: int


@dataclass(slots=True)
class _Script:
    """Writes a course, a leg at a time."""

    rate: int
    pace: float
    xyz: list[Floats]
    yaw: list[float]
    opening: list[float]
    event: int = 0

    def go(
        self,
        xyz: Floats | None = None,
        *,
        seconds: float,
        yaw: float | None = None,
        opening: float | None = None,
        exact: bool = False,
    ) -> None:
        """Move with the least jerk to what is given; ``exact`` takes its seconds whatever the pace."""
        steps = max(2, round(seconds * (1.0 if exact else self.pace) * self.rate))
        s = np.arange(1, steps + 1) / steps
        s = s**3 * (10 - 15 * s + 6 * s * s)
        start, turned, open_ = self.xyz[-1], self.yaw[-1], self.opening[-1]
        end = start if xyz is None else xyz
        self.xyz += list(start + s[:, None] * (end - start))
        self.yaw += list(turned + s * ((turned if yaw is None else yaw) - turned))
        self.opening += list(open_ + s * ((open_ if opening is None else opening) - open_))

    def mark(self) -> None:
        """Say that the behaviour is about now."""
        self.event = len(self.yaw) - 1


def course(plan: ClipPlan, *, rate: int) -> Course:
    """Script a plan's behaviour, at ``rate`` steps a second; long enough for a clip about its event."""
    goals = np.random.default_rng(plan.deed)
    thing = plan.things[0]
    start = _in_air(goals)
    script = _Script(
        rate,
        float(goals.uniform(0.8, 1.2)),
        [start],
        [float(goals.uniform(-0.6, 0.6))],
        [float(goals.uniform(0, 1))],
    )
    script.go(seconds=_SETTLE, exact=True)
    _SCRIPTS[plan.behaviour](script, thing, goals)
    script.go(seconds=(FRAMES + 2) / RATE, exact=True)
    # A clip about something early begins with the arm at rest.
    early = max(0, (plan.before + 2) * rate // RATE - script.event)
    return Course(
        xyz=np.array([start] * early + script.xyz),
        yaw=np.array([script.yaw[0]] * early + script.yaw),
        opening=np.array([script.opening[0]] * early + script.opening),
        event=script.event + early,
    )


def _in_air(goals: np.random.Generator) -> Floats:
    radius, turn = goals.uniform(0.3, 0.46), goals.uniform(-0.5, 0.5)
    return np.array([radius * np.cos(turn), radius * np.sin(turn), goals.uniform(0.16, 0.26)])


def _height(thing: Thing) -> float:
    return thing.half[2]


def _grasp_yaw(thing: Thing, near: float, goals: np.random.Generator) -> float:
    """How to turn the gripper so that it closes across the object, by the least turn."""
    repeats = _REPEATS.get(thing.shape)
    if repeats is None:
        return float(near + goals.uniform(-0.5, 0.5))
    period = 2 * np.pi / repeats
    return float(thing.yaw + period * np.round((near - thing.yaw) / period))


def _at(thing: Thing, height: float, offset: tuple[float, float] | Floats = (0.0, 0.0)) -> Floats:
    return np.array([thing.xy[0] + offset[0], thing.xy[1] + offset[1], height])


def _reach(script: _Script, thing: Thing, goals: np.random.Generator) -> None:
    offset, over = goals.uniform(-0.02, 0.02, 2), 2 * _height(thing) + goals.uniform(0.03, 0.06)
    yaw, opening = _grasp_yaw(thing, script.yaw[-1], goals), float(goals.uniform(0.3, 1))
    script.go(_at(thing, over, offset), seconds=0.55, yaw=yaw, opening=opening)
    script.mark()
    script.go(seconds=0.4)


def _push(script: _Script, thing: Thing, goals: np.random.Generator) -> None:
    # Sideways or away from the base, where there is room.
    away = np.arctan2(thing.xy[1], thing.xy[0])
    heading = away + goals.choice((-1.5, 1.5, 0.0)) + goals.uniform(-0.4, 0.4)
    along = np.array([np.cos(heading), np.sin(heading)])
    back = -along * (max(thing.half[:2]) + goals.uniform(0.04, 0.06))
    opening, low = float(goals.uniform(0, 0.3)), max(0.6 * _height(thing), 0.018)
    # Fingers stand side by side across the way, so that what is pushed does not slip past.
    yaw = heading + np.pi * np.round((script.yaw[-1] - heading) / np.pi)
    script.go(_at(thing, _OVER + _height(thing), back), seconds=0.5, yaw=float(yaw), opening=opening)
    script.go(_at(thing, low, back), seconds=0.35)
    ahead = along * goals.uniform(0.05, 0.12)
    script.go(_at(thing, low, 0.3 * back + 0.3 * ahead), seconds=0.35)
    script.mark()
    script.go(_at(thing, low, ahead), seconds=0.4)
    script.go(seconds=0.2)


def _grasp(script: _Script, thing: Thing, goals: np.random.Generator, offset: Floats | None = None) -> None:
    yaw = _grasp_yaw(thing, script.yaw[-1], goals)
    place = (
        np.zeros(2)
        if offset is None
        else np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]) @ offset
    )
    low = max(_height(thing) + goals.uniform(-0.006, 0.002), 0.017)
    script.go(_at(thing, _OVER + _height(thing), place), seconds=0.5, yaw=yaw, opening=1.0)
    script.go(_at(thing, low, place), seconds=0.35)
    script.go(seconds=0.25, opening=0.0)


def _lift(script: _Script, thing: Thing, goals: np.random.Generator) -> None:
    _grasp(script, thing, goals)
    script.mark()
    script.go(_at(thing, goals.uniform(0.13, 0.22), goals.uniform(-0.04, 0.04, 2)), seconds=0.5)


def _miss(script: _Script, thing: Thing, goals: np.random.Generator) -> None:
    beside = np.array([goals.choice((-1, 1)) * (thing.half[0] + goals.uniform(0.022, 0.05)), 0.0])
    _grasp(script, thing, goals, beside)
    script.mark()
    script.go(_at(thing, goals.uniform(0.13, 0.22), beside), seconds=0.5)


def _carry(script: _Script, thing: Thing, goals: np.random.Generator, height: float) -> Floats:
    """Grasp, lift, and carry elsewhere; returns where to, [2] from where the object stood."""
    _grasp(script, thing, goals)
    script.go(_at(thing, 0.13 + _height(thing)), seconds=0.4)
    radius, turn = goals.uniform(0.3, 0.45), goals.uniform(-0.4, 0.4)
    there = radius * np.array([np.cos(turn), np.sin(turn)]) - thing.xy
    there *= min(1.0, 0.16 / max(float(np.hypot(*there)), 1e-9))
    script.go(_at(thing, height, there), seconds=0.45, yaw=script.yaw[-1] + float(goals.uniform(-0.4, 0.4)))
    return np.asarray(there)


def _place(script: _Script, thing: Thing, goals: np.random.Generator) -> None:
    there = _carry(script, thing, goals, 0.1 + _height(thing))
    script.go(_at(thing, _height(thing) + 0.003, there), seconds=0.4)
    script.mark()
    script.go(seconds=0.2, opening=1.0)
    script.go(_at(thing, goals.uniform(0.13, 0.2), there), seconds=0.45)


def _drop(script: _Script, thing: Thing, goals: np.random.Generator) -> None:
    _carry(script, thing, goals, float(goals.uniform(0.14, 0.24)))
    script.mark()
    script.go(seconds=0.12, opening=1.0, exact=True)
    script.go(_in_air(goals), seconds=0.8)


def _wave(script: _Script, thing: Thing, goals: np.random.Generator) -> None:
    middle, turn = _in_air(goals), goals.uniform(0, np.pi)
    swing = np.array([np.cos(turn) * 0.5, np.sin(turn), goals.uniform(-0.3, 0.3)]) * goals.uniform(0.06, 0.11)
    for number in range(5):
        script.go(middle + swing * (-1) ** number, seconds=0.4, opening=float(goals.uniform(0, 1)))
        if number == 2:
            script.mark()


_SCRIPTS: dict[Behaviour, Callable[[_Script, Thing, np.random.Generator], None]] = {
    "reach": _reach,
    "push": _push,
    "lift": _lift,
    "place": _place,
    "miss": _miss,
    "drop": _drop,
    "wave": _wave,
}
