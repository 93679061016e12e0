"""Ray: two workers give what one process gives, byte for byte, and a worker that is lost changes nothing."""

import json
import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.builders.checks import some
from tests.builders.executors import Posted, every_stage
from tests.builders.killing import findings, tree

from worldprobe.config import make_experiment
from worldprobe.encoders.load import load_encoder
from worldprobe.errors import ConfigError, VideoError, WorldprobeError
from worldprobe.execute.local import Local
from worldprobe.pipeline.encode.encode import encode
from worldprobe.pipeline.encode.workers import Spread
from worldprobe.pipeline.run import run
from worldprobe.protocols import Executor
from worldprobe.store import Store
from worldprobe.video.rendered.scenes import render_scenes

pytestmark = pytest.mark.timeout(3600)
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Halves:
    """A function of items that fails for odd ones."""

    def __call__(self, item):
        if item % 2:
            raise VideoError(f"{item} is odd")
        return item // 2


@dataclass(frozen=True)
class Deadly:
    """Kills its worker once, at one item."""

    witness: str

    def __call__(self, item):
        if item == 3 and not os.path.exists(self.witness):
            Path(self.witness).write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return item * item, os.getpid()


def check_map(executor):
    assert isinstance(executor, Executor)
    found = {outcome.item: outcome for outcome in executor.map(Halves(), range(7))}
    assert sorted(found) == list(range(7))
    assert [found[item].get() for item in (0, 2, 4, 6)] == [0, 1, 2, 3]
    with pytest.raises(VideoError, match="3 is odd"):
        found[3].get()
    assert list(executor.map(Halves(), [])) == []


def test_local_keeps_the_protocol():
    check_map(Local())
    with pytest.raises(ConfigError, match="takes no argument"):
        Local("4")


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    pytest.importorskip("ray", reason="Ray is not installed: make extras")
    from worldprobe.execute.ray import Ray

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{ROOT / 'src'}")
        started = time.perf_counter()
        executor = Ray("2")
        print(f"a cluster of 2 workers started in {time.perf_counter() - started:.1f} s")
        yield executor
        executor.close()


@pytest.mark.slow
def test_ray_keeps_the_protocol(two):
    check_map(two)


@pytest.mark.slow
def test_what_a_lost_worker_was_at_is_done_again(two, tmp_path):
    outcomes = list(two.map(Deadly(str(tmp_path / "killed")), range(8)))
    killed = int((tmp_path / "killed").read_text())
    assert sorted(outcome.get()[0] for outcome in outcomes) == [item * item for item in range(8)]
    assert next(outcome.get()[1] for outcome in outcomes if outcome.item == 3) != killed


def missing():
    """As a module that a worker lacks."""
    raise ModuleNotFoundError("No module named 'colours'")


class Foreign(Halves):
    """A function that only this process knows."""

    def __reduce__(self):
        return missing, ()


@pytest.mark.slow
def test_work_that_a_worker_cannot_take_is_one_clear_error(two):
    (outcome,) = two.map(Foreign(), [2])
    with pytest.raises(WorldprobeError, match=r"could not take its .*No module named 'colours'.* Give all"):
        outcome.get()


@dataclass(frozen=True)
class Pid:
    """Which process it runs in."""

    def __call__(self, item):
        time.sleep(0.05)
        return os.getpid()


def pids(executor):
    """The processes of the workers, none of which is anybody else's."""
    return sorted({outcome.get() for outcome in executor.map(Pid(), range(4 * executor.workers))})


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    return render_scenes(8, 4, tmp_path_factory.mktemp("films"))


def experiment(films, **more):
    values = {"videos": [str(films[0].parent)], "labeller": "truth", "frames": 8, "tasks": ["xy"]}
    return make_experiment({**values, "features": ["z"], "controls": ["pixels", "majority"], **more})


@pytest.fixture(scope="module")
def local(films, tmp_path_factory):
    out = tmp_path_factory.mktemp("local")
    started = time.perf_counter()
    assert run(experiment(films), films, out) == []
    print(f"local: {time.perf_counter() - started:.1f} s")
    return out


