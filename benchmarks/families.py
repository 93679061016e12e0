"""Encoders of transformers' families against transformers' own path: seconds of a pass, as ratios.

A small public size of each family with random weights, a picture of its own size (a clip, of networks of clips),
the last block's tokens. Both begin with the same bytes, normalise them and run with scaled-dot-product attention,
in turn, in one process; the library's way is its model as its documentation calls it. On a CPU a second is one of
the processor's. A ratio above 1 is worldprobe's gain.

    python -m benchmarks.families [--device cpu] [--precision fp32] [--repeats 5] [--pictures 1] [FAMILY ...]

Prints a table and one last line of JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
import transformers

from worldprobe.encoders.device import dtype_of
from worldprobe.encoders.vision.families import Family
from worldprobe.encoders.vision.load import untrained
from worldprobe.encoders.vision.public import PUBLIC
from worldprobe.encoders.vision.spec import Spec
from worldprobe.encoders.vision.weights import network_of

# A small one of each family.
SIZES = (
    "facebook/dinov2-small", "facebook/dinov2-with-registers-small", "facebook/dinov3-vits16-pretrain-lvd1689m",
    "openai/clip-vit-base-patch32", "google/siglip-base-patch16-224", "google/siglip2-base-patch16-naflex",
    "facebook/vit-mae-base", "google/vit-base-patch16-224", "facebook/deit-tiny-distilled-patch16-224",
    "facebook/hiera-tiny-224-hf", "MCG-NJU/videomae-small-finetuned-kinetics", "google/vivit-b-16x2-kinetics400",
    "facebook/timesformer-base-finetuned-k400", "facebook/ijepa_vith14_1k", "apple/aimv2-large-patch14-224",
)  # fmt: skip


def library(family: Family, model: Any, mean: Any, std: Any, dtype: torch.dtype) -> Callable[[Any], Any]:
    """The model as its documentation calls it, from bytes."""
    given = {"interpolate_pos_encoding": True} if family.model == "IJepaModel" else {}

    def run(pixels: torch.Tensor) -> Any:
        with torch.inference_mode():
            values = ((pixels.float() / 255 - mean) / std).to(dtype)
            if family.model in ("Siglip2VisionModel", "ViTMAEModel"):
                return model(**family.call(values, model.config)).last_hidden_state
            return model(values, **given).last_hidden_state

    return run


def seconds(runs: dict[str, Callable[[], Any]], repeats: int, device: str) -> dict[str, float]:
    """Median time of each, one after the other in every round."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(repeats + 1):
        for name, run in runs.items():
            started = time.process_time() if device == "cpu" else time.perf_counter()
            run()
            if device != "cpu":
                torch.cuda.synchronize()
            if number:
                ended = time.process_time() if device == "cpu" else time.perf_counter()
                times[name].append(ended - started)
    return {name: statistics.median(found) for name, found in times.items()}


def compared(name: str, asked: argparse.Namespace) -> dict[str, float]:
    """Seconds of both ways, and theirs in units of ours."""
    written, _ = PUBLIC[name]
    network = network_of(written, name=name)
    encoder = untrained(Spec(name), name=f"random:{name}", device=asked.device, precision=asked.precision)
    config, made = network.config, network.family.made
    kind = getattr(transformers, network.family.model)
    attention = "sdpa" if kind._supports_sdpa else "eager"  # Hiera has no other
    theirs = kind._from_config(config, attn_implementation=attention, **made)
    theirs.load_state_dict(encoder.forward._model.state_dict())
    dtype = dtype_of(asked.precision)
    theirs.to(asked.device, dtype).eval()
    width, height = encoder.pixels.size
    shape = (asked.pictures, *((encoder.frames,) if encoder.frames else ()), 3, height, width)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8).to(asked.device)
    mean, std = (
        torch.tensor(x, device=asked.device)[:, None, None] for x in (encoder.pixels.mean, encoder.pixels.std)
    )
    other = library(network.family, theirs, mean, std, dtype)
    last = encoder.blocks - 1
    found = seconds(
        {"worldprobe": lambda: encoder.forward(pixels, {last}), "transformers": lambda: other(pixels)},
        asked.repeats,
        asked.device,
    )
    return {**found, "ratio": found["transformers"] / found["worldprobe"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="Public names; by default a small one of each family.")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--pictures", type=int, default=1)
    asked = parser.parse_args()
    results = {}
    print(f"{'':46} {'transformers':>13} {'worldprobe':>11} {'ratio':>6}")
    for name in asked.names or SIZES:
        found = results[name] = compared(name, asked)
        print(
            f"{name:46} {found['transformers']:11.3f} s {found['worldprobe']:9.3f} s {found['ratio']:6.2f}",
            flush=True,
        )
    print(json.dumps(results))


if __name__ == "__main__":
    main()
