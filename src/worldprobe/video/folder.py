"""Folders of pictures that are films: plain ones, MOTChallenge's with its seqinfo.ini, patterns and globs."""

from __future__ import annotations

import configparser
import hashlib
import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from worldprobe.errors import VideoError
from worldprobe.io.files import sha256
from worldprobe.video.numbered import is_pattern, numbered, pictures_in
from worldprobe.video.sequence import PictureFilm, film_of

RATE = 25.0  # pictures a second where nobody says

_SEQINFO = "seqinfo.ini"
_RATE_OPTION = re.compile(r"^(?P<path>.*)\?fps=(?P<rate>[^?/]*)$")
_FASTEST = 10_000


@dataclass(frozen=True, slots=True)
class _Info:
    """What a seqinfo.ini says; nothing where there is none."""

    folder: str = ""
    rate: float | None = None
    length: int | None = None
    size: tuple[int, int] | None = None
    suffix: str | None = None


@dataclass(frozen=True, slots=True)
class _PictureFolder:
    """Where pictures lie, and at which rate they were asked for."""

    folder: Path
    pattern: str | None
    requested: float | None
    info: _Info


def requested_rate(path: Path) -> tuple[Path, str]:
    """A path without the rate that is asked at its end, and this as it is written (``?fps=10``), or nothing."""
    match = None if path.exists() else _RATE_OPTION.match(str(path))
    return (Path(match["path"]), f"?fps={match['rate']}") if match else (path, "")


def is_sequence(path: Path) -> bool:
    """Whether a path names pictures that are a film: a folder with some, a pattern, each with or without ?fps=.

    Raises:
        VideoError: its seqinfo.ini or its rate cannot be read.
    """
    place = _place_of(path)
    return place is not None and bool(_files(place))


def open_sequence(path: Path) -> PictureFilm | None:
    """The film that a folder of pictures, a pattern or a glob is; None where the path names no pictures.

    The rate is the asked one (``folder?fps=10``), else seqinfo.ini's, else 25 and said.

    Raises:
        VideoError: pictures of which it cannot be said which is which frame, or of which none can be read; a
            seqinfo.ini that cannot be read.
    """
    place = _place_of(path)
    files = _files(place) if place else []
    if place is None or not files:
        return None
    info = place.info
    found = numbered(place.folder, files, length=info.length)
    rate = place.requested or info.rate
    notes = [*found.notes]
    if rate is None:
        notes.append(
            f"is a folder of pictures that says no rate: taken as {RATE:g} a second (another: 'FOLDER?fps=10')."
        )
    count = len(found.pictures)
    if info.length and count > info.length:
        notes.append(f"has {count} pictures, though its {_SEQINFO} speaks of {info.length}.")
    film = film_of(
        path, found.pictures, pts_seconds=np.arange(count) / (rate or RATE), rate=rate or RATE,
        missing=max(0, (info.length or 0) - count), notes=notes,
    )  # fmt: skip
    if info.size and info.size != (film.ref.width, film.ref.height):
        words = f"has pictures of {film.ref.width} x {film.ref.height} px, though its {_SEQINFO} speaks of "
        return film.with_note(f"{words}{info.size[0]} x {info.size[1]}.")
    return film


def content_of(path: Path) -> str:
    """A hash of a film's content, whatever it is called and at whatever rate: of a file's bytes, of all pictures.

    Raises:
        OSError: something cannot be read.
    """
    place = _place_of(path)
    if place is None:
        return sha256(path)
    return hashlib.sha256("".join(sha256(file) for file in _files(place)).encode()).hexdigest()


def size_of(path: Path) -> int:
    """Bytes of a film's content. Raises OSError: something cannot be read."""
    place = _place_of(path)
    return path.stat().st_size if place is None else sum(file.stat().st_size for file in _files(place))


def truth_beside(path: Path) -> Path | None:
    """The boxes of a MOTChallenge sequence: gt/gt.txt in its folder."""
    place = _place_of(path)
    if place is None:
        return None
    root = place.folder.parent if (place.folder.parent / _SEQINFO).is_file() else place.folder
    truth = root / "gt" / "gt.txt"
    return truth if truth.is_file() else None


def _place_of(path: Path) -> _PictureFolder | None:
    """None for a file, for nothing, and for what cannot hold pictures."""
    path, written = requested_rate(path)
    requested = _rate(written.removeprefix("?fps="), f"{path}{written}") if written else None
    pattern = None
    if not path.exists() and is_pattern(path.name) and path.parent.is_dir():
        path, pattern = path.parent, path.name
    if not path.is_dir():
        return None
    if pattern is None and (path / _SEQINFO).is_file():
        info = _read(path / _SEQINFO)
        # A name that leads elsewhere would read whatever lies there.
        if not (path / info.folder).resolve().is_relative_to(path.resolve()):
            raise VideoError(f"{path / _SEQINFO} names the folder {info.folder!r}, which lies outside of {path}.")
        if (path / info.folder).is_dir():
            return _PictureFolder(path / info.folder, None, requested, info)
        if not pictures_in(path):
            raise VideoError(f"{path} lacks the folder {info.folder} of pictures that its {_SEQINFO} names.")
        return _PictureFolder(path, None, requested, info)
    info = _read(path.parent / _SEQINFO) if (path.parent / _SEQINFO).is_file() else _Info()
    return _PictureFolder(path, pattern, requested, info if Path(info.folder) == Path(path.name) else _Info())


def _files(place: _PictureFolder) -> list[Path]:
    files = pictures_in(place.folder, place.pattern) if place.folder.is_dir() else []
    suffix = place.info.suffix
    of_kind = [path for path in files if suffix and path.suffix.lower() == suffix]
    return of_kind or files


def _read(path: Path) -> _Info:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(path.read_text(encoding="utf-8-sig"))
        keys = parser["Sequence"]
    except (OSError, UnicodeDecodeError, configparser.Error, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise VideoError(
            f"{path} is not MOTChallenge's: it has no readable section [Sequence] ({reason}). Correct it, or name "
            "the folder of the pictures itself elsewhere."
        ) from error
    rate = _rate(keys["frameRate"], f"{path}: frameRate={keys['frameRate']}") if "frameRate" in keys else None
    suffix = keys.get("imExt", "").strip().lower() or None
    width, height = _whole(path, keys.get("imWidth")), _whole(path, keys.get("imHeight"))
    return _Info(
        size=(width, height) if width and height else None,
        folder=keys.get("imDir", "img1").strip(),
        rate=rate,
        length=_whole(path, keys.get("seqLength")),
        suffix=suffix if not suffix or suffix.startswith(".") else f".{suffix}",
    )


def _rate(written: str, where: str) -> float:
    try:
        rate = float(written)
    except ValueError:
        rate = math.nan
    if not 0 < rate <= _FASTEST:
        raise VideoError(f"{where} is no rate: give pictures a second, such as 25 or 29.97.")
    return rate


def _whole(path: Path, written: str | None) -> int | None:
    if written is None:
        return None
    if not re.fullmatch(r"\s*\d{1,9}\s*", written):
        raise VideoError(f"{path}: {written!r} is no whole number. Correct it, or delete its line.")
    return int(written)
