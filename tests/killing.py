"""Commands in processes of their own that are killed, and an encoder and a labeller that say what they do.

Processes are forked from a server that has everything imported, so that a kill hits work and not imports.
"""

import json
import multiprocessing
import os
import sys
import time
from pathlib import Path

from worldprobe.encoders.floors import Pixels
from worldprobe.labels.truth import SceneTruth

HEAVY = ["worldprobe.cli", "worldprobe.pipeline.run", "worldprobe.report.write", "torch", "sklearn.linear_model"]
HEAVY += ["worldprobe.encoders.vjepa2", "worldprobe.pipeline.preview", "tests.killing"]
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


def notes(path):
    return path.read_text().splitlines() if path.exists() else []


def _work(arguments, folder, environment):
    from worldprobe.cli import main

    os.environ.update(environment)
    os.chdir(folder)
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
        self._process.join(timeout=240)
        self.seconds = time.perf_counter() - self.started
        assert self._process.exitcode is not None, "the command hangs"
        return self._process.exitcode

    def seconds_so_far(self):
        return time.perf_counter() - self.started

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
