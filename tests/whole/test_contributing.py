"""The plug-ins that CONTRIBUTING.md shows are whole, keep their promises, and are taken by the commands beside."""

import re
from pathlib import Path

import pytest
from tests.builders.checks import some
from tests.builders.forked import finished
from tests.builders.forked import python as program
from tests.builders.markdown import blocks

from worldprobe.results import read_results
from worldprobe.video.rendered.scenes import render_scenes

PAGE = Path(__file__).resolve().parents[2] / "CONTRIBUTING.md"
SHOWN = [block for block in blocks(PAGE) if block.language == "python"]
FILES = {match[1]: block.text for block in SHOWN if (match := re.match(r"# (\w+\.py)\n", block.text))}
CHECKS = {
    match[1]: block.text
    for block in SHOWN
    if block.text not in FILES.values() and (match := re.search(r"import (check_\w+)", block.text))
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with every plug-in that the page shows, and a film."""
    place = tmp_path_factory.mktemp("contributing")
    for name, text in FILES.items():
        (place / name).write_text(text)
    (film,) = render_scenes(1, 0, place / "scenes")
    film.rename(place / "film.mp4")
    return place


def python(folder, *arguments):
    return finished(program, *arguments, folder=folder, PYTHONPATH=".")


def test_there_is_one_of_each_kind():
    kinds = ("encoder", "labeller", "probe", "predictor", "decoder")
    assert list(CHECKS) == [f"check_{kind}" for kind in kinds]
    assert len(SHOWN) == 2 * len(kinds)
    for name, text in some(FILES.items()):
        assert len(text.splitlines()) < 45, name  # ten minutes


@pytest.mark.parametrize("kind", CHECKS)
def test_what_is_shown_keeps_its_promises(folder, kind):
    done = python(folder, "-c", CHECKS[kind])
    assert done.returncode == 0, done.stderr


def test_what_is_shown_is_used_as_shown(folder):
    for command in (
        "encode film.mp4 --encoder colours:Colours --store colours.zarr",
        "label film.mp4 --labeller darkest:Darkest --out darkest.parquet",
        "predict film.mp4 --encoder last_again:Remembering --no-twin --context 2 --horizon 2 --out again",
    ):
        done = python(folder, "-m", "worldprobe", *command.split())
        assert done.returncode == 0, done.stderr
    lines = [line for line in read_results(folder / "again" / "results.jsonl") if line.kind == "prediction"]
    errors = {
        (line.method, line.horizon): line.score for line in lines if (line.metric, line.tokens) == ("l1", "all")
    }
    for horizon in (1, 2):  # in its own units: the predictor that repeats the last tubelet is that baseline
        assert errors["predictor", horizon] == pytest.approx(errors["copy-last", horizon], rel=1e-2)


def test_what_is_shown_is_formatted():
    for text in (*FILES.values(), *CHECKS.values()):
        for line in text.splitlines():
            assert len(line) <= 116
        compile(text, "shown", "exec")
