"""timm's models, through a library of its shape; and through timm itself where that is installed."""

import json
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.builders import fake_timm
from tests.encoders.test_vision import clips_of

from worldprobe.encoders.load import load_encoder
from worldprobe.encoders.vision.timm_models import pixels_of
from worldprobe.errors import RegistryError
from worldprobe.testing import check_encoder

LAYOUTS = ("sequence", "maps", "maps_last")


@pytest.fixture
def timm(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", fake_timm.library())


def frames(width=32, height=32):
    return np.random.default_rng(0).integers(0, 256, (3, 3, height, width), dtype=np.uint8)


def normal(values, cfg=fake_timm.CFG):
    mean, std = (torch.tensor(cfg[key])[:, None, None] for key in ("mean", "std"))
    return (torch.from_numpy(values).float() / 255 - mean) / std


def close(ours, wanted):
    assert ours.shape == wanted.shape
    assert float((ours - wanted).norm() / wanted.norm()) < 1e-5


@pytest.mark.parametrize("name", LAYOUTS)
def test_tokens_are_the_models_own_whatever_their_layout(name, timm, tmp_path):
    model = fake_timm.written(name, tmp_path)
    encoder = load_encoder(f"timm:{tmp_path}", device="cpu", precision="fp32")
    with torch.no_grad():
        wanted = model.forward_features(normal(frames()))
    wanted = {"sequence": lambda x: x[:, 2:], "maps": lambda x: x.flatten(2).transpose(1, 2)}.get(
        name, lambda x: x.flatten(1, 2)
    )(wanted)
    close(encoder.forward(torch.from_numpy(frames()), {encoder.blocks - 1})[encoder.blocks - 1], wanted)
    assert (encoder.grid(3).tokens, encoder.patch, encoder.status) == (3 * 16, 8, "trained")
    check_encoder(encoder, frames=3)
    twin = load_encoder(encoder.twin)
    check_encoder(twin, frames=3)
    assert (twin.status, twin.parameters, twin.blocks) == ("untrained", encoder.parameters, encoder.blocks)
    heads = sum(p.numel() for p in model.head.parameters())
    assert encoder.parameters == sum(p.numel() for p in model.parameters()) - heads
    assert encoder.flop(1) > 0


def test_blocks_of_one_grid_are_taps_through_the_final_norm(timm, tmp_path):
    model = fake_timm.written("sequence", tmp_path)
    encoder = load_encoder(f"timm:{tmp_path}", device="cpu", precision="fp32")
    seen = []
    for block in model.blocks:
        block.register_forward_hook(lambda *of: seen.append(of[2]))
    with torch.no_grad():
        model.forward_features(normal(frames()))
        for wanted_of in ({0, 1, 2}, {0}, {1, 2}):
            found = encoder.forward(torch.from_numpy(frames()), wanted_of)
            assert set(found) == wanted_of
            for block in wanted_of:
                close(found[block], model.norm(seen[block])[:, 2:])
    cls = load_encoder(f"timm:{tmp_path}?tokens=cls", device="cpu", precision="fp32")
    with_class = cls.forward(torch.from_numpy(frames()), {2}, classes=True)[2]
    close(with_class, model.norm(seen[2]).detach()[:, [0, *range(2, seen[2].shape[1])]])
    assert (encoder.classes.name, encoder.classes.revision) == (cls.name, cls.revision)
    assert cls.grid(3).tokens == 3


@pytest.mark.parametrize(("stage", "rows"), [(0, 8), (1, 4)])
def test_stages_have_grids_of_their_own(stage, rows, timm, tmp_path):
    model = fake_timm.written("maps_last", tmp_path)
    encoder = load_encoder(f"timm:{tmp_path}?stage={stage}", device="cpu", precision="fp32")
    with torch.no_grad():
        wanted = model.forward_intermediates(normal(frames()), [stage], True, True)[0].flatten(2).transpose(1, 2)
    close(encoder.forward(torch.from_numpy(frames()), {0})[0], wanted)
    assert (encoder.grid(1).height, encoder.width) == (rows, 24 * (stage + 1))
    assert encoder.revision != load_encoder(f"timm:{tmp_path}").revision
    check_encoder(encoder, frames=2)


@pytest.mark.parametrize("name", ["sequence", "maps"])
def test_other_sizes_go_where_the_model_takes_them(name, timm, tmp_path):
    fake_timm.written(name, tmp_path)
    encoder = load_encoder(f"timm:{tmp_path}?size=48x24", device="cpu", precision="fp32")
    assert (encoder.grid(2).height, encoder.grid(2).width) == (3, 6)
    check_encoder(encoder, frames=2)
    assert encoder.encode(clips_of([frames(48, 24)]), blocks=[0])[0].shape[:4] == (1, 3, 3, 6)


def test_pictures_are_cut_and_normalised_as_its_evaluations_do():
    found = pixels_of(fake_timm.CFG, name="it")
    assert (found.size, found.fit, found.short, found.bicubic) == ((32, 32), "crop", 40, True)
    squashed = pixels_of({**fake_timm.CFG, "crop_mode": "squash", "crop_pct": 1.0}, name="it")
    assert (squashed.fit, squashed.mean, squashed.std) == ("squash", (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
    assert pixels_of({**fake_timm.CFG, "crop_pct": 0.9, "input_size": (3, 224, 224)}, name="it").short == 248


def test_names_of_its_registry_need_no_network_for_a_twin(timm, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert load_encoder("random:timm:sequence.trained").status == "untrained"
    with pytest.raises(RegistryError, match=r"`hf download timm/sequence\.trained`"):
        load_encoder("timm:sequence.trained")


def test_layouts_of_a_models_authors_are_renamed_as_timm_does(timm, tmp_path):
    fake_timm.written("maps", tmp_path)
    own = load_encoder(f"timm:{tmp_path}", device="cpu")
    path = tmp_path / "model.safetensors"
    save_file({f"theirs.{key}": value for key, value in load_file(path).items()}, path)
    renamed = load_encoder(f"timm:{tmp_path}", device="cpu")
    pixels = torch.from_numpy(frames())
    assert torch.equal(own.forward(pixels, {0})[0], renamed.forward(pixels, {0})[0])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda w: w.pop("pos_embed"), "1 weights missing .'pos_embed'"),
        (lambda w: w.update({"more": torch.zeros(1)}), "1 unexpected .'more'"),
        (lambda w: w.update({"pos_embed": torch.zeros(1, 64, 24)}), "1 of another shape .'pos_embed'"),
        (lambda w: w.update({"cls_token": torch.zeros(1, 1, 24, dtype=torch.int8)}), "is I8, and quantised"),
        (lambda w: w["pos_embed"][0, 1].fill_(torch.nan), "1 weights hold NaN or infinity, such as pos_embed"),
    ],
)
def test_weights_that_do_not_fit_are_one_line(change, why, timm, tmp_path):
    fake_timm.written("sequence", tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    change(weights)
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(RegistryError, match=why) as found:
        load_encoder(f"timm:{tmp_path}")
    assert "\n" not in str(found.value)


def test_a_head_may_be_absent(timm, tmp_path):
    fake_timm.written("sequence", tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    save_file({k: v for k, v in weights.items() if not k.startswith("head.")}, tmp_path / "model.safetensors")
    assert load_encoder(f"timm:{tmp_path}").status == "trained"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "which model"),
        ("sequense", "has no model 'sequense'; did you mean 'sequence"),
        ("sequence.other", "names no weights of it on the hub; random:timm:sequence.other"),
        ("sequence", "names no weights of it on the hub"),
    ],
)
def test_a_name_that_there_is_none_of_is_one_line(name, why, timm):
    with pytest.raises(RegistryError, match=why):
        load_encoder(f"timm:{name}")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("grey", "takes 1 channels"),
        ("bordered", "its crop_mode 'border' of 0.8"),
        ("odd", r"cells of 8 px do not fit 36 x 36 px: try \?size=40x40"),
        ("flat", r"gives \[1, 48\] for 32 x 32 px, which is no grid of square cells"),
        ("broken", "does not run at 32 x 32 px: a and b must"),
        ("random_resize", "are resized by 'random'"),
        ("maps?stage=2", "it has stages 0 to 1, asked for 2"),
        ("sequence?stage=0", "it has no stages: its blocks"),
        ("maps?tokens=cls", "it has no class token"),
        ("maps_last?size=64", "knows its own size alone, 32 px"),
        ("sequence?size=30", "does not take 30 x 30 px: Input height .30. should be divisible"),
    ],
)
def test_what_is_not_read_or_not_had_is_one_line(name, why, timm):
    with pytest.raises(RegistryError, match=why) as found:
        load_encoder(f"random:timm:{name}")
    assert "\n" not in str(found.value)


