"""Image and video encoders of transformers: each as its library has it, loaded strictly, with an honest twin."""

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tests.builders.checks import some
from tests.builders.vision_checkpoints import FRAMES, PATCH, SIDE, config_of, settings_of, stir, written

from worldprobe.encoders.load import load_encoder
from worldprobe.encoders.quantized import refuse_broken
from worldprobe.encoders.vision.families import FAMILIES
from worldprobe.encoders.vision.public import PUBLIC
from worldprobe.encoders.vision.settings import pixels_of
from worldprobe.encoders.vision.weights import network_of
from worldprobe.errors import ConfigError, RegistryError
from worldprobe.testing import check_encoder

GOLDEN = json.loads((Path(__file__).parent / "golden" / "processors.json").read_text())
PLACES = SIDE // PATCH
PICTURES = [kind for kind, family in FAMILIES.items() if not family.clips]


def pixels(clips=2, frames=FRAMES, width=SIDE, height=SIDE):
    dice = np.random.default_rng(0)
    return dice.integers(0, 256, (clips, frames, 3, height, width), dtype=np.uint8)


def clips_of(values):
    return [SimpleNamespace(pixels=one) for one in values]


def normal(values, kind):
    settings = settings_of(kind)
    mean, std = (np.array(settings[key], np.float32)[:, None, None] for key in ("image_mean", "image_std"))
    return torch.from_numpy((values.astype(np.float32) / 255 - mean) / std)


def vision_part(model):
    """The part of a whole model that sees."""
    for name in ("vision_model", "vit", "videomae", "dinov2", "hiera"):
        if hasattr(model, name):
            return getattr(model, name)
    return model


def by_the_library(model, kind, values):
    """Patch tokens of each block through the final norm, by transformers' modules: [b, t, h, w, d]."""
    clips = len(values)
    if not FAMILIES[kind].clips:
        values = values.flatten(0, 1)
    more = {}
    if kind.startswith("siglip2"):
        cells = [one.unfold(1, PATCH, PATCH).unfold(2, PATCH, PATCH) for one in values]  # [3, rows, columns, p, p]
        values = torch.stack([one.permute(1, 2, 3, 4, 0).reshape(PLACES**2, -1) for one in cells])
        more = {
            "pixel_attention_mask": torch.ones(len(values), PLACES**2),
            "spatial_shapes": torch.tensor([[PLACES, PLACES]] * len(values)),
        }
    if kind == "vit_mae":
        model.config.mask_ratio = 0.0  # patches then come shuffled, all of them
    with torch.no_grad():
        found = model(values, output_hidden_states=True, **more)
    norms = ("layernorm", "norm", "post_layernorm", "rms_norm")
    norm = next((getattr(model, name) for name in norms if hasattr(model, name)), torch.nn.Identity())
    first = {"dinov2_with_registers": 5, "dinov3_vit": 5, "deit": 2}.get(kind, 1)
    if kind.startswith("siglip") or kind in ("ijepa", "videomae", "aimv2_vision_model"):
        first = 0
    taps = []
    for hidden in found.hidden_states[1:]:
        tokens = hidden[:, first:]
        if kind == "vit_mae":
            tokens = torch.gather(tokens, 1, found.ids_restore[..., None].expand_as(tokens))
        tokens = norm(tokens)
        if kind == "timesformer":  # its tokens are place by place
            tokens = torch.stack(tokens.split(FRAMES, dim=1), dim=2).flatten(1, 2)
        taps.append(tokens.reshape(clips, -1, PLACES, PLACES, tokens.shape[-1]).detach())
    return taps


