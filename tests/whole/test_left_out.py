"""What could not be encoded is counted and named, and the rest is probed: no run is lost to a bad clip."""

import json

import numpy as np
import pytest
from tests.builders.checks import some
from typer.testing import CliRunner

from worldprobe.cli import app
from worldprobe.results import read_results
from worldprobe.video.write import write_video

FRAMES = 320


def place(frame):
    return 50 + 40 * np.sin(frame / 9), 30 + 20 * np.cos(frame / 13)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """A film that is damaged in its middle, a whole one that is too short for a clip, and a box on every frame."""
    folder = tmp_path_factory.mktemp("films")
    rng = np.random.default_rng(0)
    ground = rng.integers(40, 90, (96, 128, 3)).astype(np.uint8)
    frames = []
    for index in range(FRAMES):
        x, y = (int(value) for value in place(index))
        frames.append(ground.copy())
        frames[-1][y : y + 30, x : x + 30] = 220
    write_video(folder / "damaged.mp4", frames, rate=20)
    write_video(folder / "short.mp4", frames[:9], rate=20)
    data = bytearray((folder / "damaged.mp4").read_bytes())
    for at in range(len(data) // 2, len(data) // 2 + 1500):
        data[at] ^= 0x5A
    (folder / "damaged.mp4").write_bytes(data)
    boxes = [f"{i + 1},1,{place(i)[0]:.0f},{place(i)[1]:.0f},30,30,1,1,1" for i in range(FRAMES)]
    (folder / "boxes.txt").write_text("\n".join(boxes))
    return folder


def command(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)


def test_a_run_goes_on_without_the_clips_of_a_damaged_film(films, tmp_path):
    (tmp_path / "e.toml").write_text(
        f'videos = ["{films}/damaged.mp4"]\nlabeller = "mot:{films}/boxes.txt"\ntasks = ["xy"]\nevidence = []\n'
        'features = ["z", "delta"]\ninput = ["native", "still"]\nsplit = "blocked"\nencoder = "pixels"\n'
        'controls = ["majority", "shuffled"]\n'
    )
    done = command("run", tmp_path / "e.toml", "--out", tmp_path / "run")
    assert done.exit_code == 3, done.output
    alignment = json.loads((tmp_path / "run" / "alignment.json").read_text())
    lost = alignment["dropped"]["in clips that are not encoded"]
    assert 16 <= lost < FRAMES / 2
    assert alignment["kept"] + sum(alignment["dropped"].values()) == FRAMES
    assert any("labels in clips that are not encoded were left out" in note for note in alignment["notes"])
    real = [
        r for r in read_results(tmp_path / "run" / "results.jsonl") if r.kind == "probe" and r.control == "none"
    ]
    assert {(r.input, r.features) for r in real} == {(i, f) for i in ("native", "still") for f in ("z", "delta")}
    assert all(r.score is not None for r in some(real))


def test_the_stages_one_by_one_go_on_without_a_video_that_could_not_be_encoded(films, tmp_path):
    both = (films / "damaged.mp4", films / "short.mp4")
    done = command("encode", *both, "--encoder", "pixels", "--store", tmp_path / "s")
    assert done.exit_code == 3
    assert "short.mp4" in done.stderr
    labelled = command("label", *both, "--labeller", "moving", "--out", tmp_path / "l.parquet")
    assert labelled.exit_code == 3
    assert "frames cannot be decoded, and have no labels" in labelled.stderr
    done = command(
        "probe", "--store", tmp_path / "s", "--labels", tmp_path / "l.parquet", "--encoder", "pixels",
        "--tasks", "xy", "--features", "z", "--controls", "majority", "--split", "blocked", "--evidence", "none",
        "--out", tmp_path / "p",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    dropped = json.loads((tmp_path / "p" / "alignment.json").read_text())["dropped"]
    assert 0 < dropped["of videos that are not encoded"] <= 9
    assert "labels of videos that are not encoded were left out. If" in done.stderr
