"""Rendered scenes with exact truth: one clear subject, smaller and dimmer company, a panning background.

What is to be decoded (class, size, position, direction, speed) is drawn independently of how it looks
(textures, colours, background), so that nothing stands in for anything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import VideoError
from worldprobe.io.files import StrPath, write_whole
from worldprobe.video.rendered import sprites
from worldprobe.video.rendered.processes import Progress, render_films
from worldprobe.video.rendered.sprites import SHAPES, TEXTURES, Shape
from worldprobe.video.write import write_video

VERSION = 2  # part of every seed and path: another generator must not pass for this one
FRAMES, WIDTH, HEIGHT, RATE = 16, 160, 144, 24
_PIXELS_AT_ONCE = 2**16  # of an object, over frames: what they need stays in a core's cache
Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Appearance = tuple[sprites.Box, Singles, Singles]

_HEADINGS = {"right": 0.0, "down": np.pi / 2, "left": np.pi, "up": -np.pi / 2}
_HEADING_JITTER = np.deg2rad(25)
_STILL_SHARE = 0.2
_STOP_SHARE = 0.15
_WORTH_PROCESSES = 200  # fewer scenes are drawn before processes have begun
_THREADS = 4  # half of the work needs no interpreter; with more they wait for each other
_MARGIN = 0.1  # centres stay this share of the frame away from its edges


@dataclass(frozen=True, slots=True, eq=False)
class Sprite:
    """One object of a scene: its looks, and its path ``centre`` and ``speed``, float64 [t, 2] in px, px/s."""

    shape: Shape
    half: tuple[float, float]
    centre: Floats
    speed: Floats
    colour: Floats
    texture: str
    period: float
    angle: float
    depth: int


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A scene as it was planned; ``frames`` draws it. Object 0 is the subject; depth 0 is nearest."""

    sprites: tuple[Sprite, ...]
    tile: Singles
    colour: Floats
    tint: Floats
    pan: Floats
    size: tuple[int, int]
    rate: int

    def frames(self) -> Iterator[tuple[NDArray[np.uint8], list[float]]]:
        """Each frame uint8 [h, w, 3], and the visible fraction of each object in it."""
        width, height = self.size
        tile = sprites.wrapped(self.tile, self.size)
        # Channel by channel: a colour's three numbers are a short row to broadcast along. The 0.5 of rounding to
        # integers is within each colour.
        picture = np.empty((3, height, width), np.float32)
        tint, ground = _of_channels(self.tint), _of_channels(self.colour + 0.5)
        paints = [(_of_channels(0.25 * one.colour), _of_channels(one.colour + 0.5)) for one in self.sprites]
        largest = max((4 * half[0] * half[1] for half in (one.half for one in self.sprites)), default=1)
        together = max(1, int(_PIXELS_AT_ONCE / largest))
        for first in range(0, len(self.pan), together):
            times = slice(first, first + together)
            drawn = [
                sprites.appearances(
                    one.shape, one.texture, centres=one.centre[times], half=one.half, period=one.period,
                    angle=one.angle, size=self.size,
                )
                for one in self.sprites
            ]  # fmt: skip
            for corner, *objects in zip(self.pan[times].tolist(), *drawn, strict=True):
                noise = sprites.window(tile, corner=(corner[0], corner[1]), size=self.size)
                np.multiply(noise, tint, out=picture)
                picture += ground
                self._draw(picture, objects, paints)
                planes = np.clip(picture, 0, 255, out=picture).astype(np.uint8)
                yield np.stack(tuple(planes), axis=-1), self._visible(objects)

    def _order(self) -> list[int]:
        """The objects, nearest first."""
        return sorted(range(len(self.sprites)), key=lambda number: self.sprites[number].depth)

    def _draw(
        self, picture: Singles, objects: Sequence[Appearance], paints: Sequence[tuple[Singles, Singles]]
    ) -> None:
        """Draw objects into a picture [3, h, w], of which each has how its texture changes its colour, and that."""
        for number in reversed(self._order()):
            (box, mask, pattern), (change, colour) = objects[number], paints[number]
            below = picture[:, *box]
            drawn = pattern * change
            drawn += colour
            drawn -= below
            drawn *= mask
            below += drawn

    def _visible(self, objects: Sequence[Appearance]) -> list[float]:
        """The share of each object that is in the frame and that none nearer covers."""
        visible = [0.0] * len(self.sprites)
        uncovered = np.ones(self.size[::-1], np.float32)
        for number in self._order():
            sprite, (box, mask, _) = self.sprites[number], objects[number]
            seen = float((mask * uncovered[box]).sum(dtype=np.float64))
            visible[number] = min(1.0, seen / sprites.area(sprite.shape, *sprite.half))
            uncovered[box] *= 1 - mask
        return visible


