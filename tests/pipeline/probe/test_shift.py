"""A read-out on values of a factor that it was not trained on, from labels to the report."""

import numpy as np
import polars as pl
import pytest
from tests.builders.known_store import put
from typer.testing import CliRunner

from worldprobe.cli import app
from worldprobe.config import make_experiment
from worldprobe.errors import ConfigError, ProbeError
from worldprobe.findings.sections.shift import ShiftFacts
from worldprobe.findings.summary import summarize
from worldprobe.labels.load import load_labeller
from worldprobe.labels.table import write_labels
from worldprobe.pipeline.checks import check
from worldprobe.pipeline.label.label import label
from worldprobe.pipeline.ledger import Ledger
from worldprobe.pipeline.probe.answers import QUESTIONS
from worldprobe.pipeline.probe.plan import Plan
from worldprobe.pipeline.probe.probe import probe
from worldprobe.pipeline.probe.stage import probe_into
from worldprobe.records import Labels
from worldprobe.report.write import write_report
from worldprobe.results import ShiftResult
from worldprobe.store import Store
from worldprobe.video.rendered.scenes import render_scenes

COUNT = 36
CAMERAS = ("front", "side", "wrist")


@pytest.fixture(scope="module")
def known(rendered, tmp_path_factory):
    """Scenes by three cameras: one column is held alike whichever films, another by a feature of its own each."""
    folder = tmp_path_factory.mktemp("filmed")
    scenes, store = rendered(COUNT, 11, folder), Store(str(folder / "s"))
    truth = label(scenes, labeller=load_labeller("truth")).table.filter(pl.col("object") == 0)
    rng, tables, held = np.random.default_rng(0), [], {}
    for number, one in enumerate(truth.partition_by("video", maintain_order=True)):
        camera = CAMERAS[number % 3]
        kept, turned = rng.normal(size=2)
        tables.append(
            one.with_columns(
                **{"state.kept": pl.lit(kept), "state.turned": pl.lit(turned), "camera": pl.lit(camera)},
                layer=pl.lit(float(number % 2)), frame_word=pl.col("frame").cast(pl.String),
            )
        )  # fmt: skip
        own = np.eye(3)[CAMERAS.index(camera)]
        held[one["video"][0]] = np.concatenate([[kept], turned * own])
    noise = np.random.default_rng(1)
    put(store, scenes, lambda video, t: held[video] + 0.1 * noise.normal(size=4))
    return store, Labels(pl.concat(tables))


def plan(**fields):
    fields = {"tasks": ("state",), "features": ("z",), "controls": ("majority", "shuffled"), **fields}
    return Plan("known", split="grouped", hold_out="camera", **fields)


@pytest.fixture(scope="module")
def probed(known):
    return probe(*known, plan())


def lines(probed, **wanted):
    return [
        one
        for one in probed.evidence
        if isinstance(one, ShiftResult) and all(getattr(one, name) == value for name, value in wanted.items())
    ]


def test_what_every_camera_shows_alike_survives_and_what_each_shows_its_own_way_is_lost(probed):
    (kept,) = lines(probed, task="state.kept", control="none", value="")
    (turned,) = lines(probed, task="state.turned", control="none", value="")
    assert (kept.survives, kept.against) == ("survives", [])
    assert kept.score > 0.9
    assert abs(kept.difference) < 0.05
    assert turned.survives == "lost"
    assert turned.usual > 0.5 > turned.score
    assert turned.difference_high < 0
    assert turned.difference == pytest.approx(turned.score - turned.usual)
    assert turned.difference_low < turned.difference < turned.difference_high


