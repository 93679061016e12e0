"""Label files mutated in their structure: read soundly or refused in a sentence, never a traceback."""

import json
import os
import sys

import pytest
from tests.builders.checks import some
from tests.builders.forked import finished
from tests.builders.hostile_labels import main

# Of each kind; `make fuzz` asks for ten thousand.
INPUTS = int(os.environ.get("WORLDPROBE_FUZZ", "80"))


@pytest.mark.timeout(3600)
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to RLIMIT_AS")
def test_mutated_label_files_are_read_soundly_or_refused(tmp_path):
    ended = finished(main, 1, INPUTS, tmp_path, folder=tmp_path, timeout=3600)
    assert ended.returncode == 0, ended.stderr[-3000:]
    told = json.loads(ended.stdout.splitlines()[-1])
    assert set(told) == {"coco", "labelstudio", "cvat", "mot", "yolotxt"}
    for kind, counts in some(told.items()):
        print(f"{kind}: {counts['inputs']} inputs, {counts['refused']} refused, none crashed")
        assert counts["inputs"] == INPUTS
        assert 0 < counts["refused"] < INPUTS
