"""From a name to an encoder, and to the encoders that it is compared with."""

from __future__ import annotations

from worldprobe.controls import Control
from worldprobe.encoders.named import named
from worldprobe.encoders.pairs import PREFIX as PAIRS
from worldprobe.encoders.squashed import PREFIX
from worldprobe.errors import ConfigError, RegistryError
from worldprobe.plugins import registry
from worldprobe.protocols import Encoder

_FLOORS = ("pixels", "flow", "gaussian")


def load_encoder(name: str, *, device: str = "auto", precision: str = "auto") -> Encoder:
    """The encoder of a name: a plug-in, ``module:Class``, or a checkpoint's hub id or local folder.

    Raises:
        RegistryError: no such encoder, or a checkpoint that does not fit.
    """
    if not name.strip():
        raise RegistryError("no encoder is named: give one of `worldprobe list encoders`, or a checkpoint's hub id")
    return named(name, device=device, precision=precision)


def stored_name(name: str) -> str:
    """What embeddings are stored under by the encoder that a user named: what it calls itself.

    Raises:
        RegistryError: a third party's encoder, which alone is loaded to be asked, cannot be.
    """
    inner = name.removeprefix(PAIRS).removeprefix(PREFIX)
    return load_encoder(name).name if registry.foreign("encoders", inner) else name


def twin_of(encoder: Encoder) -> str | None:
    """The name of the same architecture untrained, for ``random-init``; None where there is none.

    An encoder of a third party says so by an attribute ``twin``.
    """
    return getattr(encoder, "twin", None)


def control_encoders(name: str, twin: str | None) -> dict[Control, str]:
    """Which encoder each control of an encoder reads, for those that need embeddings of their own."""
    # What is compared with a squashed view has to see as much.
    view = PREFIX if name.removeprefix(PAIRS).startswith(PREFIX) else ""
    floors: tuple[Control, ...] = () if name.removeprefix(PREFIX) in _FLOORS else ("pixels", "flow")
    needed = {floor: view + floor for floor in floors}
    return {"random-init": twin, **needed} if twin else needed


def parse_blocks(text: str, count: int) -> list[int]:
    """``last``, ``all`` or ``0,6,11`` (negative counts from the end) to block indices, increasing.

    Raises:
        ConfigError: not blocks, or not of an encoder with ``count`` of them.
    """
    if text == "last":
        return [count - 1]
    if text == "all":
        return list(range(count))
    try:
        indices = [int(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"--blocks {text!r}: use last, all, or indices such as 0,6,11") from None
    if outside := [block for block in indices if not -count <= block < count]:
        raise ConfigError(f"--blocks {text!r}: this encoder has blocks 0 to {count - 1}, not {outside}")
    return sorted({block % count for block in indices})
