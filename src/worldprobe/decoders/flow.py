"""A generative decoder: pictures that fit an embedding, one for each draw of noise.

Rectified flow (Liu et al. 2023; Lipman et al. 2023) refines a mean picture, as in "Deblurring via Stochastic
Refinement" (Whang et al. 2022): a convolutional trunk draws what the tokens settle and how far off it is, and the
flow draws the rest, given the trunk's picture and features. What the embedding leaves open is then what differs
between samples.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from worldprobe.decoders.cnn import GRADIENT_WEIGHT, gradient_loss
from worldprobe.decoders.diffusers_extra import diffusers
from worldprobe.decoders.latent import open_space
from worldprobe.decoders.trunk import Trunk, require_counts
from worldprobe.errors import DecoderError
from worldprobe.records import DecoderShape

STEPS = 4
_LEAST, _MOST = 0.01, 1.0
_TIMES = 1000
_LIKELIHOOD_WEIGHT = 0.1
_DIVISOR = 4  # of the U-Net's two halvings


class FlowDecoder(nn.Module):
    """diffusers' ``UNet2DModel`` on what the trunk's picture lacks, given that picture and the trunk's features.

    Args:
        channels: of the finest level of the U-Net; coarser ones have twice as many.
        latent: hub id or local folder of a diffusers VAE to work in; None works on pixels.
        patch: px (or latent cells) along each side that are folded into channels, which makes steps cheap;
            by default 2 on pixels, where it divides them, and 1 on latents.
        steps: Euler steps of a sample, unless ``draw`` is told otherwise.

    Raises:
        DecoderError: diffusers is not installed, the VAE cannot be had, or a patch that does not divide the frames
            or holds more values than there are channels.
    """

    name = "flow"
    recipe: ClassVar = {"steps": 1000, "learning_rate": 5e-4, "every": 100, "patience": 10}

    def __init__(
        self,
        shape: DecoderShape,
        *,
        channels: int = 64,
        latent: str | None = None,
        patch: int | None = None,
        steps: int = STEPS,
    ) -> None:
        super().__init__()
        self.shape, self.space = shape, open_space(latent, shape)
        self.patch = patch or (1 if latent else _patch(self.space.size))
        self.steps = steps
        self.options = {"channels": channels, "latent": latent, "patch": self.patch, "steps": steps}
        if any(side % self.patch for side in self.space.size):
            raise DecoderError(f"patches of {self.patch} do not divide {self.space.size}: choose another patch")
        values = self.space.channels * shape.frames
        self.trunk = Trunk(shape, size=self.space.size, channels=2 * channels)
        self.leave = nn.Conv2d(self.trunk.features, values, 3, padding=1)
        self.deviate = nn.Conv2d(self.trunk.features, values, 3, padding=1)
        self.given = nn.Conv2d(self.trunk.features * self.patch**2, channels, 1)
        folded = values * self.patch**2
        if folded > channels:
            raise DecoderError(
                f"a patch of {self.patch} holds {folded} values, which {channels} channels cannot carry: its noise "
                "could not be taken away again. Use a smaller patch or more channels."
            )
        self.unet = diffusers().UNet2DModel(
            in_channels=2 * folded + channels,
            out_channels=folded,
            layers_per_block=1,
            block_out_channels=(channels, 2 * channels, 2 * channels),
            down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
            norm_num_groups=min(16, channels),
            attention_head_dim=min(32, channels),
        )

    def loss(self, tokens: Tensor, frames: Tensor, *, generator: torch.Generator) -> Tensor:
        """The trunk's squared error and gradient loss, its deviation's likelihood, and the flow's squared error.

        The flow's is that of what the network adds to the best linear guess of the velocity (``_velocity``).
        """
        real = self.space.encode(frames)
        picture, deviation, given = self._coarse(tokens)
        mean = functional.mse_loss(picture, real) + GRADIENT_WEIGHT * gradient_loss(picture, real)
        lack = (real - picture).detach()
        likelihood = (deviation.log() + (lack / deviation) ** 2 / 2).mean()
        with torch.no_grad():
            lack = self._fold(lack / deviation)
            noise = torch.randn(lack.shape, generator=generator, device=lack.device)
            # Evenly: sampling begins at 1, which times drawn about the middle would hardly ever show.
            sigma = torch.rand(len(lack), generator=generator, device=lack.device)
            noisy = torch.lerp(lack, noise, sigma[:, None, None, None])
        velocity = self._velocity(noisy, sigma, self._fold(picture.detach()), given)
        weight = _variance(sigma)[:, None, None, None]
        return mean + _LIKELIHOOD_WEIGHT * likelihood + (weight * (velocity - noise + lack) ** 2).mean()

    def sample(self, tokens: Tensor, *, generator: torch.Generator) -> Tensor:
        """One sample of each tubelet's frames."""
        return self.draw(tokens, generator=generator, steps=self.steps)

    def draw(self, tokens: Tensor, *, generator: torch.Generator, steps: int) -> Tensor:
        """One sample of each tubelet's frames, in so many Euler steps of diffusers' flow-match scheduler."""
        scheduler = diffusers().FlowMatchEulerDiscreteScheduler(num_train_timesteps=_TIMES)
        scheduler.set_timesteps(sigmas=[1 - step / steps for step in range(steps)])
        picture, deviation, given = self._coarse(tokens)
        coarse = self._fold(picture)
        state = torch.randn(coarse.shape, generator=generator, device=coarse.device)
        for time in scheduler.timesteps:
            sigma = (time / _TIMES).to(coarse.device).expand(len(coarse))
            state = scheduler.step(self._velocity(state, sigma, coarse, given), time, state).prev_sample
        return self.space.decode(picture + deviation * functional.pixel_shuffle(state, self.patch))

    def mean(self, tokens: Tensor) -> Tensor:
        """The trunk's own picture, before the flow: frames [n, frames, 3, H, W]."""
        return self.space.decode(self._coarse(tokens)[0])

    def _coarse(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The trunk's picture [n, values, h, w], how far off it is, and what the U-Net is given, folded.

        The deviation (Kendall and Gal 2017) brings what the picture lacks to one scale everywhere: where the
        tokens settle the picture, the flow has nothing to add. It does not train the trunk.
        """
        features = self.trunk(tokens)
        # Bounded smoothly: beyond a clamp's edge there is no gradient to lead a deviation back.
        share = torch.sigmoid(self.deviate(features.detach()).float())
        deviation = _LEAST * (_MOST / _LEAST) ** share
        given = self.given(functional.pixel_unshuffle(features, self.patch))
        return self.leave(features).float(), deviation, given

    def _velocity(self, noisy: Tensor, sigma: Tensor, coarse: Tensor, given: Tensor) -> Tensor:
        """The best linear guess for data of spread 1, and what the U-Net adds (as Karras et al. 2022, section 5).

        With x = (1 - s) data + s noise, the guess of noise - data is (2 s - 1) x / ((1 - s)^2 + s^2), and what it
        leaves has the variance 1 / ((1 - s)^2 + s^2).
        """
        stacked = torch.cat([noisy, coarse, given], dim=1)
        height, width = stacked.shape[-2:]
        padded = functional.pad(stacked, (0, -width % _DIVISOR, 0, -height % _DIVISOR))
        added = self.unet(padded, sigma * _TIMES).sample[..., :height, :width].float()
        s = sigma[:, None, None, None]
        variance = _variance(s)
        velocity: Tensor = (2 * s - 1) / variance * noisy + added / variance.sqrt()
        return velocity

    def _fold(self, values: Tensor) -> Tensor:
        return functional.pixel_unshuffle(values, self.patch)


def _patch(size: tuple[int, int]) -> int:
    return next(patch for patch in (2, 1) if not (size[0] % patch or size[1] % patch))


def _variance(sigma: Tensor) -> Tensor:
    """Of data and noise of spread 1, mixed."""
    return (1 - sigma) ** 2 + sigma**2


def flow(
    argument: str | None = None,
    *,
    shape: DecoderShape,
    channels: int = 64,
    latent: str | None = None,
    patch: int | None = None,
    steps: int = STEPS,
) -> FlowDecoder:
    """``flow``: rectified flow; samples of the pictures that fit an embedding (extra [flow])."""
    if argument is not None:
        raise DecoderError(f"flow takes no argument, got {argument!r}; options go into [decode] of an experiment")
    require_counts("flow", channels=channels, steps=steps, patch=1 if patch is None else patch)
    return FlowDecoder(shape, channels=channels, latent=latent, patch=patch, steps=steps)
