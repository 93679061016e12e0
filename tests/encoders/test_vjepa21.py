"""V-JEPA 2.1 as its authors' code has it, in every layout, and never under V-JEPA 2's."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.builders import official_vjepa
from tests.encoders.test_encoders import clip

from worldprobe.encoders import checkpoint
from worldprobe.encoders.load import load_encoder
from worldprobe.errors import ConfigError, RegistryError
from worldprobe.predictors.leak import leak
from worldprobe.predictors.vjepa2 import VJEPA2Predictor, layer_normed
from worldprobe.testing import check_predictor

GOLDEN = json.loads((Path(__file__).parent / "golden" / "vjepa21.json").read_text())
PIXELS = np.random.default_rng(21).integers(0, 256, (2, 8, 3, 64, 64), dtype=np.uint8)
LEVELS = (2, 5, 8, 11)


@pytest.fixture(scope="module")
def of_g(tmp_path_factory):
    """Four levels and a predictor of its own tokens, as g and G."""
    return official_vjepa.converted(tmp_path_factory.mktemp("g"), "2.1")


@pytest.fixture(scope="module")
def of_l(tmp_path_factory):
    """One level and a predictor of its teacher's, as B and L."""
    options = {"levels": 1, "teacher": official_vjepa.TEACHER}
    return official_vjepa.converted(tmp_path_factory.mktemp("l"), "2.1", **options)


def loaded(folder):
    return load_encoder(str(folder), device="cpu", precision="fp32")


def levels_of(encoder, pixels):
    """The four levels joined, [b, n, 4 d], in full precision."""
    found = encoder.forward(torch.from_numpy(pixels), set(LEVELS))
    return torch.cat([found[block] for block in LEVELS], -1)


def close(found, golden):
    np.testing.assert_allclose(found.numpy(), np.array(golden, np.float32), rtol=1e-5, atol=1e-5)


def test_clips_and_pictures_are_those_of_the_authors_code_at_every_level(of_g):
    encoder = loaded(of_g)
    close(
        levels_of(encoder, PIXELS)[:, [0, 7, 30, 63], ::24],
        GOLDEN["levels of clips"],
    )
    pictures = levels_of(encoder, PIXELS[:, :1])[:, [0, 6, 15], ::24]
    close(pictures, GOLDEN["levels of pictures"])
    twice = levels_of(encoder, PIXELS[:, [0, 0]])[:, [0, 6, 15], ::24]
    assert (twice - pictures).abs().mean() > 0.1  # which V-JEPA 2 would make of it


def test_the_predictor_is_that_of_the_authors_code_and_sees_no_future(of_g):
    predictor = VJEPA2Predictor.from_encoder(loaded(of_g))
    known = predictor.context_tokens(PIXELS[:, :4], 2)
    some = predictor.forecast(known, horizon=2).flatten(1, 2)[:, [0, 9, 31], ::24]
    close(some, GOLDEN["predicted from 2 tubelets"])
    places = torch.arange(64).expand(2, -1)
    with torch.inference_mode():
        both = predictor.module(known.flatten(1, 2), [places[:, :32]], [places[:, 32:]])
    close(
        both.context_predictions[:, [0, 9, 31], ::24],
        GOLDEN["predicted of the context"],
    )
    assert leak(predictor, PIXELS, 2).prediction == 0
    check_predictor(predictor, size=(64, 64))
    assert predictor.flop(2, 2) > loaded(of_g).flop(4)


def test_levels_are_layer_normed_each_by_itself(of_g):
    predictor = VJEPA2Predictor.from_encoder(loaded(of_g))
    tokens = predictor.context_tokens(PIXELS, 4)
    assert (predictor.levels, tokens.shape) == (4, (2, 4, 16, 4 * official_vjepa.WIDTH))
    parts = [layer_normed(part) for part in tokens.split(official_vjepa.WIDTH, -1)]
    torch.testing.assert_close(predictor.targets(PIXELS), torch.cat(parts, -1))
    rolled = predictor.predict(PIXELS, context=2, horizon=2, mode="rolling")
    np.testing.assert_allclose(rolled[:, :1], predictor.predict(PIXELS, context=2, horizon=1), atol=1e-5)


def test_a_predictor_of_its_teachers_tokens_is_refused_with_the_reason(of_l):
    for name in (str(of_l), f"random:{of_l}"):
        with pytest.raises(RegistryError, match=r"was distilled: its predictor speaks in the 160 dimensions"):
            VJEPA2Predictor.from_encoder(load_encoder(name))


def test_taps_say_which_norm_they_went_through(of_g):
    encoder = loaded(of_g)
    assert encoder.origin["norms"] == {**{str(b): "its own norm" for b in LEVELS}, "others": "the norm of block 11"}
    one = clip(encoder, frames=4)
    taps = encoder.encode([one], blocks=[5, 6, 11])
    pixels = torch.from_numpy(one.pixels[None])
    own = encoder.forward(pixels, {5, 6, 11})
    np.testing.assert_array_equal(taps[6], own[6].reshape(taps[6].shape).half().numpy())
    assert not np.array_equal(taps[5], taps[6])


