"""The energy of a robot's actions: which are compared, what is concluded, and the command from labels to report."""

import json

import numpy as np
import polars as pl
import pytest
import torch
from tests.builders import official_vjepa
from typer.testing import CliRunner

from worldprobe.cli import app
from worldprobe.config import make_experiment
from worldprobe.errors import ConfigError, PredictionError, RegistryError
from worldprobe.findings.summary import summarize
from worldprobe.labels.load import load_labeller
from worldprobe.labels.table import write_labels
from worldprobe.pipeline.label.label import label
from worldprobe.pipeline.predict.energy import SHUFFLED, TIMES, compared, energies, energy_lines
from worldprobe.pipeline.predict.transitions import pose_difference, transitions
from worldprobe.records import Labels
from worldprobe.results import EnergyResult, read_results

NAMES = ("x", "y", "z", "roll", "pitch", "yaw", "gripper")


@pytest.fixture(scope="module")
def scenes(rendered, tmp_path_factory):
    return rendered(10, 0, tmp_path_factory.mktemp("scenes"))


@pytest.fixture(scope="module")
def poses(scenes):
    """The scenes' truth, and the pose of a robot that wanders beside it."""
    table = label(scenes, labeller=load_labeller("truth")).table
    steps = np.random.default_rng(0).normal(size=(len(table), len(NAMES))).cumsum(axis=0) / 10
    return Labels(table.with_columns(**{f"state.{name}": steps[:, i] for i, name in enumerate(NAMES)}))


def found_in(scenes, poses, **more):
    return transitions(scenes, poses, stride=4, most=None, failures=[], **more)


def test_an_action_is_what_leads_from_one_pose_to_the_next():
    before, after = np.random.default_rng(1).uniform(-1, 1, size=(2, 7))
    action = pose_difference(before, after)
    np.testing.assert_allclose(before[:3] + action[:3], after[:3])
    assert action[6] == pytest.approx(after[6] - before[6])
    from scipy.spatial.transform import Rotation

    turned = Rotation.from_euler("xyz", action[3:6]) * Rotation.from_euler("xyz", before[3:6])
    np.testing.assert_allclose(turned.as_matrix(), Rotation.from_euler("xyz", after[3:6]).as_matrix(), atol=1e-12)
    assert not pose_difference(before, before).any()


def test_transitions_lie_end_to_end_where_both_poses_are_known(scenes, poses):
    found = found_in(scenes, poses)
    assert [one.spec.start for one in found[:3]] == [0, 4, 8]
    assert (len(found), {one.spec.last - one.spec.start for one in found}) == (30, {4})
    assert len({one.group for one in found}) == 10
    values = (
        poses.table.filter(pl.col("video") == found[0].spec.video.id).unique("frame", keep="first").sort("frame")
    )
    np.testing.assert_allclose(found[1].pose, values.select(pl.col("^state.*$")).row(4))
    unknown = poses.table.with_columns(
        pl.when(pl.col("frame") == 4).then(None).otherwise(pl.col("state.x")).alias("state.x")
    )
    assert [one.spec.start for one in found_in(scenes[:1], Labels(unknown))] == [8]
    assert len(transitions(scenes, poses, stride=4, most=2, failures=[])) == 20
    lost = []
    assert (
        len(transitions([*scenes[:1], scenes[0].with_name("no.mp4")], poses, stride=4, most=None, failures=lost))
        == 3
    )
    assert len(lost) == 1


def test_the_true_action_is_among_its_multiples_and_others_are_of_other_groups(scenes, poses):
    found = found_in(scenes, poses)
    actions = compared(found, seed=0)
    assert actions.shape == (30, len(TIMES) + SHUFFLED, 7)
    own = np.stack([one.action for one in found]).astype(np.float32)
    np.testing.assert_allclose(actions[:, TIMES.index(1.0)], own)
    np.testing.assert_allclose(actions[:, TIMES.index(-0.5)], -own / 2)
    assert not actions[:, TIMES.index(0.0)].any()
    group = np.array([one.group for one in found])
    for number, others in enumerate(actions[:, len(TIMES) :]):
        where = [int(np.abs(own - one).sum(axis=1).argmin()) for one in others]
        assert (group[where] != group[number]).all()
    np.testing.assert_array_equal(actions, compared(found, seed=0))
    with pytest.raises(PredictionError, match="all transitions are of one shot or episode"):
        compared(found[:3], seed=0)


class Knowing:
    """A predictor that knows what was done: energy is the distance of an action from the true one."""

    name = "knowing"

    def __init__(self, found, encoder, sign=1.0):
        self.found, self.encoder, self.sign, self.seen = found, encoder, sign, 0

    def frames(self, pixels):
        assert pixels.shape[1:] == (2, 3, 64, 64)
        return torch.zeros(len(pixels), 2, 1, 1)

    def energy(self, frame, goal, actions, states):
        own = np.stack([one.action for one in self.found[self.seen : self.seen + len(frame)]])
        np.testing.assert_allclose(
            states, [one.pose for one in self.found[self.seen : self.seen + len(frame)]], rtol=1e-5
        )
        self.seen += len(frame)
        return 3 + self.sign * np.abs(actions - own[:, None]).mean(axis=2)


