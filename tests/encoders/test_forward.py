"""Our pass over the weights gives what transformers' modules give, and in bfloat16 comes closer to float32."""

import copy

import pytest
import torch
from tests.builders.checks import some
from torch.nn import functional
from transformers import VJEPA2Config, VJEPA2Model

from worldprobe.encoders import actions, checkpoint, forward, known
from worldprobe.encoders.forward import Forward, takes_actions
from worldprobe.encoders.known import TINY_FOLDER
from worldprobe.encoders.networks import vjepa2
from worldprobe.encoders.preprocess import normalize

SIZES = {
    "heads of 24": {"hidden_size": 48, "num_attention_heads": 2},
    "heads of 64, of which 4 do not turn": {"hidden_size": 128, "num_attention_heads": 2},
    "no bias of queries, another activation": {
        "hidden_size": 64, "num_attention_heads": 2, "qkv_bias": False, "hidden_act": "gelu_new",
    },
}  # fmt: skip


def model_of(crop: int = 64, **sizes: object) -> VJEPA2Model:
    torch.manual_seed(0)
    config = VJEPA2Config(
        crop_size=crop, num_hidden_layers=3, pred_hidden_size=24, pred_num_hidden_layers=1,
        pred_num_attention_heads=2, pred_num_mask_tokens=1, **sizes,
    )  # fmt: skip
    model = VJEPA2Model(config).eval()
    # Fresh weights are so small that attention is all but even, and no error in it would show.
    for layer in model.encoder.layer:
        for part in (layer.attention.query, layer.attention.key):
            torch.nn.init.normal_(part.weight, std=0.3)
            if part.bias is not None:
                torch.nn.init.normal_(part.bias, std=0.3)
    return model


def pixels_of(clips: int, frames: int, crop: int) -> torch.Tensor:
    """Smooth pictures, as films have them."""
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand((clips * frames, 3, 8, 8), generator=generator) * 255
    fine = torch.nn.functional.interpolate(coarse, size=(crop, crop), mode="bilinear")
    return fine.to(torch.uint8).unflatten(0, (clips, frames))


def taps_of(model: VJEPA2Model, pixels: torch.Tensor, dtype: torch.dtype) -> list[torch.Tensor]:
    """Each block's output through the final norm, by transformers' modules."""
    encoder = copy.deepcopy(model.encoder).to(dtype)
    with torch.inference_mode():
        hidden, taps = encoder.embeddings(normalize(pixels)), []
        for layer in encoder.layer:
            hidden = layer(hidden, None)[0]
            taps.append(encoder.layernorm(hidden).float())
    return taps


def distance(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found.float() - wanted).norm() / wanted.norm())


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize(("clips", "frames"), [(1, 2), (3, 8)])
def test_every_tap_is_that_of_transformers(sizes: dict[str, object], clips: int, frames: int) -> None:
    model, pixels = model_of(**sizes), pixels_of(clips, frames, 64)
    wanted = taps_of(model, pixels, torch.float32)
    found = Forward(copy.deepcopy(model.encoder), device="cpu", dtype=torch.float32)(pixels, {0, 1, 2})
    for block, tokens in some(enumerate(wanted)):
        assert distance(found[block], tokens) < 1e-5


