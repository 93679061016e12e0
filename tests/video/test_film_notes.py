"""What the reader knows of a film - how it was read, that it is cut short - is said by every stage."""

import json
import struct
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from worldprobe.cli import app
from worldprobe.findings.summary import summarize
from worldprobe.labels.load import load_labeller
from worldprobe.labels.table import read_labels, write_labels
from worldprobe.pipeline import sources
from worldprobe.pipeline.label.label import label
from worldprobe.records import VideoRef, reading_notes
from worldprobe.series import Series
from worldprobe.video.read import open_video
from worldprobe.video.video import Video
from worldprobe.video.write import write_video

FRAMES = 96
NOTE = "is shown at half its size: the test says so."


def command(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    """A film whose header promises more frames than the file holds, and a box on every frame of it."""
    folder = tmp_path_factory.mktemp("cut")
    rng = np.random.default_rng(0)
    whole = folder / "whole.mp4"
    write_video(whole, rng.integers(0, 255, (FRAMES, 64, 64, 3)).astype(np.uint8), rate=20)
    moved = faststart(whole.read_bytes())
    path = folder / "cut.mp4"
    path.write_bytes(moved[: len(moved) * 3 // 4])
    with open_video(path) as video:
        assert video.ref.missing > 0
        assert video.ref.frames >= 48
        rows = [
            f"{i + 1},1,{20 + 10 * np.sin(i / 5):.1f},{20 + i / 9:.1f},16,16,1,1,1" for i in range(video.ref.frames)
        ]
    (folder / "boxes.txt").write_text("\n".join(rows))
    whole.unlink()
    return path


def faststart(data):
    """An MP4 with its index in front, so that what is cut off is frames."""
    boxes, at = [], 0
    while at < len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        boxes.append(data[at : at + size])
        at += size
    head = [box for box in boxes if box[4:8] == b"ftyp"]
    moov = bytearray(next(box for box in boxes if box[4:8] == b"moov"))
    rest = [box for box in boxes if box[4:8] not in (b"ftyp", b"moov")]
    shift = (
        len(moov) if [box[4:8] for box in boxes].index(b"moov") > [box[4:8] for box in boxes].index(b"mdat") else 0
    )
    offsets = moov.index(b"stco")
    (count,) = struct.unpack(">I", moov[offsets + 8 : offsets + 12])
    for number in range(count):
        place = slice(offsets + 12 + 4 * number, offsets + 16 + 4 * number)
        moov[place] = struct.pack(">I", struct.unpack(">I", moov[place])[0] + shift)
    return b"".join([*head, bytes(moov), *rest])


@pytest.fixture(scope="module")
def noted():
    """Every film is opened with a note."""

    def opening(path):
        video = open_video(path)
        return Video(replace(video.ref, notes=(NOTE,)), video._index)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "open_video", opening)
        yield


def experiment(cut, folder):
    path = folder / "e.toml"
    path.write_text(
        f'videos = ["{cut}"]\nlabeller = "mot:{cut.parent}/boxes.txt"\ntasks = ["xy"]\nencoder = "pixels"\n'
        'frames = 4\nfeatures = ["z"]\nsplit = "blocked"\ncontrols = ["majority", "shuffled"]\nevidence = []\n'
    )
    return path


def check_report(done, out, cut):
    """Both things are said once: by the terminal, the report's caveats and facts."""
    assert done.exit_code == 3, done.output
    assert [done.stderr.count(what) for what in (NOTE, "the file is cut short")] == [1, 1]
    summary = summarize(out)
    assert len([one for one in summary.failures if "cut short" in one.error]) == 1
    for what in (NOTE, "cut short"):
        assert len([caveat for caveat in summary.caveats if what in caveat]) == 1
    assert NOTE in (out / "report.html").read_text()


def test_a_run_says_of_a_film_how_it_was_read_and_what_is_lost(noted, cut, tmp_path):
    out = tmp_path / "run"
    check_report(command("run", experiment(cut, tmp_path), "--out", out), out, cut)
    assert json.loads((out / "alignment.json").read_text())["notes"].count(f"cut.mp4: {NOTE}") == 1


def test_so_does_predicting(noted, cut, tmp_path):
    out = tmp_path / "out"
    check_report(command("predict", cut, "--context", 1, "--horizon", 1, "--no-twin", "--out", out), out, cut)


def test_so_do_the_stages_one_by_one(noted, cut, tmp_path):
    store, labels, out = tmp_path / "s.zarr", tmp_path / "l.parquet", tmp_path / "run"
    encoded = command("encode", cut, "--encoder", "pixels", "--frames", 4, "--store", store)
    labelled = command("label", cut, "--labeller", f"mot:{cut.parent}/boxes.txt", "--out", labels)
    for done in (encoded, labelled):
        assert done.exit_code == 3, done.output
        assert [done.stderr.count(what) for what in (NOTE, "the file is cut short")] == [1, 1]
    options = [
        "--encoder",
        "pixels",
        "--tasks",
        "xy",
        "--features",
        "z",
        "--split",
        "blocked",
        "--controls",
        "majority",
    ]
    for _ in range(2):
        check_report(command("probe", "--store", store, "--labels", labels, *options, "--out", out), out, cut)


def test_strict_stops_at_a_film_that_is_cut_short(cut, tmp_path):
    arguments = ["run", str(experiment(cut, tmp_path)), "--strict", "--out", str(tmp_path / "run")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    assert "cut short" in str(done.exception)


def test_films_of_which_the_same_is_true_share_a_sentence():
    films = [VideoRef(str(n), f"{n}.mp4", 8, 8, 9, 25.0, notes=("is upside down.",)) for n in range(5)]
    odd = replace(films[0], id="odd", path="odd.mp4", notes=("is blue.", "is upside down."))
    assert reading_notes([*films, films[0], odd]) == (
        "0.mp4, 1.mp4, 2.mp4 and 3 more: is upside down.",
        "odd.mp4: is blue.",
    )


def test_a_store_keeps_the_notes_and_opens_without_them(cut):
    from worldprobe.encoders.floors import Pixels
    from worldprobe.pipeline.encode.clips import plan_series
    from worldprobe.store import Store

    encoder = Pixels()
    with open_video(cut) as video:
        video = Video(replace(video.ref, notes=(NOTE,)), video._index)
        series = plan_series(video, encoder, Store("none"), frames=4, stride=1, input="native", pool="none")
    written = json.loads(json.dumps(series.attributes()))
    assert Series.from_attributes(written).video.notes == (NOTE,)
    del written["video"]["notes"]
    assert Series.from_attributes(written).video.notes == ()


def test_strict_labelling_raises_for_what_cannot_be_labelled(cut):
    labeller = load_labeller(f"mot:{cut.parent}/boxes.txt")
    failures = []
    assert len(label([cut], labeller=labeller, failures=failures).table) > 0
    assert [one.clip is None for one in failures] == [False]


def test_a_table_keeps_what_was_noted_of_its_labels(cut, tmp_path):
    labeller = load_labeller(f"mot:{cut.parent}/boxes.txt")
    labels = replace(label([cut], labeller=labeller, failures=[]), notes=("two boxes were odd.", "ß"))
    write_labels(labels, tmp_path / "l.parquet")
    again = read_labels(tmp_path / "l.parquet")
    assert again.notes == labels.notes
    assert again.origin == labels.origin
    assert again.table.equals(labels.table)
