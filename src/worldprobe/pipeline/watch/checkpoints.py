"""Find the checkpoints in a folder: which entries are some, of which step, and which are written to the end."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from worldprobe.errors import ConfigError

HERE = "{}"
"""What stands for a checkpoint's path in the encoder's name."""
_ONNX = "onnx:"
_PICKLES = (".pt", ".pth", ".ckpt", ".bin", ".tar")
_CONFIG = "config.json"
# What a training or a copy writes under until it is whole.
_UNFINISHED = re.compile(r"^(\.|tmp[-_])|\.(tmp|partial|incomplete|part)$")
_STEP = re.compile(r"(?:step|iter|iteration)s?[-_=]?(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Found:
    """An entry that is a checkpoint, or will be.

    Attributes:
        name: in the folder. path: what is loaded.
        step: as the name has it; None where it has no number.
        files: names, sizes and times of its files, hashed: another where any of them was written since.
        modified: when the last of them was written, in seconds since 1970.
        lacks: what has yet to be written; empty where it looks whole.
    """

    name: str
    path: Path
    step: int | None
    files: str
    modified: float
    lacks: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """An entry that cannot be an encoder as it is, and what makes one of it."""

    name: str
    why: str


def find(
    folder: Path, *, encoder: str = HERE, match: str | None = None, apart: Path | None = None
) -> tuple[list[Found], list[Refused]]:
    """Find the checkpoints of a folder, in the order of their steps; those without one last, by time.

    Args:
        encoder: the encoder's name, in which ``{}`` stands for the checkpoint's path.
        match: a pattern that the entries' names have; None takes folders with a ``config.json``, or of
            ``onnx:{}#tensor`` files that end in ``.onnx``.
        apart: a folder that is none, though it lies there.

    Raises:
        ConfigError: no such folder, or it is a checkpoint itself.
    """
    if not folder.is_dir():
        raise ConfigError(f"no folder {folder} to watch: name the one in which a training puts its checkpoints")
    if match is None and (folder / _CONFIG).is_file():
        raise ConfigError(
            f"{folder} is a checkpoint itself: name the folder that it lies in, or probe it alone with --encoder"
        )
    if match is None and encoder.startswith(_ONNX):
        match = "*.onnx"
    found: list[Found] = []
    refused: list[Refused] = []
    for path in sorted(folder.glob(match or "*")):
        name = path.relative_to(folder).as_posix()
        if _UNFINISHED.search(path.name) or (apart and path.resolve() == apart.resolve()):
            continue
        one = _found(name, path) if match else _judged(name, path)
        if isinstance(one, Refused):
            refused.append(one)
        elif one is not None:
            found.append(one)
    return sorted(found, key=lambda one: (one.step is None, one.step or 0, one.modified, one.name)), refused


def _judged(name: str, path: Path) -> Found | Refused | None:
    """What an entry is without a pattern that says so; None for what a training writes beside its checkpoints."""
    if path.is_file():
        if path.suffix in _PICKLES:
            return Refused(
                name, f"a pickle, which is not loaded: `worldprobe convert {path} OUT` makes a folder of it"
            )
        if path.suffix == ".onnx":
            return Refused(name, f"name the tensor: --encoder 'onnx:{HERE}#TENSOR'")
        return None
    inside = [one for one in sorted(path.iterdir()) if (one / _CONFIG).is_file()] if path.is_dir() else []
    at = path if (path / _CONFIG).is_file() or len(inside) != 1 else inside[0]
    weights = sorted(at.glob("*.safetensors"))
    if not (at / _CONFIG).is_file():
        return _found(name, at, lacks=f"no {_CONFIG} yet") if weights else None
    if not weights and (
        pickles := [one.name for one in at.iterdir() if re.match(r"(pytorch_)?model.*\.bin$", one.name)]
    ):
        return Refused(name, f"its weights are a pickle ({pickles[0]}): save them as safetensors")
    return _found(name, at, lacks="" if weights else "no weights (*.safetensors) yet")


def _found(name: str, path: Path, *, lacks: str = "") -> Found | None:
    """An entry with its files; None where it has gone meanwhile."""
    try:
        every = [one for one in sorted(path.rglob("*")) if one.is_file()] if path.is_dir() else [path]
        stats = [(one.relative_to(path).as_posix(), one.stat()) for one in every]
        modified = max([one.st_mtime for _, one in stats] or [path.stat().st_mtime])
    except FileNotFoundError:
        return None
    known = "\n".join(f"{file} {one.st_size} {one.st_mtime_ns}" for file, one in stats)
    return Found(name, path, step_of(name), hashlib.sha256(known.encode()).hexdigest()[:16], modified, lacks)


def changed(one: Found) -> bool:
    """Whether any of a checkpoint's files was written, or removed, since it was found."""
    again = _found(one.name, one.path)
    return again is None or again.files != one.files


def step_of(name: str) -> int | None:
    """The number after "step" or "iter" in a name, else its last one: 500 of ``checkpoint-500``."""
    stem = re.sub(r"\.(onnx|pt|pth|ckpt|safetensors|bin)$", "", name)
    numbers: Sequence[str] = _STEP.findall(stem) or re.findall(r"\d+", stem)
    return int(numbers[-1]) if numbers else None
