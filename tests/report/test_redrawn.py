"""A run of every stage: its folder alone draws its figures, and lines that nobody here knows stay in it."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from worldprobe.cli import app
from worldprobe.config import make_experiment
from worldprobe.errors import WorldprobeError
from worldprobe.pipeline.predict.pictures import drop_figures
from worldprobe.pipeline.run import run as run_experiment
from worldprobe.report.charts.prediction import prediction_figures
from worldprobe.report.write import write_report
from worldprobe.results import read_results
from worldprobe.video.rendered.scenes import render_scenes

FIGURES = {
    "probe_summary", "layers", "learning", "moments", "labels", "horizon", "error_map", "surprise", "violations",
    "prediction_comparison", "decoder_loss", "decoder_reconstructions", "readouts",
}  # fmt: skip
STRANGE = '{"kind": "theirs",  "encoder": "e", "score":1e3, "caf\\u00e9": "é"}'


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run whose videos are gone."""
    folder = tmp_path_factory.mktemp("redrawn")
    scenes = render_scenes(6, 5151, folder / "scenes")
    experiment = make_experiment(
        {
            "videos": ["scenes:6@5151"], "labeller": "truth", "tasks": ["xy"], "features": ["z"],
            "evidence": ["learning"], "blocks": "2,3", "controls": ["majority"], "precision": "fp32",
            "device": "cpu",
            "decode": {"steps": 2, "size": 32, "controls": []},
            "predict": {"twin": False, "decoder": "cnn", "context": 1, "horizon": 1, "pairs": 1},
        }
    )  # fmt: skip
    (folder / "run").mkdir()
    (folder / "run" / "results.jsonl").write_text(STRANGE + "\n")
    assert run_experiment(experiment, scenes, folder / "run") == []
    shutil.rmtree(folder / "scenes")
    write_report(folder / "run")
    return folder / "run"


def test_a_line_of_an_unknown_kind_survives_every_stage_and_the_report(run):
    assert STRANGE in (run / "results.jsonl").read_text().splitlines()
    found = {one.kind for one in read_results(run / "results.jsonl")}
    assert found >= {"theirs", "probe", "learning", "prediction", "surprise", "decoding", "cost"}
    assert "theirs" in (run / "report.md").read_text()


def test_the_report_draws_every_figure_anew_without_the_videos(run):
    figures = run / "figures"
    before = {path.stem: path.read_bytes() for path in figures.iterdir()}
    assert set(before) == FIGURES
    shutil.rmtree(figures)
    page = (run / "report.html").read_bytes()
    done = CliRunner().invoke(app, ["report", str(run)])
    assert done.exit_code == 0, done.output
    assert {path.stem: path.read_bytes() for path in figures.iterdir()} == before
    assert (run / "report.html").read_bytes() == page


def test_what_figures_are_drawn_from_is_checked(run, tmp_path):
    (tmp_path / "predictions").mkdir()
    kept, other = (run / "predictions" / f"{name}.safetensors" for name in ("violations", "error_map"))
    kept = Path(shutil.copy(kept, tmp_path / "predictions"))
    for damage in (kept.read_bytes()[:100], other.read_bytes()):
        kept.write_bytes(damage)
        with pytest.raises(WorldprobeError, match=r"violations.safetensors is damaged: .* `worldprobe predict`"):
            prediction_figures(tmp_path)
    kept.unlink()
    figure = tmp_path / "figures" / "violations.png"
    figure.parent.mkdir(exist_ok=True)
    figure.write_bytes(b"of an earlier version, which kept nothing to draw it from")
    prediction_figures(tmp_path)
    assert figure.read_bytes().startswith(b"of an earlier version")


def test_figures_that_a_new_run_has_nothing_of_go_with_what_they_showed(run, tmp_path):
    for folder in ("predictions", "figures"):
        shutil.copytree(run / folder, tmp_path / folder)
    drop_figures(tmp_path, but={"error_map", "violations"})
    assert {path.stem for path in (tmp_path / "predictions").iterdir()} == {"error_map", "violations"}
    assert {path.stem for path in (tmp_path / "figures").iterdir()} == FIGURES - {"prediction_comparison"}
