"""V-JEPA 2 as transformers has it, and nothing loaded by halves."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import VJEPA2Config, VJEPA2Model

from worldprobe.encoders import known
from worldprobe.encoders.floors import Gaussian, Pixels
from worldprobe.encoders.load import load_encoder, parse_blocks
from worldprobe.encoders.preprocess import crop_frames, normalize
from worldprobe.encoders.vjepa2 import pretrained, random_twin, tiny
from worldprobe.errors import ConfigError, RegistryError
from worldprobe.records import Clip, ClipSpec, VideoRef

GOLDEN = json.loads((Path(__file__).parent / "golden" / "preprocessing.json").read_text())
SMALL = {"crop_size": 32, "patch_size": 16, "frames_per_clip": 4, "hidden_size": 48, "num_hidden_layers": 3,
         "num_attention_heads": 2, "pred_hidden_size": 24, "pred_num_hidden_layers": 1,
         "pred_num_attention_heads": 2, "pred_num_mask_tokens": 1}  # fmt: skip


def clip(encoder, *, seed=0, width=80, height=60, frames=4, start=0):
    ref = VideoRef(id=f"{seed:064x}", path="made.mp4", width=width, height=height, frames=64, rate=24.0)
    source = np.random.default_rng(seed).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)
    return Clip(
        spec=ClipSpec(ref, start, frames, 1),
        pts_seconds=np.arange(frames) / 24,
        view=encoder.view(width, height),
        pixels=encoder.preprocess(source),
    )


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    torch.manual_seed(3)
    VJEPA2Model(VJEPA2Config(**SMALL)).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("case", GOLDEN["values"], ids=lambda c: f"{c['width']}x{c['height']}to{c['crop']}")
def test_preprocessing_is_bit_equal_to_transformers(case):
    width, height = case["width"], case["height"]
    frames = np.random.default_rng([width, height]).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    pixels = normalize(torch.from_numpy(crop_frames(frames, crop=case["crop"]))).contiguous().numpy()
    assert pixels[0, :, 0, 0].tolist() == case["first"]
    assert hashlib.sha256(pixels.tobytes()).hexdigest() == case["sha256"]


def test_every_tap_is_transformers_own_and_one_pass_gives_them_all(checkpoint):
    encoder = pretrained(str(checkpoint), device="cpu", precision="fp32")
    clips = [clip(encoder, seed=seed) for seed in range(2)]
    taps = encoder.encode(clips, blocks=[0, 2])
    model = VJEPA2Model.from_pretrained(checkpoint).eval()
    pixels = normalize(torch.from_numpy(np.stack([c.pixels for c in clips])))
    with torch.inference_mode():
        last = model(pixels, skip_predictor=True).last_hidden_state
        first = model.encoder.layernorm(model.encoder.layer[0](model.encoder.embeddings(pixels), None)[0])
    assert taps[2].shape == (2, 2, 2, 2, 48)
    # Equal but for what float16 rounds to either side.
    np.testing.assert_allclose(taps[2].reshape(2, 8, 48), last.to(torch.float16).numpy(), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(taps[0].reshape(2, 8, 48), first.to(torch.float16).numpy(), rtol=1e-3, atol=1e-4)
    assert list(encoder.encode(clips, blocks=[0])) == [0]


def test_tokens_come_in_the_order_of_the_grid(checkpoint):
    encoder = pretrained(str(checkpoint), device="cpu", precision="fp32")
    still = clip(encoder)
    moved = still.pixels.copy()
    moved[2:, :, 16:, :16] = 255  # second tubelet, second row, first column
    changed = Clip(spec=still.spec, pts_seconds=still.pts_seconds, view=still.view, pixels=moved)
    before, after = (encoder.encode([c], blocks=[0])[0][0].astype(np.float32) for c in (still, changed))
    moved_most = np.abs(after - before).sum(axis=-1)
    assert np.argwhere(moved_most > 2 * np.sort(moved_most, axis=None)[-2]).tolist() == [[1, 1, 0]]


def test_bf16_stays_close_to_fp32_and_is_another_revision(checkpoint):
    exact = pretrained(str(checkpoint), device="cpu", precision="fp32")
    rounded = pretrained(str(checkpoint), device="cpu", precision="bf16")
    a, b = (e.encode([clip(e)], blocks=[2])[2].astype(np.float32) for e in (exact, rounded))
    assert 0 < np.linalg.norm(a - b) / np.linalg.norm(a) < 3e-2
    assert exact.revision != rounded.revision


@pytest.mark.parametrize("damage", ["missing", "unexpected", "shape"])
def test_a_checkpoint_that_does_not_fit_is_refused(checkpoint, tmp_path, damage):
    for name in ("config.json",):
        (tmp_path / name).write_text((checkpoint / name).read_text())
    weights = load_file(checkpoint / "model.safetensors")
    key = "encoder.layer.1.mlp.fc1.weight"
    if damage == "missing":
        del weights[key]
    elif damage == "unexpected":
        weights["encoder.layer.9.mlp.fc1.weight"] = weights[key].clone()
    else:
        weights[key] = weights[key][:, :-1].contiguous()
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(RegistryError, match=r"mlp\.fc1\.weight|mismatched"):
        pretrained(str(tmp_path), device="cpu", precision="fp32")


def test_what_is_not_a_v_jepa_2_checkpoint_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(RegistryError, match="no encoder 'nobody/nothing'"):
        load_encoder("nobody/nothing")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(RegistryError, match="of type 'bert'"):
        load_encoder(str(tmp_path))


def test_frames_of_another_size_and_odd_numbers_of_them_are_refused(checkpoint):
    encoder = pretrained(str(checkpoint), device="cpu")
    other = Pixels()
    with pytest.raises(ConfigError, match="takes 32 x 32 px, got 128 x 128"):
        encoder.encode([clip(other)], blocks=[2])
    with pytest.raises(ConfigError, match="--frames 4"):
        encoder.grid(5)
    with pytest.raises(ConfigError, match="blocks 0 to 2"):
        encoder.encode([clip(encoder)], blocks=[3])


def test_a_gpu_that_is_not_there_is_an_error():
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(ConfigError, match="finds no CUDA GPU"):
        tiny(device="cuda")


def test_the_tiny_one_is_trained_and_its_twin_is_not():
    encoder, again, twin = tiny(), tiny(), random_twin("vjepa2-tiny")
    assert (encoder.status, twin.status) == ("trained", "untrained")
    assert encoder.twin == twin.name == "random:vjepa2-tiny"
    assert encoder.revision == again.revision != twin.revision
    one, last = clip(encoder, frames=16), encoder.blocks - 1
    a, b, c = (e.encode([one], blocks=[last])[last] for e in (encoder, again, twin))
    np.testing.assert_array_equal(a, b)
    assert np.abs(a.astype(float) - c).mean() > 0.1
    assert encoder.parameters < 6e6


def test_the_shipped_weights_load_with_plain_transformers_strictly():
    model, info = VJEPA2Model.from_pretrained(known.TINY_FOLDER, output_loading_info=True, dtype=torch.float32)
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    stored = load_file(known.TINY_FOLDER / "model.safetensors")
    assert {value.dtype for value in stored.values()} == {torch.float16}
    assert (known.TINY_FOLDER / "model.safetensors").stat().st_size < 12e6
    encoder = tiny(device="cpu", precision="fp32")
    one, last = clip(encoder, frames=16), encoder.blocks - 1
    with torch.no_grad():
        whole = model.eval().encoder(normalize(torch.from_numpy(one.pixels)[None])).last_hidden_state
    ours = encoder.encode([one], blocks=[last])[last].reshape(whole.shape)
    np.testing.assert_allclose(ours, whole.numpy(), atol=2e-3)


def test_the_shipped_weights_give_golden_values():
    golden = json.loads((Path(__file__).parent / "golden" / "tiny.json").read_text())
    encoder = tiny(device="cpu", precision="fp32")
    tokens = encoder.encode([clip(encoder, frames=16)], blocks=[0, encoder.blocks - 1])
    for block, expected in zip((0, encoder.blocks - 1), golden["tokens"], strict=True):
        np.testing.assert_allclose(tokens[block][0, 3, 4, 5, :6].astype(float), expected, atol=5e-3)


def test_making_an_untrained_model_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    random_twin("vjepa2-tiny")
    assert torch.equal(torch.rand(3), expected)


def test_a_twin_of_a_local_folder_has_its_shape_and_not_its_weights(checkpoint):
    encoder, twin = pretrained(str(checkpoint)), load_encoder(f"random:{checkpoint}")
    assert (encoder.blocks, encoder.width, encoder.crop) == (twin.blocks, twin.width, twin.crop)
    (real,), (other,) = (one.encode([clip(one)], blocks=[0])[0] for one in (encoder, twin))
    assert np.abs(real.astype(np.float32) - other.astype(np.float32)).mean() > 0.1


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("facebook/vjepa2-vitl-fpc64-256", 303_885_312), ("facebook/vjepa2-vith-fpc64-256", None),
     ("facebook/vjepa2-vitg-fpc64-256", None), ("facebook/vjepa2-vitg-fpc64-384", None)],
)  # fmt: skip
def test_known_configurations_build_and_vit_l_has_the_published_size(name, parameters):
    with torch.device("meta"):
        model = VJEPA2Model(known.config_of(name))
    if parameters:
        assert sum(p.numel() for p in model.encoder.parameters()) == parameters
    assert model.config.hidden_size % model.config.num_attention_heads == 0


def test_the_pixels_floor_is_the_mean_colour_of_each_cell():
    floor = Pixels()
    one = clip(floor, width=200, height=140, frames=4)
    values = floor.encode([one], blocks=[0])[0]
    assert values.shape == (1, 2, 8, 8, 6)
    expected = one.pixels[3, 1, 32:48, 80:96].mean() / 255
    assert values[0, 1, 2, 5, 4] == pytest.approx(expected, abs=1e-3)


def test_the_gaussian_floor_depends_on_the_clip_alone():
    floor = Gaussian()
    one, other = clip(floor, frames=4), clip(floor, frames=4, start=4)
    a, b = floor.encode([one], blocks=[0])[0], floor.encode([other, one], blocks=[0])[0]
    np.testing.assert_array_equal(a[0], b[1])
    assert abs(np.corrcoef(a[0].ravel().astype(float), b[0].ravel().astype(float))[0, 1]) < 0.05
    assert a.astype(float).std() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    ("text", "expected"), [("last", [11]), ("all", list(range(12))), ("0,6,11", [0, 6, 11]), ("-1,0", [0, 11])]
)
def test_blocks_are_counted_from_zero(text, expected):
    assert parse_blocks(text, 12) == expected


@pytest.mark.parametrize("text", ["12", "-13", "first", ""])
def test_blocks_that_are_not_there_are_refused(text):
    with pytest.raises(ConfigError, match="--blocks"):
        parse_blocks(text, 12)


@pytest.mark.parametrize("file", ["model.safetensors", "config.json"])
def test_a_pointer_of_git_lfs_is_told_as_what_it_is(checkpoint, tmp_path, file):
    for path in checkpoint.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / file).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 12345\n")
    with pytest.raises(RegistryError, match=rf"{file} is a Git LFS pointer, not the file: run `git lfs pull`"):
        pretrained(str(tmp_path))
