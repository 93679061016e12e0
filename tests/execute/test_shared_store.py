"""Workers that share the store with this process do what it would, and leave nothing behind there."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from tests.builders.checks import some
from tests.builders.executors import Posted, every_stage
from tests.builders.killing import findings, tree

from worldprobe.config import make_experiment
from worldprobe.errors import StoreError
from worldprobe.execute.movable import bring_home
from worldprobe.io.arrays import read_arrays
from worldprobe.pipeline.run import run
from worldprobe.video.rendered.scenes import render_scenes


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """One experiment with every stage and a video that cannot be read, by this process and by workers."""
    folder = tmp_path_factory.mktemp("runs")
    asked, videos = every_stage(folder)
    executor = Posted()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("worldprobe.pipeline.predict.windows._TOKENS_PER_BATCH", 512)
        failed = {
            "here": run(asked, videos, folder / "here"),
            "there": run(asked, videos, folder / "there", executor=executor),
        }
    return SimpleNamespace(
        asked=asked, videos=videos, here=folder / "here", there=folder / "there", executor=executor, failed=failed
    )


def costs(folder):
    """Where each stage was done."""
    lines = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    return {one["stage"]: one["device"] for one in lines if one["kind"] == "cost"}


def test_results_failures_and_store_are_those_of_one_process(runs):
    assert runs.failed["there"] == runs.failed["here"]
    assert {failure.video for failure in some(runs.failed["there"])} == {str(runs.videos[1])}
    assert findings(runs.there) == findings(runs.here)
    kinds = {json.loads(line)["kind"] for line in findings(runs.there)}
    assert kinds >= {"probe", "code", "learning", "decoding", "prediction", "leak", "readout"}
    assert tree(runs.there / "embeddings.zarr") == tree(runs.here / "embeddings.zarr")
    assert not [
        one for one in (runs.there / "embeddings.zarr").iterdir() if one.name in ("decoders", "predictions")
    ]


def test_each_decoder_is_a_task_and_comes_home_as_it_would_be_here(runs, monkeypatch):
    tasks = runs.executor.named("TrainDecoders")
    assert sorted(task.decoders for task in tasks) == [("cnn",), ("cnn-shuffled",)]
    here, there = (tree(folder / "decoders") for folder in (runs.here, runs.there))
    for name in ("model.safetensors", "losses.jsonl", "trained_on.json"):
        for decoder in ("cnn", "cnn-shuffled"):
            assert there[f"{decoder}/{name}"] == here[f"{decoder}/{name}"]
    assert {costs(runs.there)[f"train {decoder}"] for decoder in ("cnn", "cnn-shuffled")} == {"posted"}
    monkeypatch.setattr("worldprobe.decoders.training.train", None)  # whoever trains again falls over it
    monkeypatch.setattr("worldprobe.pipeline.decode.workers.TrainDecoders", None)  # and whoever asks for it
    only = runs.asked.model_copy(update={"predict": None, "evidence": (), "tasks": ("xy",)})
    run(only, runs.videos, runs.there, executor=runs.executor)
    assert tree(runs.there / "decoders" / "cnn") == {
        name.removeprefix("cnn/"): content for name, content in there.items() if name.startswith("cnn/")
    }


def test_questions_on_the_same_rows_are_one_task(runs):
    asked = [(task.part.measure, len(task.part.questions)) for task in runs.executor.named("WorkOut")]
    assert sorted(asked) == [("code", 2), ("learning", 2)]


def test_windows_are_predicted_there_in_several_tasks_and_drawn_here(runs):
    tasks = runs.executor.named("PredictWindows")
    assert len({task.number for task in tasks}) > 1
    assert len(tasks) == 2 * len({task.number for task in tasks})  # of the encoder and of its untrained twin
    names = [file.name for file in sorted((runs.here / "predictions").iterdir())]
    assert names == [file.name for file in sorted((runs.there / "predictions").iterdir())]
    for name in some(names):
        paths = [folder / "predictions" / name for folder in (runs.here, runs.there)]
        mine, theirs = (read_arrays(path, stage="")[0] for path in paths)
        assert set(theirs) == set(mine)
        assert all(np.array_equal(theirs[key], mine[key]) for key in mine)
    assert {device for stage, device in costs(runs.there).items() if stage.startswith("predict /")} == {"posted"}


def test_the_original_experiment_is_labelled_and_encoded_there_as_it_is_here(tmp_path):
    paths = render_scenes(8, 5, tmp_path / "scenes")
    values = {"videos": ["x"], "encoder": "pixels", "labeller": "truth", "classes": "own", "precision": "fp32"}
    asked = make_experiment({**values, "protocol": "original", "tasks": ["xy"], "controls": ["majority"]})
    assert run(asked, paths, tmp_path / "here") == []
    executor = Posted()
    assert run(asked, paths, tmp_path / "there", executor=executor) == []
    assert findings(tmp_path / "there") == findings(tmp_path / "here")
    assert tree(tmp_path / "there" / "embeddings.zarr") == tree(tmp_path / "here" / "embeddings.zarr")
    for name in ("labels.parquet", "alignment.json"):
        assert (tmp_path / "there" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()
    assert len(executor.named("LabelVideos")) == len(paths)
    assert executor.named("EncodeParts")
    assert not list((tmp_path / "there").glob(".labels*"))


def test_what_is_not_where_a_worker_left_it_is_said(tmp_path):
    from worldprobe.config import Decode
    from worldprobe.pipeline.decode.training import DecodingPlan
    from worldprobe.pipeline.decode.workers import Task, TrainDecoders, Trained

    work = TrainDecoders(str(tmp_path / "store"), str(tmp_path), DecodingPlan("pixels", Decode()))
    with pytest.raises(StoreError, match=r"left decoders/n/decoders/cnn/config.json .* that all machines share"):
        bring_home(work, Task((), (), "n", ("cnn",)), Trained(("cnn/config.json",), (), {}))
