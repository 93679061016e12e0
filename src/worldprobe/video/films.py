"""films:NAME: open films, fetched from the Internet Archive once and kept.

A download that breaks is taken up where it stopped, in this run or the next, as long as the server still has the
same file; what arrives is measured against the size that the server gave, and its sha256 is written beside it.
"""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from worldprobe.errors import VideoError
from worldprobe.io.files import write_whole
from worldprobe.video.web import CHUNK, TIMEOUT_SECONDS, check_kind, opener

# Tries in a row that bring nothing new before giving up, and the wait between them.
TRIES = 5
PAUSE_SECONDS = 2.0
_PASSING = (408, 429, 500, 502, 503, 504)  # answers that a later try may not get


@dataclass(frozen=True, slots=True)
class Film:
    """A film that may be used freely: where a copy lies, and what its makers ask for."""

    url: str
    title: str
    licence: str


FILMS: dict[str, Film] = {
    "big-buck-bunny": Film(
        "https://archive.org/download/BigBuckBunny_124/Content/big_buck_bunny_720p_surround.mp4",
        "Big Buck Bunny, 2008, 1280 x 720",
        "CC BY 3.0, (c) Blender Foundation, www.bigbuckbunny.org",
    ),
    "sintel": Film(
        "https://archive.org/download/Sintel/sintel-2048-stereo.mp4",
        "Sintel, 2010, 2048 x 872",
        "CC BY 3.0, (c) Blender Foundation, www.sintel.org",
    ),
}


def _nobody(stage: str, done: int, total: int) -> None:
    """Tell nobody."""


def fetch_film(
    name: str,
    folder: Path,
    *,
    films: Mapping[str, Film] = FILMS,
    pause_seconds: float = PAUSE_SECONDS,
    progress: Callable[[str, int, int], None] = _nobody,
) -> Path:
    """The file of a film, ``folder/NAME.mp4``, fetched unless it is there whole.

    Beside it lies ``NAME.json``: url, bytes, sha256. A file that does not agree with its note is fetched anew.

    Args:
        progress: told how many MB of how many have come.

    Raises:
        VideoError: no such film, or it cannot be fetched; what has come is kept for the next try.
    """
    film = films.get(name)
    if film is None:
        raise VideoError(f"films:{name}: no such film; there are {', '.join(f'films:{one}' for one in films)}.")
    path, note = folder / f"{name}.mp4", folder / f"{name}.json"
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(note.read_bytes())
        if kept["url"] == film.url and kept["bytes"] == path.stat().st_size and kept["sha256"] == _sha256(path):
            return path
    partial = folder / f".{name}.mp4.partial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with partial.open("ab") as file:
            _lock(file, partial, name)
            _Download(film.url, partial, file, lambda done, total: progress(f"fetch {name}", done, total)).finish(
                pause_seconds
            )
            facts = {"url": film.url, "bytes": partial.stat().st_size, "sha256": _sha256(partial)}
            # The note first: a film that is there has its note.
            write_whole(note, json.dumps(facts | {"licence": film.licence}, indent=2).encode())
            partial.replace(path)
            _state(partial).unlink(missing_ok=True)
    except OSError as error:
        raise VideoError(f"films:{name} cannot be written to {folder}: {error.strerror or error}.") from error
    return path


class _Broken(Exception):
    """The connection ended before the file did."""


