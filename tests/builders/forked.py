"""Programs in processes of their own, forked from a server that has everything imported.

Their exit codes, output and deaths are a process's; what they lack is ten seconds of imports.
"""

import ctypes
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_CAPABILITIES = 0x20080522  # version 3 of capget(2)
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.builders.preloaded"])


def command(arguments):
    """Run ``worldprobe ARGUMENTS``."""
    from worldprobe.cli import main

    sys.argv = ["worldprobe", *arguments]
    main()


def bound(arguments):
    """Run ``worldprobe ARGUMENTS`` as one to whom permissions apply: root gives up the right to pass over them."""
    if os.getuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        head, rights = (ctypes.c_uint32 * 2)(_CAPABILITIES, 0), (ctypes.c_uint32 * 6)()
        assert libc.capget(head, rights) == 0
        for kind in range(3):  # effective, permitted, inheritable
            rights[kind] &= ~(1 << 1 | 1 << 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        assert libc.capset(head, rights) == 0
    command(arguments)


def python(arguments):
    """Run ``python ARGUMENTS``: a script, ``-m MODULE`` or ``-c CODE``."""
    first, *rest = arguments
    sys.argv = arguments
    if first == "-c":
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})
    elif first == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.path.insert(0, str(Path(first).resolve().parent))
        runpy.run_path(first, run_name="__main__")


def _work(program, arguments, folder, environment):
    from huggingface_hub import constants

    # As a program that a user began: where the tests are a shell's job in the background they ignore interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    constants.HF_HUB_OFFLINE = True  # it was read when the server imported it
    os.chdir(folder)
    sys.path[:0] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    for name, descriptor in (("out", 1), ("err", 2)):
        file = os.open(environment[f"FORKED_{name}"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, descriptor)
    program(arguments)


class Forked:
    """A program in a folder, whose output is appended to `out` and `err` in ``output``, or there."""

    def __init__(self, program, *arguments, folder, output=None, **environment):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._output = Path(output or folder).resolve()
        files = {f"FORKED_{name}": str(self._output / name) for name in ("out", "err")}
        environment = {**os.environ, **files, **environment}
        self._process = _context.Process(
            target=_work, args=(program, [str(a) for a in arguments], str(folder), environment)
        )
        self._process.start()

    def end(self, timeout=900):
        """Wait for it; returns the exit code."""
        self._process.join(timeout=timeout)
        assert self._process.exitcode is not None, "the program hangs"
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
    def printed(self):
        return self._read("out")

    @property
    def said(self):
        return self._read("err")

    def _read(self, name):
        file = self._output / name
        return file.read_text() if file.exists() else ""


def finished(program, *arguments, folder, timeout=900, **environment):
    """The program, run to its end, as ``subprocess.run`` gives it with its output as text."""
    with tempfile.TemporaryDirectory() as output:
        process = Forked(program, *arguments, folder=folder, output=output, **environment)
        code = process.end(timeout)
        return subprocess.CompletedProcess(arguments, code, process.printed, process.said)
