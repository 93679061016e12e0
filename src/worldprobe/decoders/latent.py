"""Where a flow works: on pixels, or in the latent space of a diffusers VAE."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from worldprobe.decoders.diffusers_extra import diffusers
from worldprobe.errors import DecoderError
from worldprobe.records import DecoderShape


class Space(Protocol):
    """``channels`` of one frame, and their ``size``."""

    channels: int
    size: tuple[int, int]

    def encode(self, frames: Tensor) -> Tensor:
        """Frames [n, frames, 3, H, W] in 0 to 1 to values [n, frames * channels, h, w]."""
        ...

    def decode(self, values: Tensor) -> Tensor:
        """Values back to frames in 0 to 1."""
        ...


class PixelLatent:
    """The pixels themselves, from -1 to 1, in place of a latent."""

    channels = 3

    def __init__(self, shape: DecoderShape) -> None:
        self.size, self._frames = shape.size, shape.frames

    def encode(self, frames: Tensor) -> Tensor:
        return frames.flatten(1, 2) * 2 - 1

    def decode(self, values: Tensor) -> Tensor:
        return ((values + 1) / 2).clamp(0, 1).reshape(-1, self._frames, 3, *self.size)


class Latents:
    """A frozen VAE of diffusers by hub id or local folder; a decoder's config names it, its weights do not hold it.

    Raises:
        DecoderError: it cannot be had, is no VAE, or does not take frames of this size.
    """

    def __init__(self, source: str, shape: DecoderShape) -> None:
        self._frames, self._shape = shape.frames, shape
        try:
            # Not a module of the decoder's: its weights are neither trained nor saved.
            vae = diffusers().AutoModel.from_pretrained(source, use_safetensors=True, trust_remote_code=False)
            self._vae = vae.eval().requires_grad_(False)
        except (OSError, ValueError, KeyError, AttributeError, RuntimeError) as error:
            raise DecoderError(
                f"the VAE {source!r} cannot be had as a folder or hub id: {_first_line(error)}. Give the folder "
                "of a diffusers autoencoder (config.json and weights), or leave `latent` out to work on pixels."
            ) from error
        if not (hasattr(self._vae, "encode") and hasattr(self._vae, "decode")):
            raise DecoderError(
                f"{source!r} is a {type(self._vae).__name__}, not an autoencoder. Name one (AutoencoderKL, for "
                "instance), or leave `latent` out to work on pixels."
            )
        config = self._vae.config
        self._scale = float(getattr(config, "scaling_factor", None) or 1.0)
        self._shift = float(getattr(config, "shift_factor", None) or 0.0)
        with torch.inference_mode():
            latents = self._encode(torch.zeros(1, 3, *shape.size))
            back = tuple(self._vae.decode(latents).sample.shape[-2:])
        if back != shape.size:
            raise DecoderError(
                f"the VAE {source!r} gives frames of {shape.size} px back as {back}: choose a --size that its "
                "down-sampling divides"
            )
        self.channels, self.size = int(latents.shape[1]), (int(latents.shape[2]), int(latents.shape[3]))

    def encode(self, frames: Tensor) -> Tensor:
        values = self._encode(frames.flatten(0, 1) * 2 - 1)
        return values.reshape(len(frames), -1, *self.size)

    def decode(self, values: Tensor) -> Tensor:
        each = values.float().reshape(-1, self.channels, *self.size) / self._scale + self._shift
        frames: Tensor = (self._vae.to(values.device).decode(each).sample + 1) / 2
        return frames.clamp(0, 1).reshape(-1, self._frames, 3, *self._shape.size)

    def _encode(self, pictures: Tensor) -> Tensor:
        with torch.no_grad():
            found = self._vae.to(pictures.device).encode(pictures)
        latents = found.latents if hasattr(found, "latents") else found.latent_dist.mode()
        return torch.as_tensor((latents - self._shift) * self._scale)


def open_space(latent: str | None, shape: DecoderShape) -> Space:
    """Pixels where ``latent`` is None, else that VAE's latents."""
    return PixelLatent(shape) if latent is None else Latents(latent, shape)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
