"""Track ids on PETS 2009 S2.L1 against the annotated ones: HOTA, IDF1, MOTA and switches, by tracker.

``python -m benchmarks.tracking [onnx:DETECTOR]`` wants WORLDPROBE_DATA (whose YOLOX-nano is the default) and the
extra ``[track]``, whose library computes the figures too (as TrackEval does). Prints a table and one last line of
JSON.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

from worldprobe.labels.library_trackers import TRACKERS, track
from worldprobe.labels.load import load_labeller
from worldprobe.labels.track import link
from worldprobe.records import Labels
from worldprobe.video.read import open_video

CONFIDENCES = (0.1, 0.35)
OVERLAPS = (0.2, 0.3)  # beside the default


def write_mot(labels: Labels, path: Path) -> None:
    """The people's boxes as a MOTChallenge file."""
    rows = labels.table.filter(pl.col("class") == "person").select(
        pl.col("frame") + 1, "object", pl.col("x") - pl.col("w") / 2, pl.col("y") - pl.col("h") / 2, "w", "h",
        "confidence", *(pl.lit(-1).alias(name) for name in "abc"),
    )  # fmt: skip
    rows.write_csv(path, include_header=False)


def figures(labels: Labels, truth: Path) -> dict[str, float]:
    """Scores of one set of tracks."""
    from trackers.eval import evaluate_mot_sequence

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tracks.txt"
        write_mot(labels, path)
        found = evaluate_mot_sequence(str(truth), str(path), metrics=["CLEAR", "HOTA", "Identity"])
    return {
        "idf1": round(found.Identity.IDF1, 3), "hota": round(found.HOTA.HOTA, 3),
        "mota": round(found.CLEAR.MOTA, 3), "switches": int(found.CLEAR.IDSW),
    }  # fmt: skip


def main() -> None:
    data = Path(os.environ.get("WORLDPROBE_DATA", "../shared/data"))
    truth = data / "labels" / "pets09_s2l1_mot.txt"
    table: dict[str, dict[str, float]] = {}
    with open_video(data / "videos" / "pets09_s2l1.avi") as video:
        detector = sys.argv[1] if len(sys.argv) > 1 else f"onnx:{data / 'detectors' / 'yolox_nano_416.onnx'}"
        boxes = load_labeller(detector, confidence=min(CONFIDENCES)).label(video)
    for confidence in CONFIDENCES:
        held = Labels(boxes.table.filter(pl.col("confidence") >= confidence))
        for tracker in TRACKERS:
            started = time.perf_counter()
            tracked = track(held, tracker=tracker)
            seconds = round(time.perf_counter() - started, 2)
            table[f"{tracker}, boxes above {confidence}"] = figures(tracked, truth) | {"seconds": seconds}
        for least in OVERLAPS:
            name = f"overlap of at least {least}, boxes above {confidence}"
            table[name] = figures(link(held, min_iou=least), truth)
    for name, row in table.items():
        print(f"{name:48} " + "  ".join(f"{key} {value}" for key, value in row.items()))
    print(json.dumps(table))


if __name__ == "__main__":
    main()
