"""A GPU's share of the work, both sides in one run: V-JEPA 2's forward by transformers and here, and whole films.

- forward: random weights of ViT-L, H and g in bfloat16, clips of 16 and 64 frames, as many at once as is fastest;
  transformers used well (scaled-dot-product attention, no predictor), the same with its blocks compiled, and
  worldprobe; in turn, medians. Each is given bytes on the card. MFU is the operations of the matrix products
  against the card's own rate, measured in the same run.
- film: 720p H.264 films until they are in a store, one alone and several at once, reading and encoding overlapped,
  and what 20,000 frames take at that rate. The films are noise on moving colours, made here.

    python -m benchmarks.gpu [--models L,H,g] [--frames 16,64] [--repeats 7] [--minutes 6] [--out DIR]

What does not fit into the minutes is left out, and named. Prints tables and one last line of JSON; with --out these
are also written as ``gpu_CARD_DATE.md`` and ``.json``, as far as they have come after each model. ``--device cpu
--models tiny --frames 16 --film-frames 32`` runs the same lines on a CPU, in float32.
"""

from __future__ import annotations

import argparse
import copy
import json
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from benchmarks.limit import seconds
from transformers import VJEPA2Model

from worldprobe.encoders import known
from worldprobe.encoders.forward import Forward
from worldprobe.encoders.preprocess import normalize
from worldprobe.encoders.vjepa2 import VJEPA2Encoder, random_twin
from worldprobe.errors import out_of_memory
from worldprobe.pipeline.encode.encode import encode
from worldprobe.store import Store

MODELS = {
    "tiny": known.TINY,
    "L": "facebook/vjepa2-vitl-fpc64-256",
    "H": "facebook/vjepa2-vith-fpc64-256",
    "g": "facebook/vjepa2-vitg-fpc64-256",
}
BATCHES = (1, 2, 4, 8, 16, 32)
FILMS = 8
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
        torch.cuda.synchronize(pixels.device)
    started = time.perf_counter()
    with torch.inference_mode():
        side(pixels)
    if pixels.is_cuda:
        torch.cuda.synchronize(pixels.device)
    return time.perf_counter() - started


def sides_of(name: str, device: str, compiled: bool) -> tuple[dict[str, Side], Forward]:
    """Passes over the same random weights, of clips as bytes on the device."""
    config = known.config_of(MODELS[name])
    assert config is not None
    dtype = dtype_of(device)
    torch.manual_seed(1)
    with torch.device(device):  # a CPU would draw a thousand million weights for half a minute
        model = VJEPA2Model(config).to(dtype).eval()
    forward = Forward(copy.deepcopy(model.encoder), device=device, dtype=dtype)
    last = {config.num_hidden_layers - 1}

    def theirs(pixels: torch.Tensor) -> Any:
        return model(normalize(pixels).to(dtype), skip_predictor=True).last_hidden_state

    sides: dict[str, Side] = {"transformers": theirs}
    if compiled:
        torch.compiler.reset()  # else another model's kernels count towards the most that torch makes of a function
        fast = copy.deepcopy(model.encoder, {id(one): one for one in model.encoder.parameters()})
        for layer in fast.layer:  # blocks are alike: all of them are compiled as one is, in seconds
            layer.compile()
        sides["transformers, compiled"] = lambda pixels: fast(normalize(pixels).to(dtype))
    sides["worldprobe"] = lambda pixels: forward(pixels, last)
    return sides, forward


def fastest_batch(side: Side, shape: tuple[int, ...], device: str, clock: Clock) -> int:
    """Clips at once that take the least time each; full memory ends the search, and so do two without a gain."""
    best, least, without = 1, float("inf"), 0
    for clips in BATCHES:
        if clock.over() or without == 2:
            break
        try:
            pixels = torch.randint(0, 256, (clips, *shape), dtype=torch.uint8, device=device)
            once(side, pixels)
            each = min(once(side, pixels) for _ in range(2)) / clips
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            break
        if each < 0.98 * least:
            best, least, without = clips, each, 0
        else:
            without += 1
    return best


def forwards(
    name: str, frames: int, device: str, repeats: int, clock: Clock, sides: dict[str, Side], forward: Forward
) -> list[dict[str, Any]]:
    """A line for each side."""
    crop = forward.side * forward.patch
    shape = (frames, 3, crop, crop)
    tokens = frames // forward.tubelet * forward.side**2
    found, pixels = [], {}
    for side, run in sides.items():
        try:
            first = once(run, torch.zeros((1, *shape), dtype=torch.uint8, device=device))
            clips = fastest_batch(run, shape, device, clock)
        except Exception as error:  # whatever a compiler meets; the other sides go on
            why = (str(error).strip() or "no reason given").splitlines()[0]
            print(f"{name}, {frames} frames, {side}: {type(error).__name__}: {why}", flush=True)
            continue
        pixels[side] = torch.randint(0, 256, (clips, *shape), dtype=torch.uint8, device=device)
        found.append({"model": name, "frames": frames, "side": side, "clips": clips, "first_seconds": first})
    times: dict[str, list[float]] = {side: [] for side in pixels}
    for repeat in range(repeats + 1):
        if clock.over() and repeat > 1:
            break
        for side, given in pixels.items():
            took = once(sides[side], given)
            if repeat:
                times[side].append(took)
    for line in found:
        each = statistics.median(times[line["side"]]) / line["clips"]
        line |= {"seconds_a_clip": each, "gflop_per_second": forward.flop(tokens) / each / 1e9}
    return found


