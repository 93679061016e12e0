"""The authors' checkpoints, converted: nothing but weights is unpickled, none is lost, what is left out is said."""

import argparse
import json
import pickle

import pytest
import torch
from safetensors.torch import load_file
from tests.builders import official_vjepa
from tests.encoders.test_vjepa21 import PIXELS
from transformers import VJEPA2Model
from typer.testing import CliRunner

from worldprobe.cli import app
from worldprobe.encoders.load import load_encoder
from worldprobe.encoders.official import convert
from worldprobe.encoders.preprocess import normalize
from worldprobe.errors import ConfigError, RegistryError
from worldprobe.predictors.vjepa2 import VJEPA2Predictor

SMALL = {"heads": official_vjepa.HEADS, "crop": official_vjepa.CROP}


def test_v_jepa_2_is_what_transformers_loads_strictly(tmp_path):
    folder = official_vjepa.converted(tmp_path, "2")
    model, report = VJEPA2Model.from_pretrained(folder, output_loading_info=True)
    assert not any(report[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    official = official_vjepa.encoder("2")
    third = official["blocks.3.attn.qkv.weight"].chunk(3)[1]
    assert torch.equal(model.encoder.layer[3].attention.key.weight, third)
    assert torch.equal(model.predictor.embeddings.mask_tokens[2], official_vjepa.predictor("2", 1)["mask_tokens.2"])
    encoder = load_encoder(str(folder), device="cpu", precision="fp32")
    found = encoder.forward(torch.from_numpy(PIXELS), {11})[11]
    with torch.inference_mode():
        wanted = model.eval()(normalize(torch.from_numpy(PIXELS)), skip_predictor=True).last_hidden_state
    assert float((found - wanted).norm() / wanted.norm()) < 1e-5
    assert VJEPA2Predictor.from_encoder(encoder).predict(PIXELS, context=2, horizon=1).shape == (2, 1, 16, 96)


@pytest.mark.parametrize(("version", "levels", "teacher"), [("2", 1, None), ("2.1", 4, None), ("2.1", 1, 160)])
def test_every_weight_comes_through_the_command(tmp_path, version, levels, teacher):
    source = official_vjepa.official(tmp_path / "a.pt", version, levels=levels, teacher=teacher)
    out = tmp_path / "out"
    asked = ["convert", str(source), str(out), "--heads", "2", *(["--crop", "64"] if version == "2.1" else [])]
    ended = CliRunner().invoke(app, asked)
    assert ended.exit_code == 0, ended.output
    key = "ema_encoder" if teacher else "target_encoder"
    assert f"V-JEPA {version}: 12 blocks of 96, " in ended.output
    assert f"64 px, from {key}" in ended.output
    assert "Left out: encoder, opt, epoch" in ended.output
    assert ("speaks in the 160 dimensions of its teacher" in ended.output) == bool(teacher)
    assert ("learned positions (pos_embed) are left out" in ended.output) == (version == "2")
    assert load_encoder(str(out)).status == "trained"
    official = [official_vjepa.encoder(version), official_vjepa.predictor(version, levels, teacher)]
    held = sum(one.numel() for part in official for name, one in part.items() if "pos_embed" not in name)
    weights = load_file(out / "model.safetensors")
    assert sum(one.numel() for one in weights.values()) == held
    # As sums of all numbers too: nothing is there twice, nothing shuffled among parts.
    total = sum(
        float(one.double().sum()) for part in official for name, one in part.items() if "pos_embed" not in name
    )
    assert sum(float(one.double().sum()) for one in weights.values()) == pytest.approx(total)


def test_what_the_file_does_not_say_is_said_or_asked_for(tmp_path):
    source = official_vjepa.official(tmp_path / "a.pt", "2.1")
    with pytest.raises(ConfigError, match="is 96 wide, as no published model is: say how many --heads"):
        convert(source, tmp_path / "out")
    found = convert(source, tmp_path / "out", heads=2)
    assert found.notes == [
        "384 px a side are assumed, as the file does not say it (--crop)",
        "its predictor is taken to have 12 heads, as the published ones have",
    ]
    with pytest.raises(ConfigError, match="is there already"):
        convert(source, tmp_path / "out", heads=2)


def test_the_key_can_be_chosen_and_an_encoder_alone_is_one(tmp_path):
    source = official_vjepa.official(tmp_path / "a.pt", "2.1", predictor=None)
    found = convert(source, tmp_path / "other", encoder="encoder", **SMALL)
    assert (found.taken, found.left_out) == ("encoder", ["target_encoder", "opt", "epoch"])
    assert "it holds no predictor" in found.notes
    other = load_file(tmp_path / "other" / "model.safetensors")["encoder.norms_block.0.bias"]
    assert torch.equal(other, official_vjepa.encoder("2.1")["norms_block.0.bias"] + 1)
    with pytest.raises(RegistryError, match=r"holds no 'decoder': it has encoder, target_encoder"):
        convert(source, tmp_path / "none", encoder="decoder", **SMALL)
    torch.save(official_vjepa.encoder("2.1"), tmp_path / "bare.pt")
    assert convert(tmp_path / "bare.pt", tmp_path / "bare", **SMALL).taken == ""
    assert load_encoder(str(tmp_path / "bare")).blocks == 12


def test_checkpoints_of_own_trainings_say_what_to_do(tmp_path):
    """Keys, prefixes and objects that trainers leave: each message says how to go on, and that works."""
    mine = official_vjepa.encoder("2")
    torch.save({"model": mine, "epoch": 3}, tmp_path / "key.pt")
    with pytest.raises(RegistryError, match=r"it has model, epoch\. Name the one .* --encoder KEY"):
        convert(tmp_path / "key.pt", tmp_path / "out", **SMALL)
    assert convert(tmp_path / "key.pt", tmp_path / "out", encoder="model", **SMALL).taken == "model"
    torch.save({"state_dict": {f"net.{key}": one for key, one in mine.items()}}, tmp_path / "prefix.pt")
    with pytest.raises(RegistryError, match=r"among net\.blocks\.0.* torch\.save\(\{.encoder"):
        convert(tmp_path / "prefix.pt", tmp_path / "none", encoder="state_dict", **SMALL)
    torch.save({"encoder": mine, "args": argparse.Namespace(lr=0.1)}, tmp_path / "args.pt")
    with pytest.raises(
        RegistryError, match=r"it names argparse\.Namespace\. .* save its weights alone: torch\.save"
    ):
        convert(tmp_path / "args.pt", tmp_path / "none", **SMALL)
    own = official_vjepa.official(tmp_path / "own.pt", "2")
    assert (
        "its predictor is taken to have 12 heads, as the published ones have"
        in convert(own, tmp_path / "own", **SMALL).notes
    )


@pytest.mark.parametrize(
    ("left", "says"),
    [("model.safetensors", "does not say of which model .* config.json"), ("config.json", r"no \*\.safetensors")],
)
def test_half_a_folder_says_which_half_is_not_there(tmp_path, left, says):
    source = official_vjepa.converted(tmp_path, "2")
    for path in source.iterdir():
        if path.name != left:
            path.unlink()
    with pytest.raises(RegistryError, match=says):
        load_encoder(str(source))


def test_weights_named_instead_of_their_folder(tmp_path):
    source = official_vjepa.converted(tmp_path, "2")
    with pytest.raises(RegistryError, match=f"an encoder is a folder: name {source}$"):
        load_encoder(str(source / "model.safetensors"))


def test_a_predictor_with_some_of_the_weights_that_take_actions_is_refused(tmp_path):
    of_actions = {"action_encoder.weight": torch.zeros(4, 7)}
    source = official_vjepa.official(tmp_path / "a.pt", "2", predictor=of_actions)
    with pytest.raises(RegistryError, match="its predictor does not fit its own config"):
        convert(source, tmp_path / "out", **SMALL)
    assert not (tmp_path / "out").exists()


class Runs:
    """What runs code when it is unpickled."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('this ran')",))


def test_nothing_but_weights_is_unpickled(tmp_path):
    source = official_vjepa.official(tmp_path / "a.pt", "2.1", more=Runs())
    (tmp_path / "plain.pt").write_bytes(pickle.dumps({"encoder": Runs()}, protocol=2))
    for file in (source, tmp_path / "plain.pt"):
        with pytest.raises(RegistryError, match="a pickle of more than weights"):
            convert(file, tmp_path / "out", **SMALL)


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "cannot read|no checkpoint"), (b"<html>404</html>", "no checkpoint of torch"),
     (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 12345\n", "Git LFS pointer"),
     (None, "no file")],
    ids=["empty", "a page", "a pointer", "none"],
)  # fmt: skip
def test_what_is_no_checkpoint_is_one_line(tmp_path, content, says):
    file = tmp_path / "a.pt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(RegistryError, match=says):
        convert(file, tmp_path / "out")


@pytest.mark.parametrize(
    ("held", "says"),
    [
        ({"classifiers": [{}]}, "holds none of ema_encoder, target_encoder, encoder: it has classifiers"),
        ({"encoder": {"conv1.weight": torch.zeros(3)}}, r"its encoder is no V-JEPA 2's"),
        (torch.zeros(3), "holds a Tensor"),
    ],
    ids=["a head", "another model", "a tensor"],
)
def test_what_holds_no_encoder_is_one_line(tmp_path, held, says):
    torch.save(held, tmp_path / "a.pt")
    with pytest.raises(RegistryError, match=says):
        convert(tmp_path / "a.pt", tmp_path / "out")


@pytest.mark.parametrize("key", ["blocks.4.mlp.fc2.bias", "norms_block.1.weight", "patch_embed_img.proj.bias"])
def test_a_checkpoint_that_lacks_a_weight_leaves_nothing_behind(tmp_path, key):
    lacking = {name: one for name, one in official_vjepa.encoder("2.1").items() if name != key}
    source = official_vjepa.official(tmp_path / "a.pt", "2.1", target_encoder=lacking)
    with pytest.raises(RegistryError, match="its encoder does not fit its own config: 1 weights missing"):
        convert(source, tmp_path / "out", **SMALL)
    assert not (tmp_path / "out").exists()


def test_a_file_named_as_an_encoder_says_what_to_do(tmp_path):
    source = official_vjepa.official(tmp_path / "a.pt", "2.1")
    with pytest.raises(RegistryError, match=r"is a file, and an encoder is a folder .* `worldprobe convert"):
        load_encoder(str(source))


def test_what_is_written_is_plain_json_for_machines(tmp_path):
    source = official_vjepa.official(tmp_path / "a.pt", "2.1")
    out = tmp_path / "out"
    ended = CliRunner().invoke(app, ["convert", str(source), str(out), "--heads", "2", "--crop", "64", "--json"])
    said = json.loads(ended.stdout)
    assert (said["version"], said["crop"], said["folder"]) == ("2.1", 64, str(out))
    assert json.loads((out / "config.json").read_text())["model_type"] == "vjepa21"
