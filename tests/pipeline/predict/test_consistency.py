"""Whether predicted futures hold what a robot did: from known tokens to lines, the folder and the command."""

import numpy as np
import pytest
import torch
from tests.builders.checks import some
from tests.builders.lerobot_format import write_dataset
from transformers import VJEPA2Config, VJEPA2Model
from typer.testing import CliRunner

from worldprobe.cli import app
from worldprobe.config import make_experiment
from worldprobe.findings.summary import summarize
from worldprobe.labels.robots.lerobot import videos
from worldprobe.pipeline.predict.consistency import consistency_lines
from worldprobe.pipeline.predict.futures import Futures, measures
from worldprobe.pipeline.predict.reading import Readable
from worldprobe.pipeline.predict.scores import PredictionSetup
from worldprobe.pipeline.predict.windows import Window
from worldprobe.pipeline.run import run as run_experiment
from worldprobe.records import ClipSpec, Labels, VideoRef
from worldprobe.results import ConsistencyResult, read_results

WINDOWS, CONTEXT, HORIZON, TUBELET = 60, 3, 2, 2
TUBELETS = CONTEXT + HORIZON
SMALL = {"crop_size": 32, "patch_size": 16, "frames_per_clip": 8, "hidden_size": 16, "num_hidden_layers": 1,
         "num_attention_heads": 2, "pred_hidden_size": 24, "pred_num_hidden_layers": 1,
         "pred_num_attention_heads": 2, "pred_num_mask_tokens": 2}  # fmt: skip
SETUP = PredictionSetup("made", "fp32", CONTEXT, HORIZON, "joint", 0)


def film(number):
    return VideoRef(id=f"{number:064d}", path=f"{number}.mp4", width=64, height=64, frames=100, rate=10.0)


def window(number, start=0, stride=1):
    spec = ClipSpec(film(number), start, TUBELETS * TUBELET, stride)
    return Window(spec, number, number, 1.0, 0.0, 1.0, True)


def labels(values, **columns):
    """Actions [films, frames] as labels of so many films."""
    films, frames = values.shape
    video = np.repeat([film(number).id for number in range(films)], frames)
    frame = np.tile(np.arange(frames), films)
    return Labels.from_columns(
        video=list(video), frame=frame, pts_seconds=frame / 10.0, object=0, x=1.0, y=1.0, w=2.0, h=2.0,
        confidence=1.0, source="made", **{"class": "", "action.push": values.ravel(), **columns},
    )  # fmt: skip


def made(seed=0, *, width=8, noise=0.0):
    """Tokens [n, t, s, d] whose first component adds up the actions, and the actions [n, frames]."""
    rng = np.random.default_rng(seed)
    action = np.repeat(rng.normal(size=(WINDOWS, TUBELETS)), TUBELET, axis=1)
    at = np.cumsum(np.r_["1", np.zeros((WINDOWS, 1)), action[:, ::TUBELET]], axis=1)[:, :TUBELETS]
    tokens = rng.normal(size=(WINDOWS, 1, 4, width)) * np.ones((1, TUBELETS, 1, 1))
    tokens[..., 0] = at[:, :, None] + noise * rng.normal(size=(WINDOWS, TUBELETS, 4))
    return tokens.astype(np.float32), action


def lines_of(tokens, told, did, *, setup=SETUP, rows=range(WINDOWS), levels=1):
    futures = Futures(did, (2, 2), tubelet=TUBELET, levels=levels)
    futures([window(row) for row in rows], tokens[:, :CONTEXT], told, tokens)
    return futures, list(consistency_lines(Readable(futures, setup)))


def scores(lines, **at):
    found = {}
    for line in lines:
        if all(getattr(line, key) == value for key, value in at.items()):
            found[line.method, line.mode, line.horizon] = line
    return found


def test_what_is_told_right_holds_the_action_and_what_stands_still_does_not():
    tokens, action = made()
    ahead = tokens[:, CONTEXT:]
    still = np.repeat(tokens[:, CONTEXT - 1 : CONTEXT], HORIZON, axis=1)
    _, lines = lines_of(tokens, {"joint": ahead, "rolling": still}, labels(action))
    for features in ("z", "grid"):
        found = scores(lines, features=features, target="action")
        assert len(found) == 7 * HORIZON
        for horizon in (1, 2):
            true, right = found["true", None, horizon], found["predictor", "joint", horizon]
            assert true.score > 0.98
            assert right.score > 0.98
            for method, mode in (("predictor", "rolling"), ("corrected", None), ("ridge", None)):
                assert found[method, mode, horizon].score < 0.1, (method, horizon)
            assert right.against["corrected"] == right.against["ridge"] == "above"
            wrong = found["predictor", "rolling", horizon]
            assert wrong.against == {"true": "below", "corrected": "not shown", "ridge": "not shown"}
            assert (true.n, true.n_groups, true.dimensions) == (WINDOWS, WINDOWS, 1)
            assert true.low <= true.score <= true.high


