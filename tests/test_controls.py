"""The records of controls: what stands elsewhere about controls is what they say."""

import re
from pathlib import Path
from typing import get_args

import pytest

from worldprobe.config import TASKS, Experiment
from worldprobe.controls import CONTROLS, MOTION_TASKS, NEGATIVE, POSITIVE, Control, stands_beside
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


def test_positive_controls_are_apart_and_stand_beside_motion_that_is_there_to_be_seen():
    assert (*NEGATIVE, *POSITIVE) == tuple(CONTROLS)
    assert POSITIVE == ("flow",)
    beside = {task for task in TASKS if stands_beside("flow", [task], "native")}
    assert beside == set(MOTION_TASKS)
    in_picture = {"motion", "motion8", "direction", "velocity", "approach"}
    assert beside == {*in_picture, "xyz-velocity", "time-to-contact", "camera-motion", "relative-action"}
    assert stands_beside("flow", ["xyz-velocity.x"], "native")
    assert not stands_beside("flow", ["xyz.x", "state.velocity"], "native")
    assert not stands_beside("flow", TASKS, "still")
    assert all(stands_beside(name, ["xy"], "still") for name in ("none", *NEGATIVE))


def test_short_names_fit_narrow_columns_and_differ():
    short = [one.short for one in CONTROLS.values()]
    assert len(set(short)) == len(short)
    assert max(map(len, short)) <= 6


@pytest.mark.parametrize("page", ["docs/concepts.md"])
def test_tables_in_the_documentation_are_the_records(page):
    head = "| control | what it is | what a score above it rules out |\n|---|---|---|\n"
    found = re.search(re.escape(head) + r"((?:\|.*\n)+)", (ROOT / page).read_text())
    assert found, f"{page} has no table of controls"
    assert found[1] == "".join(f"| `{name}` | {one.what} | {one.rules_out} |\n" for name, one in CONTROLS.items())