def _of_channels(colour: Floats) -> Singles:
    """A colour's numbers as float32 [3, 1, 1]."""
    return np.asarray(colour[:, None, None], dtype=np.float32)


def plan_scene(
    seed: int, index: int, *, frames: int = FRAMES, width: int = WIDTH, height: int = HEIGHT, rate: int = RATE
) -> Scene:
    """Draw a scene's objects and paths. The same arguments give the same scene, whatever else is rendered.

    Sizes, positions and speeds scale with the frame, so a scene looks alike at any size.
    """
    generator = np.random.default_rng([VERSION, seed, index])
    background = generator.uniform(50, 100) + generator.uniform(-20, 20, 3)
    count = int(generator.integers(1, 4))
    radius = generator.uniform(0.09, 0.24) * height
    depths = generator.permutation(count)
    objects = []
    for number in range(count):
        subject = number == 0
        scale = radius if subject else radius * generator.uniform(0.4, 0.65)
        aspect = np.exp(generator.uniform(-0.12, 0.12))
        centre, speed = _path(generator, frames, width, height, rate)
        objects.append(
            Sprite(
                shape=SHAPES[int(generator.integers(len(SHAPES)))],
                half=(float(scale * aspect), float(scale / aspect)),
                centre=centre,
                speed=speed,
                colour=_colour(generator, background, subject=subject),
                texture=TEXTURES[int(generator.integers(len(TEXTURES)))],
                period=float(scale * generator.uniform(0.5, 1.2)),
                angle=float(generator.uniform(0, np.pi)),
                depth=int(depths[number]),
            )
        )
    pan = generator.uniform(-0.2, 0.2, 2) * height / rate
    return Scene(
        sprites=tuple(objects),
        tile=sprites.noise_tile(generator, roughness=float(generator.uniform(1.0, 1.8))),
        colour=background,
        tint=generator.uniform(3, 9) * (1 + generator.uniform(-0.4, 0.4, 3)),
        pan=generator.uniform(0, 256, 2) + np.arange(frames)[:, None] * pan,
        size=(width, height),
        rate=rate,
    )


def _colour(generator: np.random.Generator, background: Floats, *, subject: bool) -> Floats:
    """A colour that is brighter than the background, always: with random polarity nothing is linear in the
    pixels any more, and every probe is at chance. Company is dimmer."""
    hue = generator.uniform(-30, 30, 3)
    step = generator.uniform(100, 130) + hue - hue.mean()
    return np.asarray(background + (step if subject else 0.25 * step))


