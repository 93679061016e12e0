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
from worldprobe.video.bags.films import bag_films
from worldprobe.video.films import fetch_film
from worldprobe.video.folder import content_of, is_sequence, requested_rate, size_of
from worldprobe.video.image import PICTURE_SUFFIXES
from worldprobe.video.numbered import is_pattern
from worldprobe.video.rendered.robots.render import RobotSource, render_robots
from worldprobe.video.web import CHUNK, TIMEOUT_SECONDS, check_kind, opener

# fmt: off
SUFFIXES = frozenset({
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".3gp", ".3g2", ".ts", ".m2ts", ".mts", ".mpg", ".mpeg",
    ".vob", ".ogv", ".ogg", ".flv", ".f4v", ".wmv", ".asf", ".gif", ".apng", ".h264", ".264", ".hevc", ".h265",
    ".265", ".ivf", ".obu", ".mxf", ".nut", ".rm", ".rmvb", ".dv", ".y4m",
})
# fmt: on
ACCEPTED = (
    "a file, a glob, a folder, scenes:N[@SEED], robots:N[@SEED], films:NAME, lerobot:FOLDER, mcap:FILE, "
    "or an http(s) address"
)

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+):")
_SCENES = re.compile(r"^scenes:(\d+)(?:@(\d+))?$")

Scenes = Callable[[int, int, Path], list[Path]]
Robots = Callable[[RobotSource, Path], list[Path]]
Dataset = Callable[[Path], Iterable[Path]]
Films = Callable[[str, Path], Path]
Tell = Callable[[str], None]


def resolve(
    sources: Sequence[str],
    *,
    cache: Path,
    scenes: Scenes,
    lerobot: Dataset,
    robots: Robots = render_robots,
    films: Films = fetch_film,
    tell: Tell = lambda _: None,
) -> list[Path]:
    """The local files that the sources name, in order, each once.

    A folder gives the files in it with a video's suffix, sorted; so does a glob (``**`` goes down). Where there are
    none, numbered pictures in it are one film, known by the folder; so are those that a glob or a pattern
    (``%06d.jpg``) stands for, in each folder, and each folder of pictures that a glob matches. ``?fps=10`` after it
    is their rate. Addresses are downloaded whole, once, under ``cache/films``: libav never touches the network.

    Args:
        sources: as typed by the user.
        cache: folder for rendered scenes and downloads; made when needed.
        scenes: renders N scenes from a seed into a folder (``cache/scenes``) and returns their files.
        lerobot: the video files of a LeRobot dataset's folder.
        robots: renders clips of simulated robots into a folder (``cache/robots``) and returns their files.
        films: fetches an open film by name into a folder (``cache/films``) and returns its file.
        tell: is told what else was found and not taken, a sentence each.

    Raises:
        VideoError: nothing found, an unknown scheme, or a download that failed.
    """
    found: dict[Path, Path] = {}
    for source in sources:
        if source.startswith("robots:"):
            paths = robots(RobotSource.of(source), cache / "robots")
        else:
            paths = _resolve(source, cache, scenes, lerobot, films, tell)
        for path in paths:
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
            with suppress(OSError, VideoError):
                same = first.setdefault(content_of(path), path)
                if same is not path:
                    again.append((path, same))
                    continue
        kept.append(path)
    return kept, again


def _size(path: Path) -> int:
    try:
        return size_of(path)
    except (OSError, VideoError):
        return 0


def _resolve(source: str, cache: Path, scenes: Scenes, lerobot: Dataset, films: Films, tell: Tell) -> list[Path]:
    if source.startswith("scenes:"):
        return _render(source, cache, scenes)
    if source.startswith("lerobot:"):
        return list(lerobot(Path(source.removeprefix("lerobot:")).expanduser()))
    if source.startswith("mcap:"):
        return _recorded(Path(source.removeprefix("mcap:")).expanduser(), cache / "recordings", tell)
    if source.startswith("films:"):
        return [films(source.removeprefix("films:"), cache / "films")]
    if re.match(r"^https?://", source, re.IGNORECASE):
        return [_download(source, cache / "films")]
    if not source.strip():
        raise VideoError(f"{source!r} names no video. Give {ACCEPTED}.")
    _require_letters(source)
    path = Path(source).expanduser()
    if path.is_dir():
        return _folder(path, tell)
    if path.exists():
        return [_film(path)]
    bare, rate = requested_rate(path)
    if rate or not glob.has_magic(str(bare)):
        if is_sequence(path):
            return [path]
        if rate and not glob.has_magic(str(bare)):
            raise VideoError(f"{bare} holds no pictures, and {rate} is the rate of some. Name the films alone.")
    scheme = _SCHEME.match(source)
    if scheme:
        raise VideoError(f"{source}: '{scheme[1]}:' is not a source of videos. Give {ACCEPTED}.")
    if glob.has_magic(str(bare)):
        return _glob(bare, rate, tell)
    raise VideoError(f"{source} does not exist. Give {ACCEPTED}.")


