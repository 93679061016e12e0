"""Frames encoded a second, ViT-L with random weights: the original's way, transformers used well, worldprobe.

- original: each frame found by a seek of its own, squashed to the crop, repeated 8 times, encoded alone;
- transformers: frames decoded in order by PyAV, transformers' preprocessing in plain torch, clips of 16 frames,
  scaled-dot-product attention, no predictor;
- worldprobe: ``worldprobe.pipeline.encode.here`` into a store on disk.

All three start from the file and compute in bfloat16, in turn, in one process; figures are medians of the repeats.
How far the tokens of the last two lie from transformers' in float32 is printed beside them.

    python -m benchmarks.encode [FILM] [--clips 6] [--repeats 3] [--device cpu]

FILM is by default a 720p clip of the folder that WORLDPROBE_DATA names. Prints a table and one last line of JSON.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from av.video.reformatter import Colorspace
from benchmarks.films import DATA, require
from torch.nn.functional import interpolate
from transformers import VJEPA2Model

from worldprobe.encoders import known
from worldprobe.encoders.preprocess import crop_frames, normalize
from worldprobe.encoders.vjepa2 import VJEPA2Encoder, random_twin
from worldprobe.pipeline.encode.encode import encode
from worldprobe.store import Store

MODEL = "facebook/vjepa2-vitl-fpc64-256"
FRAMES = 16  # a clip
REPEATED = 8  # a still
STILLS = 4  # of the original's way, timed together: one takes as long as seven frames of a clip


def original(model: Any, film: Path, count: int, device: str) -> None:
    """Frames spread over the film, a seek and a pass for each."""
    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        for place in np.linspace(0, 0.9, count):
            container.seek(int(place * stream.duration), stream=stream)
            frame = next(container.decode(stream)).to_ndarray(format="rgb24")
            pixels = torch.from_numpy(frame).permute(2, 0, 1)[None]
            side = model.config.crop_size
            still = interpolate(pixels, size=(side, side), mode="bilinear", antialias=True)
            clip = normalize(still.to(device)).repeat(REPEATED, 1, 1, 1)[None].bfloat16()
            with torch.inference_mode():
                tokens = model(clip, skip_predictor=True).last_hidden_state
                tokens.mean(dim=1).half().cpu()


def transformers(model: Any, film: Path, clips: int, device: str) -> torch.Tensor:
    """Clips in order; the tokens of the last one."""
    frames: list[np.ndarray] = []
    done = 0
    with av.open(str(film)) as container:
        for frame in container.decode(container.streams.video[0]):
            frames.append(frame.to_ndarray(format="rgb24"))
            if len(frames) < FRAMES:
                continue
            pixels = torch.from_numpy(crop_frames(np.stack(frames), crop=model.config.crop_size))
            with torch.inference_mode():
                clip = normalize(pixels.to(device))[None].to(model.dtype)
                tokens = model(clip, skip_predictor=True).last_hidden_state
                kept = tokens.half().cpu()
            frames, done = [], done + 1
            if done == clips:
                return kept
    raise SystemExit(f"{film} has fewer than {clips} clips of {FRAMES} frames")


def worldprobe(encoder: VJEPA2Encoder, film: Path) -> torch.Tensor:
    """Clips into a store of their own; the tokens of the last one."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        encoded = encode([film], encoder=encoder, store=store, blocks=[encoder.blocks - 1], frames=FRAMES)
        for _, embeddings in store.read(encoded.series[0], encoder.blocks - 1):
            kept = embeddings.values
    return torch.from_numpy(kept).flatten(0, 2)[None]


def excerpt(film: Path, frames: int, folder: Path) -> Path:
    """The film's first frames as a file of their own, so that all read the same."""
    target = folder / "excerpt.mp4"
    with av.open(str(film)) as source, av.open(str(target), "w") as made:
        stream = source.streams.video[0]
        into = made.add_stream("libx264", rate=stream.average_rate)
        into.width, into.height, into.pix_fmt = stream.width, stream.height, "yuv420p"
        # Said to be what PyAV takes every film for, so that all see the same colours.
        into.codec_context.colorspace = Colorspace.ITU601
        for number, frame in zip(range(frames), source.decode(stream), strict=False):
            frame.pts, frame.time_base = number, 1 / Fraction(stream.average_rate)
            made.mux(into.encode(frame))
        made.mux(into.encode(None))
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("film", nargs="?", type=Path, default=DATA / "videos" / "bbb_720p_5s.mp4")
    parser.add_argument("--clips", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args()
    require(asked.film)
    config = known.config_of(MODEL)
    assert config is not None
    torch.manual_seed(1)
    exact = VJEPA2Model(config).eval()
    model = copy.deepcopy(exact).bfloat16().to(asked.device).eval()
    encoder = random_twin(MODEL, device=asked.device, precision="bf16")
    with tempfile.TemporaryDirectory() as folder:
        film = excerpt(asked.film, asked.clips * FRAMES, Path(folder))
        sides: dict[str, tuple[int, Callable[[], Any]]] = {
            "original": (STILLS, lambda: original(model, film, STILLS, asked.device)),
            "transformers": (
                asked.clips * FRAMES,
                lambda: transformers(model, film, asked.clips, asked.device),
            ),
            "worldprobe": (asked.clips * FRAMES, lambda: worldprobe(encoder, film)),
        }
        rates: dict[str, list[float]] = {name: [] for name in sides}
        tokens = {}
        for repeat in range(asked.repeats + 1):  # the first one warms up
            for name, (frames, side) in sides.items():
                started = time.perf_counter()
                tokens[name] = side()
                if repeat:
                    rates[name].append(frames / (time.perf_counter() - started))
        truth = transformers(exact.to(asked.device), film, asked.clips, asked.device).float()
    found = {name: statistics.median(values) for name, values in rates.items()}
    for name, rate in found.items():
        off = "" if name == "original" else f"  from float32 {_distance(tokens[name], truth):.4f}"
        print(f"{name:14} {rate:7.2f} frames/s  {rate / found['original']:6.2f} x original{off}")
    print(f"worldprobe / transformers: {found['worldprobe'] / found['transformers']:.2f}")
    print(json.dumps({"frames_per_second": {name: round(rate, 3) for name, rate in found.items()}}))


def _distance(found: torch.Tensor, truth: torch.Tensor) -> float:
    return float((found.float() - truth).norm() / truth.norm())


if __name__ == "__main__":
    main()
