"""What happens in a clip of a robot and how it looks, drawn from a seed, each independently of the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Behaviour = Literal["reach", "push", "lift", "place", "miss", "drop", "wave"]
Camera = Literal["fixed", "orbit", "wrist"]
Shape = Literal["box", "sphere", "cylinder", "capsule", "cross"]
BEHAVIOURS: tuple[Behaviour, ...] = get_args(Behaviour)
CAMERAS: tuple[Camera, ...] = get_args(Camera)
SHAPES: tuple[Shape, ...] = get_args(Shape)

VERSION = 2  # part of every seed and path: another generator must not pass for this one
FRAMES, SIDE, RATE = 16, 128, 30
# Touching and not touching, held and not held are all to be well present.
_BEHAVIOUR_SHARES = (0.13, 0.17, 0.18, 0.17, 0.12, 0.15, 0.08)
_CAMERA_SHARES = (0.7, 0.2, 0.1)
# Where objects stand on the table, in m and rad about the arm's base, and how far apart.
_NEAR, _FAR, _TURN, _APART = 0.31, 0.45, 0.32, 0.13
_TRIES = 40
_NEUTRAL = np.array([0.38, 0.0])


@dataclass(frozen=True, slots=True, eq=False)
class Thing:
    """An object on the table: its ``half`` extents in m (the gripper closes over the second), where it stands."""

    shape: Shape
    half: tuple[float, float, float]
    xy: Floats
    yaw: float
    mass: float
    friction: float
    colour: Floats
    roughness: float


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """How a camera looks: from ``azimuth`` and ``elevation`` (rad) at ``distance`` m of ``target``, over ``fovy``
    degrees; an orbiting one goes on by ``sweep`` rad a second."""

    kind: Camera
    azimuth: float
    elevation: float
    distance: float
    target: Floats
    fovy: float
    sweep: float


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """Colours [3] in 0 to 1, light, textures and clutter of a scene; ``seed`` is of the textures."""

    table: Floats
    table_roughness: float
    backdrop: Floats
    arm: Floats
    joints: Floats
    fingers: Floats
    light: Floats
    diffuse: float
    ambient: float
    clutter: tuple[tuple[Floats, Floats, Floats], ...]
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class ClipPlan:
    """A clip as it was drawn; ``things[0]`` is the subject, ``before`` the frames before what the clip is about,
    ``deed`` the seed of goals and pace."""

    behaviour: Behaviour
    things: tuple[Thing, ...]
    view: View
    looks: Looks
    before: int
    deed: int


def plan_clip(seed: int, index: int, *, camera: Camera | None = None) -> ClipPlan:
    """Draw a clip. The same arguments give the same clip, whatever else is rendered; all clips of one ``camera``
    if it is given, and else as they were."""
    what, how, deed = np.random.default_rng([VERSION, seed, index]).spawn(3)
    things = _things(what, how)
    behaviour = BEHAVIOURS[int(what.choice(len(BEHAVIOURS), p=_BEHAVIOUR_SHARES))]
    before = int(what.integers(4, FRAMES - 3))
    return ClipPlan(behaviour, things, _view(how, camera), _looks(how), before, int(deed.integers(2**31)))


def _things(what: np.random.Generator, how: np.random.Generator) -> tuple[Thing, ...]:
    places: list[Floats] = []
    for _ in range(int(what.integers(1, 4))):
        for _ in range(_TRIES):
            radius, turn = what.uniform(_NEAR, _FAR), what.uniform(-_TURN, _TURN)
            place = radius * np.array([np.cos(turn), np.sin(turn)])
            if all(np.hypot(*(place - other)) > _APART for other in places):
                places.append(place)
                break
    found = []
    for place in places:
        shape = SHAPES[int(what.integers(len(SHAPES)))]
        found.append(
            Thing(
                shape=shape,
                half=_half(what, shape),
                xy=place,
                yaw=float(what.uniform(-np.pi, np.pi)),
                mass=float(what.uniform(0.04, 0.12)),
                friction=float(what.uniform(0.5, 1.0)),
                colour=_vivid(how),
                roughness=float(how.uniform(0.03, 0.14)),
            )
        )
    return tuple(found)


def _half(what: np.random.Generator, shape: Shape) -> tuple[float, float, float]:
    """Half extents along the object, across the gripper, and up, in m."""
    across = what.uniform(0.030, 0.042)
    if shape == "sphere":
        return (across, across, across)
    if shape == "cylinder":
        return (across, across, float(what.uniform(0.028, 0.048)))
    if shape == "capsule":
        return (float(across + what.uniform(0.02, 0.04)), across, across)
    if shape == "cross":
        return (across, across, float(what.uniform(0.02, 0.03)))
    return (float(what.uniform(0.028, 0.05)), across, float(what.uniform(0.026, 0.045)))


def _view(how: np.random.Generator, camera: Camera | None) -> View:
    drawn = CAMERAS[int(how.choice(len(CAMERAS), p=_CAMERA_SHARES))]
    kind = camera or drawn
    return View(
        kind=kind,
        azimuth=float(how.uniform(-0.3, 0.3)),
        elevation=float(how.uniform(0.45, 0.85)),
        distance=float(how.uniform(0.54, 0.68)),
        target=np.append(_NEUTRAL + how.uniform(-0.04, 0.04, 2), how.uniform(0.09, 0.13)),
        fovy=float(how.uniform(40, 46)),
        sweep=float(how.choice((-1, 1)) * how.uniform(0.25, 0.9)) if kind == "orbit" else 0.0,
    )


def _looks(how: np.random.Generator) -> Looks:
    clutter = []
    for _ in range(int(how.integers(0, 5))):
        # Along the table's far edges, where the arm never goes.
        side = how.choice((-1, 1))
        place = np.array([how.uniform(-0.15, 0.45), side * how.uniform(0.36, 0.55), 0.0])
        clutter.append((place, how.uniform(0.02, 0.06, 3), _vivid(how)))
    return Looks(
        table=how.uniform(0.2, 0.35) + how.uniform(-0.06, 0.06, 3),
        table_roughness=float(how.uniform(0.02, 0.08)),
        backdrop=how.uniform(0.05, 0.25) + how.uniform(-0.05, 0.05, 3),
        arm=how.uniform(0.75, 0.9) + how.uniform(-0.1, 0.1, 3),
        joints=_vivid(how),
        fingers=how.uniform(0.7, 0.9) + how.uniform(-0.1, 0.1, 3),
        light=np.append(how.uniform(-0.8, 0.8, 2), -1.0),
        diffuse=float(how.uniform(0.5, 0.65)),
        ambient=float(how.uniform(0.4, 0.5)),
        clutter=tuple(clutter),
        seed=int(how.integers(2**31)),
    )


def _vivid(how: np.random.Generator) -> Floats:
    """A saturated colour that is brighter than any table."""
    hue = how.uniform(0, 6) + np.array([0.0, 4.0, 2.0])
    pure = np.clip(np.abs(hue % 6 - 3) - 1, 0, 1)
    value, saturation = how.uniform(0.7, 0.95), how.uniform(0.4, 0.85)
    return np.asarray(value * (1 - saturation * (1 - pure)))