def _recorded(bag: Path, cache: Path, tell: Tell) -> list[Path]:
    """The films of a recording, of all in a folder, or of those that a glob names."""
    bags = sorted(bag.rglob("*.mcap")) if bag.is_dir() else [bag]
    if not bag.exists() and glob.has_magic(str(bag)):
        bags = sorted(map(Path, glob.glob(str(bag), recursive=True)))
    if not bags:
        raise VideoError(f"mcap:{bag}: there is no recording (*.mcap) there.")
    return [film for one in bags for film in bag_films(one, cache, tell=tell)]


def _render(source: str, cache: Path, scenes: Scenes) -> list[Path]:
    match = _SCENES.match(source)
    if match is None or int(match[1]) < 1:
        raise VideoError(
            f"{source} is not a number of scenes. Write scenes:N or scenes:N@SEED, such as scenes:8@1."
        )
    return scenes(int(match[1]), int(match[2] or 0), cache / "scenes")


def _film(path: Path) -> Path:
    # A PNG or WebP may hold moving pictures.
    if path.suffix.lower() in PICTURE_SUFFIXES - {".png", ".webp"}:
        raise VideoError(
            f"{path} is one picture. For a film of pictures name their folder ({path.parent}), or all of them "
            f"between quotes: '{path.parent / ('*' + path.suffix)}'."
        )
    return path


def _folder(folder: Path, tell: Tell) -> list[Path]:
    try:
        inside = list(folder.iterdir())
    except OSError as error:
        raise VideoError(f"the folder {folder} cannot be read: {error.strerror}.") from error
    if files := _videos(inside):
        _tell_of_pictures(_pictures(inside), files, tell)
        return files
    if recorded := _recording(folder, inside):
        raise VideoError(f"{folder} holds {recorded} its films with what was recorded beside them.")
    if is_sequence(folder):
        return [folder]
    below = [one for one in sorted(inside) if one.is_dir() and one.name[0] != "." and _has_pictures(one)]
    if below:
        raise VideoError(
            f"no videos or pictures in the folder {folder}, but pictures in {len(below)} folders of it "
            f"({', '.join(one.name for one in below[:3])}{', ...' if len(below) > 3 else ''}). For a film of each, "
            f"give '{folder}/*'."
        )
    raise VideoError(
        f"no video files in the folder {folder} (looked for .mp4, .mkv, .avi, .webm, .mov, ..., and for numbered "
        f"pictures; not in subfolders). Give another folder, or a glob such as '{folder}/**/*.mp4'."
    )


def _recording(folder: Path, inside: Sequence[Path]) -> str:
    """What a robot's recordings are named by instead; empty where the folder holds none."""
    if (folder / "meta" / "info.json").is_file():
        return f"a LeRobot dataset: lerobot:{folder} gives"
    bags = sum(path.suffix == ".mcap" for path in inside)
    plural = "s" if bags > 1 else ""
    return f"{bags} recording{plural} of ROS 2 (.mcap): mcap:{folder} gives" if bags else ""


def _has_pictures(folder: Path) -> bool:
    try:
        return is_sequence(folder)
    except VideoError:  # it means to have some
        return True


def _glob(pattern: Path, rate: str, tell: Tell) -> list[Path]:
    matches = [Path(p) for p in sorted(glob.glob(str(pattern), recursive=True))]
    pictures = _pictures(matches)
    if files := _videos(matches):
        _tell_of_pictures(pictures, files, tell)
        return files
    folders = [one for one in matches if one.is_dir() and is_sequence(one)]
    if not folders and is_pattern(pattern.name):
        folders = [one / pattern.name for one in dict.fromkeys(path.parent for path in pictures)]
    if folders:
        return [folder.with_name(folder.name + rate) for folder in folders]
    raise VideoError(
        f"{pattern} matches {len(matches)} files, none with a video's suffix (.mp4, .mkv, ...) and no folder of "
        "numbered pictures. Correct the pattern, or name the files themselves."
    )


def _pictures(paths: Iterable[Path]) -> list[Path]:
    return sorted(p for p in paths if p.suffix.lower() in PICTURE_SUFFIXES and p.is_file() and p.name[0] != ".")


def _tell_of_pictures(pictures: Sequence[Path], films: Sequence[Path], tell: Tell) -> None:
    """A cover beside a film says nothing; a numbered folder beside one may be what was meant."""
    if len(pictures) > 1:
        tell(
            f"{films[0].parent} holds {len(films)} films and {len(pictures)} pictures: the films are taken. For "
            f"the pictures give '{pictures[0].parent}/*{pictures[0].suffix}'"
        )


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
