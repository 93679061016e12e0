"""diffusers, which only a flow in the latents of an autoencoder needs."""

from __future__ import annotations

from typing import Any

from worldprobe.errors import DecoderError


def diffusers() -> Any:
    """The library. Raises DecoderError that says how to install it."""
    try:
        import diffusers as library
    except ImportError as error:
        raise DecoderError(
            f"autoencoders are read by diffusers ({error}). Install it: pip install 'worldprobe[flow]'; "
            "or leave `latent` out to work on pixels."
        ) from error
    return library
