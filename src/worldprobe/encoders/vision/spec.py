"""``NAME?size=448&tokens=cls&stage=2``: what a user says of an encoder beside its name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from worldprobe.errors import RegistryError

_TAKES = "after '?' there may be size (448, or 640x384 for width and height), tokens=cls and stage=2, joined by '&'"


@dataclass(frozen=True, slots=True)
class Spec:
    """A checkpoint, and what is wanted of it.

    Attributes:
        source: hub id or folder.
        size: width and height of the input in px; None for the checkpoint's own.
        cls: whether the class token is wanted, instead of the patches'.
        stage: of a network whose grid changes from stage to stage, counted from 0; None for its last.
    """

    source: str
    size: tuple[int, int] | None = None
    cls: bool = False
    stage: int | None = None

    @property
    def plain(self) -> bool:
        """Whether nothing is said beside the name."""
        return self.size is None and not self.cls and self.stage is None


def spec_of(name: str) -> Spec:
    """Take a name apart. Raises RegistryError for options that there are not."""
    source, mark, options = name.partition("?")
    if not mark or Path(name).is_dir():
        return Spec(name)
    size, cls, stage = None, False, None
    for option in options.split("&"):
        key, _, value = option.partition("=")
        if key == "size":
            size = size_of(value, name=name)
        elif option == "tokens=cls":
            cls = True
        elif re.fullmatch(r"stage=\d{1,3}", option):
            stage = int(value)
        else:
            raise RegistryError(f"{name}: no option {option!r}; {_TAKES}")
    return Spec(source, size, cls, stage)


def class_name(name: str) -> str:
    """The name of the encoder of class tokens, ``NAME?tokens=cls``, of an encoder of patch tokens."""
    return f"{name}{'&' if '?' in name else '?'}tokens=cls"


def size_of(text: str, *, name: str) -> tuple[int, int]:
    """Width and height of "448" or "640x384". Raises RegistryError for anything else."""
    if not re.fullmatch(r"[1-9]\d{0,4}(x[1-9]\d{0,4})?", text):
        raise RegistryError(f"{name}: {text!r} is no size; {_TAKES}")
    width, _, height = text.partition("x")
    return int(width), int(height or width)
