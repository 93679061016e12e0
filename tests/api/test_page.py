"""docs/howto/any-embeddings.md: its code runs and prints what stands there; docs/api.md names what there is."""

import re
from importlib import import_module
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.builders.checks import some
from tests.builders.markdown import blocks

DOCS = Path(__file__).resolve().parents[2] / "docs"
NUMBER = r"−?\d+\.\d+"


def test_the_code_of_the_page_runs_and_prints_what_stands_there(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    found = blocks(DOCS / "howto/any-embeddings.md")
    first, *others, exported = [block.text for block in found if block.language == "python"]
    (printed,) = (block.text for block in found if block.language == "text")
    names = {}
    exec(first, names)
    out = capsys.readouterr().out
    assert re.sub(NUMBER, "#", out).split() == re.sub(NUMBER, "#", printed).split()
    numbers = [[float(one.replace("−", "-")) for one in re.findall(NUMBER, text)] for text in (out, printed)]
    assert numbers[0] == pytest.approx(numbers[1], abs=0.02)
    for code in some(others):
        exec(code, names)
    assert len(names["scores"]) == 5
    assert (tmp_path / "speech.png").stat().st_size > 10_000
    (tmp_path / "runs/film").mkdir(parents=True)
    table = pl.DataFrame({"file": ["film.mp4"] * 40, "first_frame": range(40), "group": np.arange(40) // 5})
    vectors = pl.Series("block3.z", np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32))
    table.with_columns(vectors).write_parquet("runs/film/embeddings.parquet")
    weather = [("rain", "sun")[one % 2] for one in range(40)]
    table.select("file", "first_frame", weather=pl.Series(weather)).write_csv("mine.csv")
    capsys.readouterr()
    exec(exported, names)
    assert "weather" in capsys.readouterr().out


def test_the_page_of_the_api_names_what_there_is():
    for name in some(re.findall(r"^::: (\S+)$", (DOCS / "api.md").read_text(), flags=re.MULTILINE)):
        module, _, member = name.rpartition(".")
        parent = import_module(module)
        assert getattr(parent, member, None) or import_module(name), name


def test_every_name_of_the_api_is_on_its_page():
    import worldprobe as wp

    page = (DOCS / "api.md").read_text()
    assert [
        name for name in wp.__all__ if not name.startswith("_") and f"::: worldprobe.{name}\n" not in page
    ] == []
