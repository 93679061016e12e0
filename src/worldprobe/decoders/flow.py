"""A generative decoder: pictures that fit an embedding, one for each draw of noise.

Rectified flow (Liu et al. 2023; Lipman et al. 2023) refines a mean picture, as in "Deblurring via Stochastic
Refinement" (Whang et al. 2022): the best linear picture and a convolutional trunk draw what the tokens settle, and
how far off it is, and the flow draws the rest. What the embedding leaves open is what differs between samples, as
much as held-out groups say (``recalibration``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from worldprobe.decoders import solver
from worldprobe.decoders.batches import ready
from worldprobe.decoders.cnn import GRADIENT_WEIGHT, gradient_loss
from worldprobe.decoders.denoiser import Denoiser, LikeNoise
from worldprobe.decoders.latent import open_space
from worldprobe.decoders.linear import LinearPatches
from worldprobe.decoders.pairs import Source
from worldprobe.decoders.recalibration import Recalibration
from worldprobe.decoders.tokens import grid_of
from worldprobe.decoders.trunk import Trunk, require_counts
from worldprobe.errors import DecoderError
from worldprobe.records import DecoderShape

STEPS = 4
_LEAST, _MOST = 0.005, 1.0
_LIKELIHOOD_WEIGHT = 1.0
_LEAST_SIGMA = 0.02
_FAR = 5.0
_NEAR = 7  # px within which what the linear picture lacks is brought to one scale
_MOST_EXAMPLES = 512
_MOST_CALIBRATED, _DRAWS = 96, 4


class FlowDecoder(nn.Module):
    """A transformer's flow on what a mean picture lacks, cell by cell, given that picture and the tokens.

    Args:
        channels: of the trunk's first stage, and of the transformer.
        layers: of the transformer.
        latent: hub id or local folder of a diffusers VAE to work in; None works on pixels.
        steps: of the solver, for a sample, unless ``draw`` is told otherwise.

    Raises:
        DecoderError: the VAE cannot be had, or diffusers, which reads it, is not installed.
    """

    name = "flow"
    recipe: ClassVar = {"steps": 1000, "learning_rate": 1e-3, "every": 100, "patience": 10}

    def __init__(
        self,
        shape: DecoderShape,
        *,
        channels: int = 128,
        layers: int = 3,
        latent: str | None = None,
        steps: int = STEPS,
    ) -> None:
        super().__init__()
        self.shape, self.space, self.steps = shape, open_space(latent, shape), steps
        self.options = {"channels": channels, "layers": layers, "latent": latent, "steps": steps}
        size, values = self.space.size, self.space.channels * shape.frames
        self.linear = LinearPatches(shape, size=size, values=values)
        self.trunk = Trunk(shape, size=size, channels=channels)
        features = self.trunk.features
        self.leave = nn.Conv2d(features, values, 3, padding=1)
        self.scale = nn.LayerNorm(features)
        self.deviate = nn.Sequential(
            nn.Conv2d(features, features, 3, padding=1), nn.GELU(), nn.Conv2d(features, values, 3, padding=1)
        )
        self.usual = nn.Parameter(torch.zeros(()), requires_grad=False)
        self.recalibration = Recalibration()
        self.noise = LikeNoise(values, size)
        self.denoiser = Denoiser(shape, values=values, patch=self.linear.patch, channels=channels, layers=layers)

    def prepare(self, source: Source, rows: Sequence[int]) -> None:
        """Solve for the linear picture, and take the noise's likeness from what it lacks on the training rows."""
        self.linear.fit(source, rows, self.space.encode)
        for one in self.leave.parameters():
            nn.init.zeros_(one)
        each = max(1, _MOST_EXAMPLES // source.per_row)
        lacks, squares = [], 0.0
        with torch.no_grad():
            for row in rows[:: -(-len(rows) // each)]:
                tokens, frames = (torch.from_numpy(one) for one in ready(*source.read(row)))
                lack = self.space.encode(frames) - self.linear(tokens)
                near = functional.avg_pool2d(
                    lack.square().mean(1, keepdim=True), _NEAR, 1, _NEAR // 2, count_include_pad=False
                )
                squares += float(lack.square().mean())
                lacks.append(lack / (near + _LEAST**2).sqrt())
        self.noise.fit(torch.cat(lacks))
        share = math.log((squares / len(lacks)) ** 0.5 / _LEAST) / math.log(_MOST / _LEAST)
        self.usual.data.fill_(math.log(share / (1 - share)) if 0.01 < share < 0.99 else 0.0)

    def loss(self, tokens: Tensor, frames: Tensor, *, generator: torch.Generator) -> Tensor:
        """The mean picture's squared error and gradient loss, its deviation's likelihood, the flow's squared error.

        The last is that of what the network adds to the best linear guess (``_cleaned``).
        """
        real = self.space.encode(frames)
        picture, deviation, grid = self._coarse(tokens)
        mean = functional.mse_loss(picture, real) + GRADIENT_WEIGHT * gradient_loss(picture, real)
        lack = (real - picture).detach()
        off = (lack / deviation) ** 2
        # The few px that are far off would drive deviations up, and Adam would remember them for long.
        likelihood = (deviation.log() + off / (1 + off.detach() / _FAR**2) / 2).mean()
        with torch.no_grad():
            # A deviation that has yet to be learnt would have the flow's gradient drown all others.
            lack = (lack / deviation).clamp(-_FAR, _FAR)
            noise = self.noise(len(lack), generator=generator)
            # Evenly: sampling begins at 1, which times drawn about the middle would hardly ever show.
            sigma = torch.rand(len(lack), generator=generator, device=lack.device)
            s = sigma[:, None, None, None]
            noisy = torch.lerp(lack, noise, s)
        cleaned = self._cleaned(noisy, sigma, picture.detach(), grid)
        weight = _variance(s) / s.clamp(min=_LEAST_SIGMA) ** 2
        return mean + _LIKELIHOOD_WEIGHT * likelihood + (weight * (cleaned - lack) ** 2).mean()

    def sample(self, tokens: Tensor, *, generator: torch.Generator) -> Tensor:
        """One sample of each tubelet's frames."""
        return self.draw(tokens, generator=generator, steps=self.steps)

    def draw(self, tokens: Tensor, *, generator: torch.Generator, steps: int) -> Tensor:
        """One sample of each tubelet's frames, in so many steps (``solver.draw``)."""
        picture, deviation, grid = self._coarse(tokens)
        lack = self._lack(picture, grid, generator=generator, steps=steps)
        return self.space.decode(picture + self.recalibration(lack, deviation))

    def calibrate(self, source: Source, rows: Sequence[int]) -> None:
        """Fit the recalibration of samples on rows that were not trained on."""
        device = self.usual.device
        generator = torch.Generator(device).manual_seed(0)
        each = max(1, _MOST_CALIBRATED // source.per_row)
        found: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
        with torch.no_grad():
            for row in rows[:: -(-len(rows) // each)]:
                tokens, frames = (torch.from_numpy(one).to(device) for one in ready(*source.read(row)))
                picture, deviation, grid = self._coarse(tokens)
                draws = [self._lack(picture, grid, generator=generator, steps=self.steps) for _ in range(_DRAWS)]
                found.append((torch.stack(draws, dim=1), deviation, picture, self.space.encode(frames)))
            draws_, *others = (torch.cat(part) for part in zip(*found, strict=True))
            self.recalibration.fit(draws_.transpose(0, 1), *others)

    def mean(self, tokens: Tensor) -> Tensor:
        """The mean picture, before the flow: frames [n, frames, 3, H, W]."""
        return self.space.decode(self._coarse(tokens)[0])

    def _lack(self, picture: Tensor, grid: Tensor, *, generator: torch.Generator, steps: int) -> Tensor:
        """A draw of what the mean picture lacks, in units of its deviation [n, values, h, w]."""
        noise = self.noise(len(picture), generator=generator)
        return solver.draw(lambda noisy, sigma: self._cleaned(noisy, sigma, picture, grid), noise, steps=steps)

    def _coarse(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The mean picture [n, values, h, w], how far off it is, and the tokens' grid [n, d, h', w'].

        The deviation (Kendall and Gal 2017) brings what the picture lacks to one scale everywhere: where the
        tokens settle the picture, the flow has nothing to add. It does not train the trunk.
        """
        features = self.trunk(tokens)
        # Bounded smoothly: beyond a clamp's edge there is no gradient to lead a deviation back.
        # Features are near 0 but at edges, and a deviation that grew with them would be far too large there.
        alike = self.scale(features.detach().permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        share = torch.sigmoid(self.deviate(alike).float() + self.usual)
        deviation = _LEAST * (_MOST / _LEAST) ** share
        picture = self.leave(features).float() + self.linear(tokens)
        return picture, deviation, grid_of(tokens, self.shape)

    def _cleaned(self, noisy: Tensor, sigma: Tensor, picture: Tensor, grid: Tensor) -> Tensor:
        """The best linear guess for data of spread 1, and what the network adds (as Karras et al. 2022, section 5).

        With x = (1 - s) data + s noise, and noise like the data, the guess of the data is
        (1 - s) x / ((1 - s)^2 + s^2), and what it leaves has the variance s^2 / ((1 - s)^2 + s^2).
        """
        s = sigma[:, None, None, None]
        variance = _variance(s)
        added = self.denoiser(noisy, sigma, picture, grid)
        cleaned: Tensor = (1 - s) / variance * noisy + s / variance.sqrt() * added
        return cleaned


def _variance(sigma: Tensor) -> Tensor:
    """Of data and noise of spread 1, mixed."""
    return (1 - sigma) ** 2 + sigma**2


def flow(
    argument: str | None = None,
    *,
    shape: DecoderShape,
    channels: int = 128,
    layers: int = 3,
    latent: str | None = None,
    steps: int = STEPS,
) -> FlowDecoder:
    """``flow``: rectified flow; samples of the pictures that fit an embedding."""
    if argument is not None:
        raise DecoderError(f"flow takes no argument, got {argument!r}; options go into [decode] of an experiment")
    require_counts("flow", channels=channels, layers=layers, steps=steps)
    return FlowDecoder(shape, channels=channels, layers=layers, latent=latent, steps=steps)
