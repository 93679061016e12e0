"""A stage of a run's folder that another process writes: refused in a sentence, and free when that process ends."""

import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from worldprobe.config import make_experiment
from worldprobe.errors import ConfigError
from worldprobe.pipeline import claim
from worldprobe.pipeline.decode.stage import decode_into, plan_of
from worldprobe.pipeline.ledger import Ledger
from worldprobe.pipeline.predict.stage import predict
from worldprobe.pipeline.run import run
from worldprobe.store import Store

ASKED = make_experiment({"videos": ["film.mp4"], "encoder": "pixels", "tasks": ["xy"]})
HOLD = """
import sys, time
from pathlib import Path
from worldprobe.pipeline.claim import claimed
with claimed(Path(sys.argv[1]), sys.argv[2]):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    monkeypatch.setattr(claim, "_PATIENCE_SECONDS", 0.05)


@contextmanager
def held(out, stage):
    """Another process that has claimed a stage, and is killed in the end."""
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(out), stage], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "held\n"
        yield
    finally:
        other.send_signal(signal.SIGKILL)
        other.wait()
        other.stdout.close()


def decode(out):
    decode_into(out, Store(str(out / "store")), {}, plan_of(ASKED, encoder="pixels"), Ledger())


@pytest.mark.parametrize(
    ("stage", "write"),
    [
        ("probe", lambda out: run(ASKED, ["film.mp4"], out)),
        ("decode", decode),
        ("predict", lambda out: predict(ASKED, ["film.mp4"], out)),
    ],
)
def test_a_stage_that_another_process_writes_is_refused_before_any_work(stage, write, tmp_path):
    with held(tmp_path / "run", stage), pytest.raises(ConfigError, match=rf"another process .*run \({stage}\)"):
        write(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_claim_ends_with_its_process_however_that_ends(tmp_path):
    with held(tmp_path, "probe"):
        pass
    with claim.claimed(tmp_path, "probe"), claim.claimed(tmp_path, "probe"):
        pass


def test_other_stages_and_other_folders_are_free(tmp_path):
    with held(tmp_path, "probe"), claim.claimed(tmp_path, "decode"), claim.claimed(tmp_path / "other", "probe"):
        pass


def test_a_claim_is_one_of_a_folder_whatever_it_is_called(tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    with held(tmp_path / "run", "probe"), pytest.raises(ConfigError), claim.claimed(tmp_path / "link", "probe"):
        pass