def check_same(out, local):
    assert tree(out / "embeddings.zarr") == tree(local / "embeddings.zarr")
    assert findings(out) == findings(local)
    assert (out / "labels.parquet").read_bytes() == (local / "labels.parquet").read_bytes()
    assert (out / "alignment.json").read_bytes() == (local / "alignment.json").read_bytes()


@pytest.mark.slow
def test_two_workers_make_the_same_store_and_the_same_results(two, films, local, tmp_path):
    started = time.perf_counter()
    assert run(experiment(films), films, tmp_path / "run", executor=two) == []
    print(f"ray, 2 workers: {time.perf_counter() - started:.1f} s")
    check_same(tmp_path / "run", local)
    costs = [json.loads(line) for line in (tmp_path / "run" / "results.jsonl").read_text().splitlines()]
    assert [c["items"] for c in costs if c["kind"] == "cost" and c["stage"] == "encode vjepa2-tiny"] == [16]


def encoded(films, store, spread=None):
    encoder = load_encoder("vjepa2-tiny", device="cpu")
    done = encode(films, encoder=encoder, store=Store(str(store)), blocks=[0, 3], frames=8, spread=spread)
    assert done.failures == []
    return done


@pytest.fixture(scope="module")
def alone(films, tmp_path_factory):
    store = tmp_path_factory.mktemp("alone") / "store"
    assert encoded(films, store).made == 2 * len(films)
    return store


@pytest.mark.slow
def test_two_workers_fill_a_store_byte_for_byte_as_one_process_does(two, films, alone, tmp_path):
    started = time.perf_counter()
    done = encoded(films, tmp_path / "store", Spread(two, "vjepa2-tiny", "cpu"))
    print(f"ray, 2 workers: {done.made} clips in {time.perf_counter() - started:.1f} s")
    assert (done.made, done.found) == (2 * len(films), 0)
    assert tree(tmp_path / "store") == tree(alone)
    again = encoded(films, tmp_path / "store", Spread(two, "vjepa2-tiny", "cpu"))
    assert (again.made, again.found) == (0, 2 * len(films))


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_changes_nothing(two, films, alone, tmp_path):
    killed = []

    def kill_one():
        store = tmp_path / "store"
        while not list(store.rglob("c.*")):
            time.sleep(0.02)
        os.kill(workers[0], signal.SIGKILL)
        killed.append(workers[0])

    workers = pids(two)
    thread = threading.Thread(target=kill_one, daemon=True)
    thread.start()
    encoded(films, tmp_path / "store", Spread(two, "vjepa2-tiny", "cpu"))
    thread.join(timeout=900)
    assert len(killed) == 1, "no worker was killed"
    assert tree(tmp_path / "store") == tree(alone)


class Counted:
    """An executor that takes down what it was asked for."""

    name, adds_sums = "counted", True

    def __init__(self, executor):
        self._executor, self.asked = executor, []
        self.workers, self.gpus, self.spent = executor.workers, executor.gpus, executor.spent

    def map(self, function, items):
        self.asked += [(type(function).__name__, item) for item in items]
        return self._executor.map(function, items)


def check_sums(executor, films, folder, monkeypatch):
    """Rows in pieces of ten, of an encoder with fewer columns than that, by real probes, controls and the leak."""
    few = experiment(films, encoder="pixels", tasks=["xy", "size", "class"], controls=["majority", "shuffled"])
    for module in ("worldprobe.probes.linear.scatter", "worldprobe.pipeline.probe.workers"):
        monkeypatch.setattr(f"{module}.PIECE", 10)
    assert run(few, films, folder / "here") == []
    counted = Counted(executor)
    assert run(few, films, folder / "there", executor=counted) == []
    pieces = [item for name, item in counted.asked if name == "AddUp"]
    assert len({(piece.set, piece.number) for piece in pieces}) > 10
    assert sum(len(piece.moments) for piece in pieces) > 200
    return [[json.loads(line) for line in findings(folder / name)] for name in ("here", "there")]


def test_sums_added_up_elsewhere_give_the_same_scores_to_the_last_digit(films, tmp_path, monkeypatch):
    here, there = check_sums(Posted(), films, tmp_path, monkeypatch)
    assert here == there