@pytest.mark.parametrize("kind", sorted(FAMILIES.keys() - {"hiera", "vjepa1"}))  # which have tests of their own
def test_every_tap_is_the_librarys_own(kind, tmp_path):
    model = vision_part(written(kind, tmp_path))
    encoder = load_encoder(str(tmp_path), device="cpu", precision="fp32")
    values = pixels()
    batch = torch.from_numpy(values if FAMILIES[kind].clips else values.reshape(-1, *values.shape[2:]))
    found = encoder.forward(batch, {0, 1, 2})
    for block, wanted in some(enumerate(by_the_library(model, kind, normal(values, kind)))):
        ours = found[block].reshape(wanted.shape)
        assert float((ours - wanted).norm() / wanted.norm()) < 1e-5, block
    stored = encoder.encode(clips_of(values), blocks=[2])[2]
    assert stored.shape == wanted.shape
    np.testing.assert_allclose(stored, wanted.numpy(), rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("kind", FAMILIES)
def test_encoders_and_their_twins_keep_their_promises(kind, tmp_path):
    written(kind, tmp_path)
    encoder, twin = load_encoder(str(tmp_path)), load_encoder(f"random:{tmp_path}")
    assert encoder.twin == twin.name
    for one in (encoder, twin):
        check_encoder(one, frames=FRAMES)
    assert (encoder.status, twin.status) == ("trained", "untrained")
    assert (encoder.blocks, encoder.width, encoder.parameters) == (twin.blocks, twin.width, twin.parameters)
    assert encoder.revision != twin.revision
    values = clips_of(pixels())
    real, other = (one.encode(values, blocks=[2])[2].astype(np.float32) for one in (encoder, twin))
    assert np.abs(real - other).mean() > 0.1
    again = load_encoder(f"random:{tmp_path}").encode(values, blocks=[2])[2]
    np.testing.assert_array_equal(other.astype(np.float16), again)


@pytest.mark.parametrize("kind", FAMILIES)
def test_tokens_lie_where_the_picture_changed(kind, tmp_path):
    written(kind, tmp_path)
    encoder = load_encoder(str(tmp_path), device="cpu", precision="fp32")
    before = pixels(clips=1)
    after = before.copy()
    after[0, 2:, :, PATCH : 2 * PATCH, 2 * PATCH : 3 * PATCH] = 255  # from the third frame on, row 1, column 2
    a, b = (encoder.encode(clips_of(one), blocks=[0])[0][0].astype(np.float32) for one in (before, after))
    moved = np.abs(a - b).sum(axis=-1)
    assert np.unravel_index(moved.argmax(), moved.shape)[1:] == (1, 2)
    assert moved.argmax() // moved[0].size * encoder.tubelet >= 2


@pytest.mark.parametrize("kind", [kind for kind in PICTURES if FAMILIES[kind].sizes])
def test_other_sizes_go_with_the_position_code(kind, tmp_path):
    written(kind, tmp_path)
    encoder = load_encoder(f"{tmp_path}?size=48x24", device="cpu", precision="fp32")
    grid = encoder.grid(FRAMES)
    assert (grid.time, grid.height, grid.width) == (FRAMES, 3, 6)
    check_encoder(encoder, frames=FRAMES)
    own = load_encoder(str(tmp_path), device="cpu", precision="fp32")
    assert own.revision != encoder.revision
    with pytest.raises(ConfigError, match="takes 48 x 24 px, got 32 x 32"):
        encoder.encode(clips_of(pixels()), blocks=[0])
    with pytest.raises(RegistryError, match=r"30 x 30 px are no multiples of its patches' 8 px"):
        load_encoder(f"{tmp_path}?size=30")


def test_the_class_token_is_an_encoder_of_its_own(tmp_path):
    model = vision_part(written("dinov2_with_registers", tmp_path))
    encoder = load_encoder(f"{tmp_path}?tokens=cls", device="cpu", precision="fp32")
    values = pixels()
    with torch.no_grad():
        wanted = model(normal(values, "dinov2").flatten(0, 1)).last_hidden_state[:, 0].reshape(2, FRAMES, 1, 1, -1)
    np.testing.assert_allclose(encoder.encode(clips_of(values), blocks=[2])[2], wanted, rtol=2e-3, atol=2e-3)
    assert encoder.grid(FRAMES).tokens == FRAMES
    assert encoder.twin == f"random:{tmp_path}?tokens=cls"
    check_encoder(load_encoder(encoder.twin), frames=FRAMES)


@pytest.mark.parametrize("name", PUBLIC)
def test_public_sizes_build_and_their_processors_fit(name, monkeypatch):
    table = "transformers.models.videomae.modeling_videomae.get_sinusoid_encoding_table"
    monkeypatch.setattr(table, lambda *_: None)  # seconds, one number at a time
    config, settings = PUBLIC[name]
    network = network_of(config, name=name)
    with torch.device("meta"):
        model = network.fresh(seed=0)
    if network.family.staged is None:
        assert len(model.get_submodule(network.family.blocks)) == network.config.num_hidden_layers
    _, patch = network.family.sides(network.config)
    places = int(getattr(network.config, "num_patches", 0) ** 0.5)
    found = pixels_of(settings, name=name, square=network.family.square, patch=patch, places=places)
    assert not any(side % patch for side in found.size)
    counted = {
        "facebook/dinov2-base": 86_580_480, "facebook/dinov2-giant": 1_136_480_768,
        "facebook/dinov3-vitl16-pretrain-lvd1689m": 303_129_600, "openai/clip-vit-large-patch14": 303_179_776,
        "google/siglip-base-patch16-224": 85_797_120, "facebook/ijepa_vith14_1k": 630_762_240,
        "facebook/vit-mae-base": 85_798_656, "MCG-NJU/videomae-base": 86_227_200,
        "facebook/hiera-tiny-224-hf": 27_139_680, "apple/aimv2-large-patch14-224": 309_197_824,
        "vjepa1_vit_large_224": 303_885_312 + 1568 * 1024,
    }  # fmt: skip
    if name in counted:
        assert sum(p.numel() for p in model.parameters()) == counted[name]


def test_a_public_name_needs_no_network_for_its_twin(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setitem(
        PUBLIC, "facebook/small", ({"model_type": "vit", **config_of("vit").to_dict()}, settings_of("vit"))
    )
    twin = load_encoder("random:facebook/small?size=40")
    assert (twin.status, twin.grid(3).tokens) == ("untrained", 3 * 25)
    with pytest.raises(
        RegistryError, match=r"no encoder 'facebook/dinov2-base'.*`hf download facebook/dinov2-base`"
    ):
        load_encoder("facebook/dinov2-base")


@pytest.mark.parametrize("case", GOLDEN["values"], ids=lambda c: f"{c['processor']}{c['width']}x{c['height']}")
def test_frames_are_brought_to_the_network_as_its_processor_does_bit_by_bit(case):
    width, height = case["width"], case["height"]
    frames = np.random.default_rng([width, height]).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    found = pixels_of(case["settings"], name="it", square=True, patch=16, places=14)
    values = found.numbers(torch.from_numpy(found.frames(frames))).contiguous().numpy()
    assert values[0, :, 0, 0].tolist() == case["first"]
    assert hashlib.sha256(values.tobytes()).hexdigest() == case["sha256"]


def test_a_view_says_where_in_the_frame_the_network_looks():
    settings = {**settings_of("clip"), "size": {"shortest_edge": 40}, "crop_size": 32, "do_center_crop": True}
    found = pixels_of(settings, name="it", square=False, patch=8, places=4)
    frames = np.zeros((1, 60, 80, 3), dtype=np.uint8)
    frames[:, 30:33, 60:63] = 255
    row, column = np.unravel_index(found.frames(frames)[0, 0].argmax(), (32, 32))
    x, y = found.view(80, 60).to_model(np.array([61.5, 31.5]))
    assert (abs(x - column - 0.5), abs(y - row - 0.5)) < (1, 1)
    assert found.sized(64, 64).short == 80


def changed_config(folder, **changed):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


def changed_settings(folder, **changed):
    (folder / "preprocessor_config.json").write_text(json.dumps({**settings_of("vit"), **changed}))


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"model_type": "bert"}, "of type 'bert', which is not read. Read are V-JEPA 2, DINOv2,"),
        (
            {"model_type": "mine", "auto_map": {"AutoModel": "x.Y"}},
            "which is code of its own .*, which is never run",
        ),
        (
            {"model_type": None, "architectures": ["InternVideo2"], "auto_map": {"AutoModel": "modeling.I"}},
            "of type 'InternVideo2', which is code of its own .*, which is never run.*onnx:FILE",
        ),
        ({"quantization_config": {"quant_method": "fp8"}}, r"is quantised \(fp8\)"),
        ({"hidden_size": "wide"}, "its config is not one of ViT"),
        ({"num_hidden_layers": 4}, "weights missing"),
        ({"num_hidden_layers": 2}, "unexpected"),
        ({"intermediate_size": 65}, "of another shape"),
    ],
)
def test_a_config_that_is_not_read_or_does_not_fit_is_one_line(changed, why, tmp_path):
    written("vit", tmp_path)
    changed_config(tmp_path, **changed)
    with pytest.raises(RegistryError, match=why) as found:
        load_encoder(str(tmp_path))
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"do_resize": False}, "do_resize = false is not read"),
        ({"resample": 1}, "resizes by 1"),
        ({"image_mean": 0.5}, "are not three numbers"),
        ({"size": {"longest_edge": 32}}, "is not read: read are height and width, shortest_edge"),
        ({"size": {"shortest_edge": 32}}, "resizes the short side and crops nothing"),
        ({"size": {"height": 40, "width": 32}, "do_center_crop": True, "crop_size": 32}, "cuts 32 x 32 px out"),
        ({"size": 30}, "no multiples"),
    ],
)
def test_settings_that_are_not_read_are_one_line(changed, why, tmp_path):
    written("vit", tmp_path)
    changed_settings(tmp_path, **changed)
    with pytest.raises(RegistryError, match=why):
        load_encoder(str(tmp_path))


