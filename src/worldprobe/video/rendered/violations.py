"""Possible and impossible videos, alike but for the violation: what a model of the world should be surprised at.

After the violation-of-expectation tests of IntPhys (Riochet et al. 2018). Each pair shares background, objects and
paths to the frame; until the violation the two videos are the same. Where one of a pair shows less than the other
(an object vanishes), the mirror image is a kind of its own (an object appears), so that a low error on an empty
scene cannot pass for surprise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from worldprobe.video.rendered import sprites
from worldprobe.video.rendered.scenes import HEIGHT, RATE, WIDTH, Scene, Sprite
from worldprobe.video.rendered.sprites import SHAPES, TEXTURES

Floats = NDArray[np.float64]
Kind = Literal["vanish", "appear", "teleport", "class", "colour", "pass-through", "reverse"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FRAMES = 32
_VERSION = 2
# When the violation shows: neither before a context of 4 tubelets has been seen nor without a window after it.
EARLIEST, LATEST = 14, 20
_BEHIND = 0  # depths: 0 is nearest


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two videos uint8 [t, h, w, 3] that are the same before frame ``at``."""

    kind: str
    possible: NDArray[np.uint8]
    impossible: NDArray[np.uint8]
    at: int


def render_pair(kind: Kind, seed: int, index: int) -> Pair:
    """Render a pair. The same arguments give the same pair, whatever else is rendered.

    - ``vanish``: an object passes behind an occluder and comes out; it does not.
    - ``appear``: nothing goes behind an occluder and nothing comes out; an object does.
    - ``teleport``: an object moves on; it is elsewhere from one frame to the next.
    - ``class``, ``colour``: what comes out from behind an occluder is what went in; it is another class, or colour.
    - ``pass-through``: an object bounces off another; it goes straight through.
    - ``reverse``: an object moves on; it turns back with nothing in its way.
    """
    generator = np.random.default_rng([_VERSION, seed, KINDS.index(kind), index])
    possible, impossible = _PLANS[kind](generator)
    videos = [np.stack([picture for picture, _ in scene.frames()]) for scene in (possible, impossible)]
    differ = np.flatnonzero((videos[0] != videos[1]).any(axis=(1, 2, 3)))
    assert len(differ), f"{kind} {seed} {index}: the two are the same"
    return Pair(kind, videos[0], videos[1], int(differ[0]))


def _stage(generator: np.random.Generator, objects: tuple[Sprite, ...], background: Floats) -> Scene:
    pan = generator.uniform(-0.1, 0.1, 2) * HEIGHT / RATE
    return Scene(
        sprites=objects,
        tile=sprites.noise_tile(generator, roughness=float(generator.uniform(1.0, 1.8))),
        colour=background,
        tint=generator.uniform(3, 9) * (1 + generator.uniform(-0.4, 0.4, 3)),
        pan=generator.uniform(0, 256, 2) + np.arange(FRAMES)[:, None] * pan,
        size=(WIDTH, HEIGHT),
        rate=RATE,
    )


def _background(generator: np.random.Generator) -> Floats:
    return np.asarray(generator.uniform(50, 100) + generator.uniform(-20, 20, 3))


def _sprite(
    generator: np.random.Generator, background: Floats, centre: Floats, *, radius: float, depth: int
) -> Sprite:
    """An object brighter than its background, as scenes' subjects are."""
    hue = generator.uniform(-30, 30, 3)
    return Sprite(
        shape=SHAPES[int(generator.integers(len(SHAPES)))],
        half=(radius, radius),
        centre=centre,
        speed=np.gradient(centre, 1 / RATE, axis=0),
        colour=background + generator.uniform(100, 130) + hue - hue.mean(),
        texture=TEXTURES[int(generator.integers(len(TEXTURES)))],
        period=float(radius * generator.uniform(0.5, 1.2)),
        angle=float(generator.uniform(0, np.pi)),
        depth=depth,
    )


def _across(generator: np.random.Generator, when: int, place: float) -> Floats:
    """A straight path that is at ``place`` (px across) at frame ``when``, left or right, [t, 2]."""
    pace = generator.uniform(0.3, 0.5) * HEIGHT / RATE * generator.choice((-1, 1))
    time = np.arange(FRAMES) - when
    height = generator.uniform(0.3, 0.7) * HEIGHT
    drift = generator.uniform(-0.05, 0.05) * HEIGHT / RATE
    return np.stack((place + pace * time, height + drift * time), axis=1)


def _hidden(generator: np.random.Generator) -> tuple[Floats, Sprite, Sprite, int]:
    """A background, an object that passes behind an occluder, the occluder, and when the object is hidden."""
    background = _background(generator)
    when = int(generator.integers(EARLIEST, LATEST + 1))
    place = generator.uniform(0.42, 0.58) * WIDTH
    path = _across(generator, when, place)
    radius = generator.uniform(0.09, 0.12) * HEIGHT
    mover = _sprite(generator, background, path, radius=radius, depth=1)
    stands = np.repeat([[place, path[when, 1]]], FRAMES, axis=0)
    occluder = replace(
        _sprite(generator, background, stands, radius=radius, depth=_BEHIND),
        shape="square", half=(1.25 * radius, 1.6 * radius), colour=background * 0.45, texture="gradient",
    )  # fmt: skip
    return background, mover, occluder, when


