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
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from worldprobe.errors import VideoError
from worldprobe.files import sha256
from worldprobe.video.films import fetch_film
from worldprobe.video.web import CHUNK, TIMEOUT_SECONDS, check_kind, opener

# fmt: off
SUFFIXES = frozenset({
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".3gp", ".3g2", ".ts", ".m2ts", ".mts", ".mpg", ".mpeg",
    ".vob", ".ogv", ".ogg", ".flv", ".f4v", ".wmv", ".asf", ".gif", ".apng", ".h264", ".264", ".hevc", ".h265",
    ".265", ".ivf", ".obu", ".mxf", ".nut", ".rm", ".rmvb", ".dv", ".y4m",
})
# fmt: on
ACCEPTED = "a file, a glob, a folder, scenes:N[@SEED], films:NAME, lerobot:FOLDER, or an http(s) address"

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+):")
_SCENES = re.compile(r"^scenes:(\d+)(?:@(\d+))?$")

Scenes = Callable[[int, int, Path], list[Path]]
Dataset = Callable[[Path], Iterable[Path]]
Films = Callable[[str, Path], Path]


def resolve(
    sources: Sequence[str],
    *,
    cache: Path,
    scenes: Scenes,
    lerobot: Dataset,
    films: Films = fetch_film,
) -> list[Path]:
    """The local files that the sources name, in order, each once.

    A folder gives the files in it with a video's suffix, sorted; so does a glob (``**`` goes down). Addresses
    are downloaded whole, once, under ``cache/films``: libav never touches the network.

    Args:
        sources: as typed by the user.
        cache: folder for rendered scenes and downloads; made when needed.
        scenes: renders N scenes from a seed into a folder (``cache/scenes``) and returns their files.
        lerobot: the video files of a LeRobot dataset's folder.
        films: fetches an open film by name into a folder (``cache/films``) and returns its file.

    Raises:
        VideoError: nothing found, an unknown scheme, or a download that failed.
    """
    found: dict[Path, Path] = {}
    for source in sources:
        for path in _resolve(source, cache, scenes, lerobot, films):
            found.setdefault(path.resolve(), path)
    return list(found.values())


def distinct(paths: Sequence[Path]) -> tuple[list[Path], list[tuple[Path, Path]]]:
    """Files of different content, and those that hold the same as one of these: (the file, what it is like).

    A film that counted twice would stand on both sides of a split.
    """
    sizes = Counter(_size(path) for path in paths)
    first: dict[str, Path] = {}
    kept, again = [], []
    for path in paths:
        size = _size(path)
        # Only files of one size can be equal; what cannot be read is left for whoever reads it to tell.
        if size and sizes[size] > 1:
            with suppress(OSError):
                same = first.setdefault(sha256(path), path)
                if same is not path:
                    again.append((path, same))
                    continue
        kept.append(path)
    return kept, again


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _resolve(source: str, cache: Path, scenes: Scenes, lerobot: Dataset, films: Films) -> list[Path]:
    if source.startswith("scenes:"):
        return _render(source, cache, scenes)
    if source.startswith("lerobot:"):
        return list(lerobot(Path(source.removeprefix("lerobot:")).expanduser()))
    if source.startswith("films:"):
        return [films(source.removeprefix("films:"), cache / "films")]
    if re.match(r"^https?://", source, re.IGNORECASE):
        return [_download(source, cache / "films")]
    if not source.strip():
        raise VideoError(f"{source!r} names no video. Give {ACCEPTED}.")
    _require_letters(source)
    path = Path(source).expanduser()
    if path.is_dir():
        return _folder(path)
    if path.exists():
        return [path]
    scheme = _SCHEME.match(source)
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
    found = sorted(p for p in paths if p.suffix.lower() in SUFFIXES and p.is_file() and p.name[0] != ".")
    for path in found:
        _require_letters(str(path))
    return found


def _require_letters(path: str) -> None:
    """Raises VideoError for a name that no table or page can hold: bytes that are no UTF-8, or a NUL."""
    try:
        path.encode()
    except UnicodeEncodeError:
        raise VideoError(f"{path}: this name is not UTF-8, and no result could name the film. Rename it.") from None
    if "\0" in path:
        raise VideoError(f"{path}: a name cannot hold the character NUL. Correct it.")


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
        with opener().open(request, timeout=TIMEOUT_SECONDS) as response, temporary.open("wb") as file:
            check_kind(url, response)
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


def _check_length(url: str, response: http.client.HTTPResponse, size: int) -> None:
    promised = response.headers.get("Content-Length")
    if size == 0 or (promised is not None and int(promised) != size):
        raise VideoError(
            f"{url} sent {size} bytes, having promised {promised or 'more'}; nothing was kept. Try again."
        )
