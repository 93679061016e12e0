"""A small training whose data follow from a seed: as a program in a process of its own it can be killed."""

import os
import time
from pathlib import Path

import numpy as np
import torch

from worldprobe.decoders.training import Recipe, train
from worldprobe.plugins import registry
from worldprobe.records import DecoderShape

SHAPE = DecoderShape(grid=(4, 4), width=8, size=(16, 16), frames=2)


class Blobs:
    """Rows whose frames are a linear function of their tokens."""

    key = "blobs"
    per_row = 4

    def __init__(self, shape=SHAPE):
        self.shape = shape
        self.mix = np.random.default_rng(99).normal(size=(shape.width, 3)) / 2

    def read(self, row):
        tokens = np.random.default_rng(row).normal(size=(self.per_row, *self.shape.grid, self.shape.width))
        colour = 1 / (1 + np.exp(-tokens @ self.mix))
        side = self.shape.size[0] // self.shape.grid[0]
        frame = colour.repeat(side, axis=1).repeat(side, axis=2).transpose(0, 3, 1, 2)
        frames = np.stack([frame, 1 - frame], axis=1)
        return tokens.astype(np.float16), (frames * 255).astype(np.uint8)


def module(name="cnn", shape=SHAPE, **options):
    torch.manual_seed(0)
    return registry.create("decoders", name, shape=shape, **{"channels": 32 if name == "flow" else 16, **options})


def run(checkpoint, *, name="cnn", device="cpu", progress=lambda *_: None, **recipe):
    made = module(name)
    recipe = Recipe(**{"steps": 40, "batch": 8, "every": 10, **recipe})
    course = train(
        made,
        Blobs(),
        training=range(12),
        validation=range(20, 24),
        recipe=recipe,
        checkpoint=checkpoint,
        progress=progress,
        stage="blobs",
        device=device,
    )
    return made, course


def main(arguments):
    """Train the decoder of a name with this checkpoint, into these weights."""
    torch.set_num_threads(1)
    checkpoint, weights, name = arguments

    def report(stage, done, total, note=""):
        if done == int(os.environ.get("STOP_AT", -1)):
            print("here", flush=True)
            while not Path("go on").exists():  # to be killed in the middle of things
                time.sleep(0.002)

    steps = int(os.environ.get("STEPS", 40))
    made, _ = run(Path(checkpoint), name=name, progress=report, steps=steps, every=steps // 4)
    torch.save(made.state_dict(), weights)