def made_film(path: Path, frames: int, seed: int) -> Path:
    """A film of 1280 x 720 px, as H.264: noise on colours that move, which no two seeds share."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 48, (720 + 64, 1280 + 64, 3), np.uint8)
    across = np.linspace(0, 2 * np.pi, 1280)[None, :, None] + rng.random(3)
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        stream.options = {"preset": "veryfast"}
        for number in range(frames):
            down, right = number % 64, 2 * number % 64
            colours = (100 + 80 * np.sin(across + number / 12)).astype(np.uint8)
            picture = colours + noise[down : down + 720, right : right + 1280]
            film.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        film.mux(stream.encode(None))
    return path


def film(encoder: VJEPA2Encoder, model: str, films: list[Path], frames: int) -> dict[str, Any]:
    """From the files into a store: seconds, and those of 20,000 frames at that rate."""
    with tempfile.TemporaryDirectory() as folder:
        store, count = Store(folder), frames * len(films)
        started = time.perf_counter()
        encoded = encode(films, encoder=encoder, store=store, blocks=[encoder.blocks - 1], frames=16)
        took = time.perf_counter() - started
    assert encoded.made == len(films) * (frames // 16), encoded.failures
    return {
        "model": model, "films": len(films), "frames": count, "seconds": took,
        "seconds_of_20000": took * 20_000 / count,
    }  # fmt: skip


def films_of(device: str, model: str, frames: int) -> list[dict[str, Any]]:
    """A film alone, and several at once."""
    encoder = random_twin(MODELS[model], device=device, precision="auto")
    with tempfile.TemporaryDirectory() as folder:
        made = [made_film(Path(folder, f"{seed}.mp4"), frames, seed) for seed in range(FILMS)]
        film(encoder, model, made[:1], frames)  # warms up
        return [film(encoder, model, some, frames) for some in (made[:1], made)]


def said(card: str, rate: float, lines: list[dict[str, Any]], films: list[dict[str, Any]]) -> Iterator[str]:
    """The tables, in Markdown."""
    yield f"# {card}: {rate / 1e3:.3g} TFLOP/s measured on a product of two large matrices\n"
    yield "| model | frames | side | clips at once | ms a clip | MFU | times transformers | first pass, s |"
    yield "|---|---|---|---|---|---|---|---|"
    for line in lines:
        alike = [one for one in lines if all(one[key] == line[key] for key in ("model", "frames"))]
        theirs = next((one["seconds_a_clip"] for one in alike if one["side"] == "transformers"), float("nan"))
        each = line["seconds_a_clip"]
        yield (
            f"| {line['model']} | {line['frames']} | {line['side']} | {line['clips']} | {1e3 * each:.2f} "
            f"| {line['gflop_per_second'] / rate:.0%} | {theirs / each:.2f} | {line['first_seconds']:.1f} |"
        )
    if films:
        yield "\n| model | 720p films at once | frames into a store | s | 20,000 frames, s |\n|---|---|---|---|---|"
    for one in films:
        whole = one["seconds_of_20000"]
        yield f"| {one['model']} | {one['films']} | {one['frames']} | {one['seconds']:.1f} | {whole:.0f} |"


def keep(folder: Path, facts: dict[str, Any], text: str) -> None:
    """Write both files, named after the card and the day."""
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^a-z0-9]+", "-", facts["card"].lower()).strip("-")  # a part of a card is called "... 1g.5gb"
    (folder / f"gpu_{name}_{date.today()}.md").write_text(text + "\n")
    (folder / f"gpu_{name}_{date.today()}.json").write_text(json.dumps(facts))


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
    facts: dict[str, Any] = {"card": card, "gflop_per_second": rate_of(given.device), "forward": [], "film": []}
    print(f"{card}: {facts['gflop_per_second'] / 1e3:.3g} TFLOP/s", flush=True)

    def text() -> str:
        return "\n".join(said(card, facts["gflop_per_second"], facts["forward"], facts["film"]))

    if given.film_frames >= 16:
        facts["film"] = films_of(given.device, models[0], given.film_frames // 16 * 16)
    for name in models:
        sides: dict[str, Side] = {}
        for frames in map(int, given.frames.split(",")):
            if clock.over():
                print(f"{name} at {frames} frames is left out: the {given.minutes:g} minutes are over", flush=True)
                continue
            if not sides:
                sides, forward = sides_of(name, given.device, not given.no_compile)
            facts["forward"] += forwards(name, frames, given.device, given.repeats, clock, sides, forward)
        if given.out:
            keep(given.out, facts, text())
    print(text())
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
