"""SIGKILL at random moments: nothing is lost, nothing done twice beyond what was in flight."""

import os
import random
import shutil

import polars as pl
import pytest
from tests.killing import Command, findings, notes, tree

from worldprobe.video.scenes import render_scenes

# A batch is in flight at a time: 4096 tokens, of which a clip of 8 frames has 4 x 8 x 8, one of 16 twice as many.
BATCH = {"encode": 16, "label": 1, "run": 8}
TOML = """
videos = ["{films}"]
encoder = "tests.killing:Counting"
labeller = "tests.killing:Noted"
tasks = ["xy"]
features = ["z"]
controls = ["shuffled", "majority"]
"""


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    return render_scenes(24, 3, tmp_path_factory.mktemp("films"))[0].parent


@pytest.fixture(scope="module")
def experiment(films):
    path = films / "killed.toml"
    path.write_text(TOML.format(films=films))
    return path


def arguments(stage, films, experiment):
    if stage == "encode":
        return ["encode", films, "--encoder", "tests.killing:Counting", "--frames", 8, "--store", "store"]
    if stage == "label":
        return ["label", films, "--labeller", "tests.killing:Noted", "--out", "labels.parquet"]
    return ["run", experiment, "--out", "run"]


def done_before(stage, folder):
    """What the notes may not tell of again: clips whose chunk is there, videos whose part is there."""
    store = folder / ("store" if stage == "encode" else "run/embeddings.zarr")
    clips = {(path.parts[-5][:24], int(path.name.split(".")[1])) for path in store.rglob("c.*.0.0.0.0")}
    parts = {path.name[:40] for path in folder.rglob(".labels.parquet.parts/*.parquet")}
    return clips, parts


def check_nothing_twice(before, told, frames):
    """No note of this run is of something that was done before it."""
    clips, parts = before
    for line in told:
        video, _, start = line.partition(" ")
        if start:
            assert (video[:24], int(start) // frames) not in clips, "a stored clip was encoded again"
        else:
            assert video[:40] not in parts, "a labelled video was labelled again"


def trials(stage, count, films, experiment, tmp_path):
    """Kill a stage at ``count`` random moments; returns how many kills met it at work."""
    asked = arguments(stage, films, experiment)
    whole = Command(*asked, folder=tmp_path / "whole")
    assert whole.end() == 0, whole.said
    generator = random.Random(stage)
    hit = 0
    for number in range(count):
        folder = tmp_path / f"trial{number}"
        # By how far it is and not by the clock, so that early and late moments are met on any machine.
        victim = Command(*asked, folder=folder)
        far = generator.randint(0, len(notes(whole.folder / "notes")))
        hit += victim.kill_when(lambda f=folder, n=far: len(notes(f / "notes")) >= n, generator.uniform(0, 0.05))
        before, told = done_before(stage, folder), len(notes(folder / "notes"))
        # Only the report was missing, or nothing but the process's end: whoever asks again gets all of it again.
        finished = (folder / "run" / "results.jsonl").exists()
        finished |= (folder / "labels.parquet").exists() and not list(folder.rglob(".labels.parquet.parts"))
        again = Command(*asked, folder=folder)
        assert again.end() == 0, again.said
        fresh = notes(folder / "notes")[told:]
        check_nothing_twice(before, fresh, 8 if stage == "encode" else 16)
        every = notes(folder / "notes")
        twice = [line for line in set(every) if every.count(line) > 1 and (" " in line or not finished)]
        assert len(twice) <= BATCH[stage], "more was done twice than was in flight"
        assert set(every) == set(notes(whole.folder / "notes"))
        check_equal(stage, folder, whole.folder)
        shutil.rmtree(folder)
    return hit


def check_equal(stage, folder, whole):
    if stage == "label":
        assert pl.read_parquet(folder / "labels.parquet").equals(pl.read_parquet(whole / "labels.parquet"))
        assert not list(folder.rglob("*.parts"))
        return
    store = "store" if stage == "encode" else "run/embeddings.zarr"
    assert tree(folder / store) == tree(whole / store)
    leftovers = list((folder / store).rglob("*.partial"))
    # A kill hits a clip being written, or an array's description with those of the folders above it, together.
    assert len(leftovers) <= 5
    if stage == "run":
        assert findings(folder / "run") == findings(whole / "run")
        for name in ("alignment.json", "experiment.toml", "labels.parquet"):
            assert (folder / "run" / name).read_bytes() == (whole / "run" / name).read_bytes()


@pytest.mark.parametrize("stage", ["encode", "label", "run"])
def test_two_kills(stage, films, experiment, tmp_path):
    assert trials(stage, 2, films, experiment, tmp_path) >= 1


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("stage", ["encode", "label", "run"])
def test_twenty_kills(stage, films, experiment, tmp_path):
    hit = trials(stage, 20, films, experiment, tmp_path)
    print(f"{stage}: 20 kills, {hit} of them met it at work")
    assert hit >= 15


@pytest.mark.slow
def test_the_real_model_killed_again_and_again(films, tmp_path):
    asked = ["encode", films, "--frames", 8, "--blocks", "all", "--store", "store"]
    whole = Command(*asked, folder=tmp_path / "whole")
    assert whole.end() == 0, whole.said
    generator = random.Random(7)
    for number in range(8):
        victim, store = Command(*asked, folder=tmp_path / "again"), tmp_path / "again" / "store"
        victim.kill_when(lambda s=store, n=20 * number: len(list(s.rglob("c.*"))) >= n, generator.uniform(0, 0.2))
    last = Command(*asked, folder=tmp_path / "again")
    assert last.end() == 0, last.said
    assert tree(tmp_path / "again" / "store") == tree(tmp_path / "whole" / "store")


def test_leftovers_of_a_write_that_was_cut_off_go_when_they_are_old(films, tmp_path):
    asked = arguments("encode", films, None)
    first = Command(*asked, folder=tmp_path)
    assert first.end() == 0, first.said
    array = next((tmp_path / "store").rglob("block0.out"))
    for name, age in (("c.0.0123.partial", 3600), ("c.0.4567.partial", 0)):
        (array / name).write_bytes(b"half")
        when = os.stat(array).st_mtime - age
        os.utime(array / name, (when, when))
    assert Command(*asked, folder=tmp_path).end() == 0
    assert [path.name for path in array.glob("*.partial")] == ["c.0.4567.partial"]
