"""Turn what a user names - files, globs, folders, rendered scenes, addresses - into local files."""

from __future__ import annotations

import glob
import hashlib
import http.client
import os
import re
import shutil
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO

from worldprobe.errors import VideoError

# fmt: off
SUFFIXES = frozenset({
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".3gp", ".3g2", ".ts", ".m2ts", ".mts", ".mpg", ".mpeg",
    ".vob", ".ogv", ".ogg", ".flv", ".f4v", ".wmv", ".asf", ".gif", ".apng", ".h264", ".264", ".hevc", ".h265",
    ".265", ".ivf", ".obu", ".mxf", ".nut", ".rm", ".rmvb", ".dv", ".y4m",
})
# fmt: on
ACCEPTED = "a file, a glob, a folder, scenes:N, scenes:N@SEED, lerobot:FOLDER, or an http(s) address"
TIMEOUT_SECONDS = 30.0
CHUNK = 1 << 20

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+):")
_SCENES = re.compile(r"^scenes:(\d+)(?:@(\d+))?$")

Scenes = Callable[[int, int, Path], list[Path]]
Dataset = Callable[[Path], Iterable[Path]]


def resolve(sources: Sequence[str], *, cache: Path, scenes: Scenes, lerobot: Dataset) -> list[Path]:
    """The local files that the sources name, in order, each once.

    A folder gives the files in it with a video's suffix, sorted; so does a glob (``**`` goes down). Addresses
    are downloaded whole, once, under ``cache/films``: libav never touches the network.

    Args:
        sources: as typed by the user.
        cache: folder for rendered scenes and downloads; made when needed.
        scenes: renders N scenes from a seed into a folder (``cache/scenes``) and returns their files.
        lerobot: the video files of a LeRobot dataset's folder.

    Raises:
        VideoError: nothing found, an unknown scheme, or a download that failed.
    """
    found: dict[Path, Path] = {}
    for source in sources:
        for path in _resolve(source, cache, scenes, lerobot):
            found.setdefault(path.resolve(), path)
    return list(found.values())


def _resolve(source: str, cache: Path, scenes: Scenes, lerobot: Dataset) -> list[Path]:
    if source.startswith("scenes:"):
        return _render(source, cache, scenes)
    if source.startswith("lerobot:"):
        return list(lerobot(Path(source.removeprefix("lerobot:")).expanduser()))
    if re.match(r"^https?://", source, re.IGNORECASE):
        return [_download(source, cache / "films")]
    path = Path(source).expanduser()
    if path.is_dir():
        return _folder(path)
    if path.exists():
        return [path]
    scheme = _SCHEME.match(source)
    if scheme and scheme[1].lower() == "films":
        raise VideoError(f"{source}: {scheme[1]}: is not available in this version. Give {ACCEPTED}.")
    if scheme:
        raise VideoError(f"{source}: '{scheme[1]}:' is not a source of videos. Give {ACCEPTED}.")
    if glob.has_magic(source):
        return _glob(source, path)
    raise VideoError(f"{source} does not exist. Give {ACCEPTED}.")


def _render(source: str, cache: Path, scenes: Scenes) -> list[Path]:
    match = _SCENES.match(source)
    if match is None or int(match[1]) < 1:
        raise VideoError(
            f"{source} is not a number of scenes. Write scenes:N or scenes:N@SEED, such as scenes:8@1."
        )
    return scenes(int(match[1]), int(match[2] or 0), cache / "scenes")


def _folder(folder: Path) -> list[Path]:
    files = _videos(folder.iterdir())
    if not files:
        raise VideoError(
            f"no video files in the folder {folder} (looked for .mp4, .mkv, .avi, .webm, .mov, ...; not in "
            f"subfolders). Give another folder, or a glob such as '{folder}/**/*.mp4'."
        )
    return files


def _glob(source: str, pattern: Path) -> list[Path]:
    matches = [Path(p) for p in glob.glob(str(pattern), recursive=True)]
    files = _videos(matches)
    if not files:
        raise VideoError(
            f"{source} matches {len(matches)} files, none with a video's suffix (.mp4, .mkv, ...). "
            f"Correct the pattern, or name the files themselves."
        )
    return files


def _videos(paths: Iterable[Path]) -> list[Path]:
    return sorted(p for p in paths if p.suffix.lower() in SUFFIXES and p.is_file() and p.name[0] != ".")


class _WebOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http(s) only: a server must not make us open a local file."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if urllib.parse.urlsplit(newurl).scheme.lower() not in ("http", "https"):
            raise VideoError(f"{req.full_url} redirects to {newurl}, which is not http(s). It was not followed.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    """Only http(s): no file, ftp or data handlers, which urllib's own opener would add."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(), urllib.request.HTTPHandler(), urllib.request.HTTPSHandler(), _WebOnly(),
        urllib.request.HTTPDefaultErrorHandler(), urllib.request.HTTPErrorProcessor(),
    ):  # fmt: skip
        opener.add_handler(handler)
    return opener


def _download(url: str, folder: Path) -> Path:
    suffix = Path(urllib.parse.urlsplit(url).path).suffix.lower()
    name = hashlib.sha256(url.encode()).hexdigest()[:16] + (suffix if suffix in SUFFIXES else ".video")
    path = folder / name
    if path.exists():
        return path
    temporary = folder / f".{name}-{uuid.uuid4().hex}"
    request = urllib.request.Request(url, headers={"User-Agent": "worldprobe"})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _opener().open(request, timeout=TIMEOUT_SECONDS) as response, temporary.open("wb") as file:
            _check_kind(url, response)
            shutil.copyfileobj(response, file, CHUNK)
        _check_length(url, response, temporary.stat().st_size)
        os.replace(temporary, path)
    except urllib.error.HTTPError as error:
        raise VideoError(f"{url} answers {error.code} {error.reason}. Check the address.") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise VideoError(f"{url} could not be downloaded ({reason}). Check the address and try again.") from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _check_kind(url: str, response: http.client.HTTPResponse) -> None:
    kind = response.headers.get_content_type()
    if kind in ("text/html", "application/xhtml+xml"):
        raise VideoError(f"{url} is a web page, not a video. Give the address of the video file itself.")


def _check_length(url: str, response: http.client.HTTPResponse, size: int) -> None:
    promised = response.headers.get("Content-Length")
    if size == 0 or (promised is not None and int(promised) != size):
        raise VideoError(
            f"{url} sent {size} bytes, having promised {promised or 'more'}; nothing was kept. Try again."
        )
