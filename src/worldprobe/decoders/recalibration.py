"""Deviations as large as errors are: a monotone map, fitted on held-out groups once a decoder is trained.

As Kuleshov et al. 2018 recalibrate a regression: a network's errors on what it was trained on are smaller than on
what it was not, and its samples may differ by less than the deviation that they are drawn with.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_KNOTS = 12
_LEAST_SHARE = 1e-3
_MOST = math.log(4.0)


class Recalibration(nn.Module):
    """A factor of a deviation by its size, between knots linear in logarithms; 1 everywhere until ``fit``."""

    def __init__(self) -> None:
        super().__init__()
        self.knots = nn.Parameter(torch.linspace(-6.0, 0.0, _KNOTS), requires_grad=False)
        self.factors = nn.Parameter(torch.zeros(_KNOTS), requires_grad=False)

    def forward(self, deviation: Tensor) -> Tensor:
        """Deviations of any shape to calibrated ones, which grow with them."""
        place = deviation.log()
        above = torch.searchsorted(self.knots, place.contiguous()).clamp(1, _KNOTS - 1)
        low, high = self.knots[above - 1], self.knots[above]
        way = ((place - low) / (high - low)).clamp(0, 1)
        return deviation * torch.lerp(self.factors[above - 1], self.factors[above], way).exp()

    def fit(self, deviation: Tensor, drawn: Tensor, missed: Tensor) -> None:
        """Find the factors by which samples differ as much as their mean is off.

        Args:
            deviation: of each px [n], before this map.
            drawn: the squared error of the samples' mean that their variance leads to expect [n].
            missed: the one found [n].
        """
        from sklearn.isotonic import isotonic_regression

        place = deviation.double().log()
        tail = max(1, int(_LEAST_SHARE * len(place)))
        low, high = place.kthvalue(tail).values, place.kthvalue(len(place) - tail + 1).values
        if not high - low > _LEAST_SHARE:
            low, high = low - _LEAST_SHARE, low + _LEAST_SHARE
        knots = torch.linspace(float(low), float(high), _KNOTS, dtype=torch.float64)
        nearest = ((place - low) / (high - low) * (_KNOTS - 1)).round().clamp(0, _KNOTS - 1).long()
        count = torch.bincount(nearest, minlength=_KNOTS).double()
        expected, found = (torch.bincount(nearest, one.double(), _KNOTS) for one in (drawn, missed))
        ratio = (found.clamp(min=1e-12) / expected.clamp(min=1e-12)).log() / 2
        everywhere = float((found.sum() / expected.sum().clamp(min=1e-12)).clamp(min=1e-12).log()) / 2
        # A knot that few px are at goes with all px together.
        own = count / (count + _LEAST_SHARE * len(place))
        factors = (own * ratio + (1 - own) * everywhere).clamp(-_MOST, _MOST)
        grown = isotonic_regression((knots + factors).numpy(), sample_weight=(count + 1).numpy())
        self.knots.data = knots.float().to(self.knots.device)
        self.factors.data = (torch.from_numpy(grown) - knots).float().to(self.knots.device)
