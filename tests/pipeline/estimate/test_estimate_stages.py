"""A dry run tells of every stage that the file asks for, and the run that follows says how near it came."""

import json

import numpy as np
import pytest
import torch
from tests.builders.checks import some
from tests.builders.lerobot_format import write_dataset
from torch.utils.flop_counter import FlopCounterMode
from typer.testing import CliRunner

from worldprobe.cli import app
from worldprobe.config import read_experiment
from worldprobe.console import resolve_videos
from worldprobe.encoders.load import load_encoder
from worldprobe.errors import ConfigError
from worldprobe.pipeline.estimate import probing as estimate_probing
from worldprobe.pipeline.estimate import run as estimating
from worldprobe.pipeline.run import run
from worldprobe.predictors.vjepa2 import VJEPA2Predictor
from worldprobe.probes.linear.ridge import Ridge
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
options = { cnn = { channels = 16 } }
"""


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch):
    monkeypatch.setattr("worldprobe.pipeline.estimate.run.CALIBRATION_SECONDS", 0.1)


def command(*arguments, ends=0):
    done = CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)
    assert done.exit_code == ends, done.output
    return done


def test_every_stage_of_the_file_is_counted_and_held_against_what_it_took(tmp_path, monkeypatch):
    measured, kept = estimating.estimate_run, []

    def once(*given, **options):
        kept[:] = kept or [measured(*given, **options)]
        return kept[0]

    monkeypatch.setattr(estimating, "estimate_run", once)  # and said in two forms
    path = tmp_path / "e.toml"
    path.write_text(FILE.format(videos="scenes:6", labeller="truth") + STAGES)
    told = command("run", path, "--dry-run", "--price", 3.6, "--json", "--out", tmp_path / "run")
    found = {(one["stage"], one["encoder"]): one for one in json.loads(told.stdout)}
    assert list(found) == [
        ("encode", "vjepa2-tiny"), ("label", "truth"), ("probe", "questions"), ("train", "cnn"),
        ("train", "cnn-shuffled"), ("predict", "vjepa2-tiny"), ("predict", "random:vjepa2-tiny"),
    ]  # fmt: skip
    assert found["encode", "vjepa2-tiny"]["clips"] == 6
    assert found["label", "truth"]["clips"] == 6 * 16
    assert found["train", "cnn"]["clips"] == 3
    assert found["train", "cnn"]["scratch_bytes"] == 6 * 16 * 3 * 32 * 32
    windows = found["predict", "vjepa2-tiny"]
    assert windows["clips"] == 6 * 2  # of 16 frames: 2 + 3 tubelets of 2 frames, three tubelets apart
    assert windows["tokens"] == 5 * 64
    assert windows["scratch_bytes"] == 12 * (2 + 5 + 3) * 64 * 128 * 2
    assert all(some(one["seconds"] > 0 for (stage, _), one in found.items() if stage != "label"))
    assert all(one["price"] == pytest.approx(one["seconds"] / 1000) for one in some(found.values()))
    assert {one.name for one in (tmp_path / "run").iterdir()} == {"expected.json"}
    said = command("run", path, "--dry-run", "--out", tmp_path / "run").stdout
    assert "12 windows to tell on cpu, 320 tokens a window" in said
    assert "cnn: 3 steps of training on cpu" in said
    experiment = read_experiment(path)
    run(experiment, resolve_videos(experiment.videos), tmp_path / "run")
    costs = {one.stage: one for one in read_results(tmp_path / "run" / "results.jsonl") if one.kind == "cost"}
    for stage in ("encode vjepa2-tiny", "probe", "predict vjepa2-tiny", "predict random:vjepa2-tiny", "train cnn"):
        assert costs[stage].expected_seconds > 0, stage


def test_values_held_out_are_counted(tmp_path):
    found = []
    for factor in ("", 'hold_out = "class"\n'):
        path = tmp_path / "e.toml"
        path.write_text(FILE.format(videos="scenes:6", labeller="truth") + factor)
        told = command("run", path, "--dry-run", "--json", "--out", tmp_path / "run")
        found += [one["clips"] for one in json.loads(told.stdout) if one["stage"] == "probe"]
    assert found[1] > 2 * found[0]


def film(path, seed, length=40):
    rng = np.random.default_rng(seed)
    frames = np.full((length, 64, 64, 3), 20, np.uint8)
    for index in range(length):
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
    encoded, label, _ = json.loads(told.stdout)
    assert (encoded["videos"], encoded["clips"], label["clips"]) == (1, 2, 40)
    assert label["seconds"] > 0
    assert "broken.mp4" in told.stderr


def test_of_some_videos_those_are_counted_that_would_be_predicted_and_decoded(tmp_path):
    for seed, length in enumerate([40] * 5 + [16]):
        film(tmp_path / f"{seed}.mp4", seed, length)
    path = tmp_path / "e.toml"
    stages = "[predict]\ncontext = 4\nhorizon = 6\ntwin = false\nvideos = 3\n"
    stages += "[decode]\nsteps = 1\nsize = 32\ncontrols = []\noptions = { cnn = { channels = 16 } }\nvideos = 5\n"
    path.write_text(FILE.format(videos=tmp_path, labeller="moving") + stages)
    told = command("run", path, "--dry-run", "--json", "--out", tmp_path / "run")
    found = {one["stage"]: one for one in json.loads(told.stdout)}
    assert found["train"]["scratch_bytes"] == (4 * 2 + 1) * 16 * 3 * 32 * 32  # all but the fourth
    # The last has no room for ten tubelets, and is none of the three; the others have room for two windows each.
    assert (found["predict"]["videos"], found["predict"]["clips"]) == (3, 6)


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

    monkeypatch.setattr("worldprobe.plugins.registry.create", create)
    with pytest.raises(ConfigError, match="no account"):
        command("decode", "scenes:6", "--executor", "modal:T4", "--price", 0.5, "--out", "none")
    assert asked == [("executors", "modal:T4", {"address": None, "price": 0.5})]


@pytest.mark.parametrize("mode", ["joint", "rolling"])
def test_a_predictors_operations_are_those_that_torch_counts(mode):
    encoder = load_encoder("vjepa2-tiny", device="cpu", precision="fp32")
    predictor = VJEPA2Predictor.from_encoder(encoder)
    with FlopCounterMode(display=False) as counted:
        predictor.forecast(torch.randn(1, 4, 64, 128), horizon=2, mode=mode)
    config = predictor.module.config
    sizes = [384] if mode == "joint" else [320, 384]
    # Torch does not see into fused attention: two products of n x n x width in each block.
    attention = sum(4 * n * n * config.pred_hidden_size * config.pred_num_hidden_layers for n in sizes)
    own = predictor.flop(4, 2, mode=mode) - encoder.flop(8)
    assert own == pytest.approx(counted.get_total_flops() + attention)


def told_and_done(tmp_path, text):
    """What a dry run tells of probing, by what it is for; and the fits that the run then makes, by stage."""
    path = tmp_path / "e.toml"
    path.write_text(text)
    told = {
        one["encoder"]: one
        for one in json.loads(command("run", path, "--dry-run", "--json", "--out", tmp_path / "run").stdout)
        if one["stage"] == "probe"
    }
    made = {}

    def progress(stage, done, total, note=""):
        made[stage] = (done, total)

    experiment = read_experiment(path)
    run(experiment, resolve_videos(experiment.videos), tmp_path / "run", progress=progress)
    return told, made


PROBED = """
videos = ["scenes:8"]
encoder = "pixels"
labeller = "truth"
tasks = ["xy", "velocity"]
features = ["z", "delta"]
controls = ["majority", "shuffled", "gaussian", "nuisance"]
"""


def test_as_many_fits_are_told_as_are_made(tmp_path):
    """Of 2 tasks, on 5 folds of 2 kinds of features: real, shuffled, leaky, noise, planted, and the nuisances."""
    told, made = told_and_done(tmp_path, PROBED)
    assert told["questions"]["clips"] == 2 * 5 * 2 * 6
    assert made["probe"] == (120, 120)
    # A fit for each of 4 blocks of a code, and for each of 6 sizes of a curve on each fold.
    assert told["learning curves"]["clips"] == 2 * 2 * (4 + 6 * 5)
    assert made["learning curves"] == (136, 136)
    assert all(one["seconds"] > 0 and one["most"] for one in some(told.values()))
    costs = {one.stage: one for one in read_results(tmp_path / "run" / "results.jsonl") if one.kind == "cost"}
    assert costs["probe"].expected_seconds == pytest.approx(sum(one["seconds"] for one in told.values()), abs=2e-3)


def test_a_robots_columns_are_counted_and_what_is_not_asked_is_not(tmp_path):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (6, 8, 64, 64, 3), dtype=np.uint8)
    state, action = (rng.normal(size=(6, 8, 3)).astype(np.float32) for _ in range(2))
    folder = write_dataset(tmp_path / "robot", frames, state, action, fps=5)
    told, made = told_and_done(
        tmp_path,
        f'videos = ["lerobot:{folder}"]\nencoder = "pixels"\nlabeller = "lerobot"\ntasks = ["state", "action"]\n'
        'frames = 4\nfeatures = ["z"]\ncontrols = ["majority"]\nevidence = []\n',
    )
    assert list(told) == ["questions"]
    # Three columns each, on 5 folds: as they are, planted, and under the random split.
    assert told["questions"]["clips"] == (3 + 3) * 5 * 3
    assert made["probe"] == (90, 90)
    assert "learning curves" not in made


def test_more_rows_columns_and_questions_are_told_to_take_longer(monkeypatch):
    """By costs that are given: a fit takes its operations, and a further question on the same rows nothing."""
    monkeypatch.setattr(estimate_probing, "_timed", lambda *of: (estimate_probing._operations(*of[3:]), 0.0))
    monkeypatch.setattr(estimate_probing, "_resampled", lambda *_: 0.0)
    ridge = estimate_probing.QuestionCount(Ridge(), "ridge", "regression", 1)

    def seconds(rows, columns, sets, questions, alone):
        work = estimate_probing.Work(ridge, rows, columns, sets, questions, alone, 0)
        return estimate_probing._seconds([work], 1.0)

    one = seconds(400, 192, 1, 1, True)
    assert one == pytest.approx(estimate_probing._operations(400, 192))
    assert seconds(400, 192, 5, 7, True) == pytest.approx(5 * one)
    assert seconds(400, 192, 5, 7, False) == pytest.approx(5 * one * estimate_probing._SHARED)
    assert seconds(4000, 3072, 1, 1, True) == pytest.approx(estimate_probing._operations(4000, 3072), rel=0.05)
