"""What third parties test their plug-ins with passes good ones and names what is wrong with broken ones."""

import numpy as np
import polars as pl
import pytest
from tests.flat_decoder import Flat
from tests.plugin_package.src.wp_example import Brightness, Middle

from worldprobe.pipeline.encoders import load_encoder
from worldprobe.pipeline.label import load_labeller
from worldprobe.records import Labels
from worldprobe.registry import create
from worldprobe.testing import check_decoder, check_encoder, check_labeller
from worldprobe.video.read import open_video
from worldprobe.video.scenes import render_scenes

DICE = np.random.default_rng(0)


@pytest.mark.parametrize("name", ["vjepa2-tiny", "random:vjepa2-tiny", "pixels", "gaussian"])
def test_own_encoders_pass(name):
    check_encoder(load_encoder(name))


def changed(**members):
    return type("Changed", (Brightness,), members)()


def encode(change):
    return lambda self, clips, *, blocks: change(Brightness().encode(clips, blocks=blocks))


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"status": "good"}, "status is 'good'"),
        ({"revision": ""}, "revision is empty"),
        ({"blocks": 0}, "blocks is 0"),
        ({"preprocess": lambda self, frames: frames}, "view promises"),
        ({"encode": encode(lambda f: {k: v.astype(np.float32) for k, v in f.items()})}, "expected float16"),
        ({"encode": encode(lambda f: {k: v[:, 1:] for k, v in f.items()})}, "has shape"),
        ({"encode": encode(lambda f: {k: v * np.float16(np.nan) for k, v in f.items()})}, "NaN"),
        ({"encode": encode(lambda f: {k: v * 0 for k, v in f.items()})}, "the same for two different clips"),
        ({"encode": encode(lambda f: {k + 1: v for k, v in f.items()})}, "encode gave"),
        ({"encode": encode(lambda f: {k: v - v.mean(axis=0) for k, v in f.items()})}, "depends on the other clips"),
        (
            {"encode": encode(lambda f: {k: v + DICE.random(v.shape).astype(v.dtype) for k, v in f.items()})},
            "encoded twice",
        ),
    ],
)
def test_a_broken_encoder_is_told_what_is_wrong(members, why):
    check_encoder(Brightness())
    with pytest.raises(AssertionError, match=why):
        check_encoder(changed(**members))


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    (path,) = render_scenes(1, 3, tmp_path_factory.mktemp("scene"))
    return path


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"source": pl.lit("another")}, "source is"),
        ({"video": pl.lit("scene.mp4")}, "must hold the id"),
        ({"frame": pl.col("frame") + 1}, "frames 1 to"),
        ({"pts_seconds": pl.col("pts_seconds") + 1}, "not those of the frames"),
        ({"w": -pl.col("w")}, "negative widths"),
        ({"x": pl.col("x") * 100}, "outside the picture"),
    ],
)
def test_a_broken_labeller_is_told_what_is_wrong(scene, change, why):
    class Broken(Middle):
        def label(self, video):
            return Labels(super().label(video).table.with_columns(**change))

    with open_video(scene) as video:
        check_labeller(Middle(), video)
        check_labeller(load_labeller("truth"), video)
        with pytest.raises(AssertionError, match=why):
            check_labeller(Broken(), video)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda drawn: drawn * 3, "reach up to"),
        (lambda drawn: drawn - 1, "reach down to"),
        (lambda drawn: drawn[:, :1], "sample gives"),
        (lambda drawn: drawn * 0, "do not depend"),
        (lambda drawn: drawn * DICE.random(), "the second time"),
    ],
)
def test_a_broken_decoder_is_told_what_is_wrong(change, why):
    class Broken(Flat):
        def loss(self, tokens, frames, *, generator):
            return Flat.sample(self, tokens, generator=generator).mean()

        def sample(self, tokens, *, generator):
            return change(super().sample(tokens, generator=generator))

    check_decoder(lambda shape: Flat(shape=shape))
    check_decoder(lambda shape: create("decoders", "cnn", shape=shape))
    with pytest.raises(AssertionError, match=why):
        check_decoder(lambda shape: Broken(shape=shape))
