"""What `make bench` asks of each benchmark is something that it, and what it calls, takes."""

import re
import tomllib
from pathlib import Path

import pytest
from benchmarks.end_to_end import experiment

from worldprobe.config import make_experiment

ROOT = Path(__file__).resolve().parents[2]


def lines() -> list[tuple[str, dict[str, str]]]:
    """Module and options of each line of the recipe."""
    recipe = re.search(r"^bench: install\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    found = re.findall(r"(?:-m benchmarks\.|benchmarks/)(\w+)(?:\.py)?(.*)", recipe[1])
    return [(name, dict(re.findall(r"--([\w-]+) (\S+)", options))) for name, options in found]


@pytest.mark.parametrize(("name", "options"), lines(), ids=str)
def test_each_option_is_one_of_the_benchmarks(name: str, options: dict[str, str]) -> None:
    source = (ROOT / "benchmarks" / f"{name}.py").read_text()
    assert [option for option in options if f'"--{option}"' not in source] == []


def test_the_experiment_that_is_timed_is_a_valid_one() -> None:
    asked = [options for name, options in lines() if name == "end_to_end"]
    assert asked
    for options in asked:
        written = experiment(int(options["samples"]), int(options["every"]))
        assert make_experiment(tomllib.loads(written)).samples == int(options["samples"])
