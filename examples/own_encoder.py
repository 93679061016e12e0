"""An encoder of your own: PYTHONPATH=examples worldprobe encode VIDEO --encoder own_encoder:Contrast --store S

Nothing is inherited: ``worldprobe.protocols.Encoder`` says what to offer.
"""

import numpy as np

from worldprobe.records import TokenGrid, View
from worldprobe.testing import check_encoder

SIDE, CELL = 64, 16


class Contrast:
    """contrast: mean and spread of the brightness in each of 4 x 4 cells."""

    name, revision, blocks, tubelet, status = "contrast", "1", 1, 1, "floor"

    def __init__(self, argument=None, *, device="auto", precision="auto"):
        pass

    def view(self, width, height):
        return View(scale=(SIDE / width, SIDE / height), offset=(0.0, 0.0), size=(SIDE, SIDE))

    def preprocess(self, frames):
        rows, columns = (np.arange(SIDE) * side // SIDE for side in frames.shape[1:3])
        return frames[:, rows][:, :, columns].transpose(0, 3, 1, 2)

    def grid(self, frames):
        return TokenGrid(frames, SIDE // CELL, SIDE // CELL, 1, CELL)

    def encode(self, clips, *, blocks):
        grey = np.stack([clip.pixels for clip in clips]).astype(np.float32).mean(axis=2)
        n = SIDE // CELL
        cells = grey.reshape(*grey.shape[:2], n, CELL, n, CELL)
        tokens = np.stack([cells.mean(axis=(3, 5)), cells.std(axis=(3, 5))], axis=-1)
        return {block: tokens.astype(np.float16) for block in blocks}


if __name__ == "__main__":
    check_encoder(Contrast())
    print("kept every promise")
