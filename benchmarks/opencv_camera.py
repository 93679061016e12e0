"""Our camera motion beside OpenCV's: the first half of ``benchmarks.opencv``, which runs it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.labels.motion.register import displacement, look, scale_of, shrink
from worldprobe.video.read import open_video

try:
    import cv2
except ImportError:
    raise SystemExit(
        "benchmarks/opencv.py needs OpenCV, which worldprobe does not: "
        "pip install --no-deps opencv-python-headless, outside of its environment"
    ) from None

Picture = NDArray[np.uint8]

FILMS = ("bbb_720p_5s.mp4", "sintel_480p_5s.mp4", "tabletop_box.mp4", "dog.mp4", "blocks.mp4")
STILL_CAMERAS = ("pets09_s2l1.avi", "person_walking.mp4")
SMALL, LARGE = 3, 24  # px of the compared pictures: what cameras do in a frame, and as far as ours searches
NOISE = 3.0  # of 255
LEAST_SPREAD = 8.0  # of 255: in darker titles there is nothing to be found


@dataclass(slots=True)
class Register:
    """One way to tell how far the world moved, with what it took.

    Attributes:
        prepare: from a picture, whatever is needed of it.
        compare: from two of these, px to the right and down, and whether it is to be believed.
    """

    prepare: Callable[[Picture, int], Any]
    compare: Callable[[Any, Any], tuple[float, float, bool]]
    seconds: list[tuple[float, float]] = field(default_factory=list)

    def __call__(self, before: Picture, after: Picture, scale: int) -> tuple[float, float, bool]:
        started = time.process_time()
        one, other = self.prepare(before, scale), self.prepare(after, scale)
        prepared = time.process_time()
        found = self.compare(one, other)
        # Of a film, each frame is prepared once.
        self.seconds.append(((prepared - started) / 2, time.process_time() - prepared))
        return found


def by_ours(one: Any, other: Any) -> tuple[float, float, bool]:
    shift = displacement(one, other)
    return *shift.xy, shift.reliable


def small_grey(picture: Picture, scale: int) -> Picture:
    """As ``shrink``, by OpenCV's area mean."""
    return np.asarray(cv2.cvtColor(smaller(picture, scale), cv2.COLOR_RGB2GRAY), np.uint8)


