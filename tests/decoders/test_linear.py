"""The linear picture that decoders begin with: what is solved for, and that they begin there."""

import numpy as np
import pytest
import torch
from tests.builders.decoder_training import SHAPE, Blobs, module, run

from worldprobe.decoders.linear import LinearPatches
from worldprobe.records import DecoderShape


class Mixed:
    """Frames whose cells are one linear function of their tokens (before rounding to bytes)."""

    key, per_row = "mixed", 4

    def __init__(self, shape, noise=0.0):
        self.shape, self.noise = shape, noise
        self.side = shape.size[0] // shape.grid[0]
        random = np.random.default_rng(5)
        self.mix = random.normal(size=(shape.width, shape.frames * 3 * self.side**2)) / 30

    def read(self, row):
        random = np.random.default_rng(row)
        tokens = random.normal(size=(self.per_row, *self.shape.grid, self.shape.width)).astype(np.float16)
        values = tokens.astype(np.float32)
        normed = (values - values.mean(-1, keepdims=True)) / values.std(-1, keepdims=True)
        cells = 0.5 + normed @ self.mix + self.noise * random.normal(size=(*tokens.shape[:3], self.mix.shape[1]))
        rows, columns = self.shape.grid
        apart = cells.reshape(len(cells), rows, columns, self.shape.frames, 3, self.side, self.side)
        frames = apart.transpose(0, 3, 4, 1, 5, 2, 6).reshape(len(cells), self.shape.frames, 3, *self.shape.size)
        return tokens, (frames.clip(0, 1) * 255).round().astype(np.uint8)


def fitted(source, rows=range(30)):
    shape = source.shape
    picture = LinearPatches(shape, size=shape.size, values=3 * shape.frames)
    picture.fit(source, rows, lambda frames: frames.flatten(1, 2))
    return picture


def error(picture, source, row):
    tokens, frames = source.read(row)
    drawn = picture(torch.from_numpy(tokens.astype(np.float32))).reshape(frames.shape)
    return float((drawn - torch.from_numpy(frames / np.float32(255))).abs().mean())


def test_what_is_linear_is_found_to_the_rounding_of_bytes():
    source = Mixed(SHAPE)
    assert error(fitted(source), source, 100) < 0.002


def test_frames_that_cells_do_not_divide_are_resized():
    shape = DecoderShape(grid=(3, 4), width=8, size=(13, 18), frames=2)
    picture = LinearPatches(shape, size=shape.size, values=6)
    assert picture(torch.zeros(2, 3, 4, 8)).shape == (2, 6, 13, 18)

    class Grey(Blobs):
        def read(self, row):
            tokens = np.random.default_rng(row).normal(size=(4, 3, 4, 8)).astype(np.float16)
            return tokens, np.full((4, 2, 3, 13, 18), 51, np.uint8)

    picture.fit(Grey(shape), range(6), lambda frames: frames.flatten(1, 2))
    torch.testing.assert_close(picture(torch.randn(1, 3, 4, 8)), torch.full((1, 6, 13, 18), 0.2))


@pytest.mark.parametrize("rows", [1, 3])
def test_few_noisy_rows_are_not_believed_to_the_last_digit(rows):
    """With as many directions as cells a picture without a penalty would be far off on others."""
    shape = DecoderShape(grid=(4, 4), width=60, size=(16, 16), frames=2)
    source = Mixed(shape, noise=0.1)
    assert error(fitted(source, range(rows)), source, 100) < 0.35


def test_a_cnn_begins_with_it_and_a_decoder_without_begins_with_nothing(tmp_path):
    seen = []

    def first(stage, done, total, note=""):
        seen.append(note)

    made, course = run(tmp_path / "checkpoint", steps=1, every=1, learning_rate=1e-9, progress=first)
    begun = module()
    begun.prepare(Blobs(), range(12))
    tokens = torch.from_numpy(Blobs().read(50)[0].astype(np.float32))
    with torch.inference_mode():
        torch.testing.assert_close(made(tokens), begun(tokens), atol=1e-4, rtol=0)
        assert made(tokens).std() > 0.1
    assert course.losses[0].validation < 0.03
    assert module(linear=False).linear is None
