"""What third parties test their plug-ins with passes good ones and names what is wrong with broken ones."""

from functools import partial

import numpy as np
import polars as pl
import pytest
from tests.builders.flat_decoder import Flat
from tests.plugin_package.src.wp_example import Brightness, Mean, Middle

from worldprobe.encoders.load import load_encoder
from worldprobe.labels.load import load_labeller
from worldprobe.plugins.registry import create
from worldprobe.predictors.leak import PlainForward
from worldprobe.predictors.vjepa2 import VJEPA2Predictor
from worldprobe.probes.knn import KnnClassification
from worldprobe.records import Labels
from worldprobe.testing import check_decoder, check_encoder, check_labeller, check_predictor, check_probe
from worldprobe.video.read import open_video
from worldprobe.video.rendered.scenes import render_scenes

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


PROBES = ("ridge", "logistic", "knn-regression", "knn-classification", "attentive-regression")


@pytest.mark.parametrize("name", [*PROBES, "mlp-classification:4", "attentive-classification"])
def test_own_probes_pass(name):
    check_probe(create("probes", name))


class Fitted:
    """What ``Mean`` gives, changed."""

    def __init__(self, fitted, change):
        self.fitted, self.change = fitted, change

    def predict(self, inputs):
        return self.change(self.fitted.predict(inputs), inputs)


def fitted(change, probe=Mean):
    """A probe's ``fit`` whose answers are changed, given the rows asked for."""

    def fit(self, training, target, *, strength, classes, start=None):
        plain = probe().fit(training, target, strength=strength, classes=classes)
        return Fitted(plain, change)

    return fit


def shifted(by, told, _):
    return told + by


def remembers(self, training, target, *, strength, classes, start=None):
    self.value = target.mean(axis=0)
    return self


def meddles(self, training, target, *, strength, classes, start=None):
    training.inputs[0] = 0
    return Mean().fit(training, target, strength=strength, classes=classes)


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"kind": "ranking"}, "kind is 'ranking'"),
        ({"strengths": ()}, "strengths is empty"),
        ({"strengths": (0.0, 1.0)}, "expected positive"),
        ({"fit": fitted(lambda told, _: told[:, :1])}, r"predict gives \(60, 1\) .* expected \(60, 2\)"),
        ({"fit": fitted(lambda told, _: told * np.nan)}, "NaN"),
        ({"fit": fitted(lambda told, _: told / 0.0)}, "infinite values"),
        ({"fit": fitted(lambda told, _: told + DICE.random())}, "the second time"),
        ({"fit": fitted(lambda told, rows: told + rows.mean())}, "depends on the rows beside it"),
        (
            {"fit": fitted(lambda told, rows: told + rows[:, :1]), "strengths": (1.0, np.inf)},
            "must leave a constant",
        ),
        (
            {"fit": lambda self, *a, **k: fitted(partial(shifted, DICE.random()))(self, *a, **k)},
            "the same fit gives other answers",
        ),
        ({"fit": remembers, "predict": lambda self, rows: np.tile(self.value, (len(rows), 1))}, "a fit changed"),
        ({"fit": meddles}, "changed the rows"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_a_broken_probe_is_told_what_is_wrong(members, why):
    check_probe(Mean())
    with pytest.raises(AssertionError, match=why):
        check_probe(type("Broken", (Mean,), members)())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda told, _: np.exp(told), "must give log-probabilities"),
        (lambda told, _: told[:, :3], "expected"),
        (lambda told, _: np.log(np.where(np.arange(4) == 3, 0, 1 / 3)) + 0 * told, "a class without training rows"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_a_broken_classifier_is_told_what_is_wrong(change, why):
    broken = type("Broken", (KnnClassification,), {"fit": fitted(change, KnnClassification)})
    with pytest.raises(AssertionError, match=why):
        check_probe(broken())


class Tokens:
    """A probe of tokens: the mean of the labels that it was given."""

    name, kind, reads, peeks, loss = "tokens", "regression", "tokens", False, 0.5

    def fit(self, tokens, target, *, unit, rows, classes, seed):
        one = type(self)()
        one.value = target[slice(None) if self.peeks else rows].mean(axis=0)
        return one

    def predict(self, tokens, rows):
        return np.tile(self.value, (len(rows), 1))

    def choice(self):
        return 1.0, self.loss


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"peeks": True}, "looks at rows that it was not given"),
        ({"loss": np.nan}, "a loss of nan"),
        ({"predict": lambda self, tokens, rows: np.tile(self.value, (len(tokens), 1))}, "of the requested rows"),
        ({"predict": lambda self, tokens, rows: DICE.random((len(rows), 2))}, "with the same seed"),
    ],
)
def test_a_broken_probe_of_tokens_is_told_what_is_wrong(members, why):
    check_probe(Tokens())
    with pytest.raises(AssertionError, match=why):
        check_probe(type("Broken", (Tokens,), members)())


@pytest.fixture(scope="module")
def predictor():
    return VJEPA2Predictor.from_encoder(load_encoder("vjepa2-tiny"))


def test_the_own_predictor_passes_and_the_plain_call_does_not(predictor):
    check_predictor(predictor, size=(64, 64))
    with pytest.raises(AssertionError, match="the context's tokens move"):
        check_predictor(PlainForward(predictor), size=(64, 64))


class Repeats:
    """A predictor: tokens are the colours of 2 x 2 cells, and the last of them come again."""

    tubelet = 2

    def context_tokens(self, pixels, context):
        import torch

        clips = torch.as_tensor(pixels)[:, : 2 * context].float()
        return clips.reshape(len(clips), context, 2, 3, 2, 32, 2, 32).mean(dim=(2, 5, 7)).flatten(3).transpose(2, 3)

    def predict(self, pixels, *, context, horizon):
        return np.repeat(self.context_tokens(pixels, context)[:, -1:].numpy(), horizon, axis=1)


def told(change):
    return lambda self, pixels, *, context, horizon: change(
        Repeats().predict(pixels, context=context, horizon=horizon), np.asarray(pixels)
    )


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"predict": told(lambda found, _: found[:, :1])}, "predict gives .* expected"),
        ({"predict": told(lambda found, _: found.astype(np.float64))}, "expected float32"),
        ({"predict": told(lambda found, _: found * np.float32(np.nan))}, "NaN"),
        ({"predict": told(lambda found, _: found + np.float32(DICE.random()))}, "otherwise the second time"),
        ({"predict": told(lambda found, _: found - found.mean(axis=0))}, "other clips of its batch"),
        (
            {"predict": told(lambda found, seen: found + seen[:, -1:, :, :1, :1].mean(2).astype(found.dtype))},
            "the prediction moves by .* when only the future does",
        ),
        (
            {"predict": told(lambda found, seen: found + np.float32(seen.shape[1]))},
            "without the future's frames",
        ),
        ({"predict": told(lambda found, _: np.zeros_like(found))}, "same for two different contexts"),
        (
            {"context_tokens": lambda self, pixels, context: Repeats().context_tokens(pixels, context)[:, :1]},
            "for 2 clips",
        ),
    ],
)
def test_a_broken_predictor_is_told_what_is_wrong(members, why):
    check_predictor(Repeats())
    with pytest.raises(AssertionError, match=why):
        check_predictor(type("Broken", (Repeats,), members)())
