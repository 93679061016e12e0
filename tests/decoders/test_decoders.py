"""Decoders as modules and on disk: shapes, the space they read, what is said of misfits."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional

from worldprobe import decoders
from worldprobe.decoders import trained
from worldprobe.decoders.cnn import gradient_loss
from worldprobe.errors import DecoderError
from worldprobe.plugins import registry
from worldprobe.records import DecoderShape


def shape(**changes):
    return DecoderShape(**{"grid": (8, 8), "width": 24, "size": (32, 32), "frames": 2, **changes})


def tokens(n, of, seed=0):
    return np.random.default_rng(seed).normal(size=(n, *of.grid, of.width)).astype(np.float32)


def make(of, name="cnn", **options):
    torch.manual_seed(0)
    return registry.create("decoders", name, shape=of, **options)


@pytest.mark.parametrize(
    ("grid", "size"), [((8, 8), (64, 64)), ((16, 16), (128, 128)), ((24, 24), (100, 100)), ((9, 16), (72, 90))]
)
def test_the_cnn_draws_any_size_from_any_grid(grid, size):
    of = shape(grid=grid, size=size)
    frames = trained.TrainedDecoder(make(of, channels=16), {}).decode(tokens(2, of))
    assert frames.shape == (2, 2, 3, *size)
    assert frames.dtype == np.float32
    assert 0 <= frames.min() <= frames.max() <= 1


def test_what_is_saved_decodes_the_same_and_says_what_it_is(tmp_path):
    of = shape(width=20, parts=2)
    module = make(of, channels=16)
    before = trained.TrainedDecoder(module, {}).decode(tokens(3, of))
    trained.save(module, tmp_path, {"encoder": "vjepa2-tiny", "tap": "vjepa2-tiny/block3.out"})
    after = decoders.load(tmp_path, device="cpu")
    np.testing.assert_array_equal(after.decode(tokens(3, of)), before)
    assert after.shape == of
    assert after.facts["encoder"] == "vjepa2-tiny"
    assert {path.name for path in tmp_path.iterdir()} == {"model.safetensors", "config.json", "README.md"}
    assert "vjepa2-tiny/block3.out" in (tmp_path / "README.md").read_text()


def test_tokens_and_their_layer_norm_decode_alike():
    """The predictor's tokens live in the space after the norm."""
    of = shape()
    decoder = trained.TrainedDecoder(make(of, channels=16), {})
    raw = 3.0 * tokens(2, of) + 1.0
    normed = functional.layer_norm(torch.from_numpy(raw), (of.width,)).numpy()
    np.testing.assert_allclose(decoder.decode(raw), decoder.decode(normed), atol=1e-5)


def test_each_part_is_normed_by_itself_and_floors_not_at_all():
    of, scaled = shape(parts=2), tokens(2, shape())
    scaled[..., 12:] *= 100
    joined = trained.TrainedDecoder(make(of, channels=16), {})
    np.testing.assert_allclose(joined.decode(scaled), joined.decode(tokens(2, of)), atol=1e-4)
    floor = trained.TrainedDecoder(make(shape(norm=False), channels=16), {})
    assert np.abs(floor.decode(tokens(2, of)) - floor.decode(2 * tokens(2, of))).max() > 1e-3


def test_the_gradient_loss_is_that_of_the_differences():
    frames = torch.zeros(1, 1, 1, 4, 4)
    ramp = torch.arange(4.0).expand(1, 1, 1, 4, 4)
    assert gradient_loss(frames + 0.5, frames) == 0
    assert gradient_loss(ramp, frames) == pytest.approx(1.0)


def in_hub_cache(folder, cache, name):
    """A folder's files as the hub's local cache holds a repository."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = cache / f"models--{name.replace('/', '--')}"
    shutil.copytree(folder, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)


def test_a_decoder_of_the_hub_is_loaded_by_its_id(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    of = shape()
    trained.save(make(of, channels=16), tmp_path / "cnn", {"tap": "vjepa2-tiny/block3.out"})
    assert (tmp_path / "cnn" / "README.md").read_text().startswith("---\nlibrary_name: worldprobe\n---\n")
    in_hub_cache(tmp_path / "cnn", tmp_path / "hub", "someone/tiny-cnn")
    found, own = decoders.load("someone/tiny-cnn", device="cpu"), decoders.load(tmp_path / "cnn", device="cpu")
    np.testing.assert_array_equal(found.decode(tokens(2, of)), own.decode(tokens(2, of)))
    with pytest.raises(DecoderError, match="cannot fetch the decoder someone/nothing, which is no folder here"):
        decoders.load("someone/nothing")
    config = json.loads((tmp_path / "cnn" / "config.json").read_text())
    (tmp_path / "cnn" / "config.json").write_text(json.dumps({**config, "decoder": "os:getcwd"}))
    in_hub_cache(tmp_path / "cnn", tmp_path / "hub", "someone/bad")
    with pytest.raises(DecoderError, match=r"someone/bad asks for the decoder os:getcwd, code of a place"):
        decoders.load("someone/bad")


def test_weights_of_another_version_are_named_by_what_they_lack(tmp_path):
    trained.save(make(shape(), channels=16), tmp_path, {"tap": "vjepa2-tiny/block3.out"})
    weights = load_file(tmp_path / "model.safetensors")
    lacks = sorted(weights)[0]
    save_file({key: one for key, one in weights.items() if key != lacks}, tmp_path / "model.safetensors")
    with pytest.raises(DecoderError, match=rf"another version.*Missing key\(s\).*{lacks}.*delete that folder"):
        decoders.load(tmp_path)


def test_misfits_are_named(tmp_path):
    of = shape()
    trained.save(make(of, channels=16), tmp_path, {"tap": "vjepa2-tiny/block3.out"})
    with pytest.raises(DecoderError, match=r"8 x 8 x 24.*got tokens of 16 x 16 x 24"):
        decoders.load(tmp_path).decode(np.zeros((1, 16, 16, 24), np.float32))
    with pytest.raises(DecoderError, match=r"no trained decoder in .*worldprobe decode"):
        decoders.load(tmp_path / "nowhere")
    config = json.loads((tmp_path / "config.json").read_text())
    config["options"]["channels"] = 32
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(DecoderError, match=r"does not fit .*size mismatch for .*delete that folder"):
        decoders.load(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**config, "format": 1}))
    with pytest.raises(DecoderError, match=r"of format 1, this version reads 2\. Train the decoder again"):
        decoders.load(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(DecoderError, match="damaged"):
        decoders.load(tmp_path)
