"""From a checkpoint's hub id or folder to an encoder, whatever its kind; and to its untrained twin."""

from __future__ import annotations

from worldprobe.encoders import checkpoint, known, layouts, vjepa2
from worldprobe.encoders.onnx import encoder as onnx
from worldprobe.encoders.vision import load as vision
from worldprobe.encoders.vision import timm_models
from worldprobe.encoders.vision.public import PUBLIC
from worldprobe.encoders.vision.spec import Spec, spec_of
from worldprobe.errors import RegistryError
from worldprobe.protocols import Encoder


def pretrained(name: str, *, device: str = "auto", precision: str = "auto") -> Encoder:
    """Load a checkpoint, strictly: V-JEPA 2 or 2.1, or one of a family in ``vision.families``.

    Raises:
        RegistryError: no such checkpoint, of a model that is not read, or with weights that do not fit.
    """
    spec = spec_of(name)
    if _is_vjepa2(spec, name):
        return vjepa2.pretrained(name, device=device, precision=precision)
    return vision.pretrained(spec, name=name, device=device, precision=precision)


def random_twin(argument: str | None = None, *, device: str = "auto", precision: str = "auto") -> Encoder:
    """``random:E``: E's architecture with fresh weights. Known names and local folders need no network."""
    if not argument:
        raise RegistryError(f"random: which encoder's twin? For instance random:{known.TINY}.")
    kind, _, file = argument.partition(":")
    if kind == "onnx":
        return onnx.untrained(file, device=device, precision=precision)
    if kind == "timm":
        return timm_models.untrained(file, device=device, precision=precision)
    spec = spec_of(argument)
    if _is_vjepa2(spec, argument):
        return vjepa2.random_twin(argument, device=device, precision=precision)
    return vision.untrained(spec, name=f"random:{argument}", device=device, precision=precision)


def _is_vjepa2(spec: Spec, name: str) -> bool:
    """Whether a checkpoint is a V-JEPA 2 or 2.1. Raises RegistryError for options beside one: it has none."""
    if spec.source in PUBLIC:
        return False
    of_vjepa2 = (
        spec.source in known.names()
        or checkpoint.written_config(spec.source).get("model_type") in layouts.MODEL_TYPES
    )
    if of_vjepa2 and not spec.plain:
        raise RegistryError(f"{name}: a V-JEPA 2 takes no options after '?': its grid is its config's")
    return of_vjepa2
