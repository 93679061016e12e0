"""The future is told as transformers' sub-modules tell it, from a context that has not seen it."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.builders.checks import some
from transformers import VJEPA2Config, VJEPA2Model

from worldprobe.encoders.floors import Pixels
from worldprobe.encoders.preprocess import normalize
from worldprobe.encoders.vjepa2 import VJEPA2Encoder, pretrained, random_twin, tiny
from worldprobe.errors import ConfigError, PredictionError, RegistryError
from worldprobe.predictors import PlainForward, VJEPA2Predictor, baselines, leak, scores
from worldprobe.predictors.vjepa2 import layer_normed

SMALL = {"crop_size": 32, "patch_size": 16, "frames_per_clip": 32, "hidden_size": 48, "num_hidden_layers": 2,
         "num_attention_heads": 2, "pred_hidden_size": 24, "pred_num_hidden_layers": 2,
         "pred_num_attention_heads": 2, "pred_num_mask_tokens": 3, "pred_zero_init_mask_tokens": False}  # fmt: skip
S = 4  # tokens of a tubelet


def noise(clips=2, frames=16, size=32, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (clips, frames, 3, size, size), dtype=np.uint8)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    torch.manual_seed(3)
    model = VJEPA2Model(VJEPA2Config(**SMALL))
    with torch.no_grad():
        for name, weight in some(model.named_parameters()):  # norms that are not the identity, weights that matter
            weight.mul_(4.0) if weight.ndim > 1 else weight.add_(0.3 * torch.randn_like(weight))
            assert weight.isfinite().all(), name
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model(checkpoint):
    return VJEPA2Model.from_pretrained(checkpoint, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def predictor(checkpoint):
    return VJEPA2Predictor.from_encoder(pretrained(str(checkpoint), device="cpu", precision="fp32"))


def by_transformers(model, pixels, context, horizon):
    """The sub-modules called by hand."""
    prefix = normalize(torch.from_numpy(pixels[:, : 2 * context]))
    ids = torch.arange((context + horizon) * S).repeat(len(pixels), 1)
    with torch.no_grad():
        known = model.encoder(prefix).last_hidden_state
        found = model.predictor(known, [ids[:, : context * S]], [ids[:, context * S :]])
    return found.last_hidden_state.reshape(len(pixels), horizon, S, -1).numpy()


# To the clip's last tubelet, short of it, and beyond the clip.
@pytest.mark.parametrize(
    ("clips", "context", "horizon"), [(1, 4, 4), (3, 1, 7), (2, 7, 1), (5, 2, 3), (2, 4, 9), (1, 8, 2)]
)
def test_fp32_equals_transformers_sub_modules(model, predictor, clips, context, horizon):
    pixels = noise(clips)
    ours = predictor.predict(pixels, context=context, horizon=horizon)
    assert ours.dtype == np.float32
    assert ours.shape == (clips, horizon, S, 48)
    theirs = by_transformers(model, pixels, context, horizon)
    assert np.abs(theirs).max() > 0.5
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_targets_are_the_whole_clips_tokens_layer_normed(model, predictor):
    pixels = noise()
    with torch.no_grad():
        whole = model(normalize(torch.from_numpy(pixels)), skip_predictor=True).last_hidden_state
    goal = torch.nn.functional.layer_norm(whole, (48,)).reshape(2, 8, S, 48)
    torch.testing.assert_close(predictor.targets(pixels), goal, atol=1e-5, rtol=0)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_stays_near_fp32_whatever_the_features_dtype(checkpoint, predictor, precision):
    encoder = pretrained(str(checkpoint), device="cpu", precision="bf16" if precision == "bf16" else "fp32")
    half = VJEPA2Predictor.from_encoder(encoder, precision=precision)
    pixels = noise()
    exact = predictor.predict(pixels, context=4, horizon=4)
    for mode in ("joint", "rolling"):
        found = half.predict(pixels, context=4, horizon=4, mode=mode)
        assert found.dtype == np.float32
    found = half.predict(pixels, context=4, horizon=4)
    assert 0 < np.linalg.norm(found - exact) / np.linalg.norm(exact) < 2e-2


def test_the_trained_one_in_bf16_is_within_two_percent():
    exact, half = (
        VJEPA2Predictor.from_encoder(tiny(device="cpu", precision=precision)) for precision in ("fp32", "bf16")
    )
    pixels = noise(1, size=64)
    a, b = (one.predict(pixels, context=4, horizon=4) for one in (exact, half))
    assert 0 < np.linalg.norm(a - b) / np.linalg.norm(a) < 2e-2


def test_a_shuffled_order_of_targets_gives_the_same_tokens_in_that_order(predictor):
    pixels = noise()
    known = predictor.context_tokens(pixels, 4)
    places = torch.arange(8 * S).expand(2, -1)
    order = torch.stack([torch.randperm(4 * S, generator=torch.Generator().manual_seed(i)) for i in range(2)])
    at, wanted = places[:, : 4 * S], places[:, 4 * S :]
    straight = predictor.predict_at(known, at, wanted)
    mixed = predictor.predict_at(known, at, wanted.gather(1, order))
    torch.testing.assert_close(mixed, straight.gather(1, order[..., None].expand(-1, -1, 48)), atol=1e-5, rtol=0)


def test_what_is_known_may_lie_anywhere(model, predictor):
    whole = predictor.encoder.tokens(torch.from_numpy(noise())).flatten(1, 2)
    at = torch.tensor([[0, 9, 3, 30], [5, 1, 2, 17]])
    wanted = torch.tensor([[4, 31], [20, 0]])
    with torch.no_grad():
        theirs = model.predictor(whole.clone(), [at], [wanted]).last_hidden_state
    ours = predictor.predict_at(whole.gather(1, at[..., None].expand(-1, -1, 48)), at, wanted)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


def test_rolling_feeds_back_one_tubelet_at_a_time(predictor):
    pixels = noise()
    rolled = predictor.predict(pixels, context=3, horizon=3, mode="rolling")
    np.testing.assert_array_equal(rolled[:, :1], predictor.predict(pixels, context=3, horizon=1))
    known = predictor.context_tokens(pixels, 3)
    last = known[:, -1:]
    back = layer_normed(torch.from_numpy(rolled[:, :1]))
    back = back * last.std(-1, keepdim=True, unbiased=False) + last.mean(-1, keepdim=True)
    second = predictor.forecast(torch.cat((known, back), 1), horizon=1)
    np.testing.assert_allclose(rolled[:, 1:2], second.numpy(), atol=1e-6)
    assert np.abs(rolled[:, 1:] - predictor.predict(pixels, context=3, horizon=3)[:, 1:]).max() > 1e-3


@pytest.fixture(scope="module")
def short(model, predictor):
    """The same predictor, of a checkpoint that was trained on clips of 4 tubelets."""
    module = copy.deepcopy(predictor.module)
    module.config = copy.deepcopy(module.config)
    module.config.frames_per_clip = 8
    return VJEPA2Predictor(predictor.encoder, module)


def fed_back(known, told):
    last = known[:, -1:]
    return layer_normed(told) * last.std(-1, keepdim=True, unbiased=False) + last.mean(-1, keepdim=True)


@pytest.mark.parametrize("mode", ["joint", "rolling"])
def test_beyond_the_trained_clip_windows_slide_and_predictions_are_fed_back(short, predictor, mode):
    pixels, context = noise(), 3 if mode == "joint" else 2
    assert short.clip == 4
    found = short.predict(pixels, context=context, horizon=5, mode=mode)
    assert found.shape == (2, 5, S, 48)
    known = first = predictor.context_tokens(pixels, context)
    expected = []
    while len(expected) < 5:
        if known.shape[1] == 4:  # the clip is full
            known = known[:, -context:]
        told = predictor.forecast(known, horizon=1)
        expected.append(told)
        known = torch.cat((known, fed_back(first, told)), 1)
    np.testing.assert_allclose(found, torch.cat(expected, 1).numpy(), atol=1e-5)
    at_once = predictor.predict(pixels, context=context, horizon=5, mode=mode)
    within = short.predict(pixels, context=context, horizon=4 - context, mode=mode)
    np.testing.assert_array_equal(found[:, : 4 - context], within)
    assert np.abs(found - at_once)[:, 4 - context :].max() > 1e-3


def test_joint_windows_are_asked_for_all_that_they_hold_at_once(short, predictor):
    pixels = noise()
    assert short.windows(8, 2) == [(0, 4), (2, 6), (4, 8)]
    assert short.windows(7, 2) == [(0, 4), (2, 6), (4, 7)]
    assert short.windows(4, 2) == [(0, 4)]
    assert short.windows(8, 5) == [(0, 8)]  # a context longer than the clip stays in one window
    found = short.predict(pixels, context=2, horizon=3)
    known = predictor.context_tokens(pixels, 2)
    first = predictor.forecast(known, horizon=2)
    second = predictor.forecast(fed_back(known, first), horizon=1)
    np.testing.assert_allclose(found, torch.cat((first, second), 1).numpy(), atol=1e-5)


def test_targets_beyond_the_trained_clip_are_those_of_the_windows_that_are_predicted(short, predictor):
    pixels = noise()
    found = short.targets(pixels, context=3)
    assert found.shape == (2, 8, S, 48)
    torch.testing.assert_close(found[:, :4], predictor.targets(pixels[:, :8]))
    for last in range(4, 8):
        window = pixels[:, 2 * (last - 3) : 2 * (last + 1)]
        torch.testing.assert_close(found[:, last], predictor.targets(window)[:, 3])
    torch.testing.assert_close(short.targets(pixels), predictor.targets(pixels))


@pytest.mark.parametrize("mode", ["joint", "rolling"])
def test_windows_that_slide_leak_nothing(short, mode):
    pixels = noise()
    rolled = SimpleNamespace(
        tubelet=2, context_tokens=short.context_tokens,
        predict=lambda pixels, **at: short.predict(pixels, **at, mode=mode),
    )  # fmt: skip
    found = leak(rolled, pixels, 2)
    assert (found.context, found.prediction) == (0.0, 0.0)


def test_operations_of_windows_that_slide_grow_with_the_horizon_alone(short, predictor):
    each = short.flop(2, 4) - short.flop(2, 2)
    assert short.flop(2, 8) - short.flop(2, 6) == each
    assert predictor.flop(2, 8) - predictor.flop(2, 6) > predictor.flop(2, 4) - predictor.flop(2, 2)
    assert short.flop(2, 2, mode="rolling") == predictor.flop(2, 2, mode="rolling")


@pytest.mark.parametrize("context", [1, 4, 7])
def test_our_context_has_not_seen_the_future_and_the_plain_forwards_has(model, predictor, context):
    pixels = noise(3)
    found = leak(predictor, pixels, context)
    assert (found.context, found.prediction) == (0.0, 0.0)
    leaks = leak(PlainForward(predictor), pixels, context)
    assert leaks.context > 1e-2
    assert leaks.prediction > 1e-3
    ids = torch.arange(8 * S).repeat(3, 1)
    with torch.no_grad():
        plain = model(
            normalize(torch.from_numpy(pixels)),
            context_mask=[ids[:, : context * S]],
            target_mask=[ids[:, context * S :]],
        )
    theirs = plain.predictor_output.last_hidden_state.reshape(3, 8 - context, S, 48).numpy()
    ours = PlainForward(predictor).predict(pixels, context=context, horizon=8 - context)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_the_trained_one_leaks_nothing_either():
    predictor = VJEPA2Predictor.from_encoder(tiny(device="cpu", precision="fp32"))
    pixels = noise(2, size=64)
    for one, exact in ((predictor, True), (PlainForward(predictor), False)):
        found = leak(one, pixels, 4)
        assert (found.context == found.prediction == 0.0) is exact


def test_a_clip_is_told_alike_alone_and_among_others(predictor):
    pixels = noise(4)
    together = predictor.predict(pixels, context=4, horizon=4)
    for i in range(4):
        alone = predictor.predict(pixels[i : i + 1], context=4, horizon=4)
        np.testing.assert_allclose(alone[0], together[i], atol=1e-5)
    assert np.abs(together[0] - together[1]).max() > 1e-2


def test_a_twins_predictor_is_the_same_every_time_and_needs_no_network():
    a, b = (VJEPA2Predictor.from_encoder(random_twin("vjepa2-tiny", device="cpu")) for _ in range(2))
    for (name, one), other in some(zip(a.module.named_parameters(), b.module.parameters(), strict=True)):
        assert torch.equal(one, other), name
    trained = VJEPA2Predictor.from_encoder(tiny(device="cpu"))
    assert a.parameters == trained.parameters
    assert not torch.equal(a.module.proj.weight, trained.module.proj.weight)


@pytest.mark.parametrize("damage", ["none at all", "one missing", "another shape"])
def test_a_checkpoint_without_a_whole_predictor_encodes_and_does_not_predict(checkpoint, tmp_path, damage):
    weights = load_file(checkpoint / "model.safetensors")
    key = "predictor.layer.1.mlp.fc1.weight"
    if damage == "none at all":
        weights = {name: weight for name, weight in weights.items() if not name.startswith("predictor.")}
    elif damage == "one missing":
        del weights[key]
    else:
        weights[key] = weights[key][:, :-1].contiguous()
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    (tmp_path / "config.json").write_text((checkpoint / "config.json").read_text())
    encoder = pretrained(str(tmp_path), device="cpu", precision="fp32")
    assert encoder.tokens(torch.from_numpy(noise())).isfinite().all()
    said = "holds no predictor" if damage == "none at all" else "predictor does not fit"
    with pytest.raises(RegistryError, match=said):
        VJEPA2Predictor.from_encoder(encoder)


def test_what_cannot_be_predicted_says_what_would_fit(predictor, model):
    cases = [
        ({"context": 9, "horizon": 1}, "use a context of 1 to 8"),
        ({"context": 0, "horizon": 1}, "use a context of 1 to 8"),
        ({"context": 4, "horizon": 0}, "1 or more"),
        ({"context": 4, "horizon": 1, "mode": "both"}, "joint or rolling"),
    ]
    for options, said in cases:
        with pytest.raises(PredictionError, match=said):
            predictor.predict(noise(), **options)
    with pytest.raises(ConfigError, match="takes 32 x 32 px, got 64 x 64"):
        predictor.predict(noise(size=64), context=4, horizon=4)
    for wrong in (noise().astype(np.float32), noise()[0], noise()[:0]):
        with pytest.raises(PredictionError, match="uint8"):
            predictor.predict(wrong, context=4, horizon=4)
    with pytest.raises(PredictionError, match="no future"):
        leak(predictor, noise(), 8)
    with pytest.raises(PredictionError, match="pixels has no predictor"):
        VJEPA2Predictor.from_encoder(Pixels())
    bare = VJEPA2Encoder(model, name="bare", revision="", status="trained", device="cpu", precision="fp32")
    with pytest.raises(RegistryError, match="without a predictor"):
        VJEPA2Predictor.from_encoder(bare)
    with pytest.raises(ConfigError, match="fp16 is for GPUs"):
        tiny(device="cpu", precision="fp16")


def drifting(clips, tubelets, *, seed=0):
    """Tokens that move on by the same step each time, [n, t, 4, 6]."""
    generator = np.random.default_rng(seed)
    start, step = (generator.standard_normal((clips, 1, 4, 6)).astype(np.float32) for _ in range(2))
    return start + np.arange(tubelets, dtype=np.float32)[None, :, None, None] * step


def test_baselines_on_known_motions():
    tokens = drifting(40, 6)
    known, future = tokens[:, :3], tokens[:, 3:]
    assert scores.l1(baselines.linear(known, horizon=3), future).max() < 1e-5
    copied = baselines.copy_last(known, horizon=3)
    np.testing.assert_array_equal(copied[:, 2], known[:, -1])
    expected = np.arange(1, 4)[None, :, None] * np.abs(tokens[:, 1:2] - tokens[:, :1]).mean(-1)
    np.testing.assert_allclose(scores.l1(copied, future), expected, rtol=1e-4)
    rows = np.arange(40)
    _, ridge = baselines.RidgePredictor.fit(known, future, train=rows[:20], validation=rows[20:30])
    # A linear function of the last two: extrapolation is one, and ridge finds it at the weakest penalty.
    assert ridge.penalty == baselines.PENALTIES[0]
    assert scores.l1(ridge.predict(known[30:]), future[30:]).max() < 1e-2
    mean = baselines.MeanToken.fit(future, rows[:20])
    np.testing.assert_allclose(mean.predict(known[30:])[3], future[:20].mean(0), atol=1e-5)


def test_ridge_is_scikit_learns_and_shrinks_to_the_mean_on_noise():
    from sklearn.linear_model import Ridge

    generator = np.random.default_rng(1)
    known = generator.standard_normal((30, 2, 4, 6)).astype(np.float32)
    future = generator.standard_normal((30, 3, 4, 6)).astype(np.float32)
    rows = np.arange(30)
    trial, ours = baselines.RidgePredictor.fit(known, future, train=rows[:15], validation=rows[15:20])
    assert ours.penalty >= 1e2
    x = np.concatenate((known[:, -1], known[:, -2]), -1).reshape(-1, 12).astype(float)
    y = future.transpose(0, 2, 1, 3).reshape(len(x), -1).astype(float)
    held = slice(15 * 4, 20 * 4)
    errors = [
        ((Ridge(alpha=penalty).fit(x[:60], y[:60]).predict(x[held]) - y[held]) ** 2).sum()
        for penalty in baselines.PENALTIES
    ]
    assert ours.penalty == baselines.PENALTIES[int(np.argmin(errors))]
    for fitted, clips in ((ours, 20), (trial, 15)):
        theirs = Ridge(alpha=ours.penalty).fit(x[: clips * 4], y[: clips * 4])
        expected = theirs.predict(x[20 * 4 :]).reshape(10, 4, 3, 6).transpose(0, 2, 1, 3)
        np.testing.assert_allclose(fitted.predict(known[20:]), expected, atol=1e-4)


def test_ridge_holds_where_some_directions_of_the_tokens_hardly_vary():
    """As those of predicted tokens: summed in single precision their Gram matrix is not positive."""
    from sklearn.linear_model import Ridge

    generator = np.random.default_rng(2)
    one, other = (np.linalg.qr(generator.standard_normal((48, 48)))[0] for _ in range(2))
    spread = one * np.geomspace(100, 1e-4, 48) @ other
    known = (generator.standard_normal((120, 1, 16, 48)) @ spread).astype(np.float32)
    future = known + 0.01 * generator.standard_normal(known.shape).astype(np.float32)
    rows = np.arange(100)
    _, ours = baselines.RidgePredictor.fit(known, future, train=rows[:70], validation=rows[70:], tubelets=1)
    assert ours.penalty < 1
    x, y = (tokens[:100].reshape(-1, 48).astype(float) for tokens in (known, future))
    expected = Ridge(alpha=ours.penalty).fit(x, y).coef_.T
    np.testing.assert_allclose(ours.weights, expected, atol=1e-3 * np.abs(expected).max())


def test_one_map_of_the_last_token_undoes_a_change_of_window():
    generator = np.random.default_rng(3)
    known = generator.standard_normal((40, 1, 4, 6)).astype(np.float32)
    turn = generator.standard_normal((6, 6)).astype(np.float32)
    same, rows = known @ turn + 1, np.arange(40)
    _, corrected = baselines.RidgePredictor.fit(known, same, train=rows[:20], validation=rows[20:30], tubelets=1)
    assert corrected.weights.shape == (6, 6)
    assert scores.l1(corrected.predict(known[30:]), same[30:]).max() < 1e-2


def test_a_context_of_one_tubelet_has_no_step():
    one = drifting(4, 1)
    with pytest.raises(PredictionError, match="2 tubelets"):
        baselines.linear(one, horizon=2)
    with pytest.raises(PredictionError, match="last 2 tubelets"):
        baselines.RidgePredictor.fit(one, drifting(4, 2), train=np.arange(2), validation=np.arange(2, 4))


def test_a_token_has_changed_where_its_pixels_moved_since_the_contexts_end():
    pixels = np.full((2, 12, 3, 32, 32), 100, np.uint8)
    pixels[0, :4, :, :16, :16] = 200  # moved before the end of the context: no change since
    pixels[0, 8:, :, 16:, :16] = 120  # tubelet 4 on, row 1, column 0
    pixels[1, 6:8, :, :16, 16:] = 107  # too little
    found = scores.changed(pixels, context=3, horizon=3, tubelet=2, side=2)
    assert found.shape == (2, 3, 4)
    assert found[0].tolist() == [[False] * 4, [False, False, True, False], [False, False, True, False]]
    assert not found[1].any()


@pytest.mark.parametrize("grain", [0, 4, 8, 16])
def test_grain_is_no_change_and_a_small_square_is_one(grain):
    generator = np.random.default_rng(4)
    smooth = np.linspace(40, 160, 128)
    film = np.broadcast_to(smooth[:, None] / 2 + smooth / 2, (16, 3, 128, 128)).copy()
    film[:, :, 32:48, 32:48] += generator.normal(scale=20, size=(16, 16))  # a texture, which stands still
    for moving in (False, True):
        if moving:
            for frame in range(16):
                left = 64 + frame % 11
                film[frame, :, 70:74, left : left + 4] += 127.5
        noisy = film + generator.normal(scale=grain, size=film.shape)
        pixels = noisy.clip(0, 255).round().astype(np.uint8)[None]
        found = scores.changed(pixels, context=4, horizon=4, tubelet=2, side=8)[0].reshape(4, 8, 8)
        there = found[:, 4, 4]
        assert there.all() == moving
        assert found.mean() < 0.05


def test_a_camera_that_pans_changes_every_token():
    """What moves steadily is told from grain, though nothing in the clip stands still."""
    generator = np.random.default_rng(5)
    world = np.kron(generator.integers(20, 235, (32, 60)), np.ones((4, 4)))
    film = [np.broadcast_to(world[:, 2 * frame : 2 * frame + 128], (3, 128, 128)) for frame in range(16)]
    noisy = np.stack(film) + generator.normal(scale=4, size=(16, 3, 128, 128))
    pixels = noisy.clip(0, 255).round().astype(np.uint8)[None]
    assert scores.changed(pixels, context=4, horizon=4, tubelet=2, side=8).mean() > 0.95


def test_ranks_of_known_moments():
    moments = np.random.default_rng(2).standard_normal((600, 4, 6)).astype(np.float32)
    true = np.array([5, 300, 599])
    assert scores.ranks(moments[true], moments, true).tolist() == [1, 1, 1]
    # A constant is as like to everything that is equal: it does not win.
    assert scores.ranks(np.ones((1, 4, 6)), np.ones((9, 4, 6)), np.array([4])).tolist() == [9]
    mixed = moments[7] + 0.1 * moments[8]
    assert scores.ranks(mixed[None], moments, np.array([8]))[0] > 1
