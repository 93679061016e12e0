"""The one training loop: it learns, keeps the best, and a kill changes nothing."""

import random
import signal
from itertools import islice

import numpy as np
import pytest
import torch
from tests.builders.checks import some
from tests.builders.decoder_training import SHAPE, Blobs, main, module, run
from tests.builders.forked import Forked

from worldprobe.decoders import checkpoints
from worldprobe.decoders.batches import batches
from worldprobe.decoders.training import Recipe, train, validation_loss
from worldprobe.errors import DecoderError


def program(checkpoint, weights, name, **environment):
    return Forked(main, checkpoint, weights, name, folder=weights.with_suffix(""), **environment)


@pytest.mark.parametrize("name", ["cnn", "flow"])
def test_killed_and_resumed_it_ends_bit_equal(tmp_path, name):
    steps = {"STEPS": "12"}  # with a checkpoint every 3
    whole = program(tmp_path / "a" / "checkpoint", tmp_path / "whole.pt", name, **steps)
    assert whole.end() == 0, whole.said
    killed = program(tmp_path / "b" / "checkpoint", tmp_path / "never.pt", name, STOP_AT="8", **steps)
    assert killed.kill_when(lambda: killed.printed == "here\n", 0)
    assert killed.end() == -signal.SIGKILL
    assert (tmp_path / "b" / "checkpoint").exists()
    assert not (tmp_path / "never.pt").exists()
    resumed = program(tmp_path / "b" / "checkpoint", tmp_path / "resumed.pt", name, **steps)
    assert resumed.end() == 0, resumed.said
    one, other = (torch.load(tmp_path / file, weights_only=True) for file in ("whole.pt", "resumed.pt"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in some(one))
    assert not (tmp_path / "b" / "checkpoint").exists()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_twenty_kills_of_a_training(tmp_path):
    """At a random step, and a moment later: between steps, in one, or while a checkpoint is written."""
    whole = program(tmp_path / "whole" / "checkpoint", tmp_path / "whole.pt", "cnn")
    assert whole.end() == 0, whole.said
    expected = torch.load(tmp_path / "whole.pt", weights_only=True)
    generator, met = random.Random(0), 0
    for number in range(20):
        checkpoint, weights = tmp_path / str(number) / "checkpoint", tmp_path / f"{number}.pt"
        killed = program(checkpoint, weights, "cnn", STOP_AT=str(generator.randint(1, 39)))

        def here(killed=killed, goes_on=number % 2):
            if killed.printed != "here\n":
                return False
            if goes_on:  # and may have ended by then; every other one is killed where it waits
                (killed.folder / "go on").touch()
            return True

        killed.kill_when(here, generator.uniform(0, 0.05) if number % 2 else 0)
        met += killed.end() == -signal.SIGKILL
        (killed.folder / "go on").unlink(missing_ok=True)
        assert program(checkpoint, weights, "cnn").end() == 0
        found = torch.load(weights, weights_only=True)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[key], expected[key]) for key in some(expected)), number
    print(f"training: 20 kills, {met} of them met it at work; all ended bit-equal")
    assert met >= 10


def test_it_learns_what_can_be_learnt(tmp_path):
    made, course = run(tmp_path / "checkpoint", steps=150, every=25, learning_rate=3e-3)
    untrained = validation_loss(module(), Blobs(), range(20, 24), batch=8, seed=0)
    assert course.losses[-1].validation < untrained / 2
    kept = validation_loss(made.eval(), Blobs(), range(20, 24), batch=8, seed=0)
    assert kept == pytest.approx(min(one.validation for one in course.losses))
    assert course.best_step == min(course.losses, key=lambda one: one.validation).step


def test_it_stops_when_held_out_rows_gain_no_more(tmp_path):
    class Noise(Blobs):
        key = "noise"

        def read(self, row):
            tokens, frames = super().read(row)
            return tokens, np.random.default_rng(row + 7).integers(0, 256, frames.shape, dtype=np.uint8)

    recipe = Recipe(steps=5000, batch=8, every=10, patience=3, learning_rate=5e-3)
    course = train(
        module(), Noise(), training=range(4), validation=range(20, 24), recipe=recipe,
        checkpoint=tmp_path / "checkpoint", progress=lambda *_: None, stage="noise",
    )  # fmt: skip
    assert course.stopped_early
    assert course.steps == course.best_step + 30


def test_another_trainings_checkpoint_is_refused_and_so_is_a_broken_one(tmp_path):
    class Stopped(Exception):
        pass

    def stop(stage, done, total, note=""):
        if done == 12:
            raise Stopped

    with pytest.raises(Stopped):
        run(tmp_path / "checkpoint", progress=stop)
    with pytest.raises(DecoderError, match="training with other options"):
        run(tmp_path / "checkpoint", learning_rate=0.5)
    tensors, facts = checkpoints.read(tmp_path / "checkpoint")
    lacks = min(name for name in tensors if name.startswith("weights/"))
    checkpoints.write(tmp_path / "checkpoint", {name: tensors[name] for name in tensors if name != lacks}, facts)
    with pytest.raises(DecoderError, match=rf"another version .*{lacks.removeprefix('weights/')}.*Delete it"):
        run(tmp_path / "checkpoint")
    (tmp_path / "checkpoint").write_bytes(b"not this")
    with pytest.raises(DecoderError, match="not a checkpoint"):
        run(tmp_path / "checkpoint")


def test_a_loss_that_is_not_finite_is_said(tmp_path):
    class Holes(Blobs):
        key = "holes"

        def read(self, row):
            tokens, frames = super().read(row)
            return tokens * np.float16(np.nan), frames

    with pytest.raises(DecoderError, match="not finite by step 10"):
        train(
            module(), Holes(), training=range(4), validation=range(20, 24), recipe=Recipe(steps=20, every=10),
            checkpoint=tmp_path / "checkpoint", progress=lambda *_: None, stage="holes",
        )  # fmt: skip


def test_batches_are_the_same_from_any_start_and_cover_every_pair():
    source = Blobs()
    first = list(islice(batches(source, range(12), size=8, seed=3, start=0), 14))
    later = list(islice(batches(source, range(12), size=8, seed=3, start=5), 9))
    for (tokens, frames), (same, also) in zip(first[5:], later, strict=True):
        np.testing.assert_array_equal(tokens, same)
        np.testing.assert_array_equal(frames, also)
    epoch = np.concatenate([tokens for tokens, _ in first[:6]])
    assert len(np.unique(epoch.reshape(len(epoch), -1), axis=0)) == 12 * source.per_row
    assert not np.array_equal(first[0][0], first[6][0])


def test_batches_hold_no_more_clips_than_their_pool(monkeypatch):
    monkeypatch.setattr("worldprobe.decoders.batches._MOST_CLIPS", 3)
    source, read = Blobs(), []
    whole = source.read
    source.read = lambda row: read.append(row) or whole(row)
    next(batches(source, range(100), size=4, seed=0, start=0))
    assert len(read) == 4  # one to see the size, then a pool
    assert SHAPE.width == 8
