"""Scores with known answers, and their intervals by group."""

import numpy as np
import pytest

from worldprobe.decoders import metrics
from worldprobe.decoders.metrics import FrameMetrics, SpreadBins


def frames(n=6, seed=0, side=32):
    return np.random.default_rng(seed).random((n, 3, side, side), dtype=np.float32)


def test_psnr_of_a_known_error():
    real = np.full((2, 3, 32, 32), 0.5, dtype=np.float32)
    tally = FrameMetrics()
    tally.add(real + np.float32(0.1), real, group=0)
    assert tally.score("psnr", seed=0)[0].value == pytest.approx(20.0, abs=1e-4)


def test_ssim_is_that_of_the_paper_written_out():
    from scipy.ndimage import gaussian_filter

    one, other = frames(1)[0], frames(1, seed=1)[0]
    found = metrics.ssim(one[None], other[None])[0]
    x, y = one.astype(np.float64), other.astype(np.float64)

    def local(values):
        return gaussian_filter(values, sigma=(0, 1.5, 1.5), radius=(0, 5, 5), mode="mirror")

    mx, my = local(x), local(y)
    vx, vy, both = local(x * x) - mx**2, local(y * y) - my**2, local(x * y) - mx * my
    c1, c2 = 0.01**2, 0.03**2
    each = (2 * mx * my + c1) * (2 * both + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    assert found == pytest.approx(each.mean(), abs=1e-4)
    assert metrics.ssim(one[None], one[None])[0] == pytest.approx(1.0)


def test_sharpness_is_one_for_the_real_below_for_blur_above_for_noise():
    from scipy.ndimage import gaussian_filter

    real = frames()
    soft = gaussian_filter(real, sigma=(0, 0, 1, 1)).astype(np.float32)

    def sharpness(drawn):
        tally = FrameMetrics()
        tally.add(drawn, real, group=0)
        return tally.score("sharpness", seed=0)[0].value

    assert sharpness(real) == pytest.approx(1.0)
    assert sharpness(soft) < 0.5
    assert sharpness(real + frames(seed=5)) > 1.2
    assert metrics.edges(np.zeros((1, 3, 4, 4), np.float32))[0] == 0


def test_regions_are_measured_apart():
    real, drawn = np.zeros((1, 3, 16, 16), np.float32), np.zeros((1, 3, 16, 16), np.float32)
    mask = np.zeros((1, 16, 16), bool)
    mask[:, :4] = True
    drawn[:, :, :4], drawn[:, :, 4:] = 0.1, 0.01
    tally = FrameMetrics()
    tally.add(drawn, real, group=0, masks=mask)
    tally.add(drawn, real, group=1)  # without masks: counts for no region
    (inside, n_inside), (outside, n_outside) = (
        tally.score("psnr", region=name, seed=0) for name in ("inside", "outside")
    )
    assert inside.value == pytest.approx(20.0, abs=1e-4)
    assert outside.value == pytest.approx(40.0, abs=1e-3)
    assert n_inside == n_outside == 1


def test_intervals_resample_groups_and_not_frames():
    rng = np.random.default_rng(0)
    level = rng.normal(size=20)
    alike = np.repeat(level, 50)
    by_group = metrics.mean(alike, np.repeat(np.arange(20), 50), seed=0).score()
    by_frame = metrics.mean(alike, np.arange(1000), seed=0).score()
    assert by_group.value == pytest.approx(level.mean())
    assert (by_group.high - by_group.low) > 5 * (by_frame.high - by_frame.low)
    expected = 2 * 1.96 * level.std() / np.sqrt(20)
    assert (by_group.high - by_group.low) == pytest.approx(expected, rel=0.15)


def test_nothing_measured_is_none():
    nothing = metrics.mean(np.full(4, np.nan), np.arange(4), seed=0).score()
    assert (nothing.value, nothing.low) == (None, None)
    tally = FrameMetrics()
    tally.add(np.zeros((2, 3, 16, 16), np.float32), np.zeros((2, 3, 16, 16), np.float32), group=0)
    unmasked, n = tally.score("psnr", region="inside", seed=0)
    assert (unmasked.value, unmasked.score().low, n) == (None, None, 0)


def test_spread_says_how_far_off_the_mean_of_samples_is():
    random = np.random.default_rng(0)
    deviation = np.where(np.arange(32) < 16, 0.01, 0.1)
    drawn = (0.5 + deviation * random.normal(size=(9, 20, 3, 32, 32))).astype(np.float32)
    bins = SpreadBins()
    for frame in range(20):
        bins.add(drawn[:8, frame : frame + 1], drawn[8, frame : frame + 1])
    rows = bins.rows()
    assert sum(share for _, _, share in rows) == pytest.approx(1)
    expected, found = (sum(row[which] ** 2 * row[2] for row in rows) for which in (0, 1))
    assert expected == pytest.approx(found, rel=0.03)
    assert all(row[0] == pytest.approx(row[1], rel=0.06) for row in rows if row[2] > 0.01)
    unsure = SpreadBins()
    unsure.add(0.5 + (drawn[:8] - 0.5) / 3, drawn[8])
    expected, found = (sum(row[which] ** 2 * row[2] for row in unsure.rows()) for which in (0, 1))
    assert expected < found / 5


@pytest.mark.parametrize(
    "shape", [lambda normal: normal, lambda normal: normal**3, np.sign], ids=["normal", "wide tails", "two values"]
)
def test_central_intervals_hold_as_many_px_as_they_are_to_whatever_the_distribution(shape):
    drawn = shape(np.random.default_rng(0).normal(size=(9, 20, 3, 32, 32))).astype(np.float32)
    for share in (0.5, 0.9):
        found = metrics.coverage(drawn[:8], drawn[8], share=share)
        assert found.shape == (20,)
        assert found.mean() == pytest.approx(share, abs=0.01)


def test_samples_that_differ_too_little_hold_too_few_px():
    drawn = np.random.default_rng(0).normal(size=(9, 20, 3, 32, 32)).astype(np.float32)
    tally = FrameMetrics()
    tally.add_samples(drawn[:8] / 3, drawn[8], group=0)
    half, most = (tally.score(metric, seed=0)[0].value for metric in ("coverage-50", "coverage-90"))
    assert half < 0.25
    assert most < 0.75
    assert tally.score("spread", seed=0)[0].value == pytest.approx(drawn[:8].std(axis=0).mean() / 3, rel=1e-5)
