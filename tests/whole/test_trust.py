"""What a user did not ask for does not happen: no host is asked, no foreign code runs, no name becomes markup."""

import ast
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest
from tests.builders.checks import some
from tests.builders.lerobot_format import write_dataset

from worldprobe.config import make_experiment
from worldprobe.errors import LabelError, VideoError
from worldprobe.labels.table import read_labels
from worldprobe.pipeline.run import run
from worldprobe.report.write import write_report
from worldprobe.results import read_results
from worldprobe.video.read import open_video
from worldprobe.video.rendered.scenes import render_scenes
from worldprobe.video.write import write_video

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
NAMES = (
    "<script>alert(1)</script>".replace("/", "∕"),
    "\"quoted\" 'twice' & more",
    "two\nlines\u2028and\x85more",
    "кино 映画 فيلم",
    "=cmd|' !A0",
    "-rf --out",
)


@pytest.fixture
def no_network(monkeypatch):
    asked = []

    def refused(self, address):
        asked.append(address)
        raise OSError(f"asked {address}")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket.socket, "connect_ex", refused)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: refused(None, a))
    return asked


@pytest.fixture
def strange(tmp_path):
    """Scenes with names that mean something to HTML, shells or JSON, and a broken video with another one."""
    scenes = render_scenes(len(NAMES), 4, tmp_path / "scenes")
    folder = tmp_path / "strange"
    folder.mkdir()
    for name, path in zip(NAMES, scenes, strict=True):
        for file in path.parent.glob(f"{path.stem}.*"):
            shutil.copy(file, folder / f"{name}{file.name.removeprefix(path.stem)}")
    (folder / f"broken {NAMES[0]}{NAMES[2]}.mp4").write_bytes(b"nothing")
    return sorted(folder.glob("*.mp4"))


def test_names_are_intact_in_results_and_escaped_in_the_report_and_no_host_is_asked(strange, tmp_path, no_network):
    values = {
        "videos": [str(strange[0].parent)],
        "labeller": "truth",
        "frames": 8,
        "tasks": ["xy"],
        "features": ["z"],
    }
    asked = make_experiment({**values, "controls": ["pixels", "random-init", "majority"], "split": "random"})
    out = tmp_path / "run"
    failures = run(asked, strange, out)
    assert [Path(failure.video).name for failure in failures] == [f"broken {NAMES[0]}{NAMES[2]}.mp4"]
    told = [json.loads(line) for line in (out / "failures.jsonl").read_text().splitlines()]
    assert told[0]["video"] == failures[0].video
    named = json.loads((out / "provenance.json").read_text())["videos"]["named"]
    assert set(named) == {f"{name}.mp4" for name in NAMES}
    assert len(read_labels(out / "labels.parquet").table["video"].unique()) == len(NAMES)
    assert read_results(out / "results.jsonl")
    write_report(out)
    page = (out / "report.html").read_text()
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "映画" in page
    assert "<script>alert(1)" not in re.sub(r"`[^`]*`", "", (out / "report.md").read_text())
    assert no_network == []


COMMANDS = (
    "encode scenes:6 --store s --frames 8 --controls",
    "label scenes:6 --labeller truth --out l.parquet --preview",
    "probe --store s --labels l.parquet --tasks xy --features z --out p",
    "probe --store s --labels l.parquet --tasks xy --features z --encoder pixels --controls majority --out q",
    "predict scenes:2 --context 2 --horizon 1 --no-twin --out f",
    "decode scenes:6 --steps 2 --size 32 --out d",
    "run e.toml --dry-run",
    "run e.toml --out r",
    "report p",
    "compare p q --out c",
    "list",
    "list encoders",
    "doctor",
)
# Whatever opens a connection, from the first import on, is written down and refused; sockets of files are none.
GUARD = """
import json, socket, sys
asked = []
connect = socket.socket.connect
def refused(self, address, *rest):
    if self is not None and self.family == socket.AF_UNIX:
        return connect(self, address)
    asked.append(repr(address))
    raise OSError(f"asked {address}")
socket.socket.connect = socket.socket.connect_ex = refused
socket.getaddrinfo = socket.gethostbyname = lambda *a, **k: refused(None, a)
from worldprobe.cli import app
for line in json.loads(sys.argv[1]):
    print("$", line, flush=True)
    try:
        app(line.split())
    except SystemExit as ended:
        if ended.code:
            sys.exit(f"{line} ended with {ended.code}")
    if asked:
        sys.exit(f"{line} asked {asked}")
"""


