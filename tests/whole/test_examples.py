"""The examples run as they are, and stay short."""

import json
from pathlib import Path

import pytest
from tests.builders.checks import some
from tests.builders.forked import finished
from tests.builders.forked import python as program

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


def python(*arguments, folder):
    return finished(program, *arguments, folder=folder, PYTHONPATH=str(EXAMPLES), MPLBACKEND="Agg")


def test_ten_lines_print_scores_with_their_verdicts(tmp_path):
    done = python(EXAMPLES / "ten_lines.py", 8, folder=tmp_path)
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


def code_of(notebook):
    """The notebook's code cells, in order."""
    cells = json.loads(notebook.read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs_from_top_to_bottom(notebook, tmp_path):
    """Its cells are plain Python, so that they run one after the other in one process as they would in Jupyter."""
    (tmp_path / "cells.py").write_text(
        "import json, sys\n"
        "space = {}\n"
        "for number, cell in enumerate(json.load(open('cells.json'))):\n"
        "    exec(compile(cell, f'cell {number}', 'exec'), space)\n"
    )
    (tmp_path / "cells.json").write_text(json.dumps(code_of(notebook)))
    done = python("cells.py", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 6
    assert (tmp_path / "runs" / "notebook" / "report.html").exists()


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_kept_without_its_outputs(notebook):
    written = json.loads(notebook.read_text())
    assert (written["nbformat"], written["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in written["cells"]}) == len(written["cells"])
    for cell in some(written["cells"]):
        assert cell["cell_type"] == "markdown" or (cell["outputs"], cell["execution_count"]) == ([], None)
    assert not any(line.startswith(("%", "!")) for cell in code_of(notebook) for line in cell.splitlines())


def test_examples_are_short():
    assert NOTEBOOKS
    for path in (*EXAMPLES.glob("*.py"), *EXAMPLES.glob("*.toml")):
        assert len(path.read_text().splitlines()) < 60, path
    for path in some(NOTEBOOKS):
        assert sum(len(cell.splitlines()) for cell in code_of(path)) < 60, path
