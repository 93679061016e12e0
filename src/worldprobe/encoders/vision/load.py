"""From a checkpoint's name to an image or video encoder: its network, its processor's settings, its weights."""

from __future__ import annotations

from typing import Any

from worldprobe.encoders import checkpoint
from worldprobe.encoders.pixels import Pixels
from worldprobe.encoders.vision.library import LibraryForward
from worldprobe.encoders.vision.public import PUBLIC
from worldprobe.encoders.vision.settings import pixels_of, settings_in
from worldprobe.encoders.vision.spec import Spec
from worldprobe.encoders.vision.tower import Tower, computed
from worldprobe.encoders.vision.weights import Network, load, network_of
from worldprobe.errors import RegistryError

TWIN_SEED = 1
_SETTINGS = "*processor*config.json"


def pretrained(spec: Spec, *, name: str, device: str, precision: str) -> Tower:
    """Load a checkpoint.

    Raises:
        RegistryError: of a model that is not read, without its processor's settings, with weights that do not fit,
            or asked for a size or a token that it does not have.
    """
    source = spec.source
    network = network_of(checkpoint.written_config(source), name=source, stage=spec.stage)
    pixels = _pixels(network, settings_in(checkpoint.folder_with(source, _SETTINGS), name=source), spec, name=name)
    model = load(source, network, name=source)
    return Tower(
        _forward(model, network, pixels, device, precision),
        pixels,
        name=name,
        revision=f"{checkpoint.revision(source)}{_stage(spec)}",
        status="trained",
        cls=spec.cls,
        origin=checkpoint.origin(source),
    )


def untrained(spec: Spec, *, name: str, device: str, precision: str) -> Tower:
    """A checkpoint's architecture with fresh weights; a public one's is known and needs no network.

    Raises:
        RegistryError: as ``pretrained``, weights apart.
    """
    source = spec.source
    if source in PUBLIC:
        written, settings = PUBLIC[source]
    else:
        written = checkpoint.written_config(source)
        settings = settings_in(checkpoint.folder_with(source, _SETTINGS), name=source)
    network = network_of(written, name=source, stage=spec.stage)
    pixels = _pixels(network, settings, spec, name=name)
    model = network.fresh(seed=TWIN_SEED)
    return Tower(
        _forward(model, network, pixels, device, precision),
        pixels,
        name=name,
        revision=f"untrained seed {TWIN_SEED} {network.architecture}{_stage(spec)}",
        status="untrained",
        cls=spec.cls,
        origin={"checkpoint": f"none: untrained, seed {TWIN_SEED}"},
    )


def _forward(model: Any, network: Network, pixels: Pixels, device: str, precision: str) -> LibraryForward:
    where, numbers = computed(device, precision)
    return LibraryForward(model, network.family, pixels, device=where, precision=numbers)


def _stage(spec: Spec) -> str:
    return "" if spec.stage is None else f" stage {spec.stage}"


def _pixels(network: Network, settings: dict[str, Any], spec: Spec, *, name: str) -> Pixels:
    """How frames are brought to the network: as its processor does, at the size that is wanted."""
    family, config = network.family, network.config
    _, patch = family.sides(config)
    places = int(getattr(config, "num_patches", 0) ** 0.5)
    pixels = pixels_of(settings, name=spec.source, square=family.square, patch=patch, places=places)
    if spec.size is not None and spec.size != pixels.size:
        if not family.sizes:
            raise RegistryError(
                f"{name}: a {family.title} knows its own size alone, {_px(pixels.size)}: leave ?size= out"
            )
        pixels = pixels.sized(*spec.size)
    if any(side % patch for side in pixels.size):
        raise RegistryError(f"{name}: {_px(pixels.size)} are no multiples of its patches' {patch} px")
    known = getattr(config, "image_size", None)
    known = (known, known) if isinstance(known, int) else known and tuple(known)
    if known and not family.sizes and pixels.size != (known[1], known[0]):
        raise RegistryError(f"{name}: its processor gives {_px(pixels.size)}, its config takes {_px(known[::-1])}")
    if spec.cls and (why := family.no_class_token(config)):
        raise RegistryError(f"{name}: {why}")
    return pixels


def _px(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]} px"
