"""How far encoding is from what this machine can do: its rates, the floor they give, and where the time goes.

The matrix rate is that of a large product in bfloat16, the memory rate that of a copy. The floor of a clip is its
operations at the matrix rate. The parts of a block are timed alone, on tensors of the clip's size; last a clip with
one more beside it, on a CPU each on half of the cores; and there a block in float32, by oneDNN's products where the
processor has AVX-512, and by torch's plain ones.

    python -m benchmarks.limit [--frames 16] [--blocks 4] [--device cpu] [--repeats 7]

ViT-L with random weights and so many blocks. Prints tables and one last line of JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

import torch
from transformers import VJEPA2Config, VJEPA2Model

from worldprobe.encoders import forward as module
from worldprobe.encoders.forward import Forward, rotations, turned
from worldprobe.encoders.lanes import side_by_side

repeats = 7  # of which the median is taken, after one that warms up


def seconds(what: Callable[[], Any], device: str) -> float:
    """Median time of one call."""
    times = []
    for repeat in range(repeats + 1):
        started = time.perf_counter()
        what()
        if device != "cpu":
            torch.cuda.synchronize(device)
        if repeat:
            times.append(time.perf_counter() - started)
    return statistics.median(times)


def machine(device: str) -> dict[str, float]:
    """Operations a second of a large product, and bytes a second read and written by a copy."""
    side = 4096 if device == "cpu" else 16384
    a, b = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    source = torch.empty(2**28, dtype=torch.uint8, device=device).random_()
    target = torch.empty_like(source)
    return {
        "matrix_gflop_per_second": 2 * side**3 / seconds(lambda: a @ b, device) / 1e9,
        "memory_gb_per_second": 2 * source.numel() / seconds(lambda: target.copy_(source), device) / 1e9,
    }


def parts(forward: Forward, pixels: torch.Tensor, device: str) -> dict[str, float]:
    """Seconds of each part of a pass: the patches once, the rest times the number of blocks."""
    block, count = forward._blocks[0], len(forward._blocks)
    with torch.inference_mode():
        unfolded, patches = forward._unfolded(pixels, forward.tubelet), forward._patches[forward.tubelet]
        hidden = block.plain(unfolded, *patches)
        n, heads = hidden.shape[1], forward.heads
        tables = rotations(n, forward.side, forward.width // heads, forward.device)
        normed = block.norm1(hidden)
        joined = block.plain(normed, block.qkv, block.qkv_bias).view(1, n, 3 * heads, -1)
        query, key = turned(joined[:, :, : 2 * heads], *tables).chunk(2, dim=1)
        value = joined[:, :, 2 * heads :].transpose(1, 2).contiguous()
        attended = block.attend(query, key, value).transpose(1, 2).flatten(2)
        wide = block.activated(block.up, normed)

        def timed(what: Callable[[], Any]) -> float:
            return count * seconds(what, device)

        return {
            "patches": seconds(lambda: block.plain(forward._unfolded(pixels, forward.tubelet), *patches), device),
            "layer norms": 2 * timed(lambda: block.norm1(hidden)),
            "queries, keys, values": timed(lambda: block.plain(normed, block.qkv, block.qkv_bias)),
            "rotation": timed(lambda: turned(joined[:, :, : 2 * heads], *tables)),
            "attention": timed(lambda: block.attend(query, key, value)),
            "projection, sum": timed(lambda: block.added(block.out, attended, hidden)),
            "MLP up, GELU": timed(lambda: block.activated(block.up, normed)),
            "MLP down, sum": timed(lambda: block.added(block.down, wide, hidden)),
        }


def in_float32(pixels: torch.Tensor) -> dict[str, float]:
    """Median seconds of a block by each kind of products, in turn."""
    ways = {}
    for name, fused in (("as encoding does", module._has_bf16_products), ("torch's products", lambda: False)):
        with mock.patch.object(module, "_has_bf16_products", fused):
            encoder = VJEPA2Model(VJEPA2Config(num_hidden_layers=1)).encoder
            ways[name] = Forward(encoder, device="cpu", dtype=torch.float32)
    times: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(repeats + 1):
        for name, forward in ways.items():
            started = time.perf_counter()
            forward(pixels, {0})
            if repeat:
                times[name].append(time.perf_counter() - started)
    return {name: statistics.median(of) for name, of in times.items()}


def main() -> None:
    global repeats
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--blocks", type=int, default=4)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=repeats)
    asked = parser.parse_args()
    repeats = asked.repeats
    torch.manual_seed(0)
    model = VJEPA2Model(VJEPA2Config(num_hidden_layers=asked.blocks))
    forward = Forward(model.encoder, device=asked.device, dtype=torch.bfloat16)
    pixels = torch.randint(0, 256, (1, asked.frames, 3, 256, 256), dtype=torch.uint8).to(asked.device)
    tokens = asked.frames // 2 * 256
    rates = machine(asked.device)
    for name, rate in rates.items():
        print(f"{name:28} {rate:9.1f}", flush=True)
    last = {asked.blocks - 1}
    whole = seconds(lambda: forward(pixels, last), asked.device)
    floor = forward.flop(tokens) / 1e9 / rates["matrix_gflop_per_second"]
    print(f"{'floor of a clip':28} {1e3 * floor:9.1f} ms")
    share = f"{floor / whole:.0%} of the machine's matrix rate"
    print(f"{'measured':28} {1e3 * whole:9.1f} ms, {share}", flush=True)
    found = parts(forward, pixels, asked.device)
    for name, took in found.items():
        print(f"  {name:26} {1e3 * took:9.1f} ms, {took / whole:.0%}")
    print(f"  {'the rest':26} {1e3 * (whole - sum(found.values())):9.1f} ms")
    beside = seconds(lambda: side_by_side(forward, pixels.repeat(2, 1, 1, 1, 1), last), asked.device) / 2
    print(f"{'with one more beside it':28} {1e3 * beside:9.1f} ms a clip, {floor / beside:.0%}")
    plain = in_float32(pixels) if asked.device == "cpu" else {}
    for name, took in plain.items():
        print(f"{'a block in float32':20} {name:18} {1e3 * took:9.1f} ms")
    print(
        json.dumps(
            {
                **rates,
                "a_block_in_float32": plain,
                "floor_seconds": floor,
                "seconds": whole,
                "utilisation": floor / whole,
                "parts": found,
                "seconds_beside_another": beside,
            }
        )
    )


if __name__ == "__main__":
    main()
