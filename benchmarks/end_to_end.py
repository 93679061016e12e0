"""The small original experiment as whole processes: by the way of the original's scripts, and by worldprobe.

The scripts' way: a seek for each frame looked at, the detector, the frame repeated 8 times through
transformers' model alone, scikit-learn's probes with their fixed penalty, one Gaussian baseline: eight numbers.
worldprobe's way: `worldprobe run` with `protocol = "original"`, which also encodes native clips and an
untrained twin, tracks every frame, climbs down the waterfall with intervals and controls, and writes the
report. So the times are of unequal work; what each stage of ours took is printed beside them. Two thirds of ours
are the detector's on every frame; ``--every 5`` has it look at each fifth.

    python -m benchmarks.end_to_end [--samples 100] [--repeats 1] [--every 1]

It wants WORLDPROBE_DATA. Prints both sides' seconds, their scores, and one last line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.films import DATA, require

FILMS = (  # those of examples/original-small.toml
    "bbb_720p_5s.mp4", "bbb_144p_2min.mp4", "sintel_480p_5s.mp4", "dog.mp4", "blocks.mp4", "person_walking.mp4",
    "pets09_s2l1.avi",
)  # fmt: skip
DETECTOR, CONFIDENCE = "detectors/yolox_nano_416.onnx", 0.35
STILL, SEED = 0.02, 42


def by_scripts(samples: int) -> dict[str, float]:
    """The original's numbers, its way; run in a process of its own."""
    import av
    import torch
    from torch.nn.functional import interpolate
    from transformers import VJEPA2Model

    from worldprobe.encoders.known import TINY_FOLDER
    from worldprobe.encoders.preprocess import normalize
    from worldprobe.labels.detectors.onnx import OnnxDetector

    model = VJEPA2Model.from_pretrained(TINY_FOLDER).eval()
    side = model.config.crop_size
    detector = OnnxDetector(str(DATA / DETECTOR), confidence=CONFIDENCE)
    first: tuple[int, int] | None = None
    rows, features = [], []
    for name in FILMS:
        with av.open(str(DATA / "videos" / name)) as container:
            stream = container.streams.video[0]
            first = first or (stream.width, stream.height)
            for place in np.linspace(0, 0.98, min(samples, stream.frames or samples)):
                container.seek(int(place * stream.duration), stream=stream)
                frame = next(container.decode(stream)).to_ndarray(format="rgb24")
                corners, classes, scores = detector.detect(frame)
                if not len(scores):
                    continue
                best = int(scores.argmax())
                rows.append((*corners[best], classes[best]))
                picture = torch.from_numpy(frame).permute(2, 0, 1)[None]
                still = interpolate(picture, size=(side, side), mode="bilinear", antialias=True)
                with torch.inference_mode():
                    clip = normalize(still).repeat(8, 1, 1, 1)[None]
                    tokens = model(clip, skip_predictor=True).last_hidden_state
                features.append(tokens.mean(dim=1)[0].half().float().numpy())
    assert first is not None
    return _probed(np.stack(features), np.array(rows, dtype=float), first)


def _probed(inputs: np.ndarray, rows: np.ndarray, first: tuple[int, int]) -> dict[str, float]:
    """Features [n, d] and rows [n, 5] of corners and class, by scikit-learn, fixed penalties, one random split."""
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    low, high, code = rows[:, :2], rows[:, 2:4], rows[:, 4].astype(int)
    centre, size = (low + high) / 2 / first, (high - low) / first
    merged = np.select([code == 0, (code >= 1) & (code <= 8), (code >= 15) & (code <= 23)], [0, 1, 2], 3)
    moved = np.diff(centre, axis=0, prepend=centre[:1])
    along = np.where(np.abs(moved[:, 0]) >= np.abs(moved[:, 1]), moved[:, 0] > 0, 2 + (moved[:, 1] > 0))
    motion = np.where((np.abs(moved) < STILL).all(axis=1), 4, along)
    order = np.random.default_rng(SEED).permutation(len(inputs))
    train, test = np.split(order, [int(0.8 * len(order))])
    scores = {}
    for label, x in (("", inputs), (" of noise", np.random.default_rng(SEED).normal(size=inputs.shape))):
        for name, target in (("xy", centre), ("size", size), ("class", merged), ("motion", motion)):
            last = LogisticRegression(max_iter=1000) if target.ndim == 1 else Ridge(alpha=1.0)
            model = make_pipeline(StandardScaler(), last).fit(x[train], target[train])
            scores[name + label] = round(float(model.score(x[test], target[test])), 3)
    return {**scores, "frames": len(inputs)}


def experiment(samples: int, every: int) -> str:
    """What ``examples/original-small.toml`` asks for, of these films."""
    films = ", ".join(json.dumps(str((DATA / "videos" / name).resolve())) for name in FILMS)
    return (
        f'protocol = "original"\nvideos = [{films}]\nsamples = {samples}\nencoder = "vjepa2-tiny"\n'
        f'labeller = "onnx:{(DATA / DETECTOR).resolve()}"\nconfidence = {CONFIDENCE}\n'
        f'every = {every}\nsplit = "blocked"\n'
    )


def whole(command: list[str], cache: Path) -> tuple[float, str]:
    """Seconds by the clock of a whole process with a cache of its own, and what it printed."""
    started = time.perf_counter()
    environment = {**os.environ, "WORLDPROBE_CACHE": str(cache)}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return time.perf_counter() - started, done.stdout


def once(samples: int, every: int, folder: Path) -> dict[str, Any]:
    """Both ways, from nothing."""
    script = [sys.executable, "-m", "benchmarks.end_to_end", "--scripts", "--samples", str(samples)]
    theirs, said = whole(script, folder / "theirs")
    asked = folder / "original.toml"
    asked.write_text(experiment(samples, every))
    ours, _ = whole(
        [sys.executable, "-m", "worldprobe", "run", str(asked), "--out", str(folder / "run"), "--json"],
        folder / "ours",
    )
    lines = [json.loads(line) for line in (folder / "run" / "results.jsonl").read_text().splitlines()]
    stages = {line["stage"]: line["seconds"] for line in lines if line["kind"] == "cost"}
    return {"scripts": theirs, "worldprobe": ours, "scores": json.loads(said), "stages": stages}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=100, help="frames of each film")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--every", type=int, default=1, help="frames from one that the detector sees to the next")
    parser.add_argument("--scripts", action="store_true", help="only the scripts' way, in this process")
    asked = parser.parse_args()
    require(DATA / DETECTOR, *(DATA / "videos" / name for name in FILMS))
    if asked.scripts:
        print(json.dumps(by_scripts(asked.samples)))
        return
    found = []
    for _ in range(asked.repeats):
        with tempfile.TemporaryDirectory() as folder:
            found.append(once(asked.samples, asked.every, Path(folder)))
    seconds = {side: statistics.median(one[side] for one in found) for side in ("scripts", "worldprobe")}
    for side, took in seconds.items():
        print(f"{side:12} {took:8.1f} s")
    for stage, took in found[-1]["stages"].items():
        print(f"  {stage:44} {took:8.1f} s")
    print("the scripts' scores: " + ", ".join(f"{name} {value}" for name, value in found[-1]["scores"].items()))
    print(json.dumps({"seconds": {side: round(took, 1) for side, took in seconds.items()}, **found[-1]}))


if __name__ == "__main__":
    main()
