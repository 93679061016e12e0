"""--dry-run of a single command says what it would take, and leaves nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.builders.commanded import commanded


@pytest.mark.parametrize(
    ("command", "stages"),
    [
        (["encode", "scenes:6", "--store", "s"], {"encode": "clips"}),
        (["label", "scenes:6", "--labeller", "moving", "--out", "labels.csv"], {"label": "frames"}),
        (["decode", "scenes:6", "--out", "drawn", "--steps", "4"], {"encode": "clips", "train": "steps"}),
        (["predict", "scenes:6", "--out", "future", "--no-twin"], {"predict": "windows"}),
    ],
    ids=lambda one: one[0] if isinstance(one, list) else "",
)
def test_a_command_says_what_it_would_take_and_leaves_nothing(
    command: list[str],
    stages: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("worldprobe.pipeline.estimate.run.CALIBRATION_SECONDS", 0.1)

    code, out, _ = commanded(capsys, monkeypatch, *command, "--dry-run", "--json")

    found = json.loads(out)
    assert code == 0
    assert {one["stage"]: one["unit"] for one in found} == stages
    assert all(one["seconds"] > 0 for one in found)
    assert not list(tmp_path.iterdir())
