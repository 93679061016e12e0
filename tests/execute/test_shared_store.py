"""What workers do that share the store with this process: the same as this process does, and nothing stays behind."""

import json

import pytest
from tests.builders.executors import Posted
from tests.builders.killing import findings, tree

from worldprobe.config import make_experiment
from worldprobe.errors import StoreError
from worldprobe.execute.movable import bring_home
from worldprobe.pipeline.run import run
from worldprobe.store import Store
from worldprobe.video.rendered.scenes import render_scenes


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    return render_scenes(20, 2, tmp_path_factory.mktemp("films"))


def experiment(**more):
    values = {"videos": ["x"], "encoder": "pixels", "labeller": "truth", "frames": 8, "tasks": ["xy"]}
    values |= {"precision": "fp32", "features": ["z"], "controls": ["majority"], "evidence": []}
    return make_experiment({**values, **more})


def decoding(**more):
    table = {"steps": 6, "size": 32, "controls": ["mean-image", "shuffled"], **more}
    return experiment(decode=table)


def weights(run):
    """What decoders and their losses are, without what tells of time."""
    return {
        str(file.relative_to(run)): file.read_bytes()
        for name in ("model.safetensors", "losses.jsonl", "trained_on.json")
        for file in sorted((run / "decoders").glob(f"*/{name}"))
    }


def test_each_decoder_is_a_task_and_comes_home_as_it_would_be_here(films, tmp_path, monkeypatch):
    assert run(decoding(), films, tmp_path / "here") == []
    executor, there = Posted(), tmp_path / "there"
    assert run(decoding(), films, there, executor=executor) == []
    tasks = [task.decoders for task in executor.named("TrainDecoders")]
    assert sorted(tasks) == [("cnn",), ("cnn-shuffled",)]
    assert weights(there) == weights(tmp_path / "here") != {}
    assert findings(there) == findings(tmp_path / "here")
    assert tree(there / "embeddings.zarr") == tree(tmp_path / "here" / "embeddings.zarr")
    costs = [json.loads(line) for line in (there / "results.jsonl").read_text().splitlines()]
    devices = {one["stage"]: one["device"] for one in costs if one["kind"] == "cost"}
    assert devices["train cnn"] == devices["train cnn-shuffled"] == "posted"
    monkeypatch.setattr("worldprobe.decoders.training.train", None)  # whoever trains again falls over it
    assert run(decoding(), films, there, executor=executor) == []
    assert len(executor.named("TrainDecoders")) == len(tasks)


def test_what_is_not_where_a_worker_left_it_is_said(tmp_path):
    from worldprobe.pipeline.decode.training import DecodingPlan
    from worldprobe.pipeline.decode.workers import Task, TrainDecoders, Trained

    work = TrainDecoders(str(tmp_path / "store"), str(tmp_path), DecodingPlan("pixels", decoding().decode))
    with pytest.raises(StoreError, match="a worker left decoders/n/decoders/cnn/config.json .* that all machines share"):
        bring_home(work, Task((), (), "n", ("cnn",)), Trained(("cnn/config.json",), (), {}))


def test_the_original_experiment_is_labelled_and_encoded_there_as_it_is_here(tmp_path):
    paths = render_scenes(8, 5, tmp_path / "scenes")
    asked = experiment(protocol="original", classes="own", controls=["gaussian", "majority"], tasks=["xy", "class"])
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
