"""SIGKILL at any moment: nothing is lost, nothing done twice beyond what was in flight."""

import os
import random
import shutil
import signal
import threading

import polars as pl
import pytest
from tests.builders.checks import some
from tests.builders.killing import Command, Counting, findings, notes, tree

from worldprobe.encoders.floors import Pixels
from worldprobe.labels.truth import SceneTruth
from worldprobe.pipeline.encode import here as encoding
from worldprobe.pipeline.encode import read_ahead as lacking
from worldprobe.pipeline.encode.encode import encode
from worldprobe.pipeline.encode.here import clips_a_batch
from worldprobe.pipeline.label.label import label
from worldprobe.pipeline.label.parts import Parts
from worldprobe.store import Store
from worldprobe.video.rendered.scenes import render_scenes

FRAMES = {"encode": 8, "run": 16}
TOML = """
videos = ["{films}"]
encoder = "tests.builders.killing:Counting"
labeller = "tests.builders.killing:Noted"
tasks = ["xy"]
features = ["z"]
controls = ["shuffled", "majority"]
evidence = ["code"]
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
        return ["encode", films, "--encoder", "tests.builders.killing:Counting", "--frames", 8, "--store", "store"]
    if stage == "label":
        return ["label", films, "--labeller", "tests.builders.killing:Noted", "--out", "labels.parquet"]
    return ["run", experiment, "--out", "run"]


def in_flight(stage):
    """The most notes that may be made twice where a stage is killed once: a video's labels are kept one by one.

    Of clips, those of the batch that is encoded and of the one before it, which is being written: the next
    is begun only when its last clip is stored.
    """
    return 1 if stage == "label" else 2 * clips_a_batch(Counting(), FRAMES[stage])


def done_before(stage, folder):
    """What the notes may not tell of again: clips whose chunk is there, videos whose part is there."""
    store = folder / ("store" if stage == "encode" else "run/embeddings.zarr")
    clips = {(path.parts[-5][:24], int(path.name.split(".")[1])) for path in store.rglob("c.*.0.0.0.0")}
    parts = {path.name[:40] for path in folder.rglob(".labels.parquet.parts/*.parquet")}
    return clips, parts


def check_nothing_twice(before, told, frames):
    """No note of this run is of something that was done before it."""
    clips, parts = before
    for line in some(told):
        video, _, start = line.partition(" ")
        if start:
            assert (video[:24], int(start) // frames) not in clips, "a stored clip was encoded again"
        else:
            assert video[:40] not in parts, "a labelled video was labelled again"


def killed(settings, folder, number, generator, most):
    """One command killed after so many notes at most; whether that met it at work.

    By what it has done and not by the clock, so that early and late moments are met on any machine; but for every
    fourth, which a clock stops, wherever it is then, even between two bytes.
    """
    after = generator.randint(1, most)
    if number % 4 == 3:
        victim = Command(*settings, folder=folder)
        far = lambda: len(notes(folder / "notes")) >= after - 1  # noqa: E731
        return victim.kill_when(far, generator.uniform(0, 0.05))
    victim = Command(*settings, folder=folder, KILL=f"{('note', 'rename')[number % 2]} {after}")
    assert victim.end() == -signal.SIGKILL, victim.said
    return True


def trials(stage, count, films, experiment, tmp_path):
    """Kill a stage ``count`` times; returns how many kills met it at work."""
    settings = arguments(stage, films, experiment)
    whole = Command(*settings, folder=tmp_path / "whole")
    assert whole.end() == 0, whole.said
    generator = random.Random(stage)
    hit = 0
    for number in some(range(count)):
        folder = tmp_path / f"trial{number}"
        hit += killed(settings, folder, number, generator, len(notes(whole.folder / "notes")))
        before, told = done_before(stage, folder), len(notes(folder / "notes"))
        # Only the report was missing, or nothing but the process's end: whoever asks again gets all of it again.
        finished = (folder / "run" / "results.jsonl").exists()
        finished |= (folder / "labels.parquet").exists() and not list(folder.rglob(".labels.parquet.parts"))
        again = Command(*settings, folder=folder)
        assert again.end() == 0, again.said
        fresh = notes(folder / "notes")[told:]
        check_nothing_twice(before, fresh, FRAMES.get(stage, 16))
        every = notes(folder / "notes")
        twice = [line for line in set(every) if every.count(line) > 1 and (" " in line or not finished)]
        assert len(twice) <= in_flight(stage), "more was done twice than was in flight"
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
    assert trials(stage, 2, films, experiment, tmp_path) == 2


class Gated(Pixels):
    """Counts the clips that it is given, and how many of them were not stored at the worst moment."""

    name = "gated"

    def __init__(self):
        super().__init__()
        self.encoded = self.stored = self.worst = 0

    def encode(self, clips, *, blocks):
        self.encoded += len(clips)
        self.worst = max(self.worst, self.encoded - self.stored)
        return super().encode(clips, blocks=blocks)


def test_what_is_encoded_and_not_yet_stored_is_what_is_said(films, tmp_path, monkeypatch):
    """The slowest disk there is: it begins to write only when the encoder can do no more without it."""
    # Three clips a batch, two a film, one reader: a batch ends within a film, where nothing else is waited for.
    monkeypatch.setattr(encoding, "_TOKENS_PER_BATCH", 3 * Gated().grid(8).tokens)
    monkeypatch.setattr(lacking, "_cores", lambda: 1)
    gated, waits = Gated(), threading.Event()
    wait, write = encoding._Writer.wait, Store.write

    def told(making):
        if making._writing is not None:
            waits.set()
        wait(making)
        waits.clear()

    def behind(store, *arguments):
        assert waits.wait(timeout=900), "the encoder does not wait for what is written"
        write(store, *arguments)
        gated.stored += 1

    monkeypatch.setattr(encoding._Writer, "wait", told)
    monkeypatch.setattr(Store, "write", behind)
    done = encode(sorted(films.glob("*.mp4")), encoder=gated, store=Store(str(tmp_path)), blocks=[0], frames=8)
    assert done.made == gated.encoded == gated.stored == 48
    assert gated.worst == 2 * clips_a_batch(gated, 8) == 6


def test_a_video_is_labelled_when_the_labels_of_the_one_before_are_kept(films, tmp_path):
    parts = Parts(tmp_path / "labels.parquet", labeller="truth", settings="")
    kept = []

    class Looking(SceneTruth):
        def label(self, video):
            kept.append(len(list(parts.folder.glob("*.parquet"))))
            return super().label(video)

    label(sorted(films.glob("*.mp4")), labeller=Looking(), parts=parts)
    assert kept == list(range(24))


@pytest.mark.parametrize("named", ["boxes.txt", "boxes.txt?step=5", "folder", "folder?start=2"])
def test_what_is_kept_of_labels_that_were_edited_since_is_not_gone_on_from(named, films, tmp_path):
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    files = [tmp_path / "boxes.txt", tmp_path / "folder" / "deep" / "1.txt"]
    for file in files:
        file.write_text("1,1,10,10,5,5\n")
    out, (film, *_) = tmp_path / "folder" / "run", sorted(films.glob("*.mp4"))

    def parts():
        return Parts(out / "labels.parquet", labeller=f"mot:{tmp_path / named}", settings="")

    label([film], labeller=SceneTruth(), parts=parts())
    (kept,) = parts().folder.glob("*.parquet")
    video = kept.name.rpartition("-")[0]
    assert parts().get(video) is not None  # though what is kept lies in the folder
    for file in files:
        file.write_text("1,1,20,20,5,5,1\n")
    assert parts().get(video) is None


def test_parts_that_are_no_longer_needed_go_at_once(films, tmp_path, monkeypatch):
    """Whoever is killed while they are deleted leaves none to go on from, and the next one deletes what is left."""
    parts = Parts(tmp_path / "labels.parquet", labeller="truth", settings="")
    label(sorted(films.glob("*.mp4"))[:3], labeller=SceneTruth(), parts=parts)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        parts.clear()
    assert not parts.folder.exists()
    parts.clear()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("stage", ["encode", "label", "run"])
def test_twenty_kills(stage, films, experiment, tmp_path):
    hit = trials(stage, 20, films, experiment, tmp_path)
    print(f"{stage}: 20 kills, {hit} of them met it at work")  # five of them by a clock
    assert hit >= 15


@pytest.mark.slow
def test_the_real_model_killed_again_and_again(films, tmp_path):
    settings = ["encode", films, "--frames", 8, "--blocks", "all", "--store", "store"]
    whole = Command(*settings, folder=tmp_path / "whole")
    assert whole.end() == 0, whole.said
    generator = random.Random(7)
    for number in range(8):
        victim, store = Command(*settings, folder=tmp_path / "again"), tmp_path / "again" / "store"
        victim.kill_when(lambda s=store, n=20 * number: len(list(s.rglob("c.*"))) >= n, generator.uniform(0, 0.2))
    last = Command(*settings, folder=tmp_path / "again")
    assert last.end() == 0, last.said
    assert tree(tmp_path / "again" / "store") == tree(tmp_path / "whole" / "store")


def test_leftovers_of_a_write_that_was_cut_off_go_when_they_are_old(films, tmp_path):
    settings = arguments("encode", films, None)
    first = Command(*settings, folder=tmp_path)
    assert first.end() == 0, first.said
    array = next((tmp_path / "store").rglob("block0.out"))
    for name, age in (("c.0.0123.partial", 3600), ("c.0.4567.partial", 0)):
        (array / name).write_bytes(b"half")
        when = os.stat(array).st_mtime - age
        os.utime(array / name, (when, when))
    assert Command(*settings, folder=tmp_path).end() == 0
    assert [path.name for path in array.glob("*.partial")] == ["c.0.4567.partial"]
