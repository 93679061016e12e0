"""What fails before it has results leaves a run's folder as it was found."""

from pathlib import Path

import pytest
from tests.builders.commanded import commanded

from worldprobe.config import make_experiment
from worldprobe.errors import LabelError
from worldprobe.pipeline import run as run_module
from worldprobe.pipeline.run import run
from worldprobe.pipeline.stage_record import put_back
from worldprobe.video.rendered.scenes import render_scenes


def test_a_refused_prediction_leaves_no_folder(tmp_path: Path, capsys, monkeypatch) -> None:
    films = render_scenes(2, 3, tmp_path / "films")
    asked = ("predict", films[0], "--encoder", "pixels", "--out")

    code, _, err = commanded(capsys, monkeypatch, *asked, tmp_path / "run")
    assert code == 1
    assert "has no predictor" in err
    assert not (tmp_path / "run").exists()

    (tmp_path / "empty").mkdir()
    commanded(capsys, monkeypatch, *asked, tmp_path / "empty")
    assert not any((tmp_path / "empty").iterdir())

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("of the user")
    commanded(capsys, monkeypatch, *asked, tmp_path / "mine")
    assert (tmp_path / "mine" / "notes.txt").read_text() == "of the user"


def test_results_keep_their_experiment_where_a_later_one_fails(tmp_path: Path, monkeypatch) -> None:
    films = render_scenes(6, 3, tmp_path / "films")
    wanted = {"videos": list(map(str, films)), "labeller": "truth", "tasks": ["xy"], "features": ["z"],
              "controls": ["majority"], "evidence": [], "encoder": "pixels"}  # fmt: skip
    out = tmp_path / "run"
    run(make_experiment(wanted), films, out)
    settings, results = (out / "experiment.toml").read_bytes(), (out / "results.jsonl").read_bytes()

    def fails(*_: object, **__: object) -> None:
        raise LabelError("the labels cannot be had")

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "label_all", fails)
        with pytest.raises(LabelError):
            run(make_experiment({**wanted, "tasks": ["xy", "size"]}), films, out)
    assert (out / "experiment.toml").read_bytes() == settings
    assert (out / "results.jsonl").read_bytes() == results

    run(make_experiment({**wanted, "tasks": ["xy", "size"]}), films, out)
    assert (out / "experiment.toml").read_bytes() != settings


@pytest.mark.parametrize("why", [ValueError, KeyboardInterrupt])
def test_new_results_keep_the_new_experiment_whatever_fails_after_them(tmp_path: Path, why: type) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / "experiment.toml").write_text("old")
    (out / "results.jsonl").write_text("old")

    def stage(results: str) -> None:
        with put_back(out):
            (out / "experiment.toml").write_text("new")
            (out / "new.jsonl").write_text(results)
            if results:
                (out / "new.jsonl").replace(out / "results.jsonl")
            raise why

    with pytest.raises(why):
        stage("")
    assert (out / "experiment.toml").read_text() == "old"
    with pytest.raises(why):
        stage("new")
    assert (out / "experiment.toml").read_text() == "new"