def smaller(picture: Picture, scale: int) -> Picture:
    size = (picture.shape[1] // scale, picture.shape[0] // scale)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def by_phase(one: Picture, other: Picture) -> tuple[float, float, bool]:
    fade = cv2.createHanningWindow((one.shape[1], one.shape[0]), cv2.CV_32F)
    (x, y), _ = cv2.phaseCorrelate(one.astype(np.float32), other.astype(np.float32), fade)
    return x, y, True


def affine(one: Picture, other: Picture) -> tuple[NDArray[np.float64], bool]:
    """From places in one picture to those in another [2, 3], by corners; whether most of them agree."""
    nothing = np.eye(2, 3), False
    points = cv2.goodFeaturesToTrack(one, maxCorners=200, qualityLevel=0.01, minDistance=5)
    if points is None:
        return nothing
    followed, status, _ = cv2.calcOpticalFlowPyrLK(one, other, points, None)  # type: ignore[call-overload]
    good = status.ravel() == 1
    if good.sum() < 3:
        return nothing
    matrix, inliers = cv2.estimateAffinePartial2D(points[good], followed[good], ransacReprojThreshold=1.0)
    if matrix is None:
        return nothing
    return np.asarray(matrix, np.float64), bool(inliers.sum() >= 0.5 * len(points))


def by_corners(one: Picture, other: Picture) -> tuple[float, float, bool]:
    matrix, believed = affine(one, other)
    centre = np.array([one.shape[1] - 1, one.shape[0] - 1]) / 2
    x, y = matrix[:, :2] @ centre + matrix[:, 2] - centre
    return float(x), float(y), believed


def registers() -> dict[str, Register]:
    return {
        "displacement (ours)": Register(lambda picture, scale: look(shrink(picture, scale)), by_ours),
        "phaseCorrelate": Register(small_grey, by_phase),
        "corners + flow + affine": Register(small_grey, by_corners),
    }


def two_windows(before: Picture, after: Picture, shift: tuple[int, int], reach: int) -> tuple[Picture, Picture]:
    """Windows of two frames, the world of the second lying ``shift`` source px from that of the first."""
    scale = scale_of(before.shape[0])
    room = reach * scale
    height, width = ((side - room) // scale * scale for side in before.shape[:2])
    first = [(room + one) // 2 for one in shift]
    second = [start - one for start, one in zip(first, shift, strict=True)]
    windows = [
        frame[y : y + height, x : x + width].copy()
        for frame, (x, y) in ((before, first), (after, second))
    ]  # fmt: skip
    return windows[0], windows[1]


def paste(windows: Sequence[Picture], other: Picture, way: NDArray[np.int64], rng: np.random.Generator) -> None:
    """An ellipse of another film, a sixth of the picture, into both, ``way`` source px further in the second."""
    height, width = windows[0].shape[:2]
    rows, columns = min(height // 2, other.shape[0]), min(2 * width // 5, other.shape[1])
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    inside = x**2 + y**2 < 1
    room = np.array([width - columns, height - rows])
    left, top = rng.integers(0, room + 1)
    for window, moved in zip(windows, (np.zeros(2, np.int64), way), strict=True):
        at_x, at_y = np.clip(np.array([left, top]) + moved, 0, room)
        window[at_y : at_y + rows, at_x : at_x + columns][inside] = other[:rows, :columns][inside]


def pairs(data: Path, per_film: int) -> Iterator[tuple[str, Picture, Picture, int, tuple[float, float]]]:
    """Scene, two windows, the scale that they are compared at, and the true shift at that scale."""
    rng = np.random.default_rng(0)
    grain = rng.normal(scale=NOISE, size=(900, 1600, 3)).round().astype(np.int16)

    def noisy(picture: Picture) -> Picture:
        y, x = (
            rng.integers(0, whole - side + 1)
            for whole, side in zip(grain.shape[:2], picture.shape[:2], strict=True)
        )
        some = grain[y : y + picture.shape[0], x : x + picture.shape[1]]
        return np.asarray(np.clip(picture + some, 0, 255), np.uint8)

    films = {name: some_frames(data / "videos" / name, per_film) for name in (*FILMS, *STILL_CAMERAS)}
    names = list(films)
    for number, name in enumerate(names):
        others = films[names[number - 1]]
        for index, (frame, later) in enumerate(films[name]):
            scale = scale_of(frame.shape[0])
            for reach in (SMALL, LARGE):
                for scene in ("still world", "object in it", "next frame"):
                    if scene == "next frame" and (name not in STILL_CAMERAS or reach == LARGE):
                        continue
                    shift = tuple(rng.integers(-reach * scale, reach * scale + 1, size=2).tolist())
                    windows = two_windows(frame, later if scene == "next frame" else frame, shift, reach)
                    if scene == "object in it":
                        way = rng.integers(-12 * scale, 12 * scale + 1, size=2)
                        paste(windows, others[index % len(others)][0], way, rng)
                    if scene != "next frame":  # which has its own
                        windows = noisy(windows[0]), noisy(windows[1])
                    yield f"{scene}, {reach} px", *windows, scale, (shift[0] / scale, shift[1] / scale)


def some_frames(film: Path, number: int) -> list[tuple[Picture, Picture]]:
    """Frames of the beginning of a film, evenly spread, each with the one after it; without empty ones."""
    with open_video(film) as video:
        indices = np.linspace(0, min(video.ref.frames, 300) - 2, number).astype(int)
        held = dict(video.frames(sorted({*indices.tolist(), *(indices + 1).tolist()})))
    return [(held[i], held[i + 1]) for i in indices.tolist() if held[i].std() > LEAST_SPREAD]


def camera(data: Path, per_film: int) -> dict[str, Any]:
    sides = registers()
    errors: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    believed: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for scene, before, after, scale, truth in pairs(data, per_film):
        for name, side in sides.items():
            x, y, sure = side(before, after, scale)
            errors[scene][name].append(float(np.hypot(x - truth[0], y - truth[1])))
            believed[scene][name].append(sure)
    rows: dict[str, Any] = {}
    for scene, of in errors.items():
        for name, values in of.items():
            error, belief = np.array(values), np.array(believed[scene][name])
            rows[f"{scene}: {name}"] = {
                "pairs": len(error), "median": round(float(np.median(error)), 3),
                "p95": round(float(np.quantile(error, 0.95)), 3), "over_1px": round(float((error > 1).mean()), 3),
                "believed": round(float(belief.mean()), 3),
                "of_these_over_1px": round(float((error[belief] > 1).mean()), 3) if belief.any() else None,
            }  # fmt: skip
    rates = {}
    for name, side in sides.items():
        prepare, compare = np.mean(side.seconds, axis=0)
        rates[name] = {
            "frames_per_second": round(1 / (prepare + compare), 1), "ms_prepare": round(1000 * prepare, 2),
            "ms_compare": round(1000 * compare, 2),
        }  # fmt: skip
    return {"errors": rows, "rates": with_ratios(rates)}


def with_ratios(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Each side's rate as a multiple of ours, which stands first."""
    first = next(iter(rows.values()))["frames_per_second"]
    return {
        name: row | {"rate_over_ours": round(row["frames_per_second"] / first, 2)} for name, row in rows.items()
    }
