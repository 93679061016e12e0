from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from worldprobe.errors import VideoError
from worldprobe.video.source import resolve

BODY = bytes(range(256)) * 500


class Films(BaseHTTPRequestHandler):
    asked: ClassVar[list[str]] = []
    secret: ClassVar[str] = ""

    def do_GET(self) -> None:
        self.asked.append(self.path)
        targets = {"/to-file": f"file://{self.secret}", "/to-ftp": "ftp://127.0.0.1/a.mp4", "/to-film": "/film.mp4"}
        if self.path in targets:
            self.send_response(302)
            self.send_header("Location", targets[self.path])
            self.end_headers()
            return
        if self.path == "/gone.mp4":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if self.path == "/page" else "video/mp4")
        self.send_header("Content-Length", str(len(BODY) + (10 if self.path == "/short.mp4" else 0)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    Films.asked = []
    Films.secret = str(tmp_path / "secret.mp4")
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Films)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def no_dataset(folder: Path) -> list[Path]:
    raise AssertionError("no dataset was asked for")


def no_scenes(count: int, seed: int, folder: Path) -> list[Path]:
    raise AssertionError("no scenes were asked for")


def test_files_globs_and_folders_each_once_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("b.mp4", "a.MKV", "notes.txt", "sub/c.avi", ".hidden.mp4", "odd[1].bin"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "link.mp4").symlink_to(tmp_path / "b.mp4")
    monkeypatch.chdir(tmp_path)

    def names(*sources: str) -> list[str]:
        return [str(p) for p in resolve(sources, cache=tmp_path / "cache", scenes=no_scenes, lerobot=no_dataset)]

    assert names("b.mp4", str(tmp_path)) == ["b.mp4", str(tmp_path / "a.MKV")]
    assert names("**/*.avi", "*.mp4") == ["sub/c.avi", "b.mp4"]
    assert names("*") == ["a.MKV", "b.mp4"]
    assert names("odd[1].bin", "notes.txt") == ["odd[1].bin", "notes.txt"]
    assert not (tmp_path / "cache").exists()


def test_scenes_are_rendered_into_the_cache(tmp_path: Path) -> None:
    calls: list[tuple[int, int, Path]] = []

    def render(count: int, seed: int, folder: Path) -> list[Path]:
        calls.append((count, seed, folder))
        return [folder / f"{seed}-{i}.mp4" for i in range(count)]

    found = resolve(["scenes:2@7", "scenes:1"], cache=tmp_path, scenes=render, lerobot=no_dataset)
    assert [p.name for p in found] == ["7-0.mp4", "7-1.mp4", "0-0.mp4"]
    assert calls == [(2, 7, tmp_path / "scenes"), (1, 0, tmp_path / "scenes")]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("gone.mp4", "gone.mp4 does not exist"),
        ("*.nothing", "matches 0 files"),
        ("*.txt", "matches 1 files, none with a video's suffix"),
        ("empty", "no video files in the folder empty"),
        ("dataset", "dataset holds a LeRobot dataset: lerobot:dataset gives its films"),
        ("bags", "bags holds 1 recording of ROS 2 (.mcap): mcap:bags gives its films"),
        ("scenes:many", "Write scenes:N"),
        ("scenes:0", "Write scenes:N"),
        ("scenes:3@", "Write scenes:N"),
        ("ftp://127.0.0.1/a.mp4", "'ftp:' is not a source of videos. Give a file, a glob, a folder, scenes:N"),
        ("data:video/mp4;base64,AAAA", "'data:' is not"),
        ("concat:a.mp4|b.mp4", "'concat:' is not"),
        ("rtsp://127.0.0.1/a", "'rtsp:' is not"),
        ("file:///etc/passwd", "'file:' is not"),
        ("films:jaws", "no such film; there are films:big-buck-bunny, films:sintel"),
    ],
)
def test_what_cannot_be_resolved_says_so(
    source: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").touch()
    for file in ("dataset/meta/info.json", "bags/run.mcap"):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(VideoError) as caught:
        resolve([source], cache=tmp_path / "cache", scenes=no_scenes, lerobot=no_dataset)
    assert message in str(caught.value)


def test_films_are_downloaded_once(web: str, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first, moved = resolve(
        [f"{web}/film.mp4?x=1", f"{web}/to-film"], cache=cache, scenes=no_scenes, lerobot=no_dataset
    )
    assert first.read_bytes() == moved.read_bytes() == BODY
    assert first.suffix == ".mp4"
    assert first.parent == cache / "films"
    resolve([f"{web}/film.mp4?x=1"], cache=cache, scenes=no_scenes, lerobot=no_dataset)
    assert Films.asked == ["/film.mp4?x=1", "/to-film", "/film.mp4"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/to-file", "is not allowed"),
        ("/to-ftp", "redirects to ftp://"),
        ("/short.mp4", f"sent {len(BODY)} bytes, having promised {len(BODY) + 10}"),
        ("/gone.mp4", "answers 404"),
        ("/page", "is a web page"),
    ],
)
def test_bad_downloads_are_refused_and_leave_nothing(web: str, path: str, message: str, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with pytest.raises(VideoError) as caught:
        resolve([web + path], cache=cache, scenes=no_scenes, lerobot=no_dataset)
    assert message in str(caught.value)
    assert list((cache / "films").iterdir()) == []


def test_an_unreachable_server_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="could not be downloaded"):
        resolve(["http://127.0.0.1:1/film.mp4"], cache=tmp_path, scenes=no_scenes, lerobot=no_dataset)