def test_the_action_of_other_windows_is_not_in_a_true_future():
    tokens, action = made()
    other = np.roll(action, 1, axis=0)
    _, lines = lines_of(tokens, dict.fromkeys(("joint", "rolling"), tokens[:, CONTEXT:]), labels(other))
    assert max(line.score for line in some(lines)) < 0.1
    assert {line.against.get("true") for line in lines if line.mode} == {"not shown"}


def test_a_state_is_read_from_what_follows_alone():
    tokens, action = made()
    state = np.repeat(tokens[:, :, 0, 0].astype(np.float64), TUBELET, axis=1)
    told = {"joint": tokens[:, CONTEXT:], "rolling": tokens[:, CONTEXT:] + 0}
    did = labels(action, **{"state.at": state.ravel(), "state.constant": 1.0})
    _, lines = lines_of(tokens, told, did)
    found = scores(lines, target="state", features="z")
    assert {line.dimensions for line in found.values()} == {2}
    assert found["predictor", "joint", 2].score > 0.9
    moved = scores(lines, target="change", features="grid")
    assert {line.dimensions for line in moved.values()} == {2}
    assert moved["predictor", "joint", 2].score > 0.9
    assert moved["corrected", None, 2].score < 0.1
    # Copy-last holds most of where things are, and the less the further ahead.
    assert 0.9 > found["corrected", None, 1].score > found["corrected", None, 2].score > 0.2


def test_a_context_encoded_alone_is_brought_to_tokens_of_the_window():
    """Tokens of a context have an offset of their own, which must not be taken for an action."""
    tokens, action = made()
    futures = Futures(labels(action), (2, 2), tubelet=TUBELET, levels=1)
    ahead = dict.fromkeys(("joint", "rolling"), tokens[:, CONTEXT:])
    futures([window(row) for row in range(WINDOWS)], 0.5 * tokens[:, :CONTEXT] - 3, ahead, tokens)
    found = scores(list(consistency_lines(Readable(futures, SETUP))), target="action", features="z")
    assert found["predictor", "joint", 1].score > 0.97


def test_the_last_level_is_read():
    tokens, action = made()
    noise = np.random.default_rng(3).normal(size=tokens.shape).astype(np.float32)
    levels = np.concatenate([noise, tokens], axis=-1)
    futures, lines = lines_of(
        levels, dict.fromkeys(("joint", "rolling"), levels[:, CONTEXT:]), labels(action), levels=2
    )
    assert futures.kept[0]["z"].true.shape == (TUBELETS, 1, tokens.shape[-1])
    assert scores(lines, features="z")["true", None, 1].score > 0.98


def test_actions_are_those_between_two_tubelets_at_any_stride_and_nan_where_unknown():
    values = np.arange(2 * 40, dtype=np.float64).reshape(2, 40)
    values[1, :10] = np.nan
    futures = Futures(labels(values), (1, 1), tubelet=TUBELET, levels=1)
    tokens = np.zeros((2, TUBELETS, 1, 4), np.float32)
    told = dict.fromkeys(("joint", "rolling"), tokens[:, :HORIZON])
    futures([window(0, start=3, stride=2), window(1, stride=3)], tokens[:, :CONTEXT], told, tokens)
    found = futures.values("action")[..., 0]
    # Tubelets of two frames, two apart, begin at 3, 7, 11, ...: the action from one to the next is of four frames.
    assert found[0].tolist() == [4.5, 8.5, 12.5, 16.5]
    assert np.isnan(found[1, 0])
    assert found[1, 1:].tolist() == [40 + 10.5, 40 + 14.5, 40 + 20.5]
    assert futures.values("state").shape[2] == futures.values("change").shape[2] == 0


def test_many_windows_are_thinned_out_evenly(monkeypatch):
    monkeypatch.setattr("worldprobe.pipeline.predict.futures._MOST_BYTES", 0)
    tokens, action = made()
    did = labels(np.tile(action, (4, 1)))
    futures = Futures(did, (2, 2), tubelet=TUBELET, levels=1)
    for part in range(4):
        rows = [window(row) for row in range(WINDOWS * part, WINDOWS * (part + 1))]
        futures(rows, tokens[:, :CONTEXT], dict.fromkeys(("joint", "rolling"), tokens[:, CONTEXT:]), tokens)
    assert [one.video for one in futures.windows] == list(range(0, 240, 4))