def test_a_picture_is_a_clip_of_one_frame_and_three_frames_are_none(of_g):
    encoder = loaded(of_g)
    grid = encoder.grid(1)
    assert (grid.time, grid.height, grid.width, grid.tubelet) == (1, 4, 4, 1)
    assert encoder.encode([clip(encoder, frames=1)], blocks=[11])[11].shape == (1, 1, 4, 4, official_vjepa.WIDTH)
    with pytest.raises(ConfigError, match="--frames 2"):
        encoder.grid(3)


def test_bf16_stays_close_to_fp32(of_g):
    exact, rounded = (load_encoder(str(of_g), device="cpu", precision=one) for one in ("fp32", "bf16"))
    a, b = (levels_of(one, PIXELS).float() for one in (exact, rounded))
    assert 0 < (a - b).norm() / a.norm() < 3e-2
    assert exact.revision != rounded.revision


def test_transformers_layout_is_the_same_network(of_g, of_l, tmp_path):
    for number, folder in enumerate((of_g, of_l)):
        weights = load_file(folder / "model.safetensors")
        other = official_vjepa.as_transformers(folder, tmp_path / str(number), weights)
        ours, theirs = loaded(folder), loaded(other)
        a, b = (levels_of(one, PIXELS) for one in (ours, theirs))
        last = official_vjepa.WIDTH
        torch.testing.assert_close(a[..., -last:], b[..., -last:], rtol=0, atol=0)
        if folder == of_g:
            torch.testing.assert_close(a, b, rtol=0, atol=0)
            p, q = (
                VJEPA2Predictor.from_encoder(one).predict(PIXELS, context=2, horizon=1) for one in (ours, theirs)
            )
            np.testing.assert_array_equal(p, q)
        else:  # it has the norm of the last level alone
            assert theirs.origin["norms"] == {"11": "its own norm", "others": "the norm of block 11"}


def test_the_third_layout_has_weights_twice_and_its_masks_as_one(of_g, tmp_path):
    weights = load_file(of_g / "model.safetensors")
    weights["predictor.img_mod_embed"] = weights["predictor.embeddings.img_mod_embed"].clone()
    mark = "predictor.embeddings.mask_tokens"
    weights[mark] = torch.stack([weights.pop(f"{mark}.{number}") for number in range(official_vjepa.MASKS)])
    written = json.loads((of_g / "config.json").read_text())
    del written["pred_return_all_tokens"], written["pred_teacher_embed_dim"]
    written |= {"model_type": "vjepa2_1", "teacher_embed_dim": None, "auto_map": {"AutoModel": "code.Model"}}
    (tmp_path / "config.json").write_text(json.dumps(written))
    save_file(weights, tmp_path / "model.safetensors")
    ours, theirs = (VJEPA2Predictor.from_encoder(loaded(one)) for one in (of_g, tmp_path))
    np.testing.assert_array_equal(*(one.predict(PIXELS, context=2, horizon=1) for one in (ours, theirs)))
    weights["predictor.img_mod_embed"] += 1
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(RegistryError, match="twice, and they differ"):
        loaded(tmp_path).load_predictor()


def test_a_twin_is_a_2_1_network_of_other_weights(of_g):
    encoder, twin = loaded(of_g), load_encoder(f"random:{of_g}", device="cpu")
    assert twin.status == "untrained"
    assert encoder.origin["norms"] == twin.origin["norms"]
    assert encoder.parameters == twin.parameters
    assert twin.revision == load_encoder(f"random:{of_g}", device="cpu").revision != encoder.revision
    a, b = (levels_of(one, PIXELS) for one in (encoder, twin))
    assert (a - b).abs().mean() > 0.1
    assert VJEPA2Predictor.from_encoder(twin).predict(PIXELS, context=2, horizon=1).shape == (2, 1, 16, 384)
    # As training begins: sums of residual streams do not grow with depth.
    fresh = checkpoint.fresh(checkpoint.load_config(str(of_g)), seed=1)
    spread = [
        float(layer.mlp.fc2.weight.detach().std()) for layer in (fresh.encoder.layer[0], fresh.encoder.layer[11])
    ]
    assert spread == pytest.approx([0.02 / 2**0.5, 0.02 / 24**0.5], rel=0.05)


