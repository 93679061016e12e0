"""What a user mistypes is said in one line and before the work, and one task that fails takes no other with it."""

import json
import sys

import numpy as np
import pytest

from worldprobe.cli import main
from worldprobe.encoders.load import load_encoder
from worldprobe.labels.load import load_labeller
from worldprobe.labels.table import write_labels
from worldprobe.pipeline.encode.encode import encode
from worldprobe.pipeline.label.label import label
from worldprobe.results import CostResult, PredictionResult, read_results, write_results
from worldprobe.store import Store
from worldprobe.video.rendered.scenes import render_scenes


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A store and labels of ten scenes, of which three tell a speed."""
    folder = tmp_path_factory.mktemp("made")
    paths = render_scenes(10, 7, folder / "scenes")
    encode(paths, encoder=load_encoder("pixels"), store=Store(str(folder / "s")), blocks=[0], frames=8)
    labels = label(paths, labeller=load_labeller("truth"))
    few = labels.table["video"].unique(maintain_order=True)[:3].to_list()
    known = labels.table["video"].is_in(few).to_numpy()
    table = labels.table.with_columns(
        **{name: np.where(known, labels.table[name].to_numpy(), np.nan) for name in ("vx", "vy")}
    )
    write_labels(type(labels)(table), folder / "l.parquet")
    (folder / "afile").write_text("not a folder")
    return folder


def worldprobe(*arguments, monkeypatch, capsys):
    """The exit code, and what was said on stderr."""
    monkeypatch.setattr(sys, "argv", ["worldprobe", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code or 0, capsys.readouterr().err


def probing(made):
    """The command that all of these begin with."""
    return (
        "probe", "--store", made / "s", "--labels", made / "l.parquet", "--encoder", "pixels", "--features", "z",
        "--controls", "majority", "--evidence", "none",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--tasks", "xy,size,xy"), "tasks: 'xy' stands there twice"),
        (("--features", "z,z"), "features: 'z' stands there twice"),
        (
            ("--tasks", "xy", "--probes", "linear,ridge"),
            "'linear' and 'ridge' are the same for regression",
        ),
        (
            ("--tasks", "class", "--probes", "logistic,linear"),
            "'logistic' and 'linear' are the same for classification",
        ),
    ],
)
def test_what_stands_there_twice_is_said_before_anything_is_probed(
    options, said, made, tmp_path, monkeypatch, capsys
):
    probe = ("probe", "--store", made / "s", "--labels", made / "l.parquet", "--encoder", "pixels")
    code, error = worldprobe(*probe, *options, "--out", tmp_path / "p", monkeypatch=monkeypatch, capsys=capsys)
    assert code == 1
    assert said in error
    assert not (tmp_path / "p" / "results.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("decode", "scenes:6", "--out", "afile"), "afile cannot be written: File exists"),
        (("run", "e.toml", "--out", "afile"), "afile cannot be written: File exists"),
        (("label", "scenes:2", "--labeller", "truth", "--out", "."), "is a folder: name the table to write"),
        (
            ("encode", "afile", "--encoder", "pixels", "--store", "t"),
            "none of the 1 videos could be encoded. The first",
        ),
        (("report", "afile"), "no results at afile/results.jsonl"),
        (("report", "damaged"), "damaged/results.jsonl is damaged"),
    ],
)
def test_a_place_that_is_something_else_is_one_line(arguments, said, made, monkeypatch, capsys):
    monkeypatch.chdir(made)
    (made / "e.toml").write_text('videos = ["scenes:6"]\nlabeller = "truth"\nencoder = "pixels"\n')
    (made / "damaged").mkdir(exist_ok=True)
    (made / "damaged" / "results.jsonl").write_bytes(b'{"kind": "cost", "stage": "\xff"}\n')
    code, error = worldprobe(*arguments, monkeypatch=monkeypatch, capsys=capsys)
    assert code == 1
    assert said in error
    assert "Traceback" not in error


def test_a_task_that_is_known_in_too_few_groups_takes_no_other_with_it(made, tmp_path, monkeypatch, capsys):
    done = worldprobe(
        *probing(made), "--tasks", "xy,velocity", "--out", tmp_path / "p",
        monkeypatch=monkeypatch, capsys=capsys,
    )  # fmt: skip
    assert done[0] == 0, done
    found = {
        r.task: r
        for r in read_results(tmp_path / "p" / "results.jsonl")
        if r.kind == "probe" and r.control == "none"
    }
    assert found["xy"].score is not None
    assert found["velocity"].score is None
    assert "5 grouped folds were asked for, found 3 groups" in found["velocity"].notes[0]
    code, error = worldprobe(
        *probing(made), "--tasks", "velocity", "--out", tmp_path / "q",
        monkeypatch=monkeypatch, capsys=capsys,
    )  # fmt: skip
    assert code == 1
    assert "found 3 groups" in error


def test_probing_again_keeps_what_other_stages_found_of_the_same(made, tmp_path, monkeypatch, capsys):
    out = tmp_path / "p"
    probe = (*probing(made), "--tasks", "xy", "--out", out)
    assert worldprobe(*probe, monkeypatch=monkeypatch, capsys=capsys)[0] == 0
    told = PredictionResult(
        encoder="pixels", method="predictor", tokens="all", context=2, horizon=1, mode="joint", protocol="told",
        metric="l1", score=0.5, low=0.4, high=0.6, n=9, n_groups=9, split="grouped", seed=0,
    )  # fmt: skip
    cost = CostResult(
        stage="predict pixels", seconds=1.0, items=9, items_per_second=9.0, peak_rss_bytes=1, device="cpu"
    )
    write_results(out / "results.jsonl", [*read_results(out / "results.jsonl"), told, cost])
    before = read_results(out / "results.jsonl")
    assert worldprobe(*probe, monkeypatch=monkeypatch, capsys=capsys)[0] == 0
    after = read_results(out / "results.jsonl")

    def of(lines, kind):
        return [line for line in lines if line.kind == kind]

    assert of(after, "prediction") == [told]
    assert of(after, "probe") == of(before, "probe") != []
    assert [line.stage for line in of(after, "cost")] == ["predict pixels", "probe"]
    # Of another encoder nothing stays: a run speaks of one.
    record = json.loads((out / "provenance.json").read_text())
    (out / "provenance.json").write_text(json.dumps({**record, "encoder": {"revision": "another"}}))
    assert worldprobe(*probe, monkeypatch=monkeypatch, capsys=capsys)[0] == 0
    assert of(read_results(out / "results.jsonl"), "prediction") == []