def test_what_cannot_be_said_has_a_reason():
    tokens, action = made()
    told = dict.fromkeys(("joint", "rolling"), tokens[:, CONTEXT:])
    _, (line,) = lines_of(tokens, told, labels(action), rows=range(WINDOWS, 2 * WINDOWS))
    assert line.score is None
    assert line.notes == ["no window that was predicted has labels of what the robot did"]
    few = {mode: one[:3] for mode, one in told.items()}
    futures = Futures(labels(action), (2, 2), tubelet=TUBELET, levels=1)
    futures([window(row) for row in range(3)], tokens[:3, :CONTEXT], few, tokens[:3])
    (line,) = consistency_lines(Readable(futures, SETUP))
    assert "nothing to fit on apart from what is scored" in line.notes[0]
    short = PredictionSetup("made", "fp32", 1, TUBELETS - 1, "joint", 0)
    futures = Futures(labels(action), (2, 2), tubelet=TUBELET, levels=1)
    futures(
        [window(row) for row in range(WINDOWS)], tokens[:, :1],
        dict.fromkeys(("joint", "rolling"), tokens[:, 1:]), tokens,
    )  # fmt: skip
    found = scores(list(consistency_lines(Readable(futures, short))), features="z")
    assert found["ridge", None, 1].notes == ["needs a context of 2 tubelets or more"]
    assert found["predictor", "joint", 1].score > 0.9


@pytest.fixture(scope="module")
def robot(tmp_path_factory):
    """A dataset of 12 episodes, in which a bright square goes where the action says; its labels; a checkpoint."""
    place = tmp_path_factory.mktemp("robot")
    rng = np.random.default_rng(0)
    action = rng.integers(-2, 3, (12, 16, 2)).astype(np.float32)
    state = action.cumsum(axis=1)
    frames = rng.integers(0, 40, (12, 16, 32, 32, 3), dtype=np.uint8)
    for episode, step in np.ndindex(12, 16):
        x, y = (state[episode, step] + 14).clip(0, 24).astype(int)
        frames[episode, step, y : y + 8, x : x + 8] = 255
    root = write_dataset(place / "data", frames, state, action, fps=8)
    torch.manual_seed(3)
    VJEPA2Model(VJEPA2Config(**SMALL)).save_pretrained(place / "small")
    return root


def command(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)


def test_the_command_says_what_predicted_futures_hold(robot, tmp_path):
    table, out = tmp_path / "l.parquet", tmp_path / "run"
    assert command("label", f"lerobot:{robot}", "--labeller", "lerobot", "--out", table).exit_code == 0
    done = command(
        "predict", f"lerobot:{robot}", "--encoder", robot.parent / "small", "--context", 2, "--horizon", 2,
        "--labels", table, "--out", out,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    lines = [one for one in read_results(out / "results.jsonl") if isinstance(one, ConsistencyResult)]
    places = {(one.encoder, one.target, one.features, one.method, one.mode, one.horizon) for one in lines}
    assert len(places) == len(lines) == 2 * 3 * 2 * 7 * 2
    assert {one.dimensions for one in lines} == {2}
    assert {one.n_groups for one in lines} == {12}
    found = summarize(out).consistency
    assert len(found.rows) == 3 * 2 * 2
    assert all(row.twin is not None for row in found.rows)
    page = (out / "report.md").read_text()
    assert "Do predicted futures hold what the robot did?" in page
    assert found.headline in page
    # Without labels the lines are gone, as all lines of a stage that is run again.
    again = ("predict", f"lerobot:{robot}", "--encoder", robot.parent / "small", "--context", 2, "--horizon", 2)
    assert command(*again, "--no-twin", "--out", out).exit_code == 0
    assert summarize(out).consistency is None


def test_a_run_with_labels_of_a_robot_asks_it_by_itself(robot, tmp_path):
    experiment = make_experiment(
        {
            "videos": [f"lerobot:{robot}"], "encoder": str(robot.parent / "small"), "labeller": "lerobot",
            "tasks": ["state"], "features": ["z"], "controls": ["majority"], "evidence": [], "frames": 8,
            "device": "cpu", "precision": "fp32", "predict": {"context": 2, "horizon": 2, "twin": False},
        }
    )  # fmt: skip
    run_experiment(experiment, list(videos(robot)), tmp_path / "run")
    lines = [one for one in read_results(tmp_path / "run" / "results.jsonl") if isinstance(one, ConsistencyResult)]
    assert len(lines) == 3 * 2 * 7 * 2
    assert {one.score is not None for one in lines} == {True}


def test_labels_without_what_a_robot_did_do_not_ask_it():
    tokens, action = made()
    did = labels(action)
    assert measures(did)
    without = Labels(did.table.drop("action.push"))
    assert not measures(without)
    futures, lines = lines_of(tokens, dict.fromkeys(("joint", "rolling"), tokens[:, CONTEXT:]), without)
    assert len(futures.kept) == WINDOWS  # for what else is read
    assert lines == []