@pytest.mark.parametrize(
    ("kind", "options", "why"),
    [
        ("siglip", "tokens=cls", "a SigLIP has no class token"),
        ("videomae", "size=48", "a VideoMAE knows its own size alone, 32 x 32 px"),
        ("vit", "size=0", "'0' is no size"),
        ("vit", "side=3", "no option 'side=3'; after '\\?' there may be size"),
        ("hiera", "stage=3", "it has stages 0 to 2, asked for 3"),
        ("hiera", "size=64", "a Hiera knows its own size alone, 32 x 32 px"),
        ("hiera", "tokens=cls", "a Hiera has no class token"),
        ("hiera", "stage=last", "no option 'stage=last'"),
        ("vit", "stage=1", "a ViT has no stages: its blocks, all of one grid, are --blocks"),
    ],
)
def test_what_is_wanted_beside_the_name_and_cannot_be_had_is_one_line(kind, options, why, tmp_path):
    written(kind, tmp_path)
    with pytest.raises(RegistryError, match=why):
        load_encoder(f"{tmp_path}?{options}")


def test_a_checkpoint_without_its_processors_settings_is_refused(tmp_path):
    written("vit", tmp_path)
    (tmp_path / "preprocessor_config.json").unlink()
    with pytest.raises(RegistryError, match=r"has no preprocessor_config\.json"):
        load_encoder(str(tmp_path))
    (tmp_path / "processor_config.json").write_text(json.dumps({"image_processor": settings_of("vit")}))
    assert load_encoder(str(tmp_path)).pixels.size == (SIDE, SIDE)
    with pytest.raises(RegistryError, match="V-JEPA 2 takes no options"):
        load_encoder("random:vjepa2-tiny?size=64")


