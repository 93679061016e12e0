"""`watch` as a user runs it: what it prints, how it waits, how Ctrl-C ends it, and what it refuses."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from tests.builders.checkpoints import save
from tests.builders.commanded import commanded
from tests.builders.forked import Forked, command, finished

from worldprobe.video.rendered.scenes import render_scenes

PLAIN = ("--tasks", "none", "--frames", 8, "--device", "cpu", "--out", "w")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Four scenes, and two checkpoints that no training is writing any more."""
    folder = tmp_path_factory.mktemp("watched")
    render_scenes(4, 5, folder / "rendered")[0].parent.rename(folder / "scenes")
    for step, left in ((1, 48), (2, 5)):
        weights = save(folder / "all" / f"step-{step}", left=left)
        for file in weights.iterdir():
            os.utime(file, (time.time() - 60,) * 2)
    return folder


def until(true, seconds=120):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.05)


def test_it_waits_measures_what_appears_and_goes_on_where_ctrl_c_ended_it(place, tmp_path):
    (tmp_path / "c").mkdir()
    scenes = place / "scenes"
    watcher = Forked(command, "watch", "c", scenes, *PLAIN, "--every", 1, folder=tmp_path)
    until(lambda: "watching c, a look every 1 s; Ctrl-C ends it" in watcher.said)
    shutil.copytree(place / "all" / "step-1", tmp_path / "c" / "step-1")
    until(lambda: "step-1: measured in" in watcher.said and "Report: w/watch.html" in watcher.printed)
    os.kill(watcher._process.pid, signal.SIGINT)
    assert watcher.end() == 130
    assert watcher.said.endswith("stopped. What was done is kept; the same command goes on from there\n")
    assert "Traceback" not in watcher.said
    before = (tmp_path / "w" / "watch.jsonl").read_text()
    shutil.copytree(place / "all" / "step-2", tmp_path / "c" / "step-2")
    done = finished(command, "watch", "c", scenes, *PLAIN, "--once", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "step-1: measured" not in done.stderr
    facts = json.loads(done.stdout)
    assert [one["step"] for one in facts["checkpoints"]] == [1, 2]
    assert facts["conclusions"][0].startswith("rankme")
    assert (tmp_path / "w" / "watch.jsonl").read_text().startswith(before)
    assert (tmp_path / "w" / "figures" / "training.png").exists()


def test_a_dry_run_says_what_there_is_and_leaves_nothing(place, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("worldprobe.pipeline.estimate.run.CALIBRATION_SECONDS", 0.1)
    shutil.copytree(place / "all", tmp_path / "c")
    (tmp_path / "c" / "vitl.pt").write_bytes(b"")
    code, out, _ = commanded(capsys, monkeypatch, "watch", "c", place / "scenes", *PLAIN, "--dry-run")
    assert code == 0
    assert "step-1: to be measured\nstep-2: to be measured\nvitl.pt: a pickle, which is not loaded" in out
    assert "c/step-1: 8 of 8 clips to encode" in out
    assert "2 checkpoints and the untrained twin: about" in out
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize(("sources", "labeller"), [(("scenes:3", "robots:3"), "truth"), (("a.mp4",), "moving")])
def test_what_is_rendered_is_labelled_by_its_truth(capsys, monkeypatch, sources, labeller):
    seen = []
    monkeypatch.setattr("worldprobe.cli.watch.resolve_videos", lambda videos: [Path("a.mp4")])
    monkeypatch.setattr("worldprobe.cli.watch._foretell", lambda of, as_json: seen.append(of.experiment.labeller))
    assert commanded(capsys, monkeypatch, "watch", "c", *sources, "--dry-run")[0] == 0
    assert seen == [labeller]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("nowhere",), "no folder nowhere to watch"),
        (("empty", "--tasks", "none"), "empty holds no checkpoint: no folder with a config.json and safetensors"),
        (("all/step-1",), "all/step-1 is a checkpoint itself: name the folder that it lies in"),
        (("all", "--encoder", "vjepa2-tiny"), "names one encoder: write {}"),
        (("all", "--tasks", "nought"), "unknown 'nought'"),
        (("all", "--tasks", "xy", "--labels", "none.parquet"), "no labels at none.parquet"),
    ],
)
def test_bad_input_is_one_line(place, capsys, monkeypatch, arguments, why):
    monkeypatch.chdir(place)
    (place / "empty").mkdir(exist_ok=True)
    folder, *more = arguments
    code, _, err = commanded(capsys, monkeypatch, "watch", folder, "scenes", "--once", *more)
    assert (code, why in err) == (1, True), err
    assert err.count("\n") == 1
