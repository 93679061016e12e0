"""Seconds and memory of training steps on features of a public model's size (random ones).

python benchmarks/decoders.py [cnn|flow] [--grid 16] [--width 1024] [--size 128] [--batch 16] [--precision fp32]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from worldprobe import provenance
from worldprobe.decoders.training import Recipe, train
from worldprobe.plugins import registry
from worldprobe.records import DecoderShape

ROWS, TUBELETS, STEPS = 24, 8, 3


class RandomPairs:
    """Rows of random tokens and frames, the same at each reading."""

    key = "random"
    per_row = TUBELETS

    def __init__(self, shape: DecoderShape) -> None:
        self.shape = shape

    def read(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        generator = np.random.default_rng(row)
        tokens = generator.standard_normal((TUBELETS, *self.shape.grid, self.shape.width), dtype=np.float32)
        frames = generator.integers(0, 256, (TUBELETS, self.shape.frames, 3, *self.shape.size), dtype=np.uint8)
        return tokens.astype(np.float16), frames


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("decoder", nargs="?", default="cnn")
    parser.add_argument("--precision", default="fp32")
    for name, default in (("grid", 16), ("width", 1024), ("size", 128), ("batch", 16)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    shape = DecoderShape((asked.grid, asked.grid), asked.width, (asked.size, asked.size), 2)
    module = registry.create("decoders", asked.decoder, shape=shape)
    times: list[float] = []

    def report(stage: str, done: int, total: int, note: str = "") -> None:
        times.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        train(
            module,
            RandomPairs(shape),
            training=range(ROWS),
            validation=range(ROWS, ROWS + 1),
            recipe=Recipe(steps=STEPS, batch=asked.batch, every=STEPS, precision=asked.precision),
            checkpoint=Path(folder) / "checkpoint",
            progress=report,
            stage="benchmark",
        )
    parameters = sum(one.numel() for one in module.parameters())
    print(
        f"{asked.decoder}: {asked.grid} x {asked.grid} tokens, {asked.width} wide, to {asked.size} px, batch "
        f"{asked.batch}, {asked.precision}: {parameters / 1e6:.1f} million parameters, "
        f"{(times[1] - times[0]):.2f} s a step, peak memory {provenance.peak_rss_bytes() / 1e9:.2f} GB, "
        f"{torch.get_num_threads()} threads"
    )


if __name__ == "__main__":
    main()
