"""Our camera motion and `moving` against OpenCV's, on the same pictures in one run.

Camera: windows cut out of frames of real films at places known to the pixel are made as small as ours compares
pictures, so that the world of one lies a known part of a pixel from that of the other; noise is added, and an
object that moves otherwise. ``displacement`` stands beside ``phaseCorrelate`` and beside corners followed by Lucas
and Kanade's optical flow with ``estimateAffinePartial2D``.

Moving objects: PETS 2009, as the film is and through a window that sways, by ``moving`` and by the subtractors MOG2
and KNN. Those see the film's beginning before they are asked, as ours does; shadows off, opening, closing and least
area as ours.

    python -m benchmarks.opencv [--films 12] [--frames 300]

Wants WORLDPROBE_DATA, and OpenCV (``pip install --no-deps opencv-python-headless``), which is no dependency. Rates
are of processor time, every side on one thread. Prints tables and one last line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import polars as pl
from benchmarks.detection import recall_and_precision
from benchmarks.opencv_camera import Picture, affine, camera, cv2, small_grey, smaller, with_ratios
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from worldprobe.labels.boxes import centre_and_size, corners
from worldprobe.labels.files.mot import Mot
from worldprobe.labels.motion import background, moving
from worldprobe.labels.motion.background import RegisteredFrame
from worldprobe.labels.motion.register import scale_of, shrink
from worldprobe.labels.motion.stillness import Stillness
from worldprobe.records import VideoRef
from worldprobe.video.read import open_video

Mask = NDArray[np.bool_]

THRESHOLDS = (0.3, 0.5)
ABOVE = (20.0, 28.0)  # of 255, in the place of ours: KNN's own bound is 20
SWAY, PERIOD = 24, 60  # source px to either side, and frames of one turn


@dataclass(frozen=True)
class Clip:
    """A FrameSource of frames that are held, of one shot."""

    ref: VideoRef
    pts_seconds: NDArray[np.float64]
    pictures: list[Picture]
    shots: tuple[int, ...] = (0,)

    def frames(self, indices: Sequence[int] | None = None) -> Iterator[tuple[int, Picture]]:
        """As a video does."""
        for index in range(len(self.pictures)) if indices is None else indices:
            yield index, self.pictures[index]


def swaying(clip: Clip, truth: pl.DataFrame) -> tuple[Clip, pl.DataFrame]:
    """A clip through a window that goes round, and the boxes of which at least half lies within it."""
    turn = 2 * np.pi * np.arange(len(clip.pictures)) / PERIOD
    left = np.round(SWAY * (1 + np.sin(turn))).astype(int)
    top = np.round(SWAY * (1 + np.sin(0.7 * turn))).astype(int)
    width, height = clip.ref.width - 2 * SWAY, clip.ref.height - 2 * SWAY
    pictures = [
        np.ascontiguousarray(picture[y : y + height, x : x + width])
        for picture, x, y in zip(clip.pictures, left, top, strict=True)
    ]
    rows = truth.filter(pl.col("frame") < len(pictures))
    frame = rows["frame"].to_numpy()
    whole = corners(rows.select("x", "y", "w", "h").to_numpy())
    boxes = whole - np.stack([left, top, left, top], axis=1)[frame]
    boxes = np.clip(boxes, 0, [width, height, width, height])
    area, before = (np.prod(np.maximum(some[:, 2:] - some[:, :2], 0), axis=1) for some in (boxes, whole))
    within = area >= 0.5 * before
    ref = replace(clip.ref, width=width, height=height)
    return Clip(ref, clip.pts_seconds, pictures), boxes_table(frame[within], centre_and_size(boxes[within]))


def boxes_table(frame: Any, boxes: Any) -> pl.DataFrame:
    x, y, w, h = np.asarray(boxes, np.float64).reshape(-1, 4).T
    return pl.DataFrame({"frame": np.asarray(frame, np.int64), "x": x, "y": y, "w": w, "h": h})


def ours_whole(clip: Clip) -> pl.DataFrame:
    return moving.Moving().label(clip).table


def ours_regions(clip: Clip) -> pl.DataFrame:
    """What `moving` finds in each frame, before it links and sorts out."""
    scale = scale_of(clip.ref.height)
    found: dict[str, list[Any]] = {key: [] for key in ("frame", "x", "y", "w", "h", "confidence")}
    greys = ((index, shrink(picture, scale)) for index, picture in clip.frames())
    for index, mask in moving._masks(greys, moving._Followed(), Stillness(clip.pts_seconds)):
        moving._collect(found, index, mask, scale, clip.ref.width, clip.ref.height)
    return pl.DataFrame(found)


def ours_above(least: float) -> Callable[[Clip], pl.DataFrame]:
    """`moving` that takes only larger differences for movement."""

    def label(clip: Clip) -> pl.DataFrame:
        with patch.object(background, "_LEAST_DIFFERENCE", least):
            return ours_whole(clip)

    return label


def subtractor(kind: str) -> Any:
    make = {"MOG2": cv2.createBackgroundSubtractorMOG2, "KNN": cv2.createBackgroundSubtractorKNN}[kind]
    return make(detectShadows=False)


def moving_with(kind: str) -> Callable[[Clip], pl.DataFrame]:
    """`moving` with a subtractor in the place of our background."""

    class Subtracted:
        def __init__(self) -> None:
            self.subtractor = subtractor(kind)

        @classmethod
        def of(cls, frames: list[RegisteredFrame]) -> Subtracted:
            made = cls()
            for seen in frames:
                made.moving(seen, step=np.zeros(2))
            return made

        def moving(self, seen: RegisteredFrame, *, step: NDArray[np.float64]) -> Mask:
            return np.asarray(self.subtractor.apply(seen.grey.round().astype(np.uint8)) > 0)

    def label(clip: Clip) -> pl.DataFrame:
        cv2.setRNGSeed(0)
        with patch.object(moving, "Background", Subtracted):
            return ours_whole(clip)

    return label


def plainly(kind: str, *, full: bool = False, steadied: bool = False) -> Callable[[Clip], pl.DataFrame]:
    """A subtractor as OpenCV's users take it: mask, opening and closing, contours, the boxes around them.

    Args:
        full: at the film's size, instead of the one that ours looks at. steadied: each frame is laid over the first
            by its corners beforehand, and what moves is laid back.
    """

    def label(clip: Clip) -> pl.DataFrame:
        cv2.setRNGSeed(0)
        compared = scale_of(clip.ref.height)
        scale = 1 if full else compared
        opening = np.ones((5, 5) if full else (2, 2), np.uint8)  # at full size ours times four would cost recall
        closing = np.ones((5 * compared // scale, 3 * compared // scale), np.uint8)
        model = subtractor(kind)
        first = small_grey(clip.pictures[0], scale)

        def mask_of(picture: Picture) -> Picture:
            colours = smaller(picture, scale) if scale > 1 else picture
            if not steadied:
                return np.asarray(model.apply(colours), np.uint8)
            grey = np.asarray(cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY), np.uint8)
            matrix, _ = affine(first, grey)
            size, back = grey.shape[::-1], cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            laid = cv2.warpAffine(colours, matrix, size, flags=back, borderMode=cv2.BORDER_REPLICATE)
            known = cv2.warpAffine(np.full_like(grey, 255), matrix, size, flags=back)
            mask = cv2.bitwise_and(model.apply(laid), cv2.erode(known, np.ones((3, 3), np.uint8)))
            return np.asarray(cv2.warpAffine(mask, matrix, size, flags=cv2.INTER_NEAREST), np.uint8)

        for picture in clip.pictures[: moving._WARM_UP_FRAMES]:
            mask_of(picture)
        frames, boxes = [], []
        for index, picture in clip.frames():
            mask = cv2.morphologyEx(mask_of(picture), cv2.MORPH_OPEN, opening)
            mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, closing)
            for contour in cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]:
                x, y, w, h = cv2.boundingRect(contour)
                if cv2.countNonZero(mask[y : y + h, x : x + w]) >= moving._LEAST_AREA * mask.size:
                    frames.append(index)
                    boxes.append([scale * value for value in (x + w / 2, y + h / 2, w, h)])
        return boxes_table(frames, boxes)

    return label


def objects(data: Path, number: int) -> dict[str, Any]:
    with open_video(data / "videos" / "pets09_s2l1.avi") as video:
        truth = Mot(str(data / "labels" / "pets09_s2l1_mot.txt")).label(video).table
        number = min(number, video.ref.frames)
        pictures = [picture for _, picture in video.frames(range(number))]
        clip = Clip(replace(video.ref, frames=number), video.pts_seconds[:number], pictures)
    kinds = ("MOG2", "KNN")
    standing: dict[str, Callable[[Clip], pl.DataFrame]] = {
        "moving (ours)": ours_whole, "its regions": ours_regions,
        **{f"moving, differences above {least:.0f}": ours_above(least) for least in ABOVE},
        **{f"{kind}, compared size": plainly(kind) for kind in kinds},
        **{f"{kind}, full size": plainly(kind, full=True) for kind in kinds},
        **{f"moving with {kind}": moving_with(kind) for kind in kinds},
    }  # fmt: skip
    sway: dict[str, Callable[[Clip], pl.DataFrame]] = {
        "moving (ours)": ours_whole, "its regions": ours_regions,
        **{f"moving, differences above {least:.0f}": ours_above(least) for least in ABOVE},
        **{f"{kind}, compared size": plainly(kind) for kind in kinds},
        **{f"{kind}, steadied": plainly(kind, steadied=True) for kind in kinds},
    }  # fmt: skip
    return {
        "camera stands": scored(clip, truth, standing),
        "camera sways": scored(*swaying(clip, truth), sway),
    }


def scored(clip: Clip, truth: pl.DataFrame, sides: dict[str, Callable[[Clip], pl.DataFrame]]) -> dict[str, Any]:
    rows: dict[str, dict[str, Any]] = {}
    for name, side in sides.items():
        started = time.process_time()
        found = side(clip)
        spent = time.process_time() - started
        rows[name] = {"boxes": len(found), "frames_per_second": round(len(clip.pictures) / spent, 1)}
        for least in THRESHOLDS:
            scores = recall_and_precision(found, truth, frames=range(len(clip.pictures)), least_iou=least)
            for kind, score in zip(("recall", "precision"), scores, strict=True):
                rows[name][f"{kind}@{least}"] = round(score, 3)
    return with_ratios(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=12, help="frames of each film whose camera motion is measured")
    parser.add_argument("--frames", type=int, default=300, help="of PETS 2009")
    options = parser.parse_args()
    data = Path(os.environ.get("WORLDPROBE_DATA", "../shared/data"))
    cv2.setNumThreads(1)
    cv2.setRNGSeed(0)
    started = time.process_time()
    with threadpool_limits(1):
        result: dict[str, Any] = {"opencv": cv2.__version__, "camera": camera(data, options.films)}
        result["objects"] = objects(data, options.frames)
    result["processor_seconds"] = round(time.process_time() - started, 1)
    for title, rows in (
        ("camera motion, px of the compared pictures", result["camera"]["errors"]),
        ("camera motion, rates", result["camera"]["rates"]),
        *((f"PETS 2009, {title}", rows) for title, rows in result["objects"].items()),
    ):
        print(title)
        for name, row in rows.items():
            print(f"  {name:44} " + "  ".join(f"{key} {value}" for key, value in row.items()))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
