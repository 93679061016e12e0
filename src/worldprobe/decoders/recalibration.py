"""Samples made to differ as errors do, and no sharper than frames, on held-out groups once a decoder is trained.

As Kuleshov et al. 2018 recalibrate a regression: a network's errors on what it was trained on are smaller than on
what it was not, and its samples may differ by less than the deviation that they are drawn with. Draws are smoothed
as far as frames ask for: errors are rough because pictures of what is smooth are not quite so, and what is as rough
but drawn by lot makes pictures rougher still.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_KNOTS = 12
_LEAST_SHARE = 1e-3
_MOST = math.log(4.0)
_BLURS = (0.0, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)  # px
_SHARP = 1.1  # the sharpness to come to at most; that of the mean picture alone may be 1.05


class Recalibration(nn.Module):
    """Draws of unit deviation, and the deviation of each px, to what is added to a mean picture.

    Draws are smoothed by a Gaussian; deviations grow by a factor by their size, between knots linear in logarithms.
    Neither changes anything until ``fit``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.blur = nn.Parameter(torch.zeros(()), requires_grad=False)
        self.gain = nn.Parameter(torch.ones(()), requires_grad=False)
        self.factors = nn.Parameter(torch.zeros(_KNOTS), requires_grad=False)
        self.knots = nn.Parameter(torch.linspace(-6.0, 0.0, _KNOTS), requires_grad=False)

    def forward(self, draws: Tensor, deviation: Tensor) -> Tensor:
        """Draws [..., values, h, w] and deviations of that shape to deviations drawn."""
        return self.smoothed(draws) * self.scaled(deviation)

    def smoothed(self, draws: Tensor) -> Tensor:
        """Draws [..., h, w] as smooth as ``fit`` found, and as large."""
        return draws if self.blur == 0 else self.gain * _smoothed(draws, float(self.blur))

    def scaled(self, deviation: Tensor) -> Tensor:
        """Deviations of any shape to calibrated ones, which grow with them."""
        place = deviation.log()
        above = torch.searchsorted(self.knots, place.contiguous()).clamp(1, _KNOTS - 1)
        low, high = self.knots[above - 1], self.knots[above]
        way = ((place - low) / (high - low)).clamp(0, 1)
        return deviation * torch.lerp(self.factors[above - 1], self.factors[above], way).exp()

    def fit(self, draws: Tensor, deviation: Tensor, picture: Tensor, real: Tensor) -> None:
        """Smooth no more than frames ask for, and have samples differ as much as their mean is off.

        Args:
            draws: of unit deviation, several of each picture [draws, n, values, h, w].
            deviation: of each px, before it is calibrated [n, values, h, w]; ``picture``, the mean; ``real``.
        """
        size = float(draws.square().mean().sqrt())
        frames = float(_edges(real))
        for blur in _BLURS:
            self.blur.fill_(blur)
            self.gain.fill_(1.0)
            self.gain.fill_(size / max(float(self.smoothed(draws).square().mean().sqrt()), 1e-6))
            smooth = self.smoothed(draws)
            self._scale(smooth * deviation, deviation, real - picture)
            if float(_edges(picture + smooth[0] * self.scaled(deviation))) <= _SHARP * frames:
                break

    def _scale(self, drawn: Tensor, deviation: Tensor, lack: Tensor) -> None:
        """Find the factors of deviations."""
        from sklearn.isotonic import isotonic_regression

        # The mean of a few samples is also off by what they differ.
        expected = drawn.var(dim=0)
        missed = (lack - drawn.mean(dim=0)) ** 2 - expected / len(drawn)
        place = deviation.flatten().double().log()
        tail = max(1, int(_LEAST_SHARE * len(place)))
        low, high = place.kthvalue(tail).values, place.kthvalue(len(place) - tail + 1).values
        if not high - low > _LEAST_SHARE:
            low, high = low - _LEAST_SHARE, low + _LEAST_SHARE
        knots = torch.linspace(float(low), float(high), _KNOTS, dtype=torch.float64, device=place.device)
        nearest = ((place - low) / (high - low) * (_KNOTS - 1)).round().clamp(0, _KNOTS - 1).long()
        count = torch.bincount(nearest, minlength=_KNOTS).double()
        sums = [torch.bincount(nearest, one.flatten().double(), _KNOTS) for one in (missed, expected)]
        ratio = _logs(*sums) / 2
        everywhere = _logs(*(one.sum() for one in sums)) / 2
        # A knot that few px are at goes with all px together.
        own = count / (count + _LEAST_SHARE * len(place))
        factors = (own * ratio + (1 - own) * everywhere).clamp(-_MOST, _MOST)
        grown = isotonic_regression((knots + factors).cpu().numpy(), sample_weight=(count + 1).cpu().numpy())
        self.knots.copy_(knots)
        self.factors.copy_(torch.from_numpy(grown).to(knots.device) - knots)


def _logs(above: Tensor, below: Tensor) -> Tensor:
    """The logarithm of a ratio of sums that may be 0."""
    return (above.clamp(min=1e-12) / below.clamp(min=1e-12)).log()


def _smoothed(values: Tensor, blur: float) -> Tensor:
    """Values [..., h, w] smoothed by a Gaussian of so many px."""
    height, width = values.shape[-2:]
    down = torch.fft.fftfreq(height, device=values.device)[:, None]
    across = torch.fft.rfftfreq(width, device=values.device)
    passes = torch.exp(-2 * (math.pi * blur) ** 2 * (down**2 + across**2))
    found: Tensor = torch.fft.irfft2(torch.fft.rfft2(values.float()) * passes, s=(height, width))
    return found


def _edges(values: Tensor) -> Tensor:
    """Mean length of the differences to the next px, right and down (as ``metrics.edges``)."""
    across, down = values.diff(dim=-1)[..., :-1, :], values.diff(dim=-2)[..., :, :-1]
    return (across**2 + down**2).sqrt().mean()