@pytest.mark.slow
def test_two_workers_add_up_what_probes_need(two, films, tmp_path, monkeypatch):
    here, there = check_sums(two, films, tmp_path, monkeypatch)
    for mine, theirs in some(zip(here, there, strict=True)):
        assert set(mine) == set(theirs)
        for key, value in mine.items():
            near = isinstance(value, float)
            assert theirs[key] == (pytest.approx(value, rel=1e-8, abs=1e-10) if near else value), key
    differ = sum(one != other for one, other in zip(here, there, strict=True))
    print(f"{len(here)} lines, {differ} differ in a last digit")


@pytest.mark.slow
def test_a_worker_killed_while_it_adds_up_changes_nothing(two, films, tmp_path):
    few = experiment(films, encoder="pixels", tasks=["size"], controls=["majority"], evidence=[])
    assert run(few, films, tmp_path / "here") == []
    assert run(few, films, tmp_path / "there", executor=Killing(two)) == []
    assert findings(tmp_path / "here") == findings(tmp_path / "there")


class Killing(Counted):
    """Kills one of the workers as soon as it is asked for sums, once."""

    def map(self, function, items):
        found = super().map(function, items)
        if type(function).__name__ == "AddUp" and not getattr(self, "killed", False):
            self.killed = True
            os.kill(pids(self._executor)[0], signal.SIGKILL)
        return found


class KillingEach(Counted):
    """Kills a worker as soon as it is asked to train, to work out curves, and to predict, once each."""

    labels_videos = fits_curves = predicts_windows = trains_decoders = trains_apart = True
    name = "ray"

    def map(self, function, items):
        kind = type(function).__name__
        first = kind in ("TrainDecoders", "WorkOut", "PredictWindows") and kind not in dict(self.asked)
        workers = pids(self._executor) if first else []
        found = super().map(function, items)
        for number, outcome in enumerate(found):
            if first and not number:
                os.kill(workers[0], signal.SIGKILL)
            yield outcome


@pytest.mark.slow
def test_two_workers_do_every_stage_as_one_process_does_though_one_is_killed(two, tmp_path, monkeypatch):
    monkeypatch.setattr("worldprobe.pipeline.predict.windows._TOKENS_PER_BATCH", 512)
    asked, videos = every_stage(tmp_path)
    here = run(asked, videos, tmp_path / "here")
    executor = KillingEach(two)
    assert run(asked, videos, tmp_path / "there", executor=executor) == here
    assert {"TrainDecoders", "WorkOut", "PredictWindows"} < set(dict(executor.asked))
    assert findings(tmp_path / "there") == findings(tmp_path / "here")
    assert tree(tmp_path / "there" / "embeddings.zarr") == tree(tmp_path / "here" / "embeddings.zarr")
    for decoder in ("cnn", "cnn-shuffled"):
        mine, theirs = (tmp_path / name / "decoders" / decoder for name in ("here", "there"))
        for name in ("model.safetensors", "losses.jsonl"):
            assert (theirs / name).read_bytes() == (mine / name).read_bytes()


@pytest.mark.slow
def test_broken_videos_fail_as_they_do_here(two, films, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(films[0].read_bytes()[:3000])
    videos = [films[0], tmp_path / "broken.mp4", *films[1:4]]
    few = experiment(films, split="random", controls=["majority"], tasks=["xy"])
    here = run(few, videos, tmp_path / "here")
    there = run(few, videos, tmp_path / "there", executor=two)
    assert here == there
    assert len(here) == 1
    with pytest.raises(WorldprobeError):
        run(experiment(films, strict=True), videos, tmp_path / "strict", executor=two)


def test_a_cluster_that_does_not_answer_is_named():
    pytest.importorskip("ray", reason="Ray is not installed: make extras")
    from worldprobe.execute.ray import Ray

    for address in ("127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:port"):
        with pytest.raises(ConfigError, match=f"no Ray cluster answers at {address}"):
            Ray(address=address)
    with pytest.raises(ConfigError, match="give a number of workers"):
        Ray("many")
