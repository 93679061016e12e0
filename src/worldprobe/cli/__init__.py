"""The command line: parse, one API call, print. Results on stdout, progress on stderr."""

from __future__ import annotations

import errno
import sys

# Importing a module adds its commands, in the order in which the help lists them.
from worldprobe.cli import experiments, stages, predict, decode, look, compare, export  # isort: skip
from worldprobe.cli.options import app
from worldprobe.errors import WorldprobeError

# What a disk says, wherever it is met: libraries write files of their own.
_NO_PLACE = (
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG,
    errno.EEXIST, errno.ENOTDIR, errno.EISDIR,  # a file where a folder was named, or the other way round
)  # fmt: skip

__all__ = ["app", "compare", "decode", "experiments", "export", "look", "main", "predict", "stages"]


def main() -> None:
    """Entry point: a user's mistake ends with one line and exit code 1, never a traceback."""
    try:
        app(standalone_mode=True)
    except WorldprobeError as error:
        sys.stderr.write(f"worldprobe: {error}\n")
        raise SystemExit(1) from None
    except OSError as error:
        if error.errno not in _NO_PLACE:
            raise
        sys.stderr.write(f"worldprobe: {error.filename or 'a file'} cannot be written: {error.strerror}\n")
        raise SystemExit(1) from None
