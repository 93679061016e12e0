"""Time and peak memory of `worldprobe encode` on films of 1, 2, 4 and 8 times the frames, each in its own process.

With --clips it is `--encoder pixels` on one film of 500 and of 10,000 clips of two frames instead, 64 px high.

    python -m benchmarks.growth [--clips 500,10000]

Prints a table and one last line of JSON with `peak_mb` and `seconds` (of all cores) by frames, the memory's `ratio`
of the longest to the shortest, and the `exponent` with which time grows between them (1 is linear; what a process
takes to start is in all of them).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldprobe.video.rendered.scenes import plan_scene
from worldprobe.video.write import write_video

LENGTHS, SIZE, RATE = (480, 960, 1920, 3840), (640, 360), 24

_RUN = "import resource; from worldprobe.cli import app; app({arguments!r}, standalone_mode=False); \
used = resource.getrusage(resource.RUSAGE_SELF); print(used.ru_maxrss, used.ru_utime + used.ru_stime)"


def film(frames: int) -> Iterator[NDArray[np.uint8]]:
    """One long rendered scene."""
    scene = plan_scene(0, 0, frames=frames, width=SIZE[0], height=SIZE[1], rate=RATE)
    for picture, _ in scene.frames():
        yield picture


def drift(frames: int) -> Iterator[NDArray[np.uint8]]:
    """A pattern that moves a pixel a frame, and is cheap to draw."""
    pattern = np.random.default_rng(0).integers(0, 256, (64, 64, 1), dtype=np.uint8).repeat(3, axis=2)
    pattern = np.kron(pattern[::8, ::8], np.ones((8, 8, 1), dtype=np.uint8))
    for frame in range(frames):
        yield np.roll(pattern, frame, axis=1)


def encoded(path: Path, store: Path, *options: str) -> tuple[float, float]:
    """Peak resident memory in MB, and seconds of processor time, of encoding a file in a fresh process."""
    arguments = ["encode", str(path), "--store", str(store), "--json", *options]
    done = subprocess.run(
        [sys.executable, "-c", _RUN.format(arguments=arguments)], capture_output=True, text=True, check=True
    )
    kilobytes, seconds = done.stdout.split()[-2:]
    return int(kilobytes) / 1024, float(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", default="", help="of two frames, by `pixels`, in place of films by vjepa2-tiny")
    counts = [int(one) for one in parser.parse_args().clips.split(",") if one]
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in counts or LENGTHS:
            path, store = Path(folder) / f"film{count}.mp4", Path(folder) / f"store{count}"
            if counts:
                write_video(path, drift(2 * count), rate=RATE)
                peak, seconds = found[count] = encoded(path, store, "--encoder", "pixels", "--frames", "2")
                print(f"{count:6d} clips of two frames: peak {peak:7.1f} MB, {seconds:7.1f} s", flush=True)
                continue
            write_video(path, film(count), rate=RATE)
            peak, seconds = found[count] = encoded(path, store)
            print(f"{count:6d} frames of {SIZE[0]} x {SIZE[1]}: peak {peak:7.1f} MB, {seconds:7.1f} s", flush=True)
    lengths = list(found)
    peaks, times = ([row[part] for row in found.values()] for part in range(2))
    exponent = np.polyfit(np.log(lengths), np.log(times), 1)[0]
    print(
        json.dumps(
            {
                "peak_mb": dict(zip(lengths, np.round(peaks, 1), strict=True)),
                "seconds": dict(zip(lengths, np.round(times, 1), strict=True)),
                "ratio": round(peaks[-1] / peaks[0], 3),
                "exponent": round(float(exponent), 3),
            }
        )
    )


if __name__ == "__main__":
    main()
