"""Whatever is typed, and whatever became of a run's folder: a line that says so, and no traceback."""

import errno
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from tests.builders.commanded import commanded
from tests.builders.named_badly import film
from tests.builders.whole import write_whole_run

from worldprobe import cli
from worldprobe.errors import WorldprobeError
from worldprobe.findings.summary import summarize
from worldprobe.report.forms.html import render as html
from worldprobe.report.forms.markdown import render as markdown
from worldprobe.report.forms.model_card import model_card


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A film, a folder that is none, a file that is no folder, and files that are nothing."""
    folder = tmp_path_factory.mktemp("place")
    film(folder / "film.mp4", 0, frames=16)
    (folder / "folder").mkdir()
    (folder / "file").write_text("no folder")
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "bytes.toml").write_bytes(b'videos = ["\xff"]')
    (folder / "nul.toml").write_text('videos = ["a\\u0000b.mp4"]\nencoder = "pixels"\n')
    (folder / "deep.toml").write_text("videos = " + "[" * 3000)
    (folder / "date.toml").write_text("videos = 1979-05-27\n")
    (folder / "empty.toml").write_text("")
    return folder


HUGE = "9" * 30
ENCODE = ("encode", "film.mp4", "--encoder", "pixels", "--store", "s")
LABEL = ("label", "film.mp4", "--out", "l.parquet")
PROBE = ("probe", "--store", "s", "--labels", "l.parquet", "--out", "r", "--encoder", "pixels")
DECODE = ("decode", "film.mp4", "--encoder", "pixels", "--out", "r")
PREDICT = ("predict", "film.mp4", "--out", "r")
COMMANDS = [
    *((*ENCODE, "--blocks", blocks) for blocks in ("", "99", "a", ",", "-5", "9" * 40, "0,,1", "[/x]")),
    *((*ENCODE, "--frames", frames) for frames in ("0", "-1", "3", HUGE, "", "257")),
    *((*ENCODE, "--stride", stride) for stride in ("0", "-3", HUGE)),
    *((*ENCODE, option, "") for option in ("--input", "--pool", "--device", "--precision")),
    *((*ENCODE, option, "x[/]") for option in ("--input", "--pool", "--device", "--precision")),
    ("encode", "film.mp4", "--encoder", "", "--store", "s"),
    ("encode", "film.mp4", "--encoder", ":", "--store", "s"),
    ("encode", "film.mp4", "--encoder", "pixels", "--store", "file"),
    ("encode", "film.mp4", "--encoder", "pixels", "--store", "file/s"),
    ("encode", "", "--encoder", "pixels", "--store", "s"),
    ("encode", "folder", "--encoder", "pixels", "--store", "s"),
    ("encode", "empty.mp4", "--encoder", "pixels", "--store", "s"),
    ("encode", "file", "--encoder", "pixels", "--store", "s"),
    ("encode", "nothing[/x].mp4", "--encoder", "pixels", "--store", "s"),
    ("encode", "film\udcff.mp4", "--encoder", "pixels", "--store", "s"),
    *((*LABEL, "--labeller", name) for name in ("", ":", "mot:", "mot:folder", "coco:file", "onnx:file")),
    *((*LABEL, "--labeller", name) for name in ("x[/x]", "a:b")),
    *((*LABEL, "--labeller", "moving", "--every", every) for every in ("0", "-1", HUGE)),
    *((*LABEL, "--confidence", value) for value in ("nan", "inf", "-1", "", "2")),
    (*LABEL, "--tracker", ""),
    ("label", "film.mp4", "--out", "folder"),
    ("label", "film.mp4", "--out", "file/l.parquet"),
    *((*PROBE, "--tasks", tasks) for tasks in ("", ",", "xy,", "state[/x]")),
    *((*PROBE, "--features", features) for features in ("", ",", "y")),
    *((*PROBE, option, "") for option in ("--split", "--controls", "--blocks", "--input", "--probes")),
    (*PROBE, "--probes", "knn:-1"),
    (*PROBE, "--probes", "mlp:x"),
    ("probe", "--store", "folder", "--labels", "file", "--out", "r"),
    ("probe", "--store", "file", "--labels", "folder", "--out", "r"),
    *((*DECODE, "--size", size) for size in ("0", "-1", HUGE, "17")),
    *((*DECODE, "--steps", steps) for steps in ("0", "-1")),
    *((*DECODE, "--decoder", name) for name in ("", ",", "x[/x]", "cnn:[")),
    (*DECODE, "--price", "nan"),
    (*DECODE, "--executor", ""),
    (*DECODE, "--weights", "file"),
    *((*PREDICT, option, "0") for option in ("--context", "--horizon", "--stride")),
    (*PREDICT, "--context", HUGE),
    (*PREDICT, "--mode", ""),
    (*PREDICT, "--pairs", "-1"),
    (*PREDICT, "--decoder", "file"),
    *(("run", name) for name in ("", "folder", "file")),
    *(("run", f"{name}.toml") for name in ("none", "bytes", "nul", "deep", "date", "empty")),
    *(("report", name) for name in ("", "folder", "file", "none[/x]")),
    ("compare",),
    ("compare", "folder", "file"),
    ("compare", "folder", "folder"),
    *(("export", name, form) for name in ("folder", "file", "none") for form in ("--hf", "--rerun")),
    ("export", "folder", "--embeddings", "parquet"),
    ("export", "folder", "--embeddings", ""),
    ("export", "folder", "--embeddings", "csv"),
    ("export", "folder"),
    ("list", "[/x]"),
    ("demo", "nothing", "--frames", "0"),
    ("no[/x]such",),
]  # fmt: skip


# A fifth of them each time, all of them where time is no matter.
TABLE = [
    pytest.param(
        one,
        id=" ".join(one)[:60].encode("ascii", "replace").decode(),
        marks=[pytest.mark.slow] if number % 5 else [],
    )
    for number, one in enumerate(COMMANDS)
]


@pytest.mark.parametrize("arguments", TABLE)
def test_what_cannot_be_ends_in_a_line(arguments, place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    code, _, err = commanded(capsys, monkeypatch, *arguments)
    assert code in (1, 2), err
    if code == 1:  # what the parser refuses it says in a box
        assert len(err.splitlines()) == 1, err
        assert err.startswith("worldprobe: ")


BAD = (None, 0, -1, 1.5, "x", [], {}, True, [None], {"a": 1}, 1e300, "9" * 400, float("nan"))
FILES = (
    "results.jsonl", "provenance.json", "alignment.json", "experiment.toml", "failures.jsonl", "labels.parquet",
    "surprise/curves.json", "decoders/cnn/losses.jsonl",
)  # fmt: skip


def places(written, at=()):
    """The way to every value of a JSON document, of lists only the first two."""
    yield at
    inner = (
        written.items()
        if isinstance(written, dict)
        else enumerate(written[:2])
        if isinstance(written, list)
        else ()
    )
    for key, value in inner:
        yield from places(value, (*at, key))


def changed(written, at, value):
    """The document with another value there, or without it (``...``)."""
    if not at:
        return None if value is ... else value
    copy = json.loads(json.dumps(written))
    inner = copy
    for key in at[:-1]:
        inner = inner[key]
    if value is ...:
        del inner[at[-1]]
    else:
        inner[at[-1]] = value
    return copy


def damages(content, suffix, dice, count):
    """What may become of a file."""
    yield from (
        b"",
        content[: len(content) // 2],
        bytes(range(256)),
        b"[]",
        b"{}",
        b"null",
        b"3\n4\n",
        b"\xff" + content,
    )
    if not suffix.startswith(".json"):
        return
    lines = content.decode().splitlines() if suffix == ".jsonl" else [content.decode()]
    for _ in range(count):
        number = int(dice.integers(len(lines)))
        written = json.loads(lines[number])
        ways = list(places(written))
        value = dice.choice(np.array([*range(len(BAD)), -1]))
        new = changed(written, ways[int(dice.integers(len(ways)))], ... if value < 0 else BAD[value])
        yield "\n".join([*lines[:number], json.dumps(new), *lines[number + 1 :]]).encode()


@pytest.mark.parametrize("count", [12, pytest.param(400, marks=pytest.mark.slow)])
def test_a_damaged_file_of_a_run_is_reported_or_refused(count, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    write_whole_run(run)
    dice, refused = np.random.default_rng(count), 0
    for name in FILES:
        path = run / name
        sound = path.read_bytes()
        for damage in damages(sound, path.suffix, dice, count):
            path.write_bytes(damage)
            try:
                summary = summarize(run)
                if count > 12:
                    html(summary)
                markdown(summary)
                model_card(summary)
            except WorldprobeError:
                refused += 1
        path.unlink()
        path.mkdir()
        with pytest.raises(WorldprobeError, match=path.name.partition(".")[0]):
            summarize(run)
        path.rmdir()
        path.write_bytes(sound)
    assert refused > len(FILES)


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "stopped. What was done is kept"),
        (MemoryError(), 1, "memory ran out"),
        (RuntimeError("CUDA error: out of memory\nCompile with"), 1, "memory ran out (CUDA error: out of memory)"),
        (OSError(errno.ENOSPC, "No space left on device", "a.mp4"), 1, "a.mp4 cannot be written: No space left"),
        (
            OSError(errno.EIO, "Input/output error", "b.mp4"),
            1,
            "b.mp4 cannot be read or written: Input/output error",
        ),
        (WorldprobeError("of two\nlines \x1b[31m"), 1, "of two lines \\x1b[31m"),
    ],
)
def test_the_last_line_whatever_happens(raised, code, said, monkeypatch, capsys):
    def broken(*arguments, **options):
        raise raised

    monkeypatch.setattr("worldprobe.plugins.registry.listed", broken)
    found, _, err = commanded(capsys, monkeypatch, "list", "encoders")
    assert found == code
    (line,) = err.splitlines()
    assert said in line


def test_a_mistake_of_our_own_is_no_users_mistake(monkeypatch, capsys):
    def broken(*arguments, **options):
        raise KeyError("ours")

    monkeypatch.setattr("worldprobe.plugins.registry.listed", broken)
    monkeypatch.setattr(sys, "argv", ["worldprobe", "list", "encoders"])
    with pytest.raises(KeyError):
        cli.main()


def test_a_terminal_without_letters_and_a_pipe_that_closes(tmp_path):
    def call(*arguments, **more):
        environment = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C", "WORLDPROBE_CACHE": str(tmp_path)}
        command = [sys.executable, "-m", "worldprobe", *arguments]
        return subprocess.run(command, capture_output=True, env=environment, cwd=tmp_path, **more)

    done = call("report", "rün 🦾")
    assert done.returncode == 1
    assert done.stderr.startswith(b"worldprobe: no results at r\\xfcn \\U0001f9be/results.jsonl. Run ")
    assert done.stderr.count(b"\n") == 1
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "worldprobe", "list", "--json"]
    closed = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, cwd=tmp_path, text=True)
    os.close(write)
    assert closed.stderr == ""