def test_without_timm_there_is_one_line_that_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(RegistryError, match=r"needs timm, which is an extra: pip install 'worldprobe\[timm\]'"):
        load_encoder("timm:vit_small_patch16_224")
    (tmp_path / "timm.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    monkeypatch.delitem(sys.modules, "timm")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RegistryError, match=r"timm cannot be imported .operator torchvision::nms does"):
        load_encoder("timm:vit_small_patch16_224")


def test_a_checkpoint_of_timms_by_its_hub_id_alone_is_told_its_name(timm, tmp_path):
    fake_timm.written("sequence", tmp_path)
    with pytest.raises(RegistryError, match=r"holds a model of timm \(sequence\): name it timm:"):
        load_encoder(str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "vit"}))
    with pytest.raises(RegistryError, match="names no architecture of timm"):
        load_encoder(f"timm:{tmp_path}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("vit_tiny_patch16_224", {"depth": 3, "img_size": 64}),
        ("vit_small_patch14_reg4_dinov2", {"depth": 3, "img_size": 56, "embed_dim": 48, "num_heads": 2}),
        ("convnext_atto", {}),
        ("swin_tiny_patch4_window7_224", {"depths": (1, 1, 1, 1), "embed_dim": 24, "num_heads": (1, 2, 4, 8)}),
    ],
)
def test_with_timm_itself(name, options, tmp_path):
    library = pytest.importorskip("timm")
    torch.manual_seed(3)
    model = library.create_model(name, **options).eval()
    side = options.get("img_size", model.pretrained_cfg["input_size"][-1])
    config = {"input_size": (3, side, side)}
    library.models.save_for_hf(model, tmp_path, config, model_args=options, safe_serialization=True)
    encoder = load_encoder(f"timm:{tmp_path}", device="cpu", precision="fp32")
    values = frames(side, side)[:1]
    last = encoder.blocks - 1
    found = encoder.forward(torch.from_numpy(values), set(range(encoder.blocks)))
    with torch.no_grad():
        wanted = model.forward_features(normal(values, model.pretrained_cfg))
        inner = model.forward_intermediates(
            normal(values, model.pretrained_cfg), norm=last > 0, intermediates_only=True
        )
    if wanted.ndim == 3:
        wanted = wanted[:, model.num_prefix_tokens :]
        for block, one in enumerate(inner):
            close(found[block], one.flatten(2).transpose(1, 2))
    else:
        wanted = wanted.flatten(1, 2) if wanted.shape[-1] == encoder.width else wanted.flatten(2).transpose(1, 2)
    close(found[last], wanted)
    check_encoder(load_encoder(encoder.twin), frames=1)
