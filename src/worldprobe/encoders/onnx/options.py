"""``FILE#tensor?pixels=bytes&fit=letterbox``: what has to be known of an ONNX file before it sees frames."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from worldprobe.encoders.pixels import Fit, Pixels, Triple
from worldprobe.encoders.preprocess import MEAN, STD
from worldprobe.encoders.vision.spec import size_of
from worldprobe.errors import RegistryError

_KEYS = ("pixels", "mean", "std", "colours", "fit", "size", "layout")
_FITS = ("squash", "crop", "letterbox")
_LAYOUTS = ("nchw", "nhwc")
# Mean and deviation on a scale of 0 to 1: what makes of a byte what the network takes.
_NUMBERS: Mapping[str, tuple[Triple, Triple]] = {
    "imagenet": (MEAN, STD),
    "unit": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "signed": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "bytes": ((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),
}
_TAKES = (
    "pixels=imagenet, unit (0 to 1), signed (-1 to 1) or bytes (0 to 255), or mean=R,G,B with std=R,G,B on a scale "
    "of 0 to 1; colours=rgb or bgr; fit=squash, crop or letterbox; size=WIDTHxHEIGHT where the file leaves it "
    "open; layout=nchw or nhwc of the tensor"
)


@dataclass(frozen=True, slots=True)
class Named:
    """A file, a tensor in it (none where none is named) and what is said of both."""

    path: Path
    tensor: str
    options: Mapping[str, str]


def named(argument: str) -> Named:
    """Take ``FILE[#tensor][?key=value&...]`` apart; what it does not say, ``FILE.json`` beside the file may.

    Raises:
        RegistryError: no such file, an option that there is not, or options beside the file that are no texts.
    """
    head, mark, text = argument.rpartition("?")
    place = head if mark and not Path(argument).is_file() else argument
    path, _, tensor = place.partition("#")
    if Path(place).is_file():  # its name has a '#' of its own
        path, tensor = place, ""
    if not Path(path).is_file():
        raise RegistryError(f"no ONNX file at {path}: name one, and a tensor in it, as in onnx:model.onnx#tensor")
    said: dict[str, str] = {}
    for option in text.split("&") if place != argument else ():
        key, _, value = option.partition("=")
        if key not in _KEYS or not value or key in said:
            raise RegistryError(f"onnx:{path} takes no {option!r}: after '?' there may be {_TAKES}")
        said[key] = value
    return Named(Path(path), tensor, {**_beside(Path(path)), **said})


def pixels_of(options: Mapping[str, str], size: tuple[int, int], *, path: Path) -> Pixels:
    """How frames are brought to a network whose input has this width and height.

    Raises:
        RegistryError: nobody said in which numbers the network takes pixels, or a value that is none.
    """
    if "mean" in options or "std" in options:
        mean, std = (_triple(options, key, path) for key in ("mean", "std"))
    elif (known := options.get("pixels", "")) in _NUMBERS:
        mean, std = _NUMBERS[known]
    else:
        raise RegistryError(
            f"onnx:{path}: in which numbers does it take pixels? Say it behind '?' or in {beside(path)}: {_TAKES}"
        )
    fit = options.get("fit", "squash")
    if fit not in _FITS or options.get("colours", "rgb") not in ("rgb", "bgr"):
        raise RegistryError(f"onnx:{path}: no fit or colours of that name: there may be {_TAKES}")
    return Pixels(
        size, cast(Fit, fit), short=min(size), mean=mean, std=std, bgr=options.get("colours") == "bgr"
    )  # fmt: skip


def size_in(options: Mapping[str, str], *, path: Path) -> tuple[int, int] | None:
    """Width and height that were said; None where nobody did."""
    return size_of(options["size"], name=f"onnx:{path}") if "size" in options else None


def layout_in(options: Mapping[str, str], *, path: Path) -> str:
    """How the tensor's axes lie; "" where nobody said it. Raises RegistryError for another word."""
    found = options.get("layout", "")
    if found and found not in _LAYOUTS:
        raise RegistryError(f"onnx:{path}: no layout {found!r}: there may be {_TAKES}")
    return found


def beside(path: Path) -> Path:
    """The file of options that belongs to an ONNX file."""
    return path.with_name(f"{path.name}.json")


def _beside(path: Path) -> dict[str, str]:
    place = beside(path)
    if not place.is_file():
        return {}
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RegistryError(f"{place} is no JSON: {error}") from error
    if not isinstance(found, dict) or any(
        key not in _KEYS or not isinstance(value, str) for key, value in found.items()
    ):
        raise RegistryError(f'{place} must be an object of texts such as {{"pixels": "bytes"}}: {_TAKES}')
    return found


def _triple(options: Mapping[str, str], key: str, path: Path) -> Triple:
    try:
        values = tuple(float(part) for part in options.get(key, "").split(","))
    except ValueError:
        values = ()
    if len(values) != 3 or (key == "std" and min(values) <= 0):
        raise RegistryError(f"onnx:{path}: {key} needs three numbers, as in {key}=0.5,0.5,0.5, beside the other")
    return values
