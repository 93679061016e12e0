"""Frames of films read and resized a second: worldprobe, and PyAV and OpenCV used plainly.

All three decode every frame in order and give V-JEPA 2's view of it, 256 x 256: worldprobe by the resize of
transformers' processor, to the bit; PyAV by FFmpeg's scaler (bilinear) and OpenCV by its own (area), as scripts do.
How far their pixels lie from the exact ones on average (of 255) is printed, and how many frames each found.

    python -m benchmarks.reading [FILM ...] [--repeats 3]

Films are by default those of the folder that WORLDPROBE_DATA names. Prints a table and one last line of JSON.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
from benchmarks.films import DATA, require

from worldprobe.encoders.preprocess import crop_frames
from worldprobe.geometry import resize_and_crop
from worldprobe.video.read import open_video

CROP = 256
LOOKED_AT = 200  # frames of a film whose pixels are held against the exact ones


def worldprobe(film: Path) -> Iterator[np.ndarray]:
    with open_video(film) as video:
        for _, frame in video.frames():
            yield crop_frames(frame[None], crop=CROP)[0].transpose(1, 2, 0)


def pyav(film: Path) -> Iterator[np.ndarray]:
    with av.open(str(film)) as container:
        for frame in container.decode(container.streams.video[0]):
            (width, height), view = resize_and_crop(frame.width, frame.height, crop=CROP)
            picture = frame.reformat(
                width=width, height=height, format="rgb24", interpolation="BILINEAR"
            ).to_ndarray()
            yield _cropped(picture, view.offset)


def opencv(film: Path) -> Iterator[np.ndarray]:
    capture = cv2.VideoCapture(str(film))
    while (found := capture.read())[0]:
        picture = cv2.cvtColor(found[1], cv2.COLOR_BGR2RGB)
        size, view = resize_and_crop(picture.shape[1], picture.shape[0], crop=CROP)
        yield _cropped(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), view.offset)
    capture.release()


def _cropped(picture: np.ndarray, offset: tuple[float, float]) -> np.ndarray:
    left, top = (int(value) for value in offset)
    return picture[top : top + CROP, left : left + CROP]


SIDES: dict[str, Callable[[Path], Iterator[np.ndarray]]] = {
    "worldprobe": worldprobe, "pyav": pyav, "opencv": opencv,
}  # fmt: skip


def measure(film: Path, repeats: int) -> dict[str, dict[str, float]]:
    """Of each side: frames a second (median), frames found, mean distance of its pixels from the exact ones."""
    rates: dict[str, list[float]] = {name: [] for name in SIDES}
    frames = {}
    for _ in range(repeats):
        for name, side in SIDES.items():
            started = time.perf_counter()
            frames[name] = sum(1 for _ in side(film))
            rates[name].append(frames[name] / (time.perf_counter() - started))
    off = {}
    for name, side in SIDES.items():
        pairs = itertools.islice(zip(side(film), worldprobe(film), strict=False), LOOKED_AT)
        off[name] = float(np.mean([np.abs(a.astype(np.int16) - b).mean() for a, b in pairs]))
    return {
        name: {"frames_per_second": round(statistics.median(rates[name]), 1), "frames": frames[name],
               "off": round(off[name], 3)}
        for name in SIDES
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("films", nargs="*", type=Path, help="by default those of WORLDPROBE_DATA")
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    if not asked.films:
        require(DATA / "videos")
    films = asked.films or sorted((DATA / "videos").iterdir())
    found = {film.name: measure(film, asked.repeats) for film in films}
    for film, sides in found.items():
        for name, row in sides.items():
            print(
                f"{film:22} {name:11} {row['frames_per_second']:7.1f} frames/s  {row['frames']:5d} frames  "
                f"off by {row['off']:.3f}"
            )
    print(json.dumps(found))


if __name__ == "__main__":
    main()