def test_each_value_has_a_line_and_controls_stand_beside(probed):
    for control in ("none", "majority", "shuffled"):
        found = lines(probed, task="state.kept", control=control)
        assert [one.value for one in found] == ["", *CAMERAS]
        assert [one.n_groups for one in found] == [COUNT, *[COUNT // 3] * 3]
        assert sum(one.n_test for one in found[1:]) == found[0].n_test
        assert all(one.survives is None for one in found if one.control != "none" or one.value)
    # Against the same constant: the one that knows the training sets' mean only.
    assert all(one.usual == 0 for one in lines(probed, task="state.kept", control="majority", value=""))


def test_the_usual_scores_are_what_they_were_without_it(known, probed):
    plain = probe(*known, Plan("known", ("state",), ("z",), ("majority", "shuffled"), "grouped"))
    assert plain.results == probed.results
    assert plain.fits[QUESTIONS] < probed.fits[QUESTIONS]
    assert not lines(plain)


def test_fits_are_counted_as_they_are_made(known):
    told = []
    probe(*known, plan(), progress=lambda *told_: told.append(told_[:3]))
    held = [one for one in told if one[0] == "hold out camera"]
    assert held[-1][1] == held[-1][2] > 0


def test_a_number_can_be_held_out_and_moments_without_a_value_are_left_out(known):
    store, labels = known
    some = labels.table.with_columns(
        camera=pl.when(pl.col("camera") == "side").then(None).otherwise(pl.col("camera"))
    )
    found = probe(store, Labels(some), plan())
    (one,) = lines(found, task="state.kept", control="none", value="")
    assert one.n_groups == COUNT * 2 // 3
    assert any("moments without a camera left out" in note for note in found.notes)
    assert any(r.n_groups == COUNT for r in found.results)
    by_layer = probe(store, labels, Plan("known", ("state",), ("z",), ("majority",), "grouped", hold_out="layer"))
    assert {line.value for line in lines(by_layer)} == {"", "0", "1"}


@pytest.mark.parametrize(
    ("factor", "why"),
    [
        (
            "colour",
            "the labels have no such column. Those of words are class, camera, frame_word",
        ),
        ("frame_word", "frame_word cannot be held out: it changes within"),
        ("object", r"object cannot be held out: two values in 2 groups each are needed, found 0 \(36\)"),
    ],
)
def test_what_cannot_be_held_out_is_said_in_a_line(known, factor: str, why: str):
    with pytest.raises(ProbeError, match=why) as raised:
        probe(*known, Plan("known", ("state",), ("z",), ("majority",), "grouped", hold_out=factor))
    assert "\n" not in str(raised.value)


def test_classes_of_one_value_alone_are_not_scored_where_it_is_held_out(known):
    store, labels = known
    alike = labels.table.with_columns(
        **{"class": pl.col("camera"), "grasped": (pl.col("frame") > 7).cast(pl.Int64)}
    )
    found = probe(store, Labels(alike), plan(tasks=("class", "grasped")))
    assert {one.task for one in lines(found)} == {"grasped"}
    why = "class: with camera held out nothing is trained on front, side, wrist: it is not scored so"
    assert why in found.notes
    assert {one.task for one in found.results} == {"class", "grasped"}


def test_a_column_that_is_not_there_is_missed_before_anything_is_encoded(tmp_path):
    experiment = make_experiment({"videos": ["scenes:1"], "labeller": "truth", "hold_out": "colour"})
    with pytest.raises(ProbeError, match="hold_out = 'colour': the labels have no such column"):
        check(experiment, render_scenes(1, 0, tmp_path), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_command_has_an_option_for_it(known, tmp_path):
    store, labels = known
    write_labels(labels, tmp_path / "labels.parquet")
    arguments = ["probe", "--store", store.location, "--labels", tmp_path / "labels.parquet", "--encoder", "known"]
    arguments += ["--tasks", "state", "--features", "z", "--controls", "majority", "--evidence", "none"]
    done = CliRunner().invoke(app, [*map(str, arguments), "--hold-out", "camera", "--out", str(tmp_path / "run")])
    assert done.exit_code == 0, done.output
    assert 'hold_out = "camera"' in (tmp_path / "run" / "experiment.toml").read_text()
    assert "Does the read-out survive another camera?" in done.output


def test_it_stands_beside_grouped_splits_alone():
    make_experiment({"videos": ["v"], "hold_out": "camera"})
    for split in ("blocked", "video", "random"):
        with pytest.raises(ConfigError, match='hold_out stands beside split = "grouped"'):
            make_experiment({"videos": ["v"], "hold_out": "camera", "split": split})


def test_the_report_asks_whether_the_read_out_survives(known, tmp_path):
    probe_into(tmp_path, *known, plan(), Ledger())
    summary = write_report(tmp_path)
    assert isinstance(summary.shift, ShiftFacts)
    assert {row.survives.split(" (")[0] for row in summary.shift.rows if not row.value} == {"survives", "lost"}
    page, text = (tmp_path / "report.html").read_text(), (tmp_path / "report.md").read_text()
    for written in (page, text):
        assert "Does the read-out survive another camera?" in written
        assert all(camera in written for camera in CAMERAS)
    assert summarize(tmp_path).shift == summary.shift