class _Download:
    """A file on its way: ``partial`` grows, and ``partial.json`` says of which version of which file it is."""

    def __init__(self, url: str, partial: Path, file: IO[bytes], tell: Callable[[int, int], None]) -> None:
        self.url, self.partial, self.file, self.tell = url, partial, file, tell

    def finish(self, pause_seconds: float) -> None:
        """Fetch what is missing; a connection that breaks is opened again while that brings something new."""
        in_vain, furthest, reason = 0, self.size, ""
        while in_vain < TRIES:
            try:
                self._go_on()
                return
            except urllib.error.HTTPError as error:
                reason = f"it answers {error.code} {error.reason}"
                if error.code not in _PASSING:
                    raise VideoError(
                        f"{self.url} answers {error.code} {error.reason}. It may have moved."
                    ) from None
            except (OSError, http.client.HTTPException, _Broken) as error:
                reason = str(getattr(error, "reason", None) or error)
            in_vain = 0 if self.size > furthest else in_vain + 1
            furthest = max(furthest, self.size)
            if in_vain < TRIES:
                time.sleep(pause_seconds * in_vain)
        if not self.size:
            raise VideoError(f"{self.url} could not be fetched ({reason}). Check the network, and try again.")
        raise VideoError(
            f"{self.url} could not be fetched ({reason}); {self.size:,} bytes have come and are kept. "
            "Run the command again to go on from there."
        )

    @property
    def size(self) -> int:
        return self.partial.stat().st_size

    def _go_on(self) -> None:
        """One request, from the first byte that is missing. Raises what urllib does, and _Broken."""
        state = self._state()
        have = self.size if state else 0
        if state and have == state["bytes"]:
            return
        headers = {"User-Agent": "worldprobe", "Accept-Encoding": "identity"}
        if have and state:
            # The rest is sent only of the very file that the beginning came from; else the whole new one.
            headers |= {"Range": f"bytes={have}-", "If-Range": state["version"]}
        try:
            response = opener().open(urllib.request.Request(self.url, headers=headers), timeout=TIMEOUT_SECONDS)
        except urllib.error.HTTPError as error:
            if error.code == 416:  # the file is shorter than what we have: another one
                self._start_over()
                raise _Broken("the file has changed") from None
            raise
        with response:
            check_kind(self.url, response)
            total = self._total(response, have, state)
            if response.status != 206:
                self._start_over()
            version = _version(response)
            if version:
                write_whole(_state(self.partial), json.dumps({"bytes": total, "version": version}).encode())
            while chunk := response.read(CHUNK):
                self.file.write(chunk)
                self.file.flush()
                self.tell(self.size // 1_000_000, total // 1_000_000)
        if self.size > total:
            size = self.size
            self._start_over()
            raise VideoError(f"{self.url} sent {size} bytes, having promised {total}; nothing was kept. Try again.")
        if self.size < total:
            raise _Broken(f"the connection ended after {self.size:,} of {total:,} bytes")

    def _total(self, response: http.client.HTTPResponse, have: int, state: dict[str, Any] | None) -> int:
        """How long the whole file is, as the server says."""
        if response.status == 206:
            span = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
            if span is None or state is None or (int(span[1]), int(span[2])) != (have, state["bytes"]):
                self._start_over()
                raise _Broken("it sent another part than was asked for, or of another file")
            return int(span[2])
        length = response.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) == 0:
            raise VideoError(
                f"{self.url} does not say how long it is: whether it came whole could not be known. Fetch it by "
                "other means, and name the file."
            )
        return int(length)

    def _state(self) -> dict[str, Any] | None:
        """What the part that is there belongs to; None where that is not known and it is worth nothing."""
        try:
            state = json.loads(_state(self.partial).read_bytes())
            if state["version"] and 0 < self.size <= state["bytes"]:
                return {"version": str(state["version"]), "bytes": int(state["bytes"])}
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return None

    def _start_over(self) -> None:
        self.file.truncate(0)
        _state(self.partial).unlink(missing_ok=True)


def _version(response: http.client.HTTPResponse) -> str:
    """What tells this version of a file from another: a strong ETag, else the date; else nothing."""
    tag = response.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")


def _state(partial: Path) -> Path:
    return partial.with_name(partial.name + ".json")


def _lock(file: IO[bytes], partial: Path, name: str) -> None:
    """Keep other runs from the file that is open; one of them may have finished it since it was opened."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.stat(partial)
    except OSError:
        raise VideoError(f"films:{name} is being fetched by another run. Wait for it, then try again.") from None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