def test_no_command_asks_a_host(tmp_path):
    (tmp_path / "e.toml").write_text(
        'videos = ["scenes:6"]\nlabeller = "truth"\nframes = 8\ntasks = ["xy"]\nfeatures = ["z"]\nevidence = []\n'
    )
    # As a user has it: nothing tells the hub's client to stay at home.
    online = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    command = [sys.executable, "-c", GUARD, json.dumps(COMMANDS)]
    done = subprocess.run(command, cwd=tmp_path, env=online, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, f"{done.stdout[-500:]} {done.stderr}"
    assert {path.name for path in tmp_path.iterdir()} >= {"s", "l.parquet", "p", "q", "f", "d", "r", "c"}


def test_results_keep_names_with_any_character_that_ends_a_line(tmp_path):
    line = {"kind": "cost", "stage": "a\u2028b\x85c\x0bd\ne", "seconds": 1.0, "items": 1, "items_per_second": 1.0}
    line |= {"peak_rss_bytes": 1, "device": "cpu"}
    (tmp_path / "results.jsonl").write_text(json.dumps(line, ensure_ascii=False) + "\n", encoding="utf-8")
    [read] = read_results(tmp_path / "results.jsonl")
    assert read.stage == line["stage"]


@cache
def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def called(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {one.arg: one.value for one in node.keywords}


def test_nothing_here_unpickles_what_comes_from_a_file():
    for path in some(SOURCES):
        tree = parsed(path)
        imported = {one.name for node in ast.walk(tree) if isinstance(node, ast.Import) for one in node.names}
        # What Modal's client sends to its own containers, in the user's account, and nothing else.
        if path.name not in ("modal.py", "modal_app.py"):
            assert not imported & {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}, path
        for name, options in called(tree):
            if name == "torch.load" and path.name == "official.py":  # tensors and plain containers only
                assert ast.unparse(options["weights_only"]) == "True", path
                continue
            # What unpacks an archive has to hold its names to a folder: nothing here does, so nothing needs to.
            assert name.rpartition(".")[2] not in ("unpack_archive", "extractall", "ZipFile", "TarFile"), path
            assert name not in ("torch.load", "np.load", "numpy.load", "joblib.load", "pd.read_pickle"), path
            assert "allow_pickle" not in options, path


def test_checkpoints_are_loaded_as_safetensors_and_never_with_their_own_code():
    loads = 0
    for path in some(SOURCES):
        for name, options in called(parsed(path)):
            if "trust_remote_code" in options:
                assert ast.unparse(options["trust_remote_code"]) == "False", path
            if name.endswith("from_pretrained"):
                loads += 1
                if "Processor" not in name and "Config" not in name:
                    assert ast.unparse(options["use_safetensors"]) == "True", (path, name)
    assert loads >= 3


@pytest.mark.parametrize(
    ("name", "playlist"),
    [
        ("a.mp4", "ffconcat version 1.0\nfile 'private.ts'\n"),
        ("a.mkv", "ffconcat version 1.0\nfile 'private.ts'\n"),
        ("a.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nprivate.ts\n#EXT-X-ENDLIST\n"),
    ],
)
def test_a_film_cannot_name_other_files(name, playlist, tmp_path):
    write_video(tmp_path / "private.ts", np.zeros((3, 32, 32, 3), np.uint8), rate=5)
    (tmp_path / name).write_text(playlist)
    av.open(str(tmp_path / name)).close()  # FFmpeg alone would follow it
    with pytest.raises(VideoError, match="playlists are not accepted"):
        open_video(tmp_path / name)


PROMISED = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", (ROOT / "SECURITY.md").read_text(encoding="utf-8"))


def test_every_promise_names_tests_that_exist():
    for file, test in some(PROMISED):
        source = (ROOT / file).read_text(encoding="utf-8")
        assert f"def {test or 'test_'}" in source, (file, test)


@pytest.mark.parametrize("version", ["v3.0", "v2.1"])
@pytest.mark.parametrize("kind", ["dots", "absolute", "link"])
def test_a_dataset_cannot_name_files_outside_of_its_folder(kind, version, tmp_path):
    generator = np.random.default_rng(0)
    frames = generator.integers(0, 256, (3, 6, 32, 32, 3), dtype=np.uint8)
    rows = generator.normal(size=(3, 6, 2)).astype(np.float32)
    root = write_dataset(tmp_path / "set", frames, rows, rows, fps=5, version=version)
    info = json.loads((root / "meta" / "info.json").read_text())
    outside = tmp_path / "outside"
    shutil.move(root / "data", outside)
    if kind == "link":
        (root / "data").symlink_to(outside)
    else:
        rest = info["data_path"].removeprefix("data/")
        info["data_path"] = f"../outside/{rest}" if kind == "dots" else f"{outside}/{rest}"
        (root / "meta" / "info.json").write_text(json.dumps(info))
    with pytest.raises(LabelError, match="leads out of the dataset"):
        labelled(root)


def small_dataset(root, version="v3.0"):
    generator = np.random.default_rng(0)
    frames = generator.integers(0, 256, (3, 6, 32, 32, 3), dtype=np.uint8)
    rows = generator.normal(size=(3, 6, 2)).astype(np.float32)
    return write_dataset(root, frames, rows, rows, fps=5, version=version)


def labelled(root):
    from worldprobe.labels.robots.lerobot import LeRobot, videos
    from worldprobe.video.read import open_video

    for path in videos(root):
        with open_video(path) as video:
            LeRobot().label(video)


@pytest.mark.parametrize("version", ["v3.0", "v2.1"])
@pytest.mark.parametrize("part", ["videos", "meta/episodes", "meta/info.json"])
def test_a_dataset_cannot_link_to_files_outside_of_its_folder(part, version, tmp_path):
    if part == "meta/episodes" and version == "v2.1":
        pytest.skip("v2 has no such folder")
    root = small_dataset(tmp_path / "set", version)
    at = root / part
    linked = at if at.is_file() else sorted(path for path in at.rglob("*.*") if path.is_file())[-1]
    shutil.move(linked, tmp_path / "private")
    linked.symlink_to(tmp_path / "private")
    with pytest.raises(LabelError, match="leads out of the dataset"):
        labelled(root)


def in_hub_cache(root, cache):
    """A dataset as the hub's cache holds it: links to blobs, from a snapshot's folders."""
    repo = cache / "datasets--somebody--robot"
    snapshot = repo / "snapshots" / ("0" * 40)
    (repo / "blobs").mkdir(parents=True)
    for number, file in enumerate(sorted(path for path in root.rglob("*") if path.is_file())):
        blob = shutil.copy(file, repo / "blobs" / f"{number:040x}")
        link = snapshot / file.relative_to(root)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(Path("../" * len(link.relative_to(repo).parent.parts)) / "blobs" / Path(blob).name)
    return snapshot


@pytest.mark.parametrize("version", ["v3.0", "v2.1"])
def test_a_dataset_in_the_hubs_cache_is_read_as_it_is_elsewhere(version, tmp_path):
    from worldprobe.labels.robots.lerobot import LeRobot, videos
    from worldprobe.pipeline.sources import open_source

    def read(folder):
        found = []
        for path in videos(folder):
            with open_source(path) as video:
                found.append((video.ref.episodes, video.shots, LeRobot().label(video).table.rows()))
        return found

    root = small_dataset(tmp_path / "set", version)
    assert read(in_hub_cache(root, tmp_path / "hub")) == read(root)


@pytest.mark.parametrize("kind", ["named", "linked"])
def test_a_dataset_in_the_hubs_cache_cannot_name_or_link_to_other_files(kind, tmp_path):
    snapshot = in_hub_cache(small_dataset(tmp_path / "set"), tmp_path / "hub")
    table = next((snapshot / "data").rglob("*.parquet"))
    if kind == "named":  # what lies among the blobs may be a file of another snapshot
        info = snapshot / "meta" / "info.json"
        said = json.loads(info.read_text())
        said["data_path"] = f"../../blobs/{table.resolve().name}"
        info.unlink()
        info.write_text(json.dumps(said))
    else:
        other = tmp_path / "hub" / "datasets--somebody--else"
        other.mkdir()
        shutil.copy(table, other / "table.parquet")
        table.unlink()
        table.symlink_to(other / "table.parquet")
    with pytest.raises(LabelError, match="leads out of the dataset"):
        labelled(snapshot)