@pytest.mark.parametrize("size", ["base", "large", "giant", "gigantic"])
def test_the_name_of_a_published_size_says_what_to_fetch(size, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    name = f"vjepa2_1_vit_{size}_384"
    with pytest.raises(RegistryError, match=rf"fetch https://\S+\.pt, run `worldprobe convert \S+\.pt {name}`"):
        load_encoder(name)


def copied(folder, out, *, config=None, weights=None):
    shutil.copytree(folder, out)
    if config:
        written = json.loads((out / "config.json").read_text())
        (out / "config.json").write_text(json.dumps(config(written)))
    if weights:
        found = load_file(out / "model.safetensors")
        save_file(weights(found), out / "model.safetensors", metadata={"format": "pt"})
    return out


def test_one_versions_weights_under_the_others_config_are_refused_by_name(of_g, tmp_path):
    of_2 = official_vjepa.converted(tmp_path / "2", "2")
    written = {one: json.loads((one / "config.json").read_text()) for one in (of_g, of_2)}
    newer = copied(of_g, tmp_path / "a", config=lambda _: written[of_2])
    with pytest.raises(
        RegistryError, match=r"its weights are V-JEPA 2\.1's \(encoder\..*says V-JEPA 2\. They turn"
    ):
        loaded(newer)
    older = copied(of_2, tmp_path / "b", config=lambda _: written[of_g])
    with pytest.raises(
        RegistryError, match=r"its weights are V-JEPA 2's \(encoder\.layernorm.*says V-JEPA 2\.1\. They"
    ):
        loaded(older)


def test_half_a_config_is_neither(of_g, tmp_path):
    weights = load_file(of_g / "model.safetensors")
    folder = official_vjepa.as_transformers(of_g, tmp_path / "t", weights)
    for number, field in enumerate(("hierarchical_layers", "use_rope_interleave", "interpolate_rope")):
        half = copied(folder, tmp_path / str(number), config=lambda c, field=field: {**c, field: None})
        for name in (str(half), f"random:{half}"):
            with pytest.raises(RegistryError, match=rf"without {field}, which is neither V-JEPA 2 nor 2\.1"):
                load_encoder(name)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"has_cls_first": True}, "class or register tokens"),
        ({"n_registers": 4}, "class or register tokens"),
        ({"hidden_act": "silu"}, "SwiGLU"),
        ({"patch_size": 8}, "patches of 14 or 16 px"),
        ({"crop_size": 16}, "two or more a side"),
        ({"n_output_distillation": 5}, "reads 5 levels, and there are 4"),
        ({"num_hidden_layers": 13}, "without hierarchical_layers"),
        ({"pretrained_crop_size": 224}, "scaled to 224 px"),
    ],
)
def test_what_no_released_model_has_is_refused_in_one_line(of_g, tmp_path, change, says):
    with pytest.raises(RegistryError, match=says):
        loaded(copied(of_g, tmp_path / "x", config=lambda c: {**c, **change}))


@pytest.mark.parametrize("damage", ["missing", "unexpected", "shape", "norm", "stranger"])
def test_weights_that_do_not_fit_are_refused(of_g, tmp_path, damage):
    def damaged(weights):
        key = "encoder.layer.1.mlp.fc1.weight"
        if damage == "missing":
            del weights[key]
        elif damage == "unexpected":
            weights["encoder.layer.19.mlp.fc1.weight"] = weights[key].clone()
        elif damage == "norm":
            del weights["encoder.norms_block.3.weight"]
        elif damage == "stranger":
            weights["mlp.fc1.weight"] = weights[key].clone()
        else:
            weights[key] = weights[key][:, :-1].contiguous()
        return weights

    expected = {"norm": r"norms_block\.3\.weight"}.get(damage, r"mlp\.fc1\.weight")
    with pytest.raises(RegistryError, match=rf"its encoder does not fit its own config: .*{expected}"):
        loaded(copied(of_g, tmp_path / "x", weights=damaged))


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.int8])
@pytest.mark.parametrize("version", ["2", "2.1"])
def test_quantised_weights_are_refused(version, dtype, of_g, tmp_path):
    folder = of_g if version == "2.1" else official_vjepa.converted(tmp_path / "2", "2")
    key = "encoder.layer.1.mlp.fc1.weight"
    changed = copied(folder, tmp_path / "x", weights=lambda w: {**w, key: w[key].to(dtype)})
    with pytest.raises(RegistryError, match=r"mlp\.fc1\.weight is \w+, and quantised weights are not read"):
        loaded(changed)


@pytest.mark.parametrize("part", ["encoder", "predictor"])
@pytest.mark.parametrize("version", ["2", "2.1"])
def test_weights_of_a_training_that_diverged_are_refused(version, part, of_g, tmp_path):
    folder = of_g if version == "2.1" else official_vjepa.converted(tmp_path / "2", "2")
    key = f"{part}.layer.1.mlp.fc1.weight"
    changed = copied(folder, tmp_path / "x", weights=lambda w: {**w, key: w[key].mul(torch.inf)})
    with pytest.raises(RegistryError, match=rf"weights hold NaN or infinity, such as {part}\.layer\.1\.mlp\.fc1"):
        loaded(changed).load_predictor()


def test_a_folder_without_a_predictor_or_without_safetensors(of_g, tmp_path):
    alone = copied(of_g, tmp_path / "a", weights=lambda w: {k: v for k, v in w.items() if k.startswith("encoder.")})
    with pytest.raises(RegistryError, match="holds no predictor"):
        loaded(alone).load_predictor()
    (alone / "model.safetensors").rename(alone / "model.pt")
    with pytest.raises(RegistryError, match=r"no \*\.safetensors, and nothing else is read: `worldprobe convert "):
        loaded(alone)
    (alone / "config.json").write_text('{"model_type": "other", "auto_map": {}}')
    with pytest.raises(
        RegistryError, match=r"of type 'other', which is code of its own .auto_map., which is never run"
    ):
        loaded(alone)
