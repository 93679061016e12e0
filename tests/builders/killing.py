"""Commands in processes of their own that are killed, and an encoder and a labeller that say what they do.

Processes are forked from a server that has everything imported, so that a kill hits work and not imports.
"""

import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from pathlib import Path

from worldprobe.encoders.floors import Pixels
from worldprobe.labels.truth import SceneTruth

HEAVY = ["worldprobe.cli", "worldprobe.pipeline.run", "worldprobe.report.write", "torch", "sklearn.linear_model"]
HEAVY += ["worldprobe.encoders.vjepa2", "worldprobe.pipeline.label.preview", "tests.builders.killing"]
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(HEAVY)


class Counting(Pixels):
    """As ``pixels``; takes a while, and notes each clip before it gives its tokens."""

    name = "counting"

    def encode(self, clips, *, blocks):
        for clip in clips:
            time.sleep(float(os.environ.get("SECONDS_A_CLIP", "0.004")))
            _note(f"{clip.spec.video.id} {clip.spec.start}")
        return super().encode(clips, blocks=blocks)


class Meeting(Counting):
    """Reads its first clip only when another process, which has the folder MEETING in common, is that far too."""

    _met = False

    def preprocess(self, frames):
        if not Meeting._met:
            folder = Path(os.environ["MEETING"])
            (folder / str(os.getpid())).touch()
            _wait_until(lambda: len(list(folder.iterdir())) >= 2)
            Meeting._met = True
        return super().preprocess(frames)


class Vanishing(Counting):
    """Has the store moved from STORE to AWAY when some clips are there and others are still to come."""

    _batches = 0

    def encode(self, clips, *, blocks):
        self._batches += 1
        if self._batches == 2:
            store = Path(os.environ["STORE"])
            _wait_until(lambda: any(store.rglob("c.*.0.0.0.0")))
            os.rename(store, os.environ["AWAY"])
        return super().encode(clips, blocks=blocks)


def _wait_until(so):
    end = time.monotonic() + 900  # nobody waits that long but for what never comes
    while not so():
        assert time.monotonic() < end, "what was waited for never came"
        time.sleep(0.002)


class Noted:
    """As ``truth``; takes a while, and notes each video."""

    name = "noted"

    def __init__(self, argument=None):
        self._truth = SceneTruth()

    def label(self, video):
        time.sleep(float(os.environ.get("SECONDS_A_VIDEO", "0.01")))
        _note(video.ref.id)
        return self._truth.label(video)


def _note(line):
    """One line of NOTES, whole even when the process is killed."""
    file = os.open(os.environ["NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{line}\n".encode())
    os.close(file)
    _killing.noted()


class _Killing:
    """SIGKILL to this process where KILL says, by what it has done and not by a clock.

    ``note N`` when the Nth note is made, ``rename N`` when after it the first file is to be put in its place,
    ``write N`` when the Nth clip is stored.
    """

    def __init__(self):
        self._kind, self._left, self._lock = "", 0, threading.Lock()

    def arm(self, when):
        self._kind, _, count = when.partition(" ")
        self._left = int(count)
        if self._kind == "rename":
            sys.addaudithook(self._look)
        if self._kind == "write":
            from worldprobe.store import Store

            write = Store.write

            def counted(*arguments):
                write(*arguments)
                self._count()

            Store.write = counted

    def noted(self):
        if self._kind in ("note", "rename"):
            self._count()

    def _count(self):
        with self._lock:
            self._left -= 1
            if not self._left and self._kind != "rename":
                os.kill(os.getpid(), signal.SIGKILL)

    def _look(self, event, _):
        if event == "os.rename" and self._left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


_killing = _Killing()


def notes(path):
    return path.read_text().splitlines() if path.exists() else []


def _work(arguments, folder, environment):
    from worldprobe.cli import main

    os.environ.update(environment)
    os.chdir(folder)
    if "KILL" in environment:
        _killing.arm(environment["KILL"])
    for name, descriptor in (("out", 1), ("err", 2)):
        file = os.open(f"{folder}/{name}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, descriptor)
    sys.argv = ["worldprobe", *arguments]
    main()


class Command:
    """`worldprobe ARGUMENTS` in a folder, whose output is appended to `out` and `err` there."""

    def __init__(self, *arguments, folder, **environment):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        environment = {"NOTES": str(self.folder / "notes"), **environment}
        self._process = _context.Process(target=_work, args=([str(a) for a in arguments], str(folder), environment))
        self.started = time.perf_counter()
        self._process.start()

    def end(self):
        """Wait for it; returns the exit code."""
        self._process.join(timeout=900)
        self.seconds = time.perf_counter() - self.started
        assert self._process.exitcode is not None, "the command hangs"
        return self._process.exitcode

    def kill_when(self, far, seconds):
        """SIGKILL so many seconds after it has come so far; whether it was still at work."""
        while self._process.is_alive() and not far():
            time.sleep(0.002)
        return self.kill_after(seconds)

    def kill_after(self, seconds):
        """SIGKILL; whether it was still at work."""
        self._process.join(timeout=seconds)
        alive = self._process.is_alive()
        self._process.kill()
        self._process.join()
        return alive

    @property
    def said(self):
        return (self.folder / "err").read_text()


def tree(folder, *, leftovers=False):
    """Every file's bytes by its path; temporary files of writes that were cut off only when asked for."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file() and (leftovers or not path.name.endswith(".partial"))
    }


def findings(run):
    """Lines of results.jsonl that do not tell of time, each whole and there once."""
    lines = (run / "results.jsonl").read_text().splitlines()
    read = [json.loads(line) for line in lines]
    found = [line for line, one in zip(lines, read, strict=True) if one["kind"] != "cost"]
    assert len(set(found)) == len(found) > 0
    return found
