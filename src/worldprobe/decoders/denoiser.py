"""A flow's network, a transformer on the tokens' cells; and its noise, which is like the errors of a picture.

A network that predicts the noise of a patch has to carry all of its values through; one that predicts what is
beneath carries no more than there is to know (Li and He 2025), so cells may be as large as tokens' are.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from worldprobe.records import DecoderShape

_FREQUENCIES = 16
_HEAD = 32
_FLAT = 1e-4


class Denoiser(nn.Module):
    """A transformer on a grid's cells: noisy values, the picture so far and the tokens in, cleaner values out.

    Args:
        values: channels of a px. patch: px along the side of a cell. channels: of the transformer. layers: of it.
    """

    def __init__(self, shape: DecoderShape, *, values: int, patch: int, channels: int, layers: int) -> None:
        super().__init__()
        self.patch, self.grid = patch, shape.grid
        folded = values * patch**2
        self.enter = nn.Linear(2 * folded + shape.width, channels)
        self.place = nn.Parameter(torch.randn(1, shape.grid[0] * shape.grid[1], channels) * 0.02)
        self.time = nn.Sequential(nn.Linear(2 * _FREQUENCIES, channels), nn.SiLU(), nn.Linear(channels, channels))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                channels, max(1, channels // _HEAD), 4 * channels, dropout=0.0, activation="gelu", batch_first=True,
                norm_first=True,
            )
            for _ in range(layers)
        )  # fmt: skip
        self.norm, self.leave = nn.LayerNorm(channels), nn.Linear(channels, folded)

    def forward(self, noisy: Tensor, sigma: Tensor, picture: Tensor, grid: Tensor) -> Tensor:
        """Values [n, values, H, W] at noise ``sigma`` [n], a picture, and tokens [n, d, h', w'], to values."""
        height, width = noisy.shape[-2:]
        cells = torch.cat([self._folded(noisy), self._folded(picture), grid.flatten(2)], dim=1).transpose(1, 2)
        rates = torch.exp(torch.linspace(0, math.log(1000), _FREQUENCIES, device=sigma.device))
        angles = sigma[:, None] * rates
        found = self.enter(cells) + self.place + self.time(torch.cat([angles.sin(), angles.cos()], 1))[:, None]
        for layer in self.layers:
            found = layer(found)
        found = self.leave(self.norm(found)).transpose(1, 2).unflatten(2, self.grid)
        return functional.pixel_shuffle(found, self.patch)[..., :height, :width].float()

    def _folded(self, values: Tensor) -> Tensor:
        """Values [n, c, H, W] by cell: [n, c patch^2, cells]."""
        across = self.grid[1] * self.patch - values.shape[-1]
        down = self.grid[0] * self.patch - values.shape[-2]
        return functional.pixel_unshuffle(functional.pad(values, (0, across, 0, down)), self.patch).flatten(2)


class LikeNoise(nn.Module):
    """Noise of unit deviation, with the correlations between channels and the spectrum of what it is fitted to.

    White noise, which it is until ``fit``, differs from px to px far more than errors of a picture do.
    """

    def __init__(self, values: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size
        self.mix = nn.Parameter(torch.eye(values), requires_grad=False)
        self.gain = nn.Parameter(torch.ones(values, size[0], size[1] // 2 + 1), requires_grad=False)

    def forward(self, count: int, *, generator: torch.Generator) -> Tensor:
        """So many draws, [count, values, H, W]."""
        values = len(self.mix)
        white = torch.randn(count, values, *self.size, generator=generator, device=self.mix.device)
        with torch.autocast(white.device.type, enabled=False):
            shaped = torch.fft.irfft2(torch.fft.rfft2(white) * self.gain, s=self.size)
            return torch.einsum("cd,ndhw->nchw", self.mix, shaped)

    def fit(self, examples: Tensor) -> None:
        """Take the likeness of examples [n, values, H, W]."""
        flat = examples.double().transpose(0, 1).flatten(1)
        covariance = flat @ flat.T / flat.shape[1]
        covariance += _FLAT * covariance.diagonal().mean() * torch.eye(len(covariance), dtype=torch.float64)
        deviations = covariance.diagonal().sqrt()
        root = torch.linalg.cholesky(covariance / deviations[:, None] / deviations)
        apart = torch.linalg.solve_triangular(root, flat / deviations[:, None], upper=False)
        whitened = apart.reshape(len(root), len(examples), *self.size)
        # Frames do not go on at their other side: without a window the seam would count as detail.
        down, across = (torch.hann_window(side, periodic=False, dtype=torch.float64) for side in self.size)
        whitened = whitened * torch.outer(down, across)
        power = torch.fft.rfft2(whitened, norm="ortho").abs().square().mean(dim=1)
        # Columns but the first, and of an even width the last, stand for their mirror images too.
        columns = torch.full((power.shape[-1],), 2.0, dtype=torch.float64)
        columns[0] = 1.0
        if self.size[1] % 2 == 0:
            columns[-1] = 1.0
        total = (power * columns).sum(dim=(1, 2), keepdim=True) / (self.size[0] * self.size[1])
        self.mix.data, self.gain.data = root.float(), (power / total).sqrt().float()
