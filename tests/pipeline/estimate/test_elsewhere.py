"""A dry run of what is not here: checkpoints, rendered scenes, a rented GPU."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from worldprobe.cli import app
from worldprobe.config import read_experiment
from worldprobe.decoders.training import Recipe, step_cost
from worldprobe.encoders import known
from worldprobe.errors import ConfigError
from worldprobe.pipeline.estimate.facts import Estimate, as_lines
from worldprobe.pipeline.estimate.rented import on_rented
from worldprobe.plugins import registry
from worldprobe.records import DecoderShape

EXAMPLE = Path(__file__).parents[3] / "examples" / "decoder-vitl.toml"


def test_the_example_for_vit_l_is_foretold_without_its_weights_its_films_or_a_network(tmp_path, monkeypatch):
    asked = read_experiment(EXAMPLE)
    assert asked.videos == ["scenes:2000"]
    fewer = tmp_path / "fewer.toml"  # each is opened for every encoder
    fewer.write_text(EXAMPLE.read_text().replace("scenes:2000", "scenes:40"))
    assert known.config_of(asked.encoder).hidden_size == 1024
    # The same name and depths of sums, at a size that a test has time for; and no training is timed.
    small = {"hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 4, "crop_size": 64}
    monkeypatch.setitem(known._KNOWN, asked.encoder, small)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("worldprobe.pipeline.estimate.run.CALIBRATION_SECONDS", 0.1)
    monkeypatch.setattr("worldprobe.decoders.training.seconds_a_step", lambda *_, **__: 0.25)
    monkeypatch.setattr("worldprobe.decoders.training.step_cost", lambda *_: (1e6, 3_000_000_000))
    monkeypatch.setenv("WORLDPROBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    command = ["run", str(fewer), "--dry-run", "--executor", "modal", "--gpu", "H100", "--out", "run"]
    done = CliRunner().invoke(app, [*command, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "32 videos are rendered when this is run" in done.stderr
    assert len(list((tmp_path / "cache").rglob("*.mp4"))) == 8
    found = json.loads(done.stdout)
    by = {(one["stage"], one["encoder"]): one for one in found}
    encoded = by["encode", asked.encoder]
    assert (encoded["videos"], encoded["clips"], encoded["stored"]) == (40, 40, 0)
    assert ("encode", f"random:{asked.encoder}") in by
    trained = [one for one in found if one["stage"] == "train"]
    assert {one["clips"] for one in trained} == {asked.decode.steps}
    assert len(trained) >= 4
    for one in trained:
        assert one["seconds"] == 0.25 * asked.decode.steps
        assert one["rented_seconds"] == pytest.approx(1e6 * asked.decode.steps / (989e3 / 4))
        assert one["rented_price"] == pytest.approx(one["rented_seconds"] / 3600 * 3.95)
        assert one["memory_bytes"] == 3_000_000_000


def test_a_checkpoint_that_nobody_knows_is_still_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("WORLDPROBE_CACHE", str(tmp_path))
    done = CliRunner().invoke(
        app, ["encode", "scenes:2", "--encoder", "nobody/knows-it", "--store", "s", "--dry-run"]
    )
    assert done.exit_code != 0
    assert "nobody/knows-it" in str(done.exception) + done.output


def test_a_gpu_of_which_nothing_is_known_is_refused_and_what_has_no_operations_is_left_out():
    label = Estimate("truth", "cpu", 1, 9, 0, 0, None, 0, 1.0, None, stage="label")
    assert on_rented([label], "H100") == [label]
    encode = Estimate("e", "cpu", 1, 10, 4, 8, 1000.0, 0, 1.0, None)
    (found,) = on_rented([encode], "A10G", price=2.0)
    assert found.rented_seconds == pytest.approx(6 * 1000 / (125e3 / 4))
    assert found.rented_price == pytest.approx(found.rented_seconds / 3600 * 2)
    train = replace(encode, stage="train", unit="steps", memory_bytes=3_000_000_000)
    told = "\n".join(as_lines(on_rented([label, train], "H100")))
    assert "; 3.0 GB of memory; about" in told
    assert "On a rented H100" in told
    with pytest.raises(ConfigError, match=r"knows nothing of a GPU 'TPU'.*H100"):
        on_rented([encode], "TPU")


def test_a_steps_operations_and_memory_grow_with_the_batch():
    shape = DecoderShape(grid=(4, 4), width=24, size=(32, 32), frames=2)
    module = registry.create("decoders", "cnn", shape=shape)
    (one, held), (two, more) = (step_cost(module, Recipe(steps=9, batch=batch)) for batch in (8, 16))
    assert two == pytest.approx(2 * one)
    weights = 5 * 4 * sum(parameter.numel() for parameter in module.parameters())
    assert held > weights
    assert more - weights == pytest.approx(2 * (held - weights))
    assert all(parameter.grad is None for parameter in module.parameters())
    assert all(torch.isfinite(parameter).all() for parameter in module.parameters())
