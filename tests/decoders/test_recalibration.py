"""Deviations made as large as errors are."""

import torch

from worldprobe.decoders.recalibration import Recalibration


def px(n=40_000):
    return torch.exp(torch.linspace(-5, -1, n))


def test_it_changes_nothing_until_it_is_fitted():
    torch.testing.assert_close(Recalibration()(px()), px())


def test_deviations_become_those_of_the_errors():
    """Small ones are nearly three times too small, large ones a fifth too large."""
    deviation, map_ = px(), Recalibration()
    true = 0.6 * deviation**0.7
    missed = (true * torch.randn(true.shape, generator=torch.Generator().manual_seed(0))) ** 2
    map_.fit(deviation, deviation**2, missed)
    found = map_(deviation)
    assert (found.diff() >= -1e-7).all()
    torch.testing.assert_close(found, true, rtol=0.1, atol=0)
    beyond = torch.tensor([1e-4, 2.0])
    torch.testing.assert_close(map_(beyond), beyond * found[[0, -1]] / deviation[[0, -1]], rtol=0.02, atol=0)


def test_deviations_that_are_all_alike_take_one_factor():
    map_ = Recalibration()
    map_.fit(torch.full((500,), 0.1), torch.full((500,), 0.01), torch.full((500,), 0.04))
    torch.testing.assert_close(map_(torch.tensor([0.1])), torch.tensor([0.2]))
