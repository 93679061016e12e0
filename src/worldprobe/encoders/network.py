"""What an encoder tells of its network beside its tokens: its size, its work for a clip, the numbers it takes."""

from __future__ import annotations

from typing import Any

from worldprobe.encoders.pixels import Pixels
from worldprobe.errors import EncoderError
from worldprobe.plugins.guarded import blamed
from worldprobe.protocols import Encoder


def flop_of(encoder: Encoder, frames: int) -> float | None:
    """Operations of the products that a clip takes, multiplications and additions apart; None where nobody tells.

    Raises:
        EncoderError: a third party's encoder fails to tell.
    """
    counted = getattr(encoder, "flop", None)
    if counted is None:
        return None
    with blamed(f"the encoder {encoder.name}", "flop()", EncoderError):
        found = counted(frames)
        return None if found is None else float(found)


def network_of(encoder: Encoder, frames: int) -> dict[str, Any]:
    """What is known of an encoder that reads clips of so many frames; what it does not tell is left out.

    Returns:
        ``parameters``; ``flop`` a clip; ``mean`` and ``std`` on a scale of 0 to 1, and ``colours`` ("rgb", "bgr").
    """
    found: dict[str, Any] = {}
    parameters = getattr(encoder, "parameters", None)
    if isinstance(parameters, int):
        found["parameters"] = parameters
    if (flop := flop_of(encoder, frames)) is not None:
        found["flop"] = flop
    pixels = getattr(encoder, "pixels", None)
    if isinstance(pixels, Pixels):
        found |= {"mean": list(pixels.mean), "std": list(pixels.std), "colours": "bgr" if pixels.bgr else "rgb"}
    return found
