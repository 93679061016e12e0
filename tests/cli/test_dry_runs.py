"""--dry-run of a single command says what it would take, and leaves nothing."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.builders.commanded import commanded
from tests.builders.known_store import put

from worldprobe.console import resolve_videos
from worldprobe.labels.load import load_labeller
from worldprobe.labels.table import write_labels
from worldprobe.pipeline.label.label import label as label_videos
from worldprobe.pipeline.probe.plan import Plan
from worldprobe.pipeline.probe.probe import probe
from worldprobe.store import Store
from worldprobe.video.rendered.scenes import render_scenes


@pytest.mark.parametrize(
    ("command", "stages"),
    [
        (["encode", "scenes:6", "--store", "s"], {"encode": "clips"}),
        (["label", "scenes:6", "--labeller", "moving", "--out", "labels.csv"], {"label": "frames"}),
        (["decode", "scenes:6", "--out", "drawn", "--steps", "4"], {"encode": "clips", "train": "steps"}),
        (["predict", "scenes:6", "--out", "future", "--no-twin"], {"predict": "windows"}),
    ],
    ids=lambda one: one[0] if isinstance(one, list) else "",
)
def test_a_command_says_what_it_would_take_and_leaves_nothing(
    command: list[str],
    stages: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("worldprobe.pipeline.estimate.run.CALIBRATION_SECONDS", 0.1)

    code, out, _ = commanded(capsys, monkeypatch, *command, "--dry-run", "--json")

    found = json.loads(out)
    assert code == 0
    assert {one["stage"]: one["unit"] for one in found} == stages
    assert all(one["seconds"] > 0 for one in found)
    assert not list(tmp_path.iterdir())


def test_probing_says_how_many_fits_it_takes_and_takes_so_many(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("worldprobe.pipeline.estimate.run.CALIBRATION_SECONDS", 0.01)
    scenes, store = render_scenes(6, 5, tmp_path / "scenes"), Store("s")
    put(store, scenes, lambda video, tubelet: np.array([tubelet, int(video[:2], 16), 1.0]))
    truth = label_videos(scenes, labeller=load_labeller("truth"))
    write_labels(truth, tmp_path / "labels.csv")
    before = sorted(tmp_path.rglob("*"))
    controls = ("shuffled", "nuisance", "majority", "gaussian")
    command = ["probe", "--store", "s", "--labels", "labels.csv", "--encoder", "known", "--tasks", "xy,motion"]
    command += ["--features", "z", "--controls", ",".join(controls), "--evidence", "code", "--out", "run"]

    code, out, _ = commanded(capsys, monkeypatch, *command, "--dry-run", "--json")

    assert code == 0
    assert sorted(tmp_path.rglob("*")) == before
    found = json.loads(out)
    assert {one["stage"] for one in found} == {"probe"}
    assert found[0]["seconds"] > 0  # six scenes are too few for the times of code lengths
    plan = Plan("known", ("xy", "motion"), ("z",), controls, "grouped", evidence=("code",))
    assert {one["encoder"]: one["clips"] for one in found} == probe(store, truth, plan).fits


def test_a_dry_run_of_probing_says_what_probing_would_refuse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table = pl.DataFrame({"video": ["0" * 64], "frame": [0], "x": [1.0], "y": [1.0], "w": [1.0], "h": [1.0]})
    table.write_csv("labels.csv")

    command = ["probe", "--store", "s", "--labels", "labels.csv", "--encoder", "known", "--out", "run"]
    dry, whole = (commanded(capsys, monkeypatch, *command, *also) for also in (["--dry-run"], []))

    assert dry == whole
    assert dry[0] == 1


def test_films_that_are_there_stand_for_none_that_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store may hold what is there, and of the others there would be nothing left to encode."""
    monkeypatch.setenv("WORLDPROBE_CACHE", str(tmp_path))
    there = resolve_videos(["scenes:3"])
    found = resolve_videos(["scenes:20"], dry_run=True)
    times = Counter(found)
    assert len(found) == 20
    assert [times.pop(path) for path in there] == [1, 1, 1]
    assert len(times) == 8
    assert set(times.values()) == {2, 3}
    assert all(path.exists() for path in times)
    # As many as stand for others are rendered rather than stood for.
    assert len(set(resolve_videos(["scenes:19"], dry_run=True))) == 19
