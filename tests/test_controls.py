"""The records of controls: what stands elsewhere about controls is what they say."""

import re
from pathlib import Path
from typing import get_args

import pytest

from worldprobe.config import Experiment
from worldprobe.controls import CONTROLS, Control
from worldprobe.encoders.load import control_encoders
from worldprobe.probes.controls import COLUMNS

ROOT = Path(__file__).resolve().parents[1]


def reading(what):
    return {name for name, one in CONTROLS.items() if one.reads == what}


def test_every_name_has_a_record():
    assert get_args(Control) == ("none", *CONTROLS)


def test_every_control_has_what_makes_its_inputs():
    assert reading("columns") == set(COLUMNS)
    assert reading("encoder") == set(control_encoders("vjepa2-tiny", "random"))
    # What is neither is made of the labels, or of the features' shape: one of each.
    assert [len(reading(what)) for what in ("nothing", "labels", "noise")] == [1, 1, 1]


def test_all_are_run_unless_a_file_says_otherwise():
    assert set(Experiment(videos=["film.mp4"]).controls) == set(CONTROLS)


def test_short_names_fit_narrow_columns_and_differ():
    short = [one.short for one in CONTROLS.values()]
    assert len(set(short)) == len(short)
    assert max(map(len, short)) <= 6


@pytest.mark.parametrize("page", ["README.md", "docs/concepts.md"])
def test_tables_in_the_documentation_are_the_records(page):
    head = "| control | what it is | what a score above it rules out |\n|---|---|---|\n"
    found = re.search(re.escape(head) + r"((?:\|.*\n)+)", (ROOT / page).read_text())
    assert found, f"{page} has no table of controls"
    assert found[1] == "".join(f"| `{name}` | {one.what} | {one.rules_out} |\n" for name, one in CONTROLS.items())
