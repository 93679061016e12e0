"""What a LeRobot dataset's meta/info.json says, read strictly: whatever is wrong in it is named."""

from __future__ import annotations

import json
import math
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import LabelError
from worldprobe.io.lfs import lfs_pointer

_FIELDS = ("chunk_index", "file_index", "episode_chunk", "episode_index", "video_key")
_WIDTH = re.compile(r"(0?\d{1,2})?d?")  # of a number in a path, as format() takes it
_DEEP_PIXELS = re.compile(r"(gray|y)(9|1[0-6])(le|be)?")
_MOST_DIMENSIONS = 65_536
_CODES = 4095  # the largest of 12 bit
_NESTED = 8  # names deeper than this are none


class PathTemplate:
    """A path with fields, such as ``data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet``."""

    def __init__(self, text: str) -> None:
        """Raises ValueError for what is no such path; of format()'s language fields and widths are taken alone."""
        self._parts: list[tuple[str, str, str]] = []
        pattern, seen = "", set[str]()
        for literal, field, spec, conversion in string.Formatter().parse(text):
            pattern += re.escape(literal)
            if field is None:
                self._parts.append((literal, "", ""))
                continue
            spec = spec or ""
            numeric = field != "video_key"
            if field not in _FIELDS or conversion or not (_WIDTH.fullmatch(spec) if numeric else not spec):
                raise ValueError(f"{{{field}}} in the path {text!r} is none of {', '.join(_FIELDS)}")
            self._parts.append((literal, field, spec))
            pattern += f"(?P={field})" if field in seen else f"(?P<{field}>{'[0-9]+' if numeric else '.+?'})"
            seen.add(field)
        self._pattern = re.compile(pattern, re.DOTALL)
        self.fields = frozenset(seen)

    def path(self, place: Mapping[str, int | str]) -> str:
        """The path with its fields filled in. Raises ValueError for a field that ``place`` lacks."""
        if missing := self.fields - place.keys():
            raise ValueError(f"a path needs {', '.join(sorted(missing))}")
        return "".join(
            literal + (format(place[field], spec) if field else "") for literal, field, spec in self._parts
        )

    def place(self, path: str) -> dict[str, str] | None:
        """The fields of a path; None for one that is not of this form."""
        found = self._pattern.fullmatch(path)
        return found.groupdict() if found else None

    @property
    def folder(self) -> str:
        """The folder that all paths lie in, as far as it is the same."""
        return self._parts[0][0].rpartition("/")[0] if self._parts else ""


@dataclass(frozen=True, slots=True)
class DepthCoding:
    """How a depth camera's film writes metres as numbers of 12 bit: evenly from ``least`` to ``most``, or evenly in
    the logarithm of what is ``shift`` more. 0 is where nothing was measured."""

    least: float
    most: float
    shift: float
    logarithmic: bool

    def metres(self, codes: NDArray[np.generic]) -> NDArray[np.float64]:
        """Metres of codes, float64 of the same shape; NaN where nothing was measured."""
        share = codes.astype(np.float64) / _CODES
        ends = np.array([self.least, self.most])
        if self.logarithmic:
            low, high = np.log(ends + self.shift)
            metres = np.exp(low + share * (high - low)) - self.shift
        else:
            metres = self.least + share * (self.most - self.least)
        return np.where(share > 0, metres, np.nan)


@dataclass(frozen=True, slots=True)
class Feature:
    """A column, or a camera: ``shape`` of one row's value, ``names`` of its dimensions where there are as many;
    ``unnamed`` where there are names that cannot be these; ``depth_coding`` of a depth camera that says its own."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    names: tuple[str, ...]
    depth: bool
    unnamed: bool = False
    depth_coding: DepthCoding | None = None

    @property
    def count(self) -> int:
        """Values in a row."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True, eq=False)
class Info:
    """A dataset's description.

    Attributes:
        version: 2 or 3, of the format.
        fps: frames, and rows, a second.
        chunks_size: episodes of a chunk, in version 2.
        data, video: where tables and videos lie.
        total_episodes: as it says, which may be wrong; None where it says nothing.
    """

    version: int
    fps: float
    chunks_size: int
    data: PathTemplate
    video: PathTemplate | None
    features: Mapping[str, Feature]
    total_episodes: int | None

    def cameras(self, dtype: str, *, depth: bool = False) -> list[str]:
        """Names of the cameras that are videos ("video") or pictures ("image"): of colour, or of depth."""
        return sorted(one.name for one in self.features.values() if one.dtype == dtype and one.depth == depth)


def read_info(path: Path) -> Info:
    """Read an info.json.

    Raises:
        LabelError: it cannot be read, is of another version, or says what cannot be.
    """
    try:
        if lfs_pointer(path):
            raise ValueError(lfs_pointer(path))
        written = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(written, dict):
            raise ValueError("it holds no object {...}")
        version = _text(written, "codebase_version")
    except (OSError, ValueError, RecursionError) as error:
        raise LabelError(f"{path} cannot be read as a LeRobot dataset's: {_words(error)}") from error
    if not version.startswith(("v2.", "v3.")):
        raise LabelError(
            f"{path} is of version {version[:40]}; this version of worldprobe reads v2.0, v2.1 and v3.0"
        )
    try:
        return _info(int(version[1]), written)
    except ValueError as error:
        raise LabelError(f"{path} cannot be read as a LeRobot dataset's: {error}") from error


