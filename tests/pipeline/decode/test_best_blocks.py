"""Which blocks a decoder draws best from, as the best linear picture of validation rows has it."""

import numpy as np
from tests.builders.decoder_training import SHAPE, Blobs

from worldprobe.decoders.pairs import FrameFile, StoredPairs
from worldprobe.encoders.reductions import reduced
from worldprobe.pipeline.decode.best_blocks import Summed, best_linear, candidates
from worldprobe.records import Reduction, blocks_name


def pairs(blocks):
    return StoredPairs(None, [], [], blocks, FrameFile(None, (1, 4, 2, 3, 16, 16)))


def test_candidates_are_blocks_and_sums_and_joins_of_the_last():
    names = [blocks_name(one.blocks) for one in candidates(pairs((0, 1, 2, 3)), width=128)]
    assert names == [
        "block0", "block1", "block2", "block3", "sum2+3", "block2+3", "sum0+1+2+3", "block0+1+2+3",
    ]  # fmt: skip
    wide = [blocks_name(one.blocks) for one in candidates(pairs(tuple(range(24))), width=1024)]
    assert len(wide) == 24 + 5 + 2
    assert "block20+21+22+23" in wide
    assert "block16+17+18+19+20+21+22+23" not in wide


def test_a_sum_is_the_one_that_a_store_holds(monkeypatch):
    tokens = np.random.default_rng(0).normal(size=(4, 4, 4, 16)).astype(np.float16)
    frames = np.zeros((4, 2, 3, 16, 16), np.uint8)
    monkeypatch.setattr(StoredPairs, "read", lambda self, row: (tokens, frames))
    summed = Summed(pairs((1, 3)))
    reduction = Reduction("sum", (1, 3))
    assert (summed.blocks, summed.parts, summed.per_row) == ((reduction,), 1, 4)
    np.testing.assert_array_equal(summed.read(0)[0], reduced(reduction, {1: tokens[..., :8], 3: tokens[..., 8:]}))
    assert summed.key != summed.pairs.key


def test_the_one_that_holds_the_frames_is_chosen():
    class Deaf(Blobs):
        parts = 1

        def read(self, row):
            tokens, frames = super().read(row)
            return np.random.default_rng(row + 10_000).permuted(tokens), frames

    class Hearing(Blobs):
        parts = 1

    deaf, hearing = Deaf(SHAPE), Hearing(SHAPE)
    for order in ([deaf, hearing], [hearing, deaf]):
        assert best_linear(iter(order), training=range(12), validation=range(20, 24)) is hearing