@pytest.fixture(params=["tiles", "no tiles"])
def processor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attention as on a processor that multiplies in bfloat16 by tiles, or without, whatever this one has."""

    def attention(dtype: torch.dtype, device: str) -> forward.Product:
        blocks = request.param == "no tiles" and dtype == torch.bfloat16
        return forward.attended if blocks else functional.scaled_dot_product_attention

    monkeypatch.setattr(forward, "_attention", attention)


@pytest.mark.usefixtures("processor")
def test_the_shipped_model_is_equal_in_float32_and_closer_to_it_in_bfloat16() -> None:
    model = VJEPA2Model.from_pretrained(TINY_FOLDER, dtype=torch.float32).eval()
    pixels = pixels_of(2, 16, model.config.crop_size)
    last = model.config.num_hidden_layers - 1
    exact = taps_of(model, pixels, torch.float32)[last]
    rounded = taps_of(model, pixels, torch.bfloat16)[last]
    found = {}
    for dtype in (torch.float32, torch.bfloat16):
        found[dtype] = Forward(copy.deepcopy(model.encoder), device="cpu", dtype=dtype)(pixels, {last})[last]
    assert distance(found[torch.float32], exact) < 1e-5
    assert distance(found[torch.bfloat16], exact) < distance(rounded, exact)


@pytest.mark.parametrize("tokens", [70, 128, 200])
def test_attention_by_some_queries_at_a_time_is_attention(tokens: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "_SCORES", 64 * tokens)  # two blocks and a rest, one and a rest, three and a rest
    torch.manual_seed(0)
    query, key, value = (2 * torch.randn(2, 3, tokens, 16, dtype=torch.float32) for _ in range(3))
    exact = functional.scaled_dot_product_attention(query, key, value)
    halves = [one.bfloat16() for one in (query, key, value)]
    found = forward.attended(*halves)
    assert found.shape == exact.shape
    assert distance(found, exact) < 2.5 * distance(functional.scaled_dot_product_attention(*halves), exact)


@pytest.mark.usefixtures("processor")
def test_bfloat16_is_closer_with_strong_attention_too() -> None:
    model, pixels = model_of(hidden_size=128, num_attention_heads=2), pixels_of(2, 16, 64)
    exact, rounded = (taps_of(model, pixels, dtype)[2] for dtype in (torch.float32, torch.bfloat16))
    found = Forward(copy.deepcopy(model.encoder), device="cpu", dtype=torch.bfloat16)(pixels, {2})[2]
    assert distance(found, exact) < distance(rounded, exact)


def test_only_what_was_asked_for_is_computed() -> None:
    model = model_of(hidden_size=48, num_attention_heads=2)
    forward = Forward(copy.deepcopy(model.encoder), device="cpu", dtype=torch.float32)
    del forward._blocks[2]
    assert list(forward(pixels_of(1, 2, 64), {1})) == [1]


# Parameters of encoder and predictor, as the authors' code counts them; of 2-AC without what is for camera poses.
PUBLISHED = {
    "facebook/vjepa2-vitl-fpc64-256": (303_885_312, 22_086_016),
    "facebook/vjepa2-vith-fpc64-256": (631_648_000, 22_282_880),
    "facebook/vjepa2-vitg-fpc64-256": (1_012_173_952, 22_381_312),
    "facebook/vjepa2-vitg-fpc64-384": (1_012_173_952, 22_381_312),
    "vjepa2_ac_vit_giant": (1_012_173_952, 305_213_824),
    "vjepa2_1_vit_base_384": (86_833_152, 22_874_752),
    "vjepa2_1_vit_large_384": (304_680_960, 22_973_056),
    "vjepa2_1_vit_giant_384": (1_013_267_968, 55_400_704),
    "vjepa2_1_vit_gigantic_384": (1_845_216_768, 59_433_472),
}


@pytest.mark.parametrize(
    "sizes", [{}, {"pred_zero_init_mask_tokens": False}, {"qkv_bias": False}, {"num_hidden_layers": 0}], ids=str
)
def test_untrained_weights_are_those_that_transformers_draws(sizes: dict[str, object]) -> None:
    small = {
        "crop_size": 64, "hidden_size": 96, "num_attention_heads": 4, "num_hidden_layers": 2,
        "pred_hidden_size": 48,         "pred_num_hidden_layers": 2, "pred_num_attention_heads": 4,
    }  # fmt: skip
    config = VJEPA2Config(**{**small, **sizes})
    torch.manual_seed(5)
    wanted = VJEPA2Model(config).state_dict()
    found = checkpoint.fresh(config, seed=5).state_dict()
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], one) for name, one in wanted.items())


@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "relu"])
def test_the_predictor_is_that_of_transformers(activation: str) -> None:
    torch.manual_seed(0)
    config = VJEPA2Config(
        crop_size=64, num_hidden_layers=0, hidden_size=96, pred_hidden_size=72, pred_num_hidden_layers=3,
        pred_num_attention_heads=3, pred_num_mask_tokens=3, pred_zero_init_mask_tokens=False, hidden_act=activation,
    )  # fmt: skip
    theirs = VJEPA2Model(config).eval()
    for layer in theirs.predictor.layer:
        for part in (layer.attention.query, layer.attention.key):
            torch.nn.init.normal_(part.weight, std=0.3)
    ours = vjepa2.Model(config).eval()
    ours.load_state_dict(theirs.state_dict())
    tokens = torch.randn(2, 64, 96)
    places = torch.stack([torch.randperm(64) for _ in range(2)])  # in any order
    with torch.inference_mode():
        wanted, found = (
            one.predictor(tokens, [places[:, :40].contiguous()], [places[:, 40:].contiguous()]).last_hidden_state
            for one in (theirs, ours)
        )
    assert distance(found, wanted) < 1e-5


@pytest.mark.parametrize("name", sorted(set(known.names()) - {known.TINY}))
def test_published_sizes_build_and_run_by_their_shapes(name):
    config = known.config_of(name)
    model = checkpoint.bare(config)
    predictor = list(actions.shapes(config).values() if takes_actions(config) else model.predictor.parameters())
    sizes = (sum(p.numel() for p in model.encoder.parameters()), sum(p.numel() for p in predictor))
    assert sizes == PUBLISHED[name]
    side, last = config.crop_size, config.num_hidden_layers - 1
    forward = Forward(model.encoder, device="meta", dtype=torch.float32)
    found = forward(torch.empty(1, 4, 3, side, side, dtype=torch.uint8, device="meta"), {0, last})
    wanted = (1, 2 * (side // config.patch_size) ** 2, config.hidden_size)
    assert {block: tuple(tokens.shape) for block, tokens in found.items()} == {0: wanted, last: wanted}