def _info(version: int, written: dict[str, Any]) -> Info:
    fps, size, total = written.get("fps"), written.get("chunks_size", 1000), written.get("total_episodes")
    if not _is_number(fps) or not 0 < fps <= 1e6:
        raise ValueError(f"fps is {_short(fps)}; it must be a number above 0")
    if not _is_whole(size) or size < 1:
        raise ValueError(f"chunks_size is {_short(size)}; it must be 1 or more")
    features = written.get("features")
    if not isinstance(features, dict):
        raise ValueError(f"features are {_short(features)}; they must be an object {{...}}")
    found = {name: _feature(name, one) for name, one in features.items()}
    filmed = any(one.dtype == "video" for one in found.values())
    return Info(
        version=version,
        fps=float(fps),
        chunks_size=size,
        data=PathTemplate(_text(written, "data_path")),
        video=PathTemplate(_text(written, "video_path")) if filmed else None,
        features=found,
        total_episodes=total if _is_whole(total) else None,
    )


def _feature(name: str, written: object) -> Feature:
    if not isinstance(written, dict):
        raise ValueError(f"the feature {name!r} is {_short(written)}; it must be an object {{...}}")
    dtype, shape = written.get("dtype"), written.get("shape")
    if not isinstance(dtype, str):
        raise ValueError(f"the dtype of the feature {name!r} is {_short(dtype)}; it must be a text")
    shape = [shape] if _is_whole(shape) else shape
    if not isinstance(shape, list) or not all(_is_whole(side) and 0 <= side <= _MOST_DIMENSIONS for side in shape):
        raise ValueError(f"the shape of the feature {name!r} is {_short(shape)}; it must be a list of sizes")
    camera = dtype in ("video", "image")
    if not camera and math.prod(shape) > _MOST_DIMENSIONS:
        raise ValueError(f"the feature {name!r} has {math.prod(shape)} dimensions; {_MOST_DIMENSIONS} are the most")
    names = None if camera else _names(written.get("names"), math.prod(shape))
    numbered = () if camera else tuple(map(str, range(math.prod(shape))))
    depth = camera and _is_depth(name, written)
    return Feature(
        name, dtype, tuple(shape), numbered if names is None else names,
        depth=depth,
        unnamed=names is None and not camera and bool(written.get("names")),
        depth_coding=_depth_coding(name, written) if depth and dtype == "video" else None,
    )  # fmt: skip


def _depth_coding(name: str, written: Mapping[str, Any]) -> DepthCoding | None:
    """What is said of a depth camera's numbers; None where nothing is."""
    declared = next((one for key in ("info", "video_info") if isinstance(one := written.get(key), dict)), {})
    values = {key: declared.get(f"video.{key}", declared.get(key)) for key in ("depth_min", "depth_max", "shift")}
    if values["depth_min"] is None or values["depth_max"] is None:
        return None
    least, most, shift = values["depth_min"], values["depth_max"], values["shift"] or 0.0
    logarithmic = declared.get("video.use_log", declared.get("use_log")) is True
    sound = _is_number(least) and _is_number(most) and _is_number(shift)
    if not sound or not least < most < math.inf or (logarithmic and not least + shift > 0):
        raise ValueError(
            f"the depths of the feature {name!r} are from {_short(least)} to {_short(most)} m, shift "
            f"{_short(shift)}; they must be numbers that increase"
        )
    return DepthCoding(float(least), float(most), float(shift), logarithmic)


def _is_depth(name: str, written: Mapping[str, Any]) -> bool:
    """By what is said of the camera, or by its name: recorders have written False whatever it was."""
    words = re.split(r"[^a-z]+", name.lower())
    if "depth" in words or name.lower().rstrip("0123456789_-").endswith("depth"):
        return True
    for key in ("info", "video_info"):
        declared = written.get(key)
        if isinstance(declared, dict):
            flags = [declared.get(f"{prefix}is_depth_map") for prefix in ("", "video.")]
            pixels = [declared.get(f"{prefix}pix_fmt") for prefix in ("", "video.")]
            if True in flags or any(isinstance(one, str) and _DEEP_PIXELS.fullmatch(one) for one in pixels):
                return True
    return False


def _names(written: object, count: int) -> tuple[str, ...] | None:
    """A name for each dimension, out of lists and objects however nested; None where there are none."""
    found = _flat(written, _NESTED)
    if found is None or len(found) != count or len(set(found)) != count:
        return None
    return tuple(found)


def _flat(written: object, depth: int) -> list[str] | None:
    """All names in it, in order; None where there is anything else."""
    if isinstance(written, str):
        return [written] if written.strip() else None
    if _is_whole(written):
        return [str(written)]
    if isinstance(written, dict):
        if written and all(_is_whole(place) for place in written.values()):  # {"x": 0, "y": 1}
            return [str(name) for name in sorted(written, key=written.__getitem__)]
        written = list(written.values())  # {"motors": [...]}
    if not isinstance(written, list) or depth == 0:
        return None
    parts = [_flat(part, depth - 1) for part in written]
    return None if any(part is None for part in parts) else list(chain.from_iterable(filter(None, parts)))


def _text(written: Mapping[str, Any], key: str) -> str:
    value = written.get(key)
    if not isinstance(value, str):
        raise ValueError(f"it has no {key}" if value is None else f"{key} is {_short(value)}; it must be a text")
    return value


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _short(value: object) -> str:
    declared = json.dumps(value) if value is not None else "missing"
    return declared if len(declared) < 60 else f"{declared[:56]} ..."


def _words(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
