"""Names are data: whatever users call films, folders, joints, classes and plug-ins, nothing is made of it."""

import itertools
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from tests.builders.commanded import commanded
from tests.builders.named_badly import FEW, LOUD, NAMES, film

from worldprobe.config import make_experiment, read_experiment, to_toml
from worldprobe.console import say, terminal
from worldprobe.pipeline.probe.answers import ProbeTask
from worldprobe.pipeline.probe.fit import answer
from worldprobe.printable import ascii_json, escaped, one_line, plain_json, printable
from worldprobe.probes.linear.ridge import Ridge
from worldprobe.probes.question import Question
from worldprobe.probes.splits import SplitRows, make_folds
from worldprobe.results import read_results
from worldprobe.series import folder_of

ENCODER = "tests.builders.named_badly:Encoder"
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
WRITTEN = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)


def unsteered(text):
    """Nothing in it steers a terminal."""
    assert not STEERING.search(text), repr(STEERING.search(text))


def no_html(page):
    """A page of Markdown in which nobody's name has become an element."""
    tokens = MarkdownIt("commonmark").enable("table").parse(page)
    inner = [child for one in tokens for child in (one, *(one.children or ()))]
    html = [one.content for one in inner if one.type in ("html_inline", "html_block")]
    assert set(html) <= {"<br>"}, html
    return tokens


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Three films whose files are called what nobody should call them."""
    folder = tmp_path_factory.mktemp("films") / "[" / "dir] é @:%"
    folder.mkdir(parents=True)
    names = ("-rf [bold] {a}.mp4", "קוד\u202e\n🦾.mp4", "${HOME} 'q' \"p\" \\ %s <b>&.mp4")
    return [film(folder / name, seed) for seed, name in enumerate(names)]


@pytest.mark.parametrize(
    ("labeller", "measured"),
    [
        ("tests.builders.named_badly:Labeller", FEW),
        pytest.param("tests.builders.named_badly:LabellerOfMany", NAMES, marks=pytest.mark.slow),
    ],
)
def test_a_whole_run_of_hostile_names_ends_in_reports_without_them(
    labeller, measured, films, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        code, out, err = commanded(capsys, monkeypatch, *arguments)
        unsteered(out + err)
        return code, out, err

    store, labels, run = "store [/s]\n.zarr", "labels [/l]\x1b.parquet", tmp_path / "run[" / "x]\n\x1b[1m <i>"
    code, _, err = call("encode", *films, "--store", store, "--encoder", ENCODER, "--frames", "8")
    assert (code, err) == (0, "")
    code, out, err = call("label", *films, "--labeller", labeller, "--out", labels)
    assert code == 0
    assert "labels [/l]\\x1b.parquet" in out
    noted = err.splitlines()
    assert len(noted) == len(films)
    code, out, err = call(
        "probe", "--store", store, "--labels", labels, "--encoder", ENCODER, "--tasks", "class,state",
        "--split", "blocked", "--controls", "majority,shuffled", "--features", "z", "--out", run,
    )  # fmt: skip
    assert (code, err.splitlines()) == (0, noted)  # the table keeps what was noted of its labels
    tasks = {line.task for line in read_results(run / "results.jsonl") if line.kind == "probe"}
    assert {f"state.{name}" for name in measured} <= tasks
    assert "x] \\x1b[1m <i>/report.html" in out
    assert "wrist [/rad]" in out
    page, text = ((run / name).read_text() for name in ("report.html", "report.md"))
    unsteered(page.replace("\n", ""))
    unsteered(text)
    assert "<script>alert" not in page
    assert "<b>é" not in page
    no_html(text)
    code, out, _ = call("export", run, "--hf")
    assert code == 0
    assert call("export", run, "--embeddings", "parquet", "--store", store)[0] == 0
    other = tmp_path / "two @[/y]"
    other.mkdir(parents=True)
    for path in run.iterdir():
        if path.is_file():
            (other / path.name).write_bytes(path.read_bytes())
    code, _, err = call("compare", run, other, "--out", "cmp [/c]\u202e")
    assert code == 0, err
    no_html((tmp_path / "cmp [/c]\u202e" / "compare.md").read_text())
    assert "<script>alert" not in (tmp_path / "cmp [/c]\u202e" / "compare.html").read_text()


def asked(names, target):
    """Questions of several tasks, by these names, on the same rows and folds."""
    n = len(target)
    rows = SplitRows(np.arange(n) // 4, np.arange(n) // 4, np.arange(n, dtype=float), 0.5)
    folds = make_folds(rows, kind="grouped", seed=0)
    known = type("Known", (), {"usable": np.ones(n, bool), "classes": ()})()
    return [
        ProbeTask(task, probe, known, Question((task, probe), Ridge(), target * k), folds, None, ())
        for k, (task, probe) in enumerate(names, 1)
    ]


def test_questions_are_told_apart_by_keys_and_not_by_joined_names():
    target = np.random.default_rng(0).normal(size=(40, 1))
    # Joined by "@" or "/" these would be one and the same, or a variant of another.
    names = [("a", "b@c"), ("a@b", "c"), ("a/shuffled", "b"), ("state.joint/0.pos", "ridge"), ("a", "b/shuffled")]
    found = answer(target.astype(np.float32), asked(names, target), shuffle=True)
    assert set(found) == {(name, variant) for name in names for variant in ("real", "shuffled")}
    first = found[names[0], "real"].prediction
    for k, name in enumerate(names, 1):
        np.testing.assert_allclose(found[name, "real"].prediction, k * first, rtol=1e-6)
        assert np.corrcoef(found[name, "real"].prediction[:, 0], target[:, 0] * k)[0, 1] > 0.97
        assert np.corrcoef(found[name, "shuffled"].prediction[:, 0], target[:, 0])[0, 1] < 0.9


def test_encoders_of_other_names_have_other_folders_in_a_store():
    names = [*NAMES, LOUD, "日本", "中国", "vjepa2-tiny", "facebook/vjepa2-vitl-fpc64-256", "x" * 301, "модель"]
    folders = [folder_of(name) for name in names]
    assert len(set(folders)) == len(names)
    assert all(len(one) < 120 and one.isascii() and "/" not in one for one in folders)
    # What is stored under the names of old stays where it is.
    assert folder_of("vjepa2-tiny") == "vjepa2-tiny@"
    assert folder_of("facebook/vjepa2-vitl-fpc64-256") == "facebook-vjepa2-vitl-fpc64-256@"


@given(WRITTEN)
def test_what_is_printed_steers_nothing_and_what_steers_nothing_is_printed_as_it_is(text):
    unsteered(printable(text))
    unsteered(one_line(text))
    assert "\n" not in one_line(text)
    if not STEERING.search(text):
        assert printable(text) == text
    for form in (plain_json, ascii_json):
        assert json.loads(form(json.dumps([text], ensure_ascii=False))) == [text]
    assert ascii_json(json.dumps(text, ensure_ascii=False)).isascii()


@given(st.lists(WRITTEN, min_size=1, max_size=4))
def test_markdown_shows_names_as_they_are(names):
    page = "| a |\n| --- |\n" + "".join(f"| {escaped(name)} |\n" for name in names)
    tokens = no_html(page)
    cells = [one for before, one in itertools.pairwise(tokens) if before.type == "td_open"]
    shown = ["".join(child.content for child in one.children) for one in cells]
    # Entities are text of another kind than what is typed; trimming is the table's own.
    assert [one.split() for one in shown] == [printable(name).split() for name in names]


@pytest.mark.parametrize("name", [*NAMES, "[/]", "[bold]x[/bold]", ":smile:", "[link=http://x]y[/link]"])
def test_tables_and_lines_show_names_as_they_are(name, capsys):
    from rich.table import Table
    from rich.text import Text

    table = Table(name, title=Text(f"title {name}"), caption=Text(name))
    table.add_row(name)
    console = terminal()
    console.print(table)
    console.print(f"Report: {name}", soft_wrap=True)
    say({}, False, [name])
    out = capsys.readouterr().out
    unsteered(out)
    assert one_line(name) in out.splitlines()[-1] + " "


def test_bars_show_names_as_they_are(monkeypatch, capsys):
    import sys

    from worldprobe.console import bars

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("WORLDPROBE_PROGRESS", "bars")
    with bars() as progress:
        for number, name in enumerate(NAMES):
            progress(f"{number} {name}", 1, 1)
    err = capsys.readouterr().err
    for name in ("[/x]", ":smile:"):
        assert name in err
    assert "\x1b[31mred" not in err
    assert "\u202e" not in err


SAID = st.recursive(
    st.one_of(WRITTEN, st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WRITTEN, inner, max_size=3)),
    max_leaves=6,
)


@settings(max_examples=60)
@given(
    videos=st.lists(WRITTEN.map(lambda text: text + "${HOME}\x7f"), min_size=1, max_size=3), encoder=WRITTEN,
    labeller=WRITTEN, options=st.dictionaries(WRITTEN, st.dictionaries(WRITTEN, SAID, max_size=3), max_size=2),
)  # fmt: skip
def test_what_is_written_is_read_back_whatever_it_says(tmp_path_factory, videos, encoder, labeller, options):
    made = make_experiment(
        {"videos": videos, "encoder": encoder, "labeller": labeller, "decode": {"options": options}}
    )
    written = to_toml(made)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f]", written)
    path = tmp_path_factory.mktemp("toml") / "experiment.toml"
    path.write_bytes(written.encode())
    assert read_experiment(path) == made


def test_experiment_files_look_as_before():
    text = to_toml(make_experiment({"videos": ["a é.mp4"], "input": ["still", "native"], "predict": {}}))
    lines = text.splitlines()
    assert lines[0] == 'protocol = "sound"'
    assert 'videos = ["a é.mp4"]' in lines
    assert 'input = ["still", "native"]' in lines
    assert "strict = false" in lines
    assert lines[lines.index("[predict]") + 1] == "context = 4"
    assert 'options = { "flow" = { "latent" = "f" } }' in to_toml(
        make_experiment({"videos": ["a"], "decode": {"options": {"flow": {"latent": "f"}}}})
    )


def test_help_shows_its_brackets(capsys, monkeypatch):
    for command, shown in (("export", "[rerun]"), ("predict", "[robots]"), ("run", "ray[:WORKERS]")):
        assert shown in commanded(capsys, monkeypatch, command, "--help")[1].replace("\n", " ")
