"""A third party's executor and its labeller of files do all that the built-in ones do."""

import pytest
from tests.builders.killing import findings, tree

from worldprobe.config import make_experiment
from worldprobe.errors import LabelError
from worldprobe.labels.load import load_labeller
from worldprobe.labels.table import read_labels
from worldprobe.pipeline.estimate.stages import labelling
from worldprobe.pipeline.label.checks import check_labeller
from worldprobe.pipeline.run import run
from worldprobe.plugins import registry
from worldprobe.video.rendered.scenes import render_scenes

PACKAGE = "tests.plugin_package.src.wp_example"
POINTS = f"{PACKAGE}:Points"


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    return render_scenes(8, 4, tmp_path_factory.mktemp("films"))


@pytest.fixture(scope="module")
def points(films):
    """A file of points beside each film, which the object follows from left to right."""
    for number, film in enumerate(films):
        lines = [f"{20 + frame % 50 + number} {30 + frame % 7}" for frame in range(16)]
        film.with_suffix(".points").write_text("\n".join(lines))
    return f"{POINTS}:{{folder}}/{{stem}}.points"


def experiment(films, labeller):
    values = {"videos": [str(films[0].parent)], "labeller": labeller, "encoder": "pixels", "frames": 8}
    return make_experiment({**values, "tasks": ["xy"], "features": ["z"], "controls": ["majority"], "evidence": []})


def test_an_executor_encodes_labels_and_adds_up_sums(films, points, tmp_path):
    asked = experiment(films, points)
    executor = registry.create("executors", f"{PACKAGE}:Threads:3")
    assert executor.workers == 3
    assert run(asked, films, tmp_path / "here") == []
    assert run(asked, films, tmp_path / "threads", executor=executor) == []
    assert set(executor.done) == {"EncodeParts", "LabelVideos", "AddUp"}
    here, there = tmp_path / "here", tmp_path / "threads"
    assert tree(there / "embeddings.zarr") == tree(here / "embeddings.zarr")
    assert findings(there) == findings(here)
    assert read_labels(there / "labels.parquet").table.equals(read_labels(here / "labels.parquet").table)


def test_a_labeller_of_one_video_is_refused_for_several(films, points):
    one = load_labeller(points.replace("{folder}/{stem}", str(films[0].with_suffix(""))))
    check_labeller(one, films[:1])
    with pytest.raises(LabelError, match=r"points labels one video, 8 were given.*points:labels/\{stem\}"):
        check_labeller(one, films)


def test_a_labeller_of_one_video_takes_a_file_for_each(films, points):
    each = load_labeller(points)
    check_labeller(each, films)
    with pytest.raises(LabelError, match=r"8 of 8 films have no file of labels.*nowhere"):
        check_labeller(load_labeller(f"{POINTS}:nowhere/{{stem}}.points"), films)


def test_a_labeller_that_reads_files_is_not_timed(films, points):
    told = labelling(experiment(films, points), films, price=None, seconds=0.1)
    assert told.seconds == 0
    looks = labelling(experiment(films, f"{PACKAGE}:Middle"), films, price=None, seconds=0.1)
    assert looks.seconds > 0


class Noisy:
    """What reads the truth beside scenes, and says so."""

    name, needs_truth = "noisy", True

    def label(self, video):
        raise AssertionError("looked at before its truth was missed")


def test_a_labeller_that_needs_the_truth_is_refused_without_it(films, tmp_path):
    check_labeller(Noisy(), films)
    film = tmp_path / "film.mp4"
    film.write_bytes(films[0].read_bytes())
    with pytest.raises(LabelError, match=r"no truth beside .*film\.mp4"):
        check_labeller(Noisy(), [film])
