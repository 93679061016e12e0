"""From a name to an encoder: a plug-in's, or a checkpoint's."""

from __future__ import annotations

from worldprobe.encoders.known import require_place
from worldprobe.plugins import registry
from worldprobe.protocols import Encoder


def named(name: str, *, device: str = "auto", precision: str = "auto") -> Encoder:
    """The encoder of a name: a plug-in, ``module:Class``, or a checkpoint's hub id or local folder.

    Raises:
        RegistryError: no such encoder, or a checkpoint that does not fit.
    """
    if registry.knows("encoders", name):
        encoder: Encoder = registry.create("encoders", name, device=device, precision=precision)
        return encoder
    require_place(name)
    from worldprobe.encoders.pretrained import pretrained  # with transformers, which takes its time

    return pretrained(name, device=device, precision=precision)
