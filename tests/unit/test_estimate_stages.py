"""A dry run tells of every stage that the file asks for, and the run that follows says how near it came."""

import json

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from typer.testing import CliRunner

from worldprobe.cli import app
from worldprobe.errors import ConfigError
from worldprobe.pipeline.encoders import load_encoder
from worldprobe.predictors.vjepa2 import VJEPA2Predictor
from worldprobe.results import read_results
from worldprobe.video.write import write_video

FILE = """
videos = ["{videos}"]
labeller = "{labeller}"
tasks = ["xy"]
features = ["z"]
evidence = []
controls = ["majority"]
"""
STAGES = """
[predict]
context = 2
horizon = 3
decoder = "cnn"

[decode]
steps = 3
size = 32
controls = ["shuffled"]
"""


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch):
    monkeypatch.setattr("worldprobe.pipeline.estimate.CALIBRATION_SECONDS", 0.1)


def command(*arguments, ends=0):
    done = CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)
    assert done.exit_code == ends, done.output
    return done


def test_every_stage_of_the_file_is_counted_and_held_against_what_it_took(tmp_path):
    path = tmp_path / "e.toml"
    path.write_text(FILE.format(videos="scenes:8", labeller="truth") + STAGES)
    told = command("run", path, "--dry-run", "--price", 3.6, "--json", "--out", tmp_path / "run")
    found = {(one["stage"], one["encoder"]): one for one in json.loads(told.stdout)}
    assert list(found) == [
        ("encode", "vjepa2-tiny"), ("label", "truth"), ("train", "cnn"), ("train", "cnn-shuffled"),
        ("predict", "vjepa2-tiny"), ("predict", "random:vjepa2-tiny"),
    ]  # fmt: skip
    assert found["encode", "vjepa2-tiny"]["clips"] == 8
    assert found["label", "truth"]["clips"] == 8 * 16
    assert found["train", "cnn"]["clips"] == 3
    assert found["train", "cnn"]["scratch_bytes"] == 8 * 16 * 3 * 32 * 32
    windows = found["predict", "vjepa2-tiny"]
    assert windows["clips"] == 8 * 2  # of 16 frames: 2 + 3 tubelets of 2 frames, three tubelets apart
    assert windows["tokens"] == 5 * 64
    assert windows["scratch_bytes"] == 16 * (2 + 5 + 3) * 64 * 192 * 2
    assert all(one["seconds"] > 0 for (stage, _), one in found.items() if stage != "label")
    assert all(one["price"] == pytest.approx(one["seconds"] / 1000) for one in found.values())
    assert {one.name for one in (tmp_path / "run").iterdir()} == {"expected.json"}
    said = command("run", path, "--dry-run", "--out", tmp_path / "run").stdout
    assert "16 windows to tell on cpu, 320 tokens a window" in said
    assert "cnn: 3 steps of training on cpu" in said
    command("run", path, "--out", tmp_path / "run")
    costs = {one.stage: one for one in read_results(tmp_path / "run" / "results.jsonl") if one.kind == "cost"}
    for stage in ("encode vjepa2-tiny", "predict vjepa2-tiny", "predict random:vjepa2-tiny", "train cnn"):
        assert costs[stage].expected_seconds > 0, stage


def film(path, seed):
    rng = np.random.default_rng(seed)
    frames = np.full((40, 64, 64, 3), 20, np.uint8)
    for index in range(40):
        frames[index, 20:36, index : index + 16] = rng.integers(200, 250)
    write_video(path, list(frames), rate=10)


def test_of_the_original_protocol_all_frames_looked_at_are_told(tmp_path):
    film(tmp_path / "a.mp4", 0)
    path = tmp_path / "e.toml"
    path.write_text(f'protocol = "original"\nvideos = ["{tmp_path}/a.mp4"]\nlabeller = "moving"\nsamples = 20\n')
    told = command("run", path, "--dry-run", "--json", "--out", tmp_path / "run")
    found = {one["encoder"]: one for one in json.loads(told.stdout) if one["stage"] == "encode"}
    assert list(found) == ["squashed:vjepa2-tiny", "squashed:random:vjepa2-tiny", "squashed:pixels"]
    # 20 stills, and a native clip of 8 frames about each of them: frames near an end share the clip there.
    starts = {min(max(frame - 4, 0), 32) for frame in np.linspace(0, 39, 20).astype(int)}
    assert {one["clips"] for one in found.values()} == {20 + len(starts)}
    assert found["squashed:vjepa2-tiny"]["gflop"] > 0
    assert "at most" in command("run", path, "--dry-run", "--out", tmp_path / "run").stdout


def test_a_video_that_the_run_would_go_on_without_is_named_and_not_counted(tmp_path):
    folder = tmp_path / "films"
    folder.mkdir()
    film(folder / "a.mp4", 0)
    (folder / "broken.mp4").write_bytes(b"nothing")
    path = tmp_path / "e.toml"
    path.write_text(FILE.format(videos=folder, labeller="moving"))
    told = command("run", path, "--dry-run", "--json", "--out", tmp_path / "run", ends=3)
    encoded, label = json.loads(told.stdout)
    assert (encoded["videos"], encoded["clips"], label["clips"]) == (1, 2, 40)
    assert label["seconds"] > 0
    assert "broken.mp4" in told.stderr


def test_a_dry_run_says_what_the_run_would_refuse(tmp_path):
    path = tmp_path / "e.toml"
    path.write_text(FILE.format(videos="scenes:8", labeller="truth") + '[predict]\ndecoder = "cnn"\n')
    done = CliRunner().invoke(app, ["run", str(path), "--dry-run"])
    assert "which is neither one that this run trains" in str(done.exception)


def test_decoding_takes_the_price_of_the_machines_that_it_rents(monkeypatch):
    asked = []

    def create(kind, name, *, offered):
        asked.append((kind, name, offered))
        raise ConfigError("no account")

    monkeypatch.setattr("worldprobe.registry.create", create)
    with pytest.raises(ConfigError, match="no account"):
        command("decode", "scenes:6", "--executor", "modal:T4", "--price", 0.5, "--out", "none")
    assert asked == [("executors", "modal:T4", {"price": 0.5})]


@pytest.mark.parametrize("mode", ["joint", "rolling"])
def test_a_predictors_operations_are_those_that_torch_counts(mode):
    encoder = load_encoder("vjepa2-tiny", device="cpu", precision="fp32")
    predictor = VJEPA2Predictor.from_encoder(encoder)
    with FlopCounterMode(display=False) as counted:
        predictor.forecast(torch.randn(1, 4, 64, 192), horizon=2, mode=mode)
    config = predictor.module.config
    sizes = [384] if mode == "joint" else [320, 384]
    # Torch does not see into fused attention: two products of n x n x width in each block.
    attention = sum(4 * n * n * config.pred_hidden_size * config.pred_num_hidden_layers for n in sizes)
    own = predictor.flop(4, 2, mode=mode) - encoder.flop(8)
    assert own == pytest.approx(counted.get_total_flops() + attention)
