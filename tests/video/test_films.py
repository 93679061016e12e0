"""Films over a bad line: what breaks goes on, two files are never glued together, what is wrong says so."""

import fcntl
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from tests.builders.checks import some

from worldprobe.errors import VideoError
from worldprobe.video.films import FILMS, TRIES, Film, fetch_film

BODY = hashlib.sha256(b"film").digest() * 4000
OTHER = hashlib.sha256(b"another film").digest() * 4000
Answer = Callable[["Server"], None]


class Server(BaseHTTPRequestHandler):
    """Answers each request by the next of ``answers``; the last one goes on for ever."""

    protocol_version = "HTTP/1.1"
    answers: ClassVar[list[Answer]] = []
    asked: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        self.asked.append(self.headers["Range"])
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        answer(self)

    def log_message(self, format: str, *args: object) -> None:
        pass


def film(body: bytes = BODY, *, tag: str = '"one"', stop: int | None = None, length: int | None = None) -> Answer:
    """A server with this file, which closes the connection after ``stop`` bytes and promises ``length``."""

    def answer(server: Server) -> None:
        first = 0
        if server.headers["Range"] and server.headers["If-Range"] == tag:
            first = int(server.headers["Range"].removeprefix("bytes=").rstrip("-"))
        part = body[first:]
        server.send_response(206 if first else 200)
        server.send_header("Content-Type", "video/mp4")
        server.send_header("Content-Length", str(len(part) if length is None else length))
        if first:
            server.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        if tag:
            server.send_header("ETag", tag)
        server.end_headers()
        server.wfile.write(part if stop is None else part[:stop])
        server.close_connection = True

    return answer


def refused(code: int) -> Answer:
    def answer(server: Server) -> None:
        server.send_error(code)
        server.close_connection = True

    return answer


def page(server: Server) -> None:
    server.send_response(200)
    server.send_header("Content-Type", "text/html")
    server.send_header("Content-Length", "3")
    server.end_headers()
    server.wfile.write(b"<p>")


def endless(server: Server) -> None:
    server.send_response(200)
    server.send_header("Content-Type", "video/mp4")
    server.end_headers()
    server.wfile.write(BODY)
    server.close_connection = True


@pytest.fixture
def fetch(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    films = {"short": Film(f"http://127.0.0.1:{server.server_address[1]}/short.mp4", "Short", "free")}

    def fetch(*answers: Answer, name: str = "short") -> Path:
        Server.answers, Server.asked = list(answers), []
        return fetch_film(name, tmp_path / "films", films=films, pause_seconds=0.0)

    yield fetch
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_film_is_fetched_once_with_its_hash_beside_it(fetch, tmp_path):
    path = fetch(film())
    assert path.read_bytes() == BODY
    note = json.loads((path.parent / "short.json").read_bytes())
    assert note["sha256"] == hashlib.sha256(BODY).hexdigest()
    assert note["bytes"] == len(BODY)
    assert sorted(p.name for p in path.parent.iterdir()) == ["short.json", "short.mp4"]
    fetch(refused(500))
    assert Server.asked == []


def test_a_broken_connection_goes_on_where_it_stopped(fetch):
    path = fetch(film(stop=1000), film(stop=500), refused(503), film())
    assert path.read_bytes() == BODY
    assert Server.asked == [None, "bytes=1000-", "bytes=1500-", "bytes=1500-"]


def test_what_came_in_one_run_is_not_fetched_again_in_the_next(fetch):
    with pytest.raises(VideoError, match=r"1,000 bytes have come and are kept\. Run the command again"):
        fetch(film(stop=1000), film(stop=0))
    assert len(Server.asked) == 1 + TRIES
    assert fetch(film()).read_bytes() == BODY
    assert Server.asked == ["bytes=1000-"]


def test_parts_of_two_files_are_never_glued_together(fetch):
    path = fetch(film(stop=1000), film(OTHER, tag='"two"', stop=700), film(OTHER, tag='"two"'))
    assert path.read_bytes() == OTHER


def test_without_a_version_the_download_starts_over(fetch):
    assert fetch(film(tag="", stop=1000), film(tag="")).read_bytes() == BODY
    assert Server.asked == [None, None]


def test_a_part_that_the_server_moved_is_not_taken(fetch):
    def shifted(server: Server) -> None:
        server.send_response(206)
        server.send_header("Content-Range", f"bytes 900-{len(BODY) - 1}/{len(BODY)}")
        server.send_header("Content-Length", str(len(BODY) - 900))
        server.end_headers()
        server.wfile.write(BODY[900:])
        server.close_connection = True

    assert fetch(film(stop=1000), shifted, film()).read_bytes() == BODY


def test_a_range_that_cannot_be_had_starts_over(fetch):
    assert fetch(film(stop=1000), refused(416), film(OTHER, tag='"two"')).read_bytes() == OTHER


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (refused(404), "answers 404 Not Found. It may have moved"),
        (refused(503), "could not be fetched (it answers 503"),
        (film(length=len(BODY) + 10), "could not be fetched"),
        (page, "is a web page, not a video"),
        (endless, "does not say how long it is"),
    ],
)
def test_what_is_wrong_says_so_and_gives_no_film(fetch, tmp_path, answer, message):
    with pytest.raises(VideoError) as caught:
        fetch(answer)
    assert message in str(caught.value)
    assert not (tmp_path / "films" / "short.mp4").exists()


def test_a_film_that_was_damaged_in_the_cache_is_fetched_anew(fetch):
    path = fetch(film())
    path.write_bytes(b"x" + BODY[1:])
    assert fetch(film()).read_bytes() == BODY


def test_two_runs_do_not_write_into_one_file(fetch, tmp_path):
    (tmp_path / "films").mkdir()
    with (tmp_path / "films" / ".short.mp4.partial").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(VideoError, match="is being fetched by another run"):
            fetch(film())


def test_the_films_come_over_https_from_the_archive(fetch):
    assert set(FILMS) == {"big-buck-bunny", "sintel"}
    assert all(one.url.startswith("https://archive.org/download/") for one in some(FILMS.values()))
    with pytest.raises(VideoError, match="films:jaws: no such film; there are films:short"):
        fetch(film(), name="jaws")
