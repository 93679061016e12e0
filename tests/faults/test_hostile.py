"""Hostile input: whatever is in a file, it is read or refused in a sentence; no crash, no hang, bounded memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("mp4", "avi", "webm", "parquet", "toml", "mot", "coco", "onnx", "safetensors", "lerobot")
# Of all kinds together; `make fuzz` asks for ten thousand and more.
INPUTS = int(os.environ.get("WORLDPROBE_FUZZ", "360"))


@pytest.mark.timeout(3600)
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to RLIMIT_AS")
@pytest.mark.parametrize("kind", KINDS)
def test_mutated_files_are_read_or_refused(kind, tmp_path):
    count = -(-INPUTS // len(KINDS))
    command = [sys.executable, "-m", "tests.builders.hostile", kind, "1", str(count), str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert ended.returncode == 0, ended.stderr[-3000:]
    told = json.loads(ended.stdout.splitlines()[-1])
    print(f"{kind}: {told['inputs']} inputs, {told['refused']} refused, none crashed")
    assert told["inputs"] == count
    assert told["refused"] > 0
