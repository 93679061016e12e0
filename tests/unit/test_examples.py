"""The examples run as they are, and stay short."""

import os
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def python(*arguments, folder):
    return subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, cwd=folder, timeout=200,
        env={**os.environ, "PYTHONPATH": str(EXAMPLES), "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip


def test_ten_lines_print_scores_with_their_verdicts(tmp_path):
    done = python(EXAMPLES / "ten_lines.py", 12, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {line.split()[0] for line in done.stdout.splitlines()} == {"xy", "size"}
    assert (tmp_path / "runs" / "ten-lines" / "report.html").exists()


def test_an_encoder_of_ones_own_keeps_the_promises_and_is_used(tmp_path):
    done = python(EXAMPLES / "own_encoder.py", folder=tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, "kept every promise"), done.stderr
    encode = ("-m", "worldprobe", "encode", "scenes:2", "--encoder", "own_encoder:Contrast", "--store", "s")
    done = python(*encode, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "contrast: 2 clips" in done.stdout


def test_examples_are_short():
    for path in EXAMPLES.glob("*.py"):
        assert len(path.read_text().splitlines()) < 60, path