def test_what_knows_the_action_has_the_least_energy_at_it(scenes, poses):
    from worldprobe.encoders.load import load_encoder

    encoder = load_encoder("vjepa2-tiny", device="cpu", precision="fp32")
    found = found_in(scenes, poses)
    actions = compared(found, seed=0)
    measured = [
        energies(found, actions, encoder, Knowing(found, encoder, sign), failures=[], progress=lambda *_: None)
        for sign in (1.0, -1.0)
    ]
    experiment = make_experiment({"videos": ["x"], "stride": 4})
    lines = list(energy_lines(found, measured, ["knowing", "twin"], experiment))
    own = {(one.times, one.metric): one for one in lines if one.encoder == "knowing"}
    twin = {(one.times, one.metric): one for one in lines if one.encoder == "twin"}
    assert min(TIMES, key=lambda times: own[times, "l1"].score) == 1.0
    assert own[1.0, "l1"].score == pytest.approx(3.0)
    for times in (None, -1.0, 0.0, 2.0):
        assert own[times, "excess"].score == pytest.approx(own[times, "l1"].score - 3)
        assert own[times, "excess"].low > 0 > twin[times, "excess"].high
    assert {own[times, "accuracy"].score for times in (None, -1.0, 0.0, 2.0)} == {1.0}
    assert {twin[times, "accuracy"].score for times in (None, -1.0, 0.0, 2.0)} == {0.0}
    assert own[None, "accuracy"].low > 0.5 > twin[None, "accuracy"].high
    assert {own[times, "accuracy"].against_twin for times in (None, 0.0, 2.0)} == {"above"}
    assert {own[times, "l1"].against_twin for times in (None, *TIMES)} == {None}
    assert all(one.against_twin is None for one in twin.values())
    assert {(one.n, one.n_groups, one.stride) for one in lines} == {(30, 10, 4)}
    assert (1.0, "accuracy") not in own
    lone = list(energy_lines(found, measured[:1], ["knowing"], experiment))
    assert {one.against_twin for one in lone} == {None}


def test_the_command_goes_from_poses_to_the_report(scenes, poses, tmp_path):
    folder, out = official_vjepa.acting(tmp_path / "ac"), tmp_path / "run"
    write_labels(poses, tmp_path / "poses.parquet")
    films = [str(path) for path in scenes]
    asked = ["predict", *films, "--encoder", str(folder), "--actions", str(tmp_path / "poses.parquet")]
    asked += ["--stride", "4", "--precision", "fp32", "--out", str(out)]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    lines = [one for one in read_results(out / "results.jsonl") if isinstance(one, EnergyResult)]
    names = (str(folder), f"random:{folder}")
    assert {one.encoder for one in lines} == set(names)
    assert {one.times for one in lines} == {*TIMES, None}
    assert all(0 < one.score < 5 for one in lines if one.metric == "l1")
    summary = summarize(out)
    assert json.loads((out / "provenance.json").read_text())["labels"]["count"] == len(poses.table)
    assert summary.energy.n == 30
    report = (out / "report.md").read_text()
    assert summary.energy.headline in report.replace("\\", "")
    assert (out / "figures" / "energy.png").exists()
    again = CliRunner().invoke(app, [*asked, "--no-twin", "--json"])
    assert again.exit_code == 0, again.output
    left = [one for one in read_results(out / "results.jsonl") if isinstance(one, EnergyResult)]
    assert {one.encoder for one in left} == {str(folder)}
    same = {(one.times, one.metric): one.score for one in lines if one.encoder == str(folder)}
    assert {(one.times, one.metric): one.score for one in left} == same


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda t: t.drop("state.gripper"), r"state has 6 \(state.x, state.y"),
        (lambda t: t.drop([f"state.{name}" for name in NAMES]), "state has none"),
        (
            lambda t: t.rename({f"state.{name}": f"state.joint_{i}" for i, name in enumerate(NAMES)}),
            r"state has joints \(state.joint_0, ",
        ),
        (lambda t: t.with_columns(pl.col("state.yaw") * 180), "radians, and state.roll, .* they are in degrees"),
        (lambda t: t.with_columns(pl.lit("other").alias("video")), "no two frames 4 apart .* have known poses"),
    ],
)
def test_labels_without_such_poses_are_refused(scenes, poses, change, why):
    with pytest.raises(PredictionError, match=why):
        found_in(scenes[:1], Labels(change(poses.table)))


def test_a_predictor_that_takes_no_actions_is_refused(scenes, poses, tmp_path):
    write_labels(poses, tmp_path / "poses.parquet")
    asked = [
        "predict",
        str(scenes[0]),
        "--actions",
        str(tmp_path / "poses.parquet"),
        "--out",
        str(tmp_path / "run"),
    ]
    done = CliRunner().invoke(app, asked)
    assert isinstance(done.exception, RegistryError)
    assert "vjepa2-tiny has no predictor that takes actions" in str(done.exception)
    for more in (["--pairs", "2"], ["--decoder", "runs/x"]):
        done = CliRunner().invoke(app, [*asked, *more])
        assert isinstance(done.exception, ConfigError)
        assert "--actions measures energies alone" in str(done.exception)
