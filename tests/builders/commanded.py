"""The command line within this process: how it ends and what it says, and that it never ends in a traceback."""

import sys

import pytest

from worldprobe.cli import main


def commanded(capsys, monkeypatch, *arguments):
    """The exit code, stdout and stderr. What is no orderly end goes on to the test, and fails it."""
    monkeypatch.setattr(sys, "argv", ["worldprobe", *map(str, arguments)])
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return ended.value.code or 0, out, err
