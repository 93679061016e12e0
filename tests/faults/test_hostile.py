"""Hostile input: whatever is in a file, it is read or refused in a sentence; no crash, no hang, bounded memory."""

import json
import os
import sys

import pytest
from tests.builders.forked import finished
from tests.builders.hostile import main

KINDS = ("mp4", "avi", "webm", "parquet", "toml", "mot", "coco", "onnx", "safetensors", "lerobot")
# Of all kinds together; `make fuzz` asks for ten thousand and more.
INPUTS = int(os.environ.get("WORLDPROBE_FUZZ", "360"))


@pytest.mark.timeout(3600)
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to RLIMIT_AS")
@pytest.mark.parametrize("kind", KINDS)
def test_mutated_files_are_read_or_refused(kind, tmp_path):
    count = -(-INPUTS // len(KINDS))
    ended = finished(main, kind, 1, count, tmp_path, folder=tmp_path, timeout=3600)
    assert ended.returncode == 0, ended.stderr[-3000:]
    told = json.loads(ended.stdout.splitlines()[-1])
    print(f"{kind}: {told['inputs']} inputs, {told['refused']} refused, none crashed")
    assert told["inputs"] == count
    assert told["refused"] > 0
