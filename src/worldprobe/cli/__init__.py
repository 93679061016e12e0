"""The command line: parse, one API call, print. Results on stdout, progress on stderr."""

from __future__ import annotations

import errno
import io
import os
import sys
import traceback
from typing import NoReturn

# Importing a module adds its commands, in the order in which the help lists them.
from worldprobe.cli import experiments, stages, predict, decode, look, compare, watch, export, convert, render  # isort: skip
from worldprobe.cli.options import app
from worldprobe.errors import WorldprobeError, out_of_memory
from worldprobe.printable import one_line

# What a disk says, wherever it is met: libraries write files of their own.
_NO_PLACE = (
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG,
    errno.EEXIST, errno.ENOTDIR, errno.EISDIR,  # a file where a folder was named, or the other way round
)  # fmt: skip

_INTERRUPTED = 130
_STOPPED = "stopped. What was done is kept; the same command goes on from there"

__all__ = [
    "app",
    "compare",
    "convert",
    "decode",
    "experiments",
    "export",
    "look",
    "main",
    "predict",
    "render",
    "stages",
    "watch",
]


def main() -> None:
    """Entry point: a user's mistake ends with one line and exit code 1, never a traceback.

    ``WORLDPROBE_DEBUG=1`` shows the traceback as well, for whoever writes a plug-in.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what an output cannot write is written as Python would
            stream.reconfigure(errors="backslashreplace")
    try:
        app(standalone_mode=True)
    except SystemExit as ended:
        if ended.code == _INTERRUPTED:
            sys.stderr.write(f"worldprobe: {_STOPPED}\n")
        raise
    except KeyboardInterrupt:
        _end(_STOPPED, _INTERRUPTED)
    except WorldprobeError as error:
        _end(str(error))
    except MemoryError:
        _end("memory ran out. Close other programs, or ask for less: fewer --frames, one block, features z")
    except OSError as error:
        what = "cannot be written" if error.errno in _NO_PLACE else "cannot be read or written"
        _end(f"{error.filename or 'a file'} {what}: {error.strerror or error}")
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        _end(
            f"memory ran out ({str(error).strip().splitlines()[0]}). Ask for less: a smaller model, fewer "
            '--frames, --precision bf16, a smaller batch in [decode], or device = "cpu"'
        )


def _end(line: str, code: int = 1) -> NoReturn:
    if os.environ.get("WORLDPROBE_DEBUG"):
        traceback.print_exc()
    sys.stderr.write(f"worldprobe: {one_line(line)}\n")
    raise SystemExit(code) from None
