"""Commands in processes of their own that are killed, and an encoder and a labeller that say what they do.

They are forked with everything imported, so that a kill hits work and not imports.
"""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

from tests.builders.forked import Forked, command

from worldprobe.encoders.floors import Pixels
from worldprobe.labels.truth import SceneTruth


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


def _killable(arguments):
    if "KILL" in os.environ:
        _killing.arm(os.environ["KILL"])
    command(arguments)


class Command(Forked):
    """`worldprobe ARGUMENTS` in a folder, whose notes are there too; it dies where KILL says."""

    def __init__(self, *arguments, folder, **environment):
        environment = {"NOTES": str(Path(folder) / "notes"), **environment}
        super().__init__(_killable, *arguments, folder=folder, **environment)


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
