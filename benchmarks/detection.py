"""Labellers on PETS 2009 S2.L1: recall and precision against the annotated people, frames a second, and the time of
each part.

``python -m benchmarks.detection [onnx:DETECTOR ...]`` wants WORLDPROBE_DATA; without arguments it takes the
YOLOX-nano there. ``moving`` always stands beside them. Prints tables and one last line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from worldprobe.labels.boxes import corners, iou
from worldprobe.labels.detectors.onnx import OnnxDetector
from worldprobe.labels.files.mot import Mot
from worldprobe.labels.load import load_labeller
from worldprobe.records import VideoRef
from worldprobe.video.read import open_video
from worldprobe.video.video import Video

THRESHOLDS = (0.5, 0.3)
PEOPLE = ("person", "pedestrian", "")  # what knows no classes is scored on all of its boxes


def recall_and_precision(
    found: pl.DataFrame, truth: pl.DataFrame, *, frames: Sequence[int], least_iou: float
) -> tuple[float, float]:
    """Of the boxes of some frames, matched one to one, frame by frame."""
    ours, theirs = (
        {key[0]: corners(rows.select("x", "y", "w", "h").to_numpy()) for key, rows in table.group_by("frame")}
        for table in (found, truth)
    )
    hits = boxes = people = 0
    for frame in frames:
        here, there = (side.get(frame, np.zeros((0, 4))) for side in (ours, theirs))
        overlap = iou(here, there)
        overlap[overlap < least_iou] = 0
        hits += int((overlap[linear_sum_assignment(-overlap)] > 0).sum())
        boxes, people = boxes + len(here), people + len(there)
    return hits / max(people, 1), hits / max(boxes, 1)


class TimedVideo:
    """A FrameSource that books how long its reader waits for frames."""

    def __init__(self, video: Video, seconds: Counter[str]) -> None:
        self._video, self._seconds = video, seconds

    @property
    def ref(self) -> VideoRef:
        return self._video.ref

    @property
    def pts_seconds(self) -> NDArray[np.float64]:
        return self._video.pts_seconds

    @property
    def shots(self) -> tuple[int, ...]:
        return self._video.shots

    def frames(self, indices: Sequence[int] | None = None) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """As the video, timed."""
        source = self._video.frames(indices)
        while True:
            started = time.perf_counter()
            one = next(source, None)
            self._seconds["reading"] += time.perf_counter() - started
            if one is None:
                return
            yield one


class Timed:
    """An object some of whose methods book their time under a name."""

    def __init__(self, inner: Any, seconds: Counter[str], **names: str) -> None:
        self._inner, self._seconds, self._names = inner, seconds, names

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._inner, method)
        if method not in self._names:
            return found
        return timed(found, self._seconds, self._names[method])


def timed(call: Callable[..., Any], seconds: Counter[str], name: str) -> Callable[..., Any]:
    """A call that books its time."""

    def booked(*arguments: Any, **options: Any) -> Any:
        started = time.perf_counter()
        try:
            return call(*arguments, **options)
        finally:
            seconds[name] += time.perf_counter() - started

    return booked


def measure(name: str, path: Path, truth: pl.DataFrame) -> dict[str, Any]:
    """One labeller's figures on one film."""
    labeller = load_labeller(name)
    seconds: Counter[str] = Counter()
    if isinstance(labeller, OnnxDetector):
        labeller.layout = Timed(labeller.layout, seconds, place="preprocessing", decode="decoding")  # type: ignore[assignment]
        labeller._model = Timed(labeller._model, seconds, run="network")  # type: ignore[assignment]
        labeller.detect = timed(labeller.detect, seconds, "detecting")  # type: ignore[method-assign]
    with open_video(path) as video:
        started = time.perf_counter()
        frames = video.ref.frames
        assert video.shots
        seconds["finding cuts"] = time.perf_counter() - started
        table = labeller.label(TimedVideo(video, seconds)).table
        total = time.perf_counter() - started
    detecting = seconds.pop("detecting", 0.0)
    if detecting:
        inside = seconds["preprocessing"] + seconds["network"]
        seconds["decoding + NMS"] = detecting - inside
        del seconds["decoding"]
    rest = "tracking + table" if detecting else "background, regions, tracking"
    seconds[rest] = total - sum(seconds.values())
    people = table.filter(pl.col("class").is_in(PEOPLE))
    row: dict[str, Any] = {"boxes": len(people), "frames_per_second": round(frames / total, 1)}
    for least in THRESHOLDS:
        scores = recall_and_precision(people, truth, frames=range(frames), least_iou=least)
        row |= {
            f"{kind}@{least}": round(score, 3) for kind, score in zip(("recall", "precision"), scores, strict=True)
        }
    return row | {"ms_per_frame": {part: round(1000 * spent / frames, 2) for part, spent in seconds.items()}}


def main() -> None:
    data = Path(os.environ.get("WORLDPROBE_DATA", "../shared/data"))
    film = data / "videos" / "pets09_s2l1.avi"
    with open_video(film) as video:
        truth = Mot(str(data / "labels" / "pets09_s2l1_mot.txt")).label(video).table
    names = sys.argv[1:] or [f"onnx:{data / 'detectors' / 'yolox_nano_416.onnx'}"]
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["WORLDPROBE_CACHE"] = folder  # boxes kept from an earlier run would take no time
        for name in ["moving", *names]:
            rows[load_labeller(name).name] = measure(name, film, truth)
    for name, row in rows.items():
        figures = "  ".join(f"{key} {value}" for key, value in row.items() if key != "ms_per_frame")
        print(f"{name:24} {figures}")
        print(f"{'':24} ms a frame: " + ", ".join(f"{part} {ms}" for part, ms in row["ms_per_frame"].items()))
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
