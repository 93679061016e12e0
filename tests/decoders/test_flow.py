"""The flow decoder: rectified flow's own properties, and other spaces than pixels."""

import numpy as np
import pytest
import torch
from tests.builders.decoder_training import SHAPE, Blobs, module, run

from worldprobe.decoders import trained
from worldprobe.decoders.denoiser import LikeNoise
from worldprobe.errors import DecoderError
from worldprobe.plugins import registry
from worldprobe.records import DecoderShape


def tokens(n, shape=SHAPE, seed=0):
    size = (n, *shape.grid, shape.width)
    return torch.from_numpy(np.random.default_rng(seed).normal(size=size).astype(np.float32))


def generator(seed):
    return torch.Generator().manual_seed(seed)


def test_samples_differ_by_seed_and_are_the_same_for_one():
    flow = module("flow").eval()
    with torch.inference_mode():
        one, again, other = (flow.draw(tokens(2), generator=generator(s), steps=2) for s in (1, 1, 2))
    assert one.shape == (2, 2, 3, 16, 16)
    assert torch.equal(one, again)
    assert (one - other).abs().max() > 0.01
    assert 0 <= one.min() <= one.max() <= 1


def test_with_the_true_values_any_number_of_steps_ends_at_the_frames(monkeypatch):
    flow = module("flow").eval()
    real = torch.rand(2, 2, 3, 16, 16, generator=generator(0)) * 0.8 + 0.1
    picture, deviation, _ = flow._coarse(tokens(2))
    lack = (flow.space.encode(real) - picture) / deviation
    monkeypatch.setattr(flow, "_cleaned", lambda *_: lack)
    with torch.inference_mode():
        for steps in (1, 4, 16):
            drawn = flow.draw(tokens(2), generator=generator(3), steps=steps)
            torch.testing.assert_close(drawn, real, atol=2e-3, rtol=0)


def test_what_the_tokens_leave_open_shows_as_spread(tmp_path):
    """The first row of cells is told by the tokens; in the rest a coin is thrown that they do not know of."""

    class Coins(Blobs):
        key = "coins"

        def read(self, row):
            given, frames = super().read(row)
            coins = np.random.default_rng(row + 1000).integers(0, 2, len(frames))
            frames[..., 4:, :] = np.where(coins, 230, 25)[:, None, None, None, None]
            return given, frames

    from worldprobe.decoders.training import Recipe, train

    flow = module("flow", channels=16)
    train(
        flow, Coins(), training=range(1000, 3000), validation=range(4), checkpoint=tmp_path / "checkpoint",
        recipe=Recipe(steps=360, batch=16, every=180, learning_rate=2e-3, average=0.99),
        progress=lambda *_: None, stage="coins",
    )  # fmt: skip
    given = torch.from_numpy(Coins().read(500)[0].astype(np.float32))
    with torch.inference_mode():
        samples = torch.stack([flow.eval().draw(given, generator=generator(seed), steps=8) for seed in range(12)])
    spread = samples.std(dim=0).mean(dim=(0, 1, 2))
    assert spread[5:].mean() > 2 * spread[:3].mean()
    assert spread[5:].mean() > 0.15


def test_deviations_that_are_too_small_are_mended_on_rows_that_were_not_trained_on(monkeypatch):
    """Frames are the mean picture and noise; the network says that errors are half as large."""
    flow = module("flow").eval()

    class Noisy(Blobs):
        def read(self, row):
            given, _ = super().read(row)
            with torch.inference_mode():
                picture, deviation, _ = flow._coarse(torch.from_numpy(given.astype(np.float32)))
                drawn = picture + 2 * deviation * torch.randn(picture.shape, generator=generator(row))
            frames = (drawn.reshape(-1, 2, 3, 16, 16) + 1) / 2
            return given, (frames.clamp(0, 1) * 255).round().byte().numpy()

    with torch.no_grad():
        flow.usual.fill_(-1.0)
    monkeypatch.setattr(
        flow, "_cleaned", lambda noisy, s, *_: ((1 - s) / ((1 - s) ** 2 + s**2))[:, None, None, None] * noisy
    )
    rows = Noisy()
    before, after = [], []
    for found in (before, after):
        given, real = (torch.from_numpy(one) for one in rows.read(900))
        with torch.inference_mode():
            samples = torch.stack([flow.sample(given.float(), generator=generator(seed)) for seed in range(16)])
        found.append(
            samples.std(dim=0).square().mean().sqrt() / (samples.mean(dim=0) - real / 255).square().mean().sqrt()
        )
        flow.calibrate(rows, range(20))
    assert before[0] < 0.6
    assert after[0] == pytest.approx(1, abs=0.15)


def test_training_ends_with_the_recalibration(tmp_path):
    made, _ = run(tmp_path / "checkpoint", name="flow", steps=2, every=1)
    assert made.recalibration.factors.abs().max() > 0


