"""Samples made to differ as errors do, and no sharper than frames."""

import pytest
import torch

from worldprobe.decoders.recalibration import Recalibration, _edges


def made(true, *, texture=0.0):
    """Draws, deviations from 0.007 to 0.37, a grey picture, and frames off by true(deviation)."""
    random = torch.Generator().manual_seed(0)
    deviation = torch.exp(torch.linspace(-5, -1, 40 * 32 * 32)).reshape(10, 4, 32, 32)
    stripes = texture * (torch.arange(32) % 2 * 2 - 1.0).expand_as(deviation)
    real = stripes + true(deviation) * torch.randn(deviation.shape, generator=random)
    return torch.randn(4, *deviation.shape, generator=random), deviation, stripes, real


def test_it_changes_nothing_until_it_is_fitted():
    draws, deviation, *_ = made(lambda one: one)
    torch.testing.assert_close(Recalibration()(draws, deviation), draws * deviation)


def test_deviations_become_those_of_the_errors():
    """Small ones are nearly three times too small, large ones a fifth too large."""
    draws, deviation, picture, real = made(lambda one: 0.6 * one**0.7, texture=1.0)
    map_ = Recalibration()
    map_.fit(draws, deviation, picture, real)
    found = map_.scaled(deviation).flatten()
    assert map_.blur == 0  # frames are far rougher than draws
    assert (found.diff() >= -1e-7).all()
    torch.testing.assert_close(found, 0.6 * deviation.flatten() ** 0.7, rtol=0.08, atol=0)
    beyond = torch.tensor([1e-4, 2.0])
    torch.testing.assert_close(
        map_.scaled(beyond), beyond * found[[0, -1]] / deviation.flatten()[[0, -1]], rtol=0.02, atol=0
    )


def test_draws_that_make_samples_sharper_than_frames_are_smoothed_and_differ_as_much():
    """Errors that are smooth, and draws that are not."""
    draws, deviation, picture, real = made(lambda one: one)
    deviation = torch.full_like(deviation, 0.1)
    kernel = torch.ones(4, 1, 5, 5) / 5  # keeps the variance
    smooth = torch.nn.functional.conv2d(
        torch.nn.functional.pad(real / real.std(), (2,) * 4, "circular"), kernel, groups=4
    )
    map_ = Recalibration()
    map_.fit(draws, deviation, picture, picture + 0.1 * smooth)
    drawn = map_(draws, deviation)
    assert map_.blur > 0.5
    assert _edges(drawn) < 1.12 * _edges(0.1 * smooth) < 0.8 * _edges(0.1 * draws)
    assert drawn.std() == pytest.approx(0.1, rel=0.1)


def test_deviations_that_are_all_alike_take_one_factor():
    draws, deviation, picture, real = made(lambda one: 0.2 + 0 * one, texture=2.0)
    map_ = Recalibration()
    map_.fit(draws, torch.full_like(deviation, 0.1), picture, real)
    torch.testing.assert_close(map_.scaled(torch.tensor([0.1])), torch.tensor([0.2]), rtol=0.03, atol=0)