def _swapped(sprite: Sprite, other: Sprite, when: int) -> tuple[Sprite, Sprite]:
    """One object until frame ``when`` and another from then on: each is far away while the other is there."""
    away = np.full(2, -10.0 * WIDTH)
    before = (np.arange(FRAMES) < when)[:, None]
    return (
        replace(sprite, centre=np.where(before, sprite.centre, away)),
        replace(other, centre=np.where(before, away, other.centre)),
    )


def _gone(sprite: Sprite) -> Sprite:
    return replace(sprite, centre=np.full_like(sprite.centre, -10.0 * WIDTH))


def _vanish(generator: np.random.Generator) -> tuple[Scene, Scene]:
    background, mover, occluder, when = _hidden(generator)
    gone, _ = _swapped(mover, mover, when)
    scene = _stage(generator, (mover, occluder), background)
    return scene, replace(scene, sprites=(gone, occluder))


def _appear(generator: np.random.Generator) -> tuple[Scene, Scene]:
    background, mover, occluder, when = _hidden(generator)
    _, late = _swapped(mover, mover, when)
    scene = _stage(generator, (_gone(mover), occluder), background)
    return scene, replace(scene, sprites=(late, occluder))


def _class(generator: np.random.Generator) -> tuple[Scene, Scene]:
    background, mover, occluder, when = _hidden(generator)
    others = [shape for shape in SHAPES if shape != mover.shape]
    changed = replace(mover, shape=others[int(generator.integers(len(others)))])
    scene = _stage(generator, (mover, occluder), background)
    # Depths stay apart: the two halves are never in the picture together.
    return scene, replace(scene, sprites=(*_swapped(mover, changed, when), occluder))


def _colour(generator: np.random.Generator) -> tuple[Scene, Scene]:
    background, mover, occluder, when = _hidden(generator)
    # Its channels change places and are drawn apart: another colour of about the same brightness.
    shift = int(generator.integers(1, 3))
    tinted = replace(mover, colour=mover.colour + np.roll([70.0, -35.0, -35.0], int(generator.integers(3))))
    changed = replace(tinted, colour=np.roll(tinted.colour - background, shift) + background)
    scene = _stage(generator, (tinted, occluder), background)
    return scene, replace(scene, sprites=(*_swapped(tinted, changed, when), occluder))


def _teleport(generator: np.random.Generator) -> tuple[Scene, Scene]:
    background = _background(generator)
    when = int(generator.integers(EARLIEST, LATEST + 1))
    path = _across(generator, when, generator.uniform(0.4, 0.6) * WIDTH)
    radius = generator.uniform(0.09, 0.14) * HEIGHT
    mover = _sprite(generator, background, path, radius=radius, depth=0)
    # Up or down, whichever has room: along the path it might be taken for haste.
    step = np.array([0.0, (0.35 if path[when, 1] < HEIGHT / 2 else -0.35) * HEIGHT])
    after = (np.arange(FRAMES) >= when)[:, None]
    scene = _stage(generator, (mover,), background)
    return scene, replace(scene, sprites=(replace(mover, centre=path + after * step),))


def _contact(generator: np.random.Generator) -> tuple[Floats, Sprite, Sprite, Sprite]:
    """A background, an object that goes straight on, the same turned back at the contact, and what it meets."""
    background = _background(generator)
    when = int(generator.integers(EARLIEST, LATEST + 1))
    radius = generator.uniform(0.08, 0.11) * HEIGHT
    straight = _across(generator, when, generator.uniform(0.4, 0.6) * WIDTH)
    time = np.arange(FRAMES)
    turned = straight.copy()
    turned[:, 0] = straight[np.minimum(time, np.maximum(2 * when - time, 0)), 0]
    mover = replace(_sprite(generator, background, straight, radius=radius, depth=0), half=(radius, radius))
    ahead = np.sign(straight[1, 0] - straight[0, 0]) * 2.0 * radius
    stands = np.repeat([[straight[when, 0] + ahead, straight[when, 1]]], FRAMES, axis=0)
    wall = replace(
        _sprite(generator, background, stands, radius=radius, depth=1),
        shape="square", half=(0.9 * radius, 1.7 * radius), colour=background + 0.25 * (mover.colour - background),
    )  # fmt: skip
    return background, mover, replace(mover, centre=turned), wall


def _pass_through(generator: np.random.Generator) -> tuple[Scene, Scene]:
    background, straight, turned, wall = _contact(generator)
    scene = _stage(generator, (turned, wall), background)
    return scene, replace(scene, sprites=(straight, wall))


def _reverse(generator: np.random.Generator) -> tuple[Scene, Scene]:
    background, straight, turned, _ = _contact(generator)
    scene = _stage(generator, (straight,), background)
    return scene, replace(scene, sprites=(turned,))


_PLANS: dict[Kind, Callable[[np.random.Generator], tuple[Scene, Scene]]] = {
    "vanish": _vanish,
    "appear": _appear,
    "teleport": _teleport,
    "class": _class,
    "colour": _colour,
    "pass-through": _pass_through,
    "reverse": _reverse,
}
