"""diffusers, which only the flow decoder needs."""

from __future__ import annotations

from typing import Any

from worldprobe.errors import DecoderError


def diffusers() -> Any:
    """The library. Raises DecoderError that says how to install it."""
    try:
        import diffusers as library
    except ImportError as error:
        raise DecoderError(
            f"the flow decoder needs diffusers ({error}). Install it: pip install 'worldprobe[flow]'; "
            "or use --decoder cnn."
        ) from error
    return library
