"""Features without labels: from the store to the report."""

import shutil

import numpy as np
import pytest
from tests.builders.checks import some

from worldprobe.config import make_experiment
from worldprobe.pipeline.run import run
from worldprobe.probes.unlabelled import Spread, effective_rank
from worldprobe.report.write import write_report
from worldprobe.results import UnlabelledResult, read_results, write_results
from worldprobe.store import Store


@pytest.fixture(scope="module")
def made(rendered, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unlabelled")
    scenes = rendered(12, 5, folder / "scenes")
    experiment = make_experiment(
        {"videos": [str(scenes[0].parent)], "encoder": "vjepa2-tiny", "labeller": "truth", "tasks": ["xy"],
         "features": ["z"], "controls": ["random-init", "majority"], "evidence": ["unlabelled"], "device": "cpu"}
    )  # fmt: skip
    run(experiment, scenes, folder / "run")
    lines = [one for one in read_results(folder / "run" / "results.jsonl") if isinstance(one, UnlabelledResult)]
    return folder / "run", some(lines)


def test_the_effective_rank_is_that_of_all_that_is_stored(made):
    folder, lines = made
    line = next(one for one in lines if (one.control, one.measure) == ("none", "effective rank"))
    store, rows = Store(str(folder / "embeddings.zarr")), []
    for video in store.videos():
        for series, _ in store.find(video, encoder="vjepa2-tiny"):
            block = int(line.tap.rpartition("block")[2].removesuffix(".out"))
            rows += [one.values.mean(axis=(1, 2), dtype=np.float32) for _, one in store.read(series, block)]
    rows = np.concatenate(rows)
    assert line.score == pytest.approx(effective_rank(Spread.of(rows)), rel=1e-4)
    assert (line.n, line.n_videos, line.width) == (len(rows), 12, rows.shape[1])
    assert line.low < line.score < line.high


def test_every_measure_has_its_twin_and_its_bounds(made):
    _, lines = made
    own, twin = ([o.measure for o in lines if o.control == control] for control in ("none", "random-init"))
    assert own == twin
    assert len(set(own)) == len(own) == 10
    for one in lines:
        assert -1 <= one.score <= (one.width if one.measure in ("effective rank", "rankme", "lidar") else 1)


def small_parts(folder, place):
    """A copy of a run without its store, and without pictures to be drawn."""
    return shutil.copytree(folder, place, ignore=shutil.ignore_patterns("*.zarr", "moments"))


def test_every_form_says_it(made, tmp_path):
    folder = small_parts(made[0], tmp_path / "run")
    summary = write_report(folder)
    assert summary.unlabelled is not None
    assert all(row.twin is not None for row in some(summary.unlabelled.rows))
    for kind in ("html", "md"):
        text = (folder / f"report.{kind}").read_text()
        assert "What the features are like, without labels" in text
        assert "effective rank" in text


def test_several_inputs_are_told_apart(made, tmp_path):
    folder, lines = made
    place = small_parts(folder, tmp_path / "run")
    still = [one.model_copy(update={"input": "still"}) for one in lines]
    write_results(place / "results.jsonl", [*read_results(place / "results.jsonl"), *still])
    write_report(place)
    assert "| Measure | Input |" in (place / "report.md").read_text()