def test_it_is_kept_and_loaded_like_any_decoder(tmp_path):
    made, _ = run(tmp_path / "checkpoint", name="flow", steps=2, every=1)
    trained.save(made, tmp_path / "flow", {"tap": "blobs"})
    given = tokens(3).numpy()
    one = trained.load(tmp_path / "flow", device="cpu").decode(given, seed=4)
    np.testing.assert_array_equal(one, trained.TrainedDecoder(made, {}).decode(given, seed=4))
    assert np.abs(one - trained.load(tmp_path / "flow", device="cpu").decode(given, seed=5)).max() > 0


def test_noise_is_like_what_it_was_fitted_to():
    """Smooth over space, alike in two channels, of unit deviation at every px."""
    random = generator(0)
    smooth = torch.nn.functional.avg_pool2d(torch.randn(400, 1, 20, 14, generator=random), 5, stride=1) * 30
    examples = torch.cat([smooth, smooth + 0.5 * torch.randn(smooth.shape, generator=random)], dim=1)
    noise = LikeNoise(2, (16, 10))
    assert noise(500, generator=random).diff(dim=-1).std() == pytest.approx(2**0.5, rel=0.05)
    noise.fit(examples)
    drawn, scaled = noise(2000, generator=random), examples / examples.std(dim=(0, 2, 3), keepdim=True)
    torch.testing.assert_close(drawn.std(dim=0), torch.ones(2, 16, 10), atol=0.1, rtol=0)
    for axis in (-1, -2):
        assert drawn.diff(dim=axis).std() == pytest.approx(float(scaled.diff(dim=axis).std()), rel=0.15)
    alike = torch.corrcoef(drawn.transpose(0, 1).flatten(1))[0, 1]
    assert alike == pytest.approx(float(torch.corrcoef(examples.transpose(0, 1).flatten(1))[0, 1]), abs=0.05)


def test_the_mean_picture_begins_as_the_linear_one():
    flow, rows = module("flow").eval(), Blobs()
    flow.prepare(rows, range(12))
    given = torch.from_numpy(rows.read(50)[0].astype(np.float32))
    with torch.inference_mode():
        torch.testing.assert_close(flow.mean(given), flow.space.decode(flow.linear(given)))
        assert flow.mean(given).std() > 0.1


@pytest.mark.parametrize("kind", ["tiny", "kl"])
def test_it_works_in_the_latents_of_a_vae_in_a_folder(tmp_path, kind):
    diffusers = pytest.importorskip("diffusers", reason="autoencoders are read by diffusers (extra [flow])")
    torch.manual_seed(0)
    if kind == "tiny":
        vae = diffusers.AutoencoderTiny(
            encoder_block_out_channels=(8, 8), decoder_block_out_channels=(8, 8), num_encoder_blocks=(1, 1),
            num_decoder_blocks=(1, 1), upsampling_scaling_factor=2, latent_channels=4,
        )  # fmt: skip
    else:
        vae = diffusers.AutoencoderKL(
            block_out_channels=(8, 8), norm_num_groups=4, latent_channels=4,
            down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        )  # fmt: skip
    vae.save_pretrained(tmp_path / "vae")
    flow = module("flow", latent=str(tmp_path / "vae"))
    frames = torch.rand(2, 2, 3, 16, 16, generator=generator(0))
    latents = flow.space.encode(frames)
    assert latents.shape == (2, 2 * 4, 8, 8)
    assert flow.space.decode(latents).shape == frames.shape
    flow.loss(tokens(2), frames, generator=generator(0)).backward()
    assert flow.leave.weight.grad.abs().sum() > 0
    assert not any(name.startswith("space") or "vae" in name for name in flow.state_dict())
    trained.save(flow, tmp_path / "flow", {})
    drawn = trained.load(tmp_path / "flow", device="cpu").decode(tokens(2).numpy())
    assert drawn.shape == frames.shape


def test_a_vae_that_cannot_be_had_is_named(tmp_path, monkeypatch):
    pytest.importorskip("diffusers", reason="autoencoders are read by diffusers (extra [flow])")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DecoderError, match=r"the VAE '.*nowhere' cannot be had"):
        module("flow", latent=str(tmp_path / "nowhere"))
    with pytest.raises(DecoderError, match="layers is a whole number from 1 on"):
        module("flow", layers=0)


def test_an_odd_grid_and_size_will_do():
    shape = DecoderShape(grid=(9, 12), width=8, size=(54, 72), frames=2)
    flow = registry.create("decoders", "flow", shape=shape, channels=32).eval()
    with torch.inference_mode():
        assert flow.draw(tokens(1, shape), generator=generator(0), steps=1).shape == (1, 2, 3, 54, 72)
