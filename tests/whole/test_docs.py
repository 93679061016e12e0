"""What the documentation says can be done: links lead somewhere, commands parse, files and code are taken."""

import ast
import re
import shlex
from pathlib import Path

import pytest
import typer
from recipes.draw_modules import PICTURE, draw
from tests.builders.checks import some
from tests.builders.forked import finished, python
from tests.builders.markdown import blocks

from worldprobe.cli import app
from worldprobe.config import read_encoders, read_experiment
from worldprobe.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path
    for path in (
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("src/**/*.md"),
        *ROOT.glob("recipes/**/*.md"),
    )
)
COMMANDS = typer.main.get_command(app)


def lines(page):
    """The lines of a page's code blocks that have no language: what is typed into a shell."""
    return [line.strip() for block in blocks(page) if not block.language for line in block.text.splitlines()]


def typed():
    """Every worldprobe command in the pages, and in the commands' own help."""
    found = []
    for page in PAGES:
        for line in lines(page):
            if match := re.match(r"(?:PYTHONPATH=\S+ )?(?:\.venv/bin/)?worldprobe (.*)", line):
                found.append((page.name, match[1]))
    for name, command in COMMANDS.commands.items():
        found += [(name, example) for example in re.findall(r"worldprobe (.+)", command.help)]
    return found


def test_the_picture_of_the_modules_is_that_of_the_contracts():
    assert PICTURE.read_text() == draw(), "make picture"


def test_there_is_something_to_check():
    assert len(typed()) > 50
    assert {name for name, _ in typed()} > set(COMMANDS.commands)  # every command's help has an example
    links = [one for page in PAGES for one in re.findall(r"\]\(([^)\s#]+)", page.read_text())]
    assert len([one for one in links if not one.startswith("http")]) > 20
    assert len(list((ROOT / "docs/decisions").glob("*.md"))) > 1
    shown = [block for page in PAGES for block in blocks(page) if block.language == "toml"]
    assert any(re.search(r"^videos\s*=", block.text, flags=re.MULTILINE) for block in shown)


@pytest.mark.parametrize(("place", "line"), typed())
def test_a_command_that_is_shown_parses(place, line):
    name, *arguments = shlex.split(line, comments=True)
    assert name in COMMANDS.commands, f"{place}: no command {name}"
    COMMANDS.commands[name].make_context(name, arguments)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path = target.partition("#")[0]
        if path and not path.startswith(("http://", "https://")):
            assert (page.parent / path).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_experiments_that_are_shown_are_read(page, tmp_path):
    for block in blocks(page):
        if block.language == "toml" and re.search(r"^videos\s*=", block.text, flags=re.MULTILINE):
            (tmp_path / "shown.toml").write_text(block.text)
            read_encoders(tmp_path / "shown.toml")


def test_an_experiment_with_an_unknown_key_would_be_found(tmp_path):
    (tmp_path / "shown.toml").write_text('videos = ["a.mp4"]\nlabeler = "moving"\n')
    with pytest.raises(ConfigError, match="labeller"):
        read_experiment(tmp_path / "shown.toml")


def test_targets_of_make_that_are_named_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = {found for page in PAGES for line in lines(page) for found in re.findall(r"^make ([a-z]+)", line)}
    assert {"demo", "test", "check"} <= named <= targets


def test_every_decision_is_listed():
    index = (ROOT / "docs/decisions/README.md").read_text()
    menu = (ROOT / "mkdocs.yml").read_text()
    for page in some((ROOT / "docs/decisions").glob("*.md")):
        assert page.name == "README.md" or f"({page.name})" in index, page.name
        assert f"decisions/{page.name}" in menu, page.name


def test_the_readme_is_short_and_opens_with_sentence_picture_commands_and_table():
    text = (ROOT / "README.md").read_text()
    lines = text.splitlines()
    assert len(lines) <= 150
    first = "\n".join(lines[:40])
    order = [
        "What does a frozen video encoder know",
        "(docs/strip.png)",
        "make demo",
        "make test",
        "in short:",
        "996 groups.",
    ]
    places = [first.index(one) for one in order]
    assert places == sorted(places)
    assert (ROOT / "docs/strip.png").stat().st_size < 300_000


def test_the_readme_prints_of_the_demo_what_its_page_does():
    """Figures are pasted from one run into both."""
    (short,) = [block.text for block in blocks(ROOT / "README.md") if "in short:" in block.text]
    (whole,) = [block.text for block in blocks(ROOT / "docs/demo.md") if "in short:" in block.text]
    assert short.count("above every control") >= 2
    assert whole.startswith(short.strip())


def written(page, folder, file):
    """A page's class as a file, and the checks of it that follow, run: what they print."""
    python_blocks = [block.text for block in blocks(ROOT / "docs/howto" / page) if block.language == "python"]
    (whole,) = [text for text in python_blocks if "\nclass " in text]
    (check,) = [text for text in python_blocks if text.startswith(f"from {Path(file).stem} import")]
    (folder / file).write_text(whole)
    (folder / "check.py").write_text(check)
    return finished(python, "check.py", folder=folder)


def test_the_encoder_of_the_how_to_keeps_its_promises(tmp_path):
    done = written("your-encoder.md", tmp_path, "edges.py")
    assert done.returncode == 0, done.stderr


def test_the_labeller_of_the_how_to_keeps_its_promises(tmp_path):
    from worldprobe.video.rendered.scenes import render_scenes

    (film,) = render_scenes(1, 0, tmp_path / "scenes")
    film.rename(tmp_path / "film.mp4")
    done = written("your-labeller.md", tmp_path, "brightest.py")
    assert done.returncode == 0, done.stderr


WORDS = ("told", "asked", "shown", "said", "lacking", "pens")


@pytest.mark.parametrize("name", ["api", "protocols", "records", "results", "testing"])
def test_public_docstrings_use_the_words_of_the_field(name):
    """docs/concepts.md has the vocabulary: "told" was a prediction, "asked" a request, "shown" a picture."""
    place = ROOT / "src" / "worldprobe"
    trees = [ast.parse(path.read_text()) for path in (*place.glob(f"{name}.py"), *place.glob(f"{name}/*.py"))]
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef
    documented = [node for tree in trees for node in ast.walk(tree) if isinstance(node, kinds)]
    texts = [text for node in documented if (text := ast.get_docstring(node))]
    assert len(texts) > 5
    assert [
        line for text in texts for line in text.splitlines() if set(re.findall(r"\w+", line)) & set(WORDS)
    ] == []


def test_first_lines_of_docstrings_use_the_words_of_the_field():
    """Of every module: "predicted", "missing", "decoder" for what this project once called told, lacking, a pen."""
    trees = [ast.parse(path.read_text()) for path in (ROOT / "src").rglob("*.py")]
    documented = ast.Module | ast.ClassDef | ast.FunctionDef
    texts = [ast.get_docstring(node) for tree in trees for node in ast.walk(tree) if isinstance(node, documented)]
    firsts = [text.splitlines()[0] for text in texts if text]
    assert len(firsts) > 1000
    assert [line for line in firsts if set(re.findall(r"\w+", line)) & {"told", "lacking", "pen", "pens"}] == []
