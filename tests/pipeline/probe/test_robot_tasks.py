"""Poses, relative actions and what a robot was to do, from labels to scores."""

import numpy as np
import polars as pl
import pytest
from tests.builders.known_store import put

from worldprobe.labels import poses
from worldprobe.labels.load import load_labeller
from worldprobe.pipeline.label.label import label
from worldprobe.pipeline.probe.plan import Plan
from worldprobe.pipeline.probe.probe import probe
from worldprobe.records import Labels
from worldprobe.store import Store

COUNT = 24


@pytest.fixture(scope="module")
def known(rendered, tmp_path_factory):
    """Scenes whose subjects are turned, driven and named at random, and features that hold it."""
    folder = tmp_path_factory.mktemp("turned")
    scenes, store = rendered(COUNT, 3, folder), Store(str(folder / "s"))
    truth = label(scenes, labeller=load_labeller("truth")).table.filter(pl.col("object") == 0)
    rng, tables, held = np.random.default_rng(0), [], {}
    for number, one in enumerate(truth.partition_by("video", maintain_order=True)):
        yaw, step = rng.uniform(-1.4, 1.4), rng.normal()
        cos, sin = np.cos(yaw), np.sin(yaw)
        task = ("push", "lift", "reach")[number % 3] if number else "never again"
        six = dict(zip((f"object_r{n}" for n in range(6)), (cos, sin, 0.0, -sin, cos, 0.0), strict=True))
        columns = {**six, "symmetry": 0 if number < 3 else 2, "state.a": step * one["frame"], "task": task}
        tables.append(one.with_columns(**{n: v if n == "state.a" else pl.lit(v) for n, v in columns.items()}))
        held[one["video"][0]] = np.array([cos, sin, step, *(task == t for t in ("push", "lift"))])
    put(store, scenes, lambda video, t: held[video])
    return store, Labels(pl.concat(tables))


def run(known, *tasks, **columns):
    store, labels = known
    plan = Plan("known", tasks, ("z",), ("majority",), "grouped")
    return probe(store, Labels(labels.table.with_columns(**columns)), plan)


def test_poses_relative_actions_and_tasks_are_read_where_they_are_held(known) -> None:
    probed = run(known, "pose", poses.RELATIVE, "task")
    of = {(r.task, r.metric, r.control): r for r in probed.results if r.split == "grouped"}
    assert of["pose", "r2", "none"].score > 0.9
    assert of["pose", "angular_error", "none"].score < 10 < of["pose", "angular_error", "majority"].score
    assert of["pose", "r2", "none"].n_groups == COUNT - 3
    assert "24 moments of what looks alike however it is turned left out" in of["pose", "r2", "none"].notes[0]
    action = of[f"{poses.RELATIVE}.a", "r2", "none"]
    assert action.score > 0.9
    assert action.notes[0].endswith(f" moments without a value {poses.AHEAD} steps ahead")
    assert action.n_test < of["pose", "r2", "none"].n_test  # each episode's last moments have none
    task = of["task", "balanced_accuracy", "none"]
    assert task.score > 0.95
    assert "left out, in fewer than 2 groups: never again" in task.notes


@pytest.mark.parametrize("task", ["pose", poses.RELATIVE, "task"])
def test_what_labels_do_not_hold_is_said(known, task: str) -> None:
    store, labels = known
    kept = [n for n in labels.table.columns if not n.startswith(("object_r", "state.", "task"))]
    plan = Plan("known", ("xy", task), ("z",), ("majority",), "grouped")
    found = probe(store, Labels(labels.table.select(kept)), plan).results
    (line,) = [r for r in found if r.task == task][:1]
    assert (line.score, line.notes) == (None, [f"the labels hold no {task}"])
    # Nothing but bodies that look alike however they are turned.
    if task == "pose":
        (line, *_) = [r for r in run(known, "xy", "pose", symmetry=pl.lit(0)).results if r.task == "pose"]
        assert "looks alike however it is turned" in line.notes[0]
