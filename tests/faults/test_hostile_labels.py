"""Label files mutated in their structure: read soundly or refused in a sentence, never a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.builders.checks import some

ROOT = Path(__file__).resolve().parents[2]
# Of each kind; `make fuzz` asks for ten thousand.
INPUTS = int(os.environ.get("WORLDPROBE_FUZZ", "80"))


@pytest.mark.timeout(3600)
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to RLIMIT_AS")
def test_mutated_label_files_are_read_soundly_or_refused(tmp_path):
    command = [sys.executable, "-m", "tests.builders.hostile_labels", "1", str(INPUTS), str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert ended.returncode == 0, ended.stderr[-3000:]
    told = json.loads(ended.stdout.splitlines()[-1])
    assert set(told) == {"coco", "labelstudio", "cvat", "mot", "yolotxt"}
    for kind, counts in some(told.items()):
        print(f"{kind}: {counts['inputs']} inputs, {counts['refused']} refused, none crashed")
        assert counts["inputs"] == INPUTS
        assert 0 < counts["refused"] < INPUTS