def _path(generator: np.random.Generator, frames: int, width: int, height: int, rate: int) -> tuple[Floats, Floats]:
    """Centre and speed at each frame: straight on, turned back at the margins, at times stopped half-way."""
    room = np.array([width, height], dtype=np.float64)
    low, high = room * _MARGIN, room * (1 - _MARGIN)
    position = generator.uniform(low, high)
    still = generator.random() < _STILL_SHARE
    heading = list(_HEADINGS.values())[int(generator.integers(4))]
    angle = heading + generator.uniform(-_HEADING_JITTER, _HEADING_JITTER)
    pace = generator.uniform(0.15, 0.6) * height
    velocity = np.zeros(2) if still else pace * np.array([np.cos(angle), np.sin(angle)])
    stop = int(generator.integers(frames // 4, frames)) if generator.random() < _STOP_SHARE else frames
    centre, speed = np.zeros((frames, 2)), np.zeros((frames, 2))
    # Axis by axis, in plain numbers: numpy takes longer to begin than two of them take.
    for axis in (0, 1):
        place, step, least, most = (float(of[axis]) for of in (position, velocity, low, high))
        for time in range(frames):
            centre[time, axis], speed[time, axis] = place, step if time < stop else 0.0
            if time >= stop:
                continue
            place += step / rate
            if place > most:
                place, step = 2 * most - place, -step
            elif place < least:
                place, step = 2 * least - place, -step
    return centre, speed


def render_scenes(
    count: int, seed: int, folder: StrPath, *, workers: int | None = 1, progress: Progress = lambda *_: None
) -> list[Path]:
    """Render scenes 0 to ``count`` - 1 of a seed as H.264 files, each beside its truth; finished ones are kept.

    ``NAME.truth.parquet`` has a row per frame and object: frame, pts_seconds, object, class, x, y, w, h in
    px, vx, vy in px a second, depth, visible (fraction of the outline that is in the frame and uncovered).

    Args:
        count: scenes.
        seed: of all that is drawn by chance; a scene is the same whatever else is rendered.
        folder: its films are in a folder of it.
        workers: scenes at a time, None for as many as there are cores: few in threads, many in processes. Where
            these would import the script that calls this, they are begun for more than four at a time alone.
        progress: called with what is done, how much of it, and of how much.

    Raises:
        VideoError: fewer than one scene, or a process that was ended from outside.
    """
    if count < 1:
        raise VideoError(f"scenes:{count} asks for {count} scenes: ask for one or more, such as scenes:200")
    paths = scene_paths(count, seed, folder)
    absent = [(index, path) for index, path in enumerate(paths) if not path.exists()]
    render_films(
        partial(_render_scene, seed),
        absent,
        what="Rendering scenes",
        worth=_WORTH_PROCESSES,
        workers=workers,
        threads=_THREADS,
        progress=progress,
    )
    return paths


def scene_paths(count: int, seed: int, folder: StrPath) -> list[Path]:
    """Where ``render_scenes`` puts its films."""
    target = Path(folder) / f"v{VERSION}-seed{seed}"
    return [target / f"scene-{index:06d}.mp4" for index in range(count)]


def truth_path(video: Path) -> Path:
    """Where the truth of a rendered scene lies."""
    return video.with_suffix(".truth.parquet")


def _render_scene(seed: int, index: int, path: Path) -> None:
    """Write the truth, then the video: a video that is there has its truth."""
    import polars as pl

    scene = plan_scene(seed, index)
    pictures, visible = [], []
    for picture, seen in scene.frames():
        pictures.append(picture)
        visible.append(seen)
    rows = [
        {
            "frame": time,
            "pts_seconds": time / scene.rate,
            "object": number,
            "class": sprite.shape,
            "x": float(sprite.centre[time, 0]),
            "y": float(sprite.centre[time, 1]),
            "w": 2 * sprite.half[0],
            "h": 2 * sprite.half[1],
            "vx": float(sprite.speed[time, 0]),
            "vy": float(sprite.speed[time, 1]),
            "depth": sprite.depth,
            "visible": visible[time][number],
        }
        for time in range(len(pictures))
        for number, sprite in enumerate(scene.sprites)
    ]
    truth = BytesIO()  # into a file polars writes by threads of its own, which wait for each other and for a core
    pl.DataFrame(rows).write_parquet(truth)
    write_whole(truth_path(path), truth.getvalue())
    write_film(path, pictures, rate=scene.rate)


def write_film(path: Path, pictures: Iterable[NDArray[np.uint8]], *, rate: int = RATE) -> None:
    """Encode pictures, uint8 [h, w, 3] each, as the films of scenes are. Raises VideoError as ``write_video``.

    Nearer to what is drawn than by x264's own choices (42.8 dB and 42.4), in a quarter of their time.
    """
    write_video(path, pictures, rate=rate, crf=14, preset="ultrafast")
