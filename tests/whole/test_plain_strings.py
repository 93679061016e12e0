"""The library takes places as plain strings, and one film where it takes several."""

import numpy as np
import pytest
from tests.builders.checks import some
from tests.builders.named_badly import film
from tests.builders.whole import write_whole_run

from worldprobe.config import make_experiment, read_experiment
from worldprobe.encoders.load import load_encoder
from worldprobe.errors import VideoError
from worldprobe.findings.summary import summarize
from worldprobe.io.files import paths_of
from worldprobe.labels.load import load_labeller
from worldprobe.labels.table import read_labels, write_labels
from worldprobe.pipeline.compare import compare
from worldprobe.pipeline.encode.encode import encode
from worldprobe.pipeline.estimate.run import estimate_run
from worldprobe.pipeline.export import export_embeddings
from worldprobe.pipeline.label.label import label
from worldprobe.pipeline.label.preview import preview_all
from worldprobe.pipeline.run import run
from worldprobe.report.forms.comparison import write_comparison
from worldprobe.results import read_results
from worldprobe.store import Store
from worldprobe.video.read import open_video
from worldprobe.video.rendered.scenes import render_scenes

LABELLER = "tests.builders.named_badly:Labeller"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with three films, to be named from within it."""
    monkeypatch.chdir(tmp_path)
    for seed in range(3):
        film(tmp_path / f"film{seed}.mp4", seed, frames=32)
    return tmp_path


def test_a_run_from_videos_to_comparison_by_strings(here):
    films = [f"film{seed}.mp4" for seed in range(3)]
    asked = {"videos": films, "encoder": "pixels", "labeller": LABELLER, "tasks": ["xy"], "features": ["z"]}
    experiment = make_experiment(
        {**asked, "frames": 4, "split": "blocked", "controls": ["majority"], "evidence": []}
    )
    found, failures = estimate_run(experiment, films, Store("r/embeddings.zarr"), "r")
    assert found
    assert not failures
    assert run(experiment, films, "r") == []
    assert run(experiment, films, "other", store=Store("r/embeddings.zarr")) == []
    assert read_experiment("r/experiment.toml") == experiment
    assert summarize("r").rows
    assert read_results("r/results.jsonl")
    write_comparison("compared", compare(["r", "other"]))
    assert (here / "compared" / "compare.html").exists()
    assert export_embeddings("r", "e.parquet", form="parquet", features=["z"], each="clip").rows == 24
    labels = read_labels("r/labels.parquet")
    write_labels(labels, "again.parquet")
    assert read_labels("again.parquet").table.equals(labels.table)


def test_one_film_is_a_list_of_one_and_no_list_of_letters(here):
    store = Store("s")
    assert encode("film0.mp4", encoder=load_encoder("pixels"), store=store, blocks=[0], frames=8).made == 4
    labels = label("film0.mp4", labeller=load_labeller(LABELLER))
    assert len(labels.table) == 32
    written = preview_all("film0.mp4", labels, beside="l.parquet")
    assert all(path.exists() for path in some(written))
    with open_video("film0.mp4") as video:
        assert video.ref.frames == 32
    with pytest.raises(VideoError, match=r"none\.mp4"):
        label(["none.mp4"], labeller=load_labeller(LABELLER))
    assert [path.name for path in render_scenes(1, 0, "scenes")]
    assert np.all([isinstance(path.name, str) for path in paths_of(("a", here))])


def test_a_report_by_a_string(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "whole").mkdir()
    write_whole_run(tmp_path / "whole")
    assert summarize("whole") == summarize(tmp_path / "whole")
