"""The first V-JEPA: as its authors' code has it, from their checkpoints, strictly."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from worldprobe.cli import app
from worldprobe.encoders.load import load_encoder
from worldprobe.encoders.official import convert
from worldprobe.encoders.vision import vjepa1
from worldprobe.encoders.vision.weights import network_of
from worldprobe.errors import ConfigError, RegistryError
from worldprobe.testing import check_encoder

GOLDEN = json.loads((Path(__file__).parent / "golden" / "vjepa1.json").read_text())  # by the authors' code
CONFIG = {
    "model_type": "vjepa1", "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "num_frames": 16,
    "intermediate_size": 96, "image_size": 32, "patch_size": 8, "tubelet_size": 2, "layer_norm_eps": 1e-6,
}  # fmt: skip
PIXELS = (torch.arange(2 * 16 * 3 * 32 * 32) * 37 % 251).to(torch.uint8).reshape(2, 16, 3, 32, 32)


def weights():
    """As those that the golden values were made with: sines, positions as they are."""
    found = vjepa1.VJEPA1(network_of(CONFIG, name="it").config).state_dict()
    for number, key in enumerate(sorted(found)):
        if key != "pos_embed":
            count = torch.arange(found[key].numel(), dtype=torch.float64)
            scale = key == "norm.weight" or key.endswith(("norm1.weight", "norm2.weight"))
            found[key] = (scale + 0.3 * torch.sin(0.7 * count + number).reshape(found[key].shape)).float()
    return found


def official(path, **more):
    """A checkpoint as the authors' training writes it."""
    masks = {f"module.backbone.mask_tokens.{number}": torch.zeros(1, 1, 24) for number in range(2)}
    ours = {f"module.backbone.{key}": value for key, value in weights().items()}
    other = {key: value + 1 for key, value in ours.items()}
    held = {"encoder": other, "predictor": masks, "target_encoder": ours, "opt": {}, "scaler": {}, "epoch": 300}
    torch.save({**held, **more}, path)
    return path


def converted(folder):
    convert(official(folder / "vitl16.pth.tar"), folder / "out", heads=4)
    return folder / "out"


def test_positions_are_the_authors_own():
    found = vjepa1._positions(network_of(CONFIG, name="it").config)
    np.testing.assert_allclose(found[0, [1, 5, 17, 100]].flatten()[::7], GOLDEN["positions"], atol=1e-6)


def test_every_tap_is_the_authors_own(tmp_path):
    encoder = load_encoder(str(converted(tmp_path)), device="cpu", precision="fp32")
    found = encoder.forward(PIXELS, {0, 1, 2})
    for block, (values, norm) in enumerate(zip(GOLDEN["taps"], GOLDEN["norms"], strict=True)):
        np.testing.assert_allclose(found[block][1, [0, 37, 127]].flatten()[::11], values, atol=2e-5)
        assert float(found[block].double().norm()) == pytest.approx(norm, rel=1e-6)
    grid = encoder.grid(16)
    assert (grid.time, grid.height, grid.width, encoder.tubelet) == (8, 4, 4, 2)
    check_encoder(encoder, frames=16)
    with pytest.raises(ConfigError, match="takes clips of 16 frames, got 8"):
        encoder.grid(8)


def test_the_command_says_what_it_took_and_what_it_left_out(tmp_path):
    source, out = official(tmp_path / "vitl16.pth.tar"), tmp_path / "out"
    ended = CliRunner().invoke(app, ["convert", str(source), str(out), "--heads", "4"])
    assert ended.exit_code == 0, ended.output
    assert "V-JEPA 1: 3 blocks of 64, " in ended.output
    assert "32 px, from target_encoder" in ended.output
    assert "Left out: encoder, predictor, opt, scaler, epoch" in ended.output
    assert "--frames 16" in ended.output
    held = load_file(out / "model.safetensors")
    assert all(torch.equal(held[key], value) for key, value in weights().items())
    settings = json.loads((out / "preprocessor_config.json").read_text())
    assert settings["size"] == {"shortest_edge": 36}


def test_its_twin_has_its_positions_and_no_other_weight_of_it(tmp_path):
    folder = converted(tmp_path)
    encoder, twin = load_encoder(str(folder)), load_encoder(f"random:{folder}")
    assert (twin.status, twin.parameters, twin.blocks) == ("untrained", encoder.parameters, encoder.blocks)
    assert twin.revision != encoder.revision
    check_encoder(twin, frames=16)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda w: w.pop("pos_embed"), "1 weights missing .'pos_embed'"),
        (lambda w: w.update({"pos_embed": torch.zeros(1, 32, 64)}), "1 of another shape .'pos_embed'"),
        (lambda w: w.update({"head.weight": torch.zeros(3, 64)}), "1 unexpected .'head.weight'"),
        (
            lambda w: w.update({"norm.weight": w["norm.weight"].to(torch.float8_e4m3fn)}),
            "is F8_E4M3, and quantised",
        ),
    ],
)
def test_weights_that_do_not_fit_are_one_line(change, why, tmp_path):
    folder = converted(tmp_path)
    held = load_file(folder / "model.safetensors")
    change(held)
    save_file(held, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(RegistryError, match=why) as found:
        load_encoder(str(folder))
    assert "\n" not in str(found.value)


def test_a_file_that_is_not_whole_is_not_converted(tmp_path):
    lacking = {f"module.backbone.{key}": value for key, value in weights().items() if key != "norm.bias"}
    with pytest.raises(RegistryError, match=r"1 weights missing .'norm\.bias'"):
        convert(official(tmp_path / "a.pt", target_encoder=lacking), tmp_path / "out", heads=4)
    odd = {f"module.backbone.{key}": value for key, value in weights().items()}
    odd["module.backbone.pos_embed"] = odd["module.backbone.pos_embed"][:, :100]
    with pytest.raises(ConfigError, match="its 100 positions are of no square grid of 16 frames"):
        convert(official(tmp_path / "b.pt", target_encoder=odd), tmp_path / "out", heads=4)
    with pytest.raises(ConfigError, match="has positions for 32 px, not for --crop 64"):
        convert(official(tmp_path / "c.pt"), tmp_path / "out", heads=4, crop=64)
    assert not (tmp_path / "out").exists()
