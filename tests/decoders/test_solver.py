"""The solver of a flow's path, on distributions whose path is known."""

import pytest
import torch

from worldprobe.decoders.solver import draw

NOISE = torch.randn(4000, generator=torch.Generator().manual_seed(0))


def normal(noisy, s):
    """The mean of data of a standard normal distribution beneath the noise."""
    return (1 - s) / ((1 - s) ** 2 + s**2) * noisy


def coins(noisy, s):
    """That of -1 or 1, each as often."""
    return torch.tanh(noisy * (1 - s) / s**2)


@pytest.mark.parametrize("steps", [2, 4, 16])
def test_a_normal_distribution_keeps_its_spread(steps):
    torch.testing.assert_close(draw(normal, NOISE, steps=steps), NOISE)


@pytest.mark.parametrize("steps", [1, 4, 16])
def test_settled_data_are_drawn_whatever_the_noise(steps):
    torch.testing.assert_close(
        draw(lambda noisy, s: torch.full_like(noisy, 0.3), NOISE, steps=steps), 0 * NOISE + 0.3
    )


def test_one_step_draws_the_mean_and_many_draw_the_distribution():
    assert draw(coins, NOISE, steps=1).abs().max() == 0
    drawn = draw(coins, NOISE, steps=16)
    torch.testing.assert_close(drawn.sign(), NOISE.sign())
    assert (drawn.abs() - 1).abs().mean() < 0.01
