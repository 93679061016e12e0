"""A GPU's share of the work, both sides in one run: V-JEPA 2's forward by transformers and here, and whole films.

- forward: random weights of ViT-L, H and g in bfloat16, clips of 16 and 64 frames, as many at once as is fastest;
  transformers used well (scaled-dot-product attention, no predictor), the same compiled, and worldprobe; in turn,
  medians. MFU is the operations of the matrix products against the card's own rate, measured in the same run.
- film: a 720p H.264 film (``benchmarks.encode``'s) until it is in a store, reading and encoding overlapped, and
  what 20,000 frames take at that rate.

    python -m benchmarks.gpu [--models L,H,g] [--frames 16,64] [--repeats 7] [--minutes 6] [--out DIR]

What does not fit into the minutes is left out, and named. Prints tables and one last line of JSON; with --out these
are also written as ``gpu_CARD_DATE.md`` and ``.json``. ``--device cpu --models tiny --frames 16`` runs the same
lines on a CPU, in float32.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import torch
from benchmarks.encode import excerpt, worldprobe
from benchmarks.limit import seconds
from transformers import VJEPA2Model

from worldprobe.encoders import known
from worldprobe.encoders.forward import Forward
from worldprobe.encoders.preprocess import normalize
from worldprobe.encoders.vjepa2 import random_twin

MODELS = {
    "tiny": known.TINY,
    "L": "facebook/vjepa2-vitl-fpc64-256",
    "H": "facebook/vjepa2-vith-fpc64-256",
    "g": "facebook/vjepa2-vitg-fpc64-256",
}
BATCHES = (1, 2, 4, 8, 16, 32)
Side = Callable[[torch.Tensor], Any]


class Clock:
    """The minutes that are left."""

    def __init__(self, minutes: float) -> None:
        self.end = time.monotonic() + 60 * minutes

    def over(self) -> bool:
        return time.monotonic() > self.end


def rate_of(device: str) -> float:
    """Operations a second, in thousands of millions, of a product of large matrices."""
    side = 16_384 if device != "cpu" else 1024
    a, b = (torch.randn(side, side, device=device, dtype=dtype_of(device)) for _ in range(2))
    return 2 * side**3 / seconds(lambda: a @ b, device) / 1e9


def dtype_of(device: str) -> torch.dtype:
    """What is computed in: few CPUs multiply in bfloat16."""
    return torch.float32 if device == "cpu" else torch.bfloat16


def once(side: Side, pixels: torch.Tensor) -> float:
    """Seconds of a pass."""
    if pixels.is_cuda:
        torch.cuda.synchronize()
    started = time.perf_counter()
    with torch.inference_mode():
        side(pixels)
    if pixels.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - started


def sides_of(name: str, device: str, compiled: bool) -> tuple[dict[str, Side], Forward]:
    """Passes over the same random weights; ours takes bytes, theirs are given them normalised."""
    config = known.config_of(MODELS[name])
    assert config is not None
    dtype = dtype_of(device)
    torch.manual_seed(1)
    model = VJEPA2Model(config).to(dtype).eval()
    forward = Forward(copy.deepcopy(model.encoder), device=device, dtype=dtype)
    model = model.to(device)
    last = {config.num_hidden_layers - 1}

    def theirs(pixels: torch.Tensor) -> Any:
        return model(normalize(pixels).to(dtype), skip_predictor=True).last_hidden_state

    sides: dict[str, Side] = {"transformers": theirs}
    if compiled:
        fast = torch.compile(model.encoder)
        sides["transformers, compiled"] = lambda pixels: fast(normalize(pixels).to(dtype))
    sides["worldprobe"] = lambda pixels: forward(pixels, last)
    return sides, forward


def fastest_batch(side: Side, shape: tuple[int, ...], device: str, clock: Clock) -> int:
    """Clips at once that take the least time each; memory may end the search."""
    best, least = 1, float("inf")
    for clips in BATCHES:
        if clock.over():
            break
        try:
            pixels = torch.randint(0, 256, (clips, *shape), dtype=torch.uint8, device=device)
            once(side, pixels)
            each = min(once(side, pixels) for _ in range(2)) / clips
        except torch.OutOfMemoryError:
            break
        if each < 0.98 * least:
            best, least = clips, each
        elif each > 1.1 * least:
            break
    return best


def forwards(
    name: str, frames: int, device: str, repeats: int, clock: Clock, compiled: bool
) -> list[dict[str, Any]]:
    """A line for each side."""
    sides, forward = sides_of(name, device, compiled)
    crop = forward.side * forward.patch
    tokens = frames // forward.tubelet * forward.side**2
    found, pixels = [], {}
    for side, run in list(sides.items()):
        try:
            started = time.perf_counter()
            once(run, torch.zeros((1, frames, 3, crop, crop), dtype=torch.uint8, device=device))
            first = time.perf_counter() - started
        except Exception as error:  # whatever a compiler meets; the other sides go on
            print(f"{name}, {frames} frames, {side}: {type(error).__name__}: {str(error).strip().splitlines()[0]}")
            del sides[side]
            continue
        clips = fastest_batch(run, (frames, 3, crop, crop), device, clock)
        pixels[side] = torch.randint(0, 256, (clips, frames, 3, crop, crop), dtype=torch.uint8, device=device)
        found.append({"model": name, "frames": frames, "side": side, "clips": clips, "first_seconds": first})
    times: dict[str, list[float]] = {side: [] for side in sides}
    for repeat in range(repeats + 1):
        for side, run in sides.items():
            took = once(run, pixels[side])
            if repeat:
                times[side].append(took)
    for line in found:
        each = statistics.median(times[line["side"]]) / line["clips"]
        line |= {"seconds_a_clip": each, "gflop_per_second": forward.flop(tokens) / each / 1e9}
    return found


def film(data: Path, device: str, model: str, frames: int) -> dict[str, Any]:
    """From the file into a store: seconds, and those of 20,000 frames at that rate."""
    encoder = random_twin(MODELS[model], device=device, precision="auto")
    source = data / "videos" / "bbb_720p_5s.mp4"
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(None):
        taken = excerpt(source, frames, Path(folder))
        worldprobe(encoder, taken)  # warms up
        started = time.perf_counter()
        worldprobe(encoder, taken)
        took = time.perf_counter() - started
    return {"model": model, "frames": frames, "seconds": took, "seconds_of_20000": took * 20_000 / frames}


def said(card: str, rate: float, lines: list[dict[str, Any]], films: list[dict[str, Any]]) -> Iterator[str]:
    """The tables, in Markdown."""
    yield f"# {card}: {rate / 1e3:.2g} TFLOP/s measured on a product of two large matrices\n"
    yield "| model | frames | side | clips at once | ms a clip | MFU | times transformers | first pass, s |"
    yield "|---|---|---|---|---|---|---|---|"
    for line in lines:
        theirs = next(
            one["seconds_a_clip"]
            for one in lines
            if one["side"] == "transformers" and all(one[key] == line[key] for key in ("model", "frames"))
        )
        each = line["seconds_a_clip"]
        yield (
            f"| {line['model']} | {line['frames']} | {line['side']} | {line['clips']} | {1e3 * each:.2f} "
            f"| {line['gflop_per_second'] / rate:.0%} | {theirs / each:.2f} | {line['first_seconds']:.1f} |"
        )
    if films:
        yield "\n| model | frames of a 720p film into a store | s | 20,000 frames |\n|---|---|---|---|"
    for one in films:
        minutes = one["seconds_of_20000"] / 60
        yield f"| {one['model']} | {one['frames']} | {one['seconds']:.1f} | {minutes:.1f} min |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--models", default="L,H,g")
    parser.add_argument("--frames", default="16,64")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--film-frames", type=int, default=144)
    parser.add_argument("--no-compile", action="store_true", help="leave out transformers compiled")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    if given.device.startswith("cuda") and not torch.cuda.is_available():
        raise SystemExit(
            "torch finds no CUDA GPU here. --device cpu --models tiny --frames 16 runs the same lines."
        )
    clock, models = Clock(given.minutes), given.models.split(",")
    card = torch.cuda.get_device_name(given.device) if given.device.startswith("cuda") else "CPU"
    rate = rate_of(given.device)
    data = Path(os.environ.get("WORLDPROBE_DATA", "../shared/data"))
    films = [film(data, given.device, models[0], given.film_frames)] if data.is_dir() else []
    lines: list[dict[str, Any]] = []
    for frames in map(int, given.frames.split(",")):
        for name in models:
            if clock.over():
                print(f"{name} at {frames} frames is left out: the {given.minutes:g} minutes are over")
                continue
            lines += forwards(name, frames, given.device, given.repeats, clock, not given.no_compile)
    text = "\n".join(said(card, rate, lines, films))
    facts = {"card": card, "gflop_per_second": rate, "forward": lines, "film": films}
    print(text)
    print(json.dumps(facts))
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        stem = given.out / f"gpu_{card.lower().replace(' ', '-')}_{date.today()}"
        stem.with_suffix(".md").write_text(text + "\n")
        stem.with_suffix(".json").write_text(json.dumps(facts))


if __name__ == "__main__":
    main()
