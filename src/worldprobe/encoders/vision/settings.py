"""A checkpoint's own settings of its processor as ``Pixels``: nothing is guessed, what is not read is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from worldprobe.encoders.pixels import Fit, Pixels, Triple
from worldprobe.errors import RegistryError

# In the order in which they are looked for; in the last ones settings lie beside others.
_FILES = ("preprocessor_config.json", "video_preprocessor_config.json", "processor_config.json")
_BESIDE = ("image_processor", "video_processor")
_BILINEAR, _BICUBIC = 2, 3  # as Pillow counts


def settings_in(folder: Path, *, name: str) -> dict[str, Any]:
    """The processor's settings in a checkpoint's folder.

    Raises:
        RegistryError: there are none, or they are no JSON.
    """
    for file in _FILES:
        if not (folder / file).is_file():
            continue
        try:
            found = json.loads((folder / file).read_text(encoding="utf-8"))
        except ValueError as error:
            raise RegistryError(f"{file} of {name} is no JSON: {error}") from error
        if isinstance(found, dict):
            return next((found[key] for key in _BESIDE if isinstance(found.get(key), dict)), found)
    raise RegistryError(
        f"{name} has no {_FILES[0]}, which says how pictures are resized and normalised: fetch it too, or copy it "
        "from the checkpoint that this one was made from"
    )


def pixels_of(settings: Mapping[str, Any], *, name: str, square: bool, patch: int, places: int) -> Pixels:
    """How the processor of a checkpoint brings frames to the network.

    Args:
        square: whether a size of one number is that of both sides.
        patch, places: px of a patch's side, and the patches along a side that the checkpoint knows: for SigLIP 2,
            whose settings say only how many patches there may be. Its frames are squashed to a square.

    Raises:
        RegistryError: settings that are not read.
    """
    for step in ("do_resize", "do_rescale", "do_normalize"):
        if settings.get(step, True) is False:
            raise RegistryError(f"{name}: its processor's setting {step} = false is not read")
    resample = settings.get("resample", _BILINEAR)
    if resample not in (_BILINEAR, _BICUBIC):
        raise RegistryError(f"{name}: its processor resizes by {resample}, read are 2 (bilinear) and 3 (bicubic)")
    mean, std = _normalisation(settings, name=name)
    fit: Fit = "squash"
    short = 0
    if "max_num_patches" in settings:
        size = (patch * places, patch * places)
    else:
        size, short = _size(settings.get("size"), name=name, square=square)
        if settings.get("do_center_crop"):
            crop, _ = _size(settings.get("crop_size", settings.get("size")), name=name, square=True)
            fit, size, short = _cropped(size, short, crop, name=name)
        elif short:
            raise RegistryError(
                f"{name}: its processor resizes the short side and crops nothing, which is not read"
            )
    return Pixels(size, fit, short, bicubic=resample == _BICUBIC, mean=mean, std=std)


def _cropped(
    size: tuple[int, int], short: int, crop: tuple[int, int], *, name: str
) -> tuple[Fit, tuple[int, int], int]:
    """How a frame is brought to a size, or its short side to one, and then cut."""
    if not short and size == crop:
        return "squash", crop, 0
    if not short or short < max(crop):
        raise RegistryError(
            f"{name}: its processor resizes to {short or size} and cuts {crop[0]} x {crop[1]} px out, which is not "
            "read"
        )
    return "crop", crop, short


def _size(given: Any, *, name: str, square: bool) -> tuple[tuple[int, int], int]:
    """Width and height, or the short side alone, in px; the other one is 0."""
    if isinstance(given, int) and given > 0:
        return ((given, given), 0) if square else ((0, 0), given)
    found = {key: value for key, value in given.items() if value} if isinstance(given, dict) else {}
    if all(isinstance(value, int) and value > 0 for value in found.values()):
        if set(found) == {"height", "width"}:
            return (found["width"], found["height"]), 0
        if set(found) == {"shortest_edge"}:
            return (0, 0), found["shortest_edge"]
    raise RegistryError(
        f"{name}: its processor's size {given} is not read: read are height and width, shortest_edge"
    )


def _normalisation(settings: Mapping[str, Any], *, name: str) -> tuple[Triple, Triple]:
    """Mean and deviation on a scale of 0 to 1, whatever the processor rescales to first."""
    factor = settings.get("rescale_factor", 1 / 255)
    mean: Any = settings.get("image_mean")
    std: Any = settings.get("image_std")
    if not (_triple(mean) and _triple(std) and isinstance(factor, float) and factor > 0):
        raise RegistryError(f"{name}: its processor's image_mean {mean} and image_std {std} are not three numbers")
    scale = 255 * factor if abs(255 * factor - 1) > 1e-6 else 1.0
    moved = 1.0 if settings.get("offset") else 0.0
    return (
        cast(Triple, tuple((moved + m) / scale for m in mean)),
        cast(Triple, tuple(s / scale for s in std)),
    )


def _triple(values: Any) -> bool:
    return isinstance(values, list) and len(values) == 3 and all(isinstance(v, int | float) for v in values)
