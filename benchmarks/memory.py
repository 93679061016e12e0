"""Peak memory of `worldprobe encode` on a film and on one ten times as long; each in a process of its own.

Prints a table and one last line of JSON with `peak_mb` by frames and their `ratio`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldprobe.video.scenes import plan_scene
from worldprobe.video.write import write_video

SHORT, TIMES, SIZE, RATE = 480, 10, (640, 360), 24

_RUN = "import resource; from worldprobe.cli import app; app({arguments!r}, standalone_mode=False); \
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"


def film(frames: int) -> Iterator[NDArray[np.uint8]]:
    """One long rendered scene."""
    scene = plan_scene(0, 0, frames=frames, width=SIZE[0], height=SIZE[1], rate=RATE)
    for picture, _ in scene.frames():
        yield picture


def peak_mb(path: Path, store: Path) -> float:
    """Peak resident memory in MB of encoding a file, in a fresh process."""
    arguments = ["encode", str(path), "--store", str(store), "--json"]
    done = subprocess.run(
        [sys.executable, "-c", _RUN.format(arguments=arguments)], capture_output=True, text=True, check=True
    )
    return int(done.stdout.split()[-1]) / 1024


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        peaks = {}
        for frames in (SHORT, SHORT * TIMES):
            path = Path(folder) / f"film{frames}.mp4"
            write_video(path, film(frames), rate=RATE)
            peaks[frames] = peak_mb(path, Path(folder) / f"store{frames}")
            print(f"{frames:6d} frames of {SIZE[0]} x {SIZE[1]}: peak {peaks[frames]:7.1f} MB")
    ratio = peaks[SHORT * TIMES] / peaks[SHORT]
    print(json.dumps({"peak_mb": {str(k): round(v, 1) for k, v in peaks.items()}, "ratio": round(ratio, 3)}))


if __name__ == "__main__":
    main()