def test_weights_of_few_bits_are_refused(tmp_path):
    written("vit", tmp_path)
    path = tmp_path / "model.safetensors"
    weights = load_file(path)
    key = next(key for key in weights if "dense.weight" in key)
    for few, named in ((torch.float8_e4m3fn, "F8_E4M3"), (torch.int8, "I8")):
        save_file({**weights, key: weights[key].to(few)}, path, metadata={"format": "pt"})
        with pytest.raises(RegistryError, match=f"is {named}, and quantised weights are not read") as found:
            load_encoder(str(tmp_path))
        assert "\n" not in str(found.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_of_a_training_that_diverged_are_refused(value, tmp_path):
    written("vit", tmp_path)
    path = tmp_path / "model.safetensors"
    weights = load_file(path)
    key = next(key for key in weights if "dense.weight" in key)
    weights[key][0, 0] = value
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(RegistryError, match=r"1 weights hold NaN or infinity, such as .*weight\..*use an earlier"):
        load_encoder(str(tmp_path))


def test_weights_of_which_the_sum_overflows_are_no_infinity():
    least = torch.finfo(torch.float32).min
    refuse_broken([("mask", torch.full((2, 2), least)), ("none", torch.zeros(0))], name="m")
    with pytest.raises(RegistryError, match="such as mask"):
        refuse_broken([("mask", torch.tensor([least, least, -torch.inf]))], name="m")


def test_a_weight_that_files_share_with_another_is_not_made_up(tmp_path):
    """Tied weights are written once: what is tied is the library's to say, and what is left out is missing."""
    written("vit", tmp_path)
    path = tmp_path / "model.safetensors"
    weights = load_file(path)
    key = next(key for key in weights if ".1." in key and key.endswith("layernorm_before.bias"))
    save_file({k: v for k, v in weights.items() if k != key}, path, metadata={"format": "pt"})
    with pytest.raises(RegistryError, match=r"1 weights missing .*layernorm_before\.bias"):
        load_encoder(str(tmp_path))


def test_a_clip_of_other_frames_than_a_network_of_clips_takes_is_refused(tmp_path):
    written("videomae", tmp_path)
    encoder = load_encoder(str(tmp_path))
    with pytest.raises(ConfigError, match="takes clips of 4 frames, got 8: use --frames 4"):
        encoder.grid(8)
    with pytest.raises(ConfigError, match=r"has blocks 0 to 2, asked for \[3\]"):
        encoder.encode(clips_of(pixels()), blocks=[3])


def old_layout(weights):
    """VideoMAE's as published: biases of queries and values beside the products."""
    names = {"attention.query.bias": "attention.q_bias", "attention.value.bias": "attention.v_bias"}
    for new, old in names.items():
        weights = {key.replace(new, old): value for key, value in weights.items()}
    return weights


def test_biases_of_the_published_layout_of_videomae_are_read(tmp_path):
    model = written("videomae", tmp_path).videomae
    path = tmp_path / "model.safetensors"
    weights = old_layout(load_file(path))
    assert any(key.endswith("q_bias") for key in weights)
    save_file(weights, path, metadata={"format": "pt"})
    encoder, values = load_encoder(str(tmp_path), device="cpu", precision="fp32"), pixels()
    wanted = by_the_library(model, "videomae", normal(values, "videomae"))[2]
    ours = encoder.forward(torch.from_numpy(values), {2})[2].reshape(wanted.shape)
    assert float((ours - wanted).norm() / wanted.norm()) < 1e-5


def test_weights_that_come_out_as_zeros_without_a_word_are_noticed(tmp_path, monkeypatch):
    written("videomae", tmp_path)
    from worldprobe.encoders import checkpoint

    read = checkpoint.read

    def silently(*args, **kwargs):
        model, report = read(*args, **kwargs)
        for layer in model.encoder.layer:
            layer.attention.attention.query.bias.data.zero_()
        return model, report

    monkeypatch.setattr(checkpoint, "read", silently)
    with pytest.raises(RegistryError, match="3 weights came out as zeros, which they are not in its files"):
        load_encoder(str(tmp_path))


def as_version_two(weights):
    """VideoMAE's weights in the layout of VideoMAE v2: one product for queries, keys and values."""
    ends = {"layernorm_before": "norm1", "layernorm_after": "norm2", "attention.output.dense": "attn.proj",
            "intermediate.dense": "mlp.fc1", "output.dense": "mlp.fc2"}  # fmt: skip
    found = {"model.fc_norm.weight": torch.ones(48), "model.fc_norm.bias": torch.zeros(48)}
    for kind in ("weight", "bias"):
        found[f"model.patch_embed.proj.{kind}"] = weights[f"embeddings.patch_embeddings.projection.{kind}"]
    for number in range(3):
        ours, theirs = f"encoder.layer.{number}", f"model.blocks.{number}"
        for end, name in ends.items():
            for kind in ("weight", "bias"):
                found[f"{theirs}.{name}.{kind}"] = weights[f"{ours}.{end}.{kind}"]
        parts = [weights[f"{ours}.attention.attention.{part}.weight"] for part in ("query", "key", "value")]
        found[f"{theirs}.attn.qkv.weight"] = torch.cat(parts)
        found[f"{theirs}.attn.q_bias"] = weights[f"{ours}.attention.attention.query.bias"]
        found[f"{theirs}.attn.v_bias"] = weights[f"{ours}.attention.attention.value.bias"]
    return {key: value.contiguous() for key, value in found.items()}


def test_the_layout_of_videomae_v2_is_read_without_its_code(tmp_path):
    shape = {"embed_dim": 48, "depth": 3, "num_heads": 2, "mlp_ratio": 4 / 3, "img_size": SIDE, "patch_size": PATCH,
             "tubelet_size": 2, "all_frames": FRAMES, "qkv_bias": True}  # fmt: skip
    config = config_of("videomae", use_mean_pooling=True, layer_norm_eps=1e-6)
    model = transformers.VideoMAEModel(config).eval()
    stir(model)
    weights = as_version_two(model.state_dict())
    save_file(weights, tmp_path / "model.safetensors")
    written = {"model_type": "VideoMAEv2_Base", "auto_map": {"AutoModel": "x.Y"}, "model_config": shape}
    (tmp_path / "config.json").write_text(json.dumps(written))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings_of("videomae")))
    encoder, values = load_encoder(str(tmp_path), device="cpu", precision="fp32"), pixels()
    with torch.no_grad():
        wanted = model(normal(values, "videomae")).last_hidden_state
    ours = encoder.forward(torch.from_numpy(values), {2})[2]
    assert float((ours - wanted).norm() / wanted.norm()) < 1e-5
    assert load_encoder(encoder.twin).status == "untrained"
    for key, why in (
        ("model.blocks.1.attn.v_bias", "1 weights missing"),
        ("model.blocks.9.norm1.bias", "unexpected"),
    ):
        changed = dict(weights)
        changed[key] = changed.pop(key, torch.ones(48))
        if why.endswith("missing"):
            del changed[key]
        save_file(changed, tmp_path / "model.safetensors")
        with pytest.raises(RegistryError, match=why):
            load_encoder(str(tmp_path))


@pytest.mark.parametrize(("width", "height"), [(64, 24), (24, 64), (640, 384), (48, 48)])
@pytest.mark.parametrize("frame", [(80, 60), (60, 80), (33, 97)])
def test_a_crop_of_any_shape_is_within_the_frame(width, height, frame):
    settings = {**settings_of("clip"), "size": {"shortest_edge": 40}, "crop_size": 32, "do_center_crop": True}
    found = pixels_of(settings, name="it", square=False, patch=8, places=4).sized(width, height)
    assert found.frames(np.zeros((1, *frame[::-1], 3), dtype=np.uint8)).shape == (1, 3, height, width)
    view = found.view(*frame)
    assert view.scale[0] == pytest.approx(view.scale[1], rel=0.05)
    assert min(view.offset) >= 0
