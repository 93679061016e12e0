"""Flipped bits, broken videos, moved folders, two runs at once."""

import json
import shutil

import av
import numpy as np
import pytest
from tests.builders.checks import some
from tests.builders.killing import Command, findings, notes, tree

from worldprobe.video.rendered.scenes import render_scenes
from worldprobe.video.write import write_video

TOML = """
videos = ["{films}"]
encoder = "{encoder}"
labeller = "truth"
frames = 8
tasks = ["xy"]
features = ["z"]
controls = ["shuffled", "majority"]
evidence = {evidence}
"""
ALL_EVIDENCE = '["code", "learning", "unlabelled"]'


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    return render_scenes(12, 5, tmp_path_factory.mktemp("films"))[0].parent


def experiment(folder, films, encoder="tests.builders.killing:Counting", evidence="[]"):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "small.toml"
    path.write_text(TOML.format(films=films, encoder=encoder, evidence=evidence))
    return path


def encode(folder, films, *options, **environment):
    asked = (
        "encode",
        films,
        "--encoder",
        "tests.builders.killing:Counting",
        "--frames",
        8,
        "--store",
        "store",
        *options,
    )
    return Command(*asked, folder=folder, **environment)


def test_damaged_chunks_are_named_by_every_reader_and_made_anew_on_request(films, tmp_path):
    first = Command("run", experiment(tmp_path, films), "--out", "run", folder=tmp_path)
    assert first.end() == 0, first.said
    whole = tree(tmp_path / "run" / "embeddings.zarr")
    chunks = sorted((tmp_path / "run" / "embeddings.zarr").rglob("c.*.0.0.0.0"))
    flipped, cut, empty = chunks[0], chunks[5], chunks[11]
    content = bytearray(flipped.read_bytes())
    content[len(content) // 3] ^= 4
    flipped.write_bytes(bytes(content))
    cut.write_bytes(cut.read_bytes()[:100])
    empty.write_bytes(b"")
    told = len(notes(tmp_path / "notes"))

    again = Command("run", experiment(tmp_path, films), "--out", "run", folder=tmp_path)
    assert again.end() == 1
    assert "is damaged in" in again.said
    # Which of them a reader meets first hangs on the films' hashes.
    named = [f"{one.parent.parent.name}/block0.out/c.{one.name.split('.')[1]}." for one in (flipped, cut, empty)]
    assert any(one in again.said for one in named)
    assert "--verify" in again.said

    repaired = Command("run", experiment(tmp_path, films), "--out", "run", "--verify", folder=tmp_path)
    assert repaired.end() == 0, repaired.said
    assert tree(tmp_path / "run" / "embeddings.zarr") == whole
    assert len(notes(tmp_path / "notes")) == told + 3


def test_a_damaged_description_of_an_array_is_named(films, tmp_path):
    assert encode(tmp_path, films).end() == 0
    whole = tree(tmp_path / "store")
    described = next((tmp_path / "store").rglob("block0.out")) / "zarr.json"
    described.write_bytes(described.read_bytes()[:40])
    again = encode(tmp_path, films)
    assert again.end() == 1
    assert "zarr.json" in again.said
    assert "Traceback" not in again.said
    described.unlink()
    assert encode(tmp_path, films).end() == 0
    assert tree(tmp_path / "store") == whole


def test_two_runs_at_once_share_the_work(films, tmp_path):
    alone = encode(tmp_path / "alone", films)
    assert alone.end() == 0
    (tmp_path / "meeting").mkdir()
    shared = {"MEETING": str(tmp_path / "meeting"), "NOTES": str(tmp_path / "both")}
    # Each has a turn before either goes on: which of them is faster says nothing.
    both = [
        Command(
            "encode", films, "--encoder", "tests.builders.killing:Meeting", "--frames", 8,
            "--store", tmp_path / "store", folder=tmp_path / name, **shared,
        )
        for name in ("one", "two")
    ]  # fmt: skip
    assert [command.end() for command in both] == [0, 0]
    assert tree(tmp_path / "store") == tree(tmp_path / "alone" / "store")
    made = notes(tmp_path / "both")
    assert len(made) == len(set(made)), "a clip was encoded by both"
    shares = [int((command.folder / "out").read_text().split()[2]) for command in both]
    assert min(shares) > 0, f"one did all the work: {shares}"


def test_a_run_that_is_moved_is_still_complete(films, tmp_path):
    here, there = tmp_path / "here", tmp_path / "elsewhere" / "deep"
    shutil.copytree(films, here / "films")
    first = Command("run", experiment(here, here / "films", evidence=ALL_EVIDENCE), "--out", "run", folder=here)
    assert first.end() == 0, first.said
    report = (here / "run" / "report.md").read_bytes()
    found = findings(here / "run")
    shutil.copytree(here, there)
    shutil.rmtree(here)

    assert Command("report", "run", folder=there).end() == 0
    assert (there / "run" / "report.md").read_bytes() == report
    probe = ("probe", "--store", "run/embeddings.zarr", "--labels", "run/labels.parquet", "--encoder", "counting")
    asked = ("--tasks", "xy", "--features", "z", "--controls", "shuffled,majority", "--out", "again")
    probed = Command(*probe, *asked, folder=there)
    assert probed.end() == 0, probed.said
    assert findings(there / "again") == found
    (there / "notes").unlink()
    rerun = Command("run", experiment(there, there / "films", evidence=ALL_EVIDENCE), "--out", "run", folder=there)
    assert rerun.end() == 0, rerun.said
    assert findings(there / "run") == found
    assert notes(there / "notes") == []


def broken(folder, good):
    """Seven files that are broken, each in another way."""
    content = good.read_bytes()
    (folder / "b1-empty.mp4").write_bytes(b"")
    (folder / "b2-text.mp4").write_text("<html>404 not found</html>")
    (folder / "b3-cut-before-its-index.mp4").write_bytes(content[: len(content) // 2])
    (folder / "b4-header-only.avi").write_bytes(b"RIFF\xff\xff\xff\xffAVI LIST")
    shot = np.zeros((4, 48, 64, 3), np.uint8)
    write_video(folder / "b5-too-short.mp4", shot, rate=10)
    with av.open(str(folder / "b6-sound-only.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate = 48000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    noise = np.random.default_rng(0).integers(0, 256, len(content), dtype=np.uint8).tobytes()
    at = content.index(b"mdat") + 4
    # The index is whole, what it points to is noise.
    moov = content.index(b"moov")
    spoilt = content[:at] + noise[at : moov - 4] + content[moov - 4 :] if moov > at else content[:at] + noise[at:]
    (folder / "b7-noise-inside.mp4").write_bytes(spoilt)


@pytest.fixture(scope="module")
def fifty(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fifty")
    scenes = render_scenes(43, 9, tmp_path_factory.mktemp("scenes"))
    for path in scenes:
        for file in path.parent.glob(f"{path.stem}.*"):
            shutil.copy(file, folder / f"m-{file.name}")
    broken(folder, scenes[0])
    return folder


def test_43_of_50_videos_are_done_and_7_are_named(fifty, tmp_path):
    path = experiment(tmp_path, fifty, encoder="pixels")
    command = Command("run", path, "--out", "run", folder=tmp_path)
    assert command.end() == 3, command.said
    failures = [json.loads(line) for line in (tmp_path / "run" / "failures.jsonl").read_text().splitlines()]
    names = sorted(line["video"].rpartition("/")[2] for line in failures)
    assert names == sorted(path.name for path in fifty.glob("b*"))
    assert len({line["error"].replace(line["video"], "") for line in failures}) == 5
    assert all(line["video"] in command.said and line["error"] for line in some(failures))
    lines = [json.loads(line) for line in (tmp_path / "run" / "results.jsonl").read_text().splitlines()]
    assert {line["n_groups"] for line in lines if line["kind"] == "probe"} == {43}


def test_strict_stops_at_the_first_broken_video(fifty, tmp_path):
    path = experiment(tmp_path, fifty, encoder="pixels")
    command = Command("run", path, "--out", "run", "--strict", folder=tmp_path)
    assert command.end() == 1
    assert "b1-empty.mp4 is empty" in command.said
    assert not (tmp_path / "run" / "results.jsonl").exists()
    assert not list((tmp_path / "run").rglob("c.*.0.0"))
