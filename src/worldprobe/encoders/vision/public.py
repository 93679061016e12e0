"""Public checkpoints whose configuration is known, so that no network is needed for an untrained twin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from worldprobe.encoders.preprocess import MEAN, STD, first_settings

Written = tuple[dict[str, Any], dict[str, Any]]  # of the network, of its processor
_IMAGENET = {"image_mean": list(MEAN), "image_std": list(STD)}
_HALVES = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
_CLIPS = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
_BILINEAR, _BICUBIC = {"resample": 2}, {"resample": 3}
_SMALL = {"hidden_size": 384, "num_attention_heads": 6}
_LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16}
_HUGE = {"hidden_size": 1280, "num_hidden_layers": 32, "num_attention_heads": 16}
_GIANT = {"hidden_size": 1536, "num_hidden_layers": 40, "num_attention_heads": 24}


def _squashed(side: int) -> dict[str, Any]:
    return {"size": {"height": side, "width": side}}


def _cropped(short: int, side: int) -> dict[str, Any]:
    crop = {"height": side, "width": side}
    return {"size": {"shortest_edge": short}, "do_center_crop": True, "crop_size": crop}


def _wide(config: dict[str, Any]) -> dict[str, Any]:
    """With an MLP four times as wide, as those whose config says its width do."""
    return {**config, "intermediate_size": 4 * config.get("hidden_size", 768)}


def _dinov2() -> dict[str, Written]:
    found = {}
    settings = {**_cropped(256, 224), **_BICUBIC, **_IMAGENET}
    sizes: dict[str, dict[str, Any]] = {
        "small": _SMALL,
        "base": {},
        "large": _LARGE,
        "giant": {**_GIANT, "use_swiglu_ffn": True},
    }
    for size, config in sizes.items():
        shared = {**config, "image_size": 518, "patch_size": 14}
        found[f"facebook/dinov2-{size}"] = {"model_type": "dinov2", **shared}, settings
        kind = "dinov2_with_registers"
        found[f"facebook/dinov2-with-registers-{size}"] = (
            {"model_type": kind, **shared, "num_register_tokens": 4},
            settings,
        )
    return found


def _dinov3() -> dict[str, Written]:
    gated: dict[str, Any] = {"use_gated_mlp": True, "hidden_act": "silu"}
    sizes: dict[str, dict[str, Any]] = {
        "s16": {"intermediate_size": 1536},
        "s16plus": {"intermediate_size": 1536, **gated},
        "b16": {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072},
        "l16": _wide(_LARGE),
        "h16plus": {**_wide(_HUGE), "num_attention_heads": 20, **gated},
        "7b16": {
            "hidden_size": 4096, "num_hidden_layers": 40, "num_attention_heads": 32, "intermediate_size": 8192,
            "query_bias": False, "value_bias": False, **gated,
        },
    }  # fmt: skip
    settings = {**_squashed(224), **_BILINEAR, **_IMAGENET}
    return {
        f"facebook/dinov3-vit{size}-pretrain-lvd1689m": (
            {"model_type": "dinov3_vit", "num_register_tokens": 4, **config},
            settings,
        )
        for size, config in sizes.items()
    }


def _siglip() -> dict[str, Written]:
    so400m = {
        "hidden_size": 1152, "num_hidden_layers": 27, "num_attention_heads": 16, "intermediate_size": 4304,
    }  # fmt: skip
    models = {
        "base-patch16-224": (224, 16, {}), "base-patch16-256": (256, 16, {}), "base-patch16-384": (384, 16, {}),
        "base-patch16-512": (512, 16, {}), "large-patch16-256": (256, 16, _wide(_LARGE)),
        "large-patch16-384": (384, 16, _wide(_LARGE)), "so400m-patch14-384": (384, 14, so400m),
    }  # fmt: skip
    second = {
        "base-patch16-224": (224, 16, {}), "base-patch16-256": (256, 16, {}), "base-patch16-384": (384, 16, {}),
        "base-patch16-512": (512, 16, {}), "large-patch16-256": (256, 16, _wide(_LARGE)),
        "large-patch16-384": (384, 16, _wide(_LARGE)), "large-patch16-512": (512, 16, _wide(_LARGE)),
        "so400m-patch14-224": (224, 14, so400m), "so400m-patch14-384": (378, 14, so400m),
        "so400m-patch16-256": (256, 16, so400m), "so400m-patch16-384": (384, 16, so400m),
        "so400m-patch16-512": (512, 16, so400m),
    }  # fmt: skip
    found: dict[str, Written] = {}
    for name, sizes, resample in (("siglip", models, _BICUBIC), ("siglip2", second, _BILINEAR)):
        for size, (side, patch, config) in sizes.items():
            vision = {**config, "image_size": side, "patch_size": patch}
            settings = {**_squashed(side // patch * patch), **resample, **_HALVES}
            found[f"google/{name}-{size}"] = {"model_type": "siglip", "vision_config": vision}, settings
    for size, config in {"base": {}, "so400m": so400m}.items():
        settings = {"max_num_patches": 256, **_BILINEAR, **_HALVES}
        found[f"google/siglip2-{size}-patch16-naflex"] = (
            {"model_type": "siglip2", "vision_config": config},
            settings,
        )
    return found


def _clip() -> dict[str, Written]:
    models = {
        "base-patch32": (224, 32, {}), "base-patch16": (224, 16, {}),
        "large-patch14": (224, 14, _wide(_LARGE)), "large-patch14-336": (336, 14, _wide(_LARGE)),
    }  # fmt: skip
    return {
        f"openai/clip-vit-{size}": (
            {"model_type": "clip", "vision_config": {**config, "image_size": side, "patch_size": patch}},
            {**_cropped(side, side), **_BICUBIC, **_CLIPS},
        )
        for size, (side, patch, config) in models.items()
    }


def _of_vit_kind() -> dict[str, Written]:
    """I-JEPA, MAE, ViT and VideoMAE."""
    huge, giant = _wide(_HUGE), {**_HUGE, "hidden_size": 1408, "num_hidden_layers": 40, "intermediate_size": 6144}
    squashed = {**_squashed(224), **_BILINEAR}
    found: dict[str, Written] = {}
    for name, patch, side, config in (
        ("vith14_1k", 14, 224, huge), ("vith14_22k", 14, 224, huge), ("vith16_1k", 16, 448, huge),
        ("vitg16_22k", 16, 224, giant),
    ):  # fmt: skip
        written = {"model_type": "ijepa", **config, "patch_size": patch, "image_size": side, "layer_norm_eps": 1e-6}
        found[f"facebook/ijepa_{name}"] = written, {**_squashed(side), **_BILINEAR, **_HALVES}
    for name, patch, config in (("base", 16, {}), ("large", 16, _wide(_LARGE)), ("huge", 14, huge)):
        written = {"model_type": "vit_mae", **config, "patch_size": patch}
        found[f"facebook/vit-mae-{name}"] = written, {**squashed, **_IMAGENET}
    for name, patch, side, config in (
        ("base-patch16-224", 16, 224, {}), ("base-patch16-224-in21k", 16, 224, {}),
        ("base-patch16-384", 16, 384, {}), ("base-patch32-384", 32, 384, {}),
        ("large-patch16-224", 16, 224, _wide(_LARGE)), ("large-patch16-224-in21k", 16, 224, _wide(_LARGE)),
        ("huge-patch14-224-in21k", 14, 224, huge),
    ):  # fmt: skip
        written = {"model_type": "vit", **config, "patch_size": patch, "image_size": side}
        found[f"google/vit-{name}"] = written, {**_squashed(side), **_BILINEAR, **_HALVES}
    small = {"hidden_size": 384, "num_attention_heads": 16, "intermediate_size": 1536}
    settings = {**_cropped(224, 224), **_BILINEAR, **_IMAGENET}
    for name, config, tuned in (
        ("base", {}, False), ("large", _wide(_LARGE), False), ("base-short", {}, False), ("base-ssv2", {}, False),
        ("small-finetuned-kinetics", small, True), ("base-finetuned-kinetics", {}, True),
        ("large-finetuned-kinetics", _wide(_LARGE), True), ("huge-finetuned-kinetics", huge, True),
        ("small-finetuned-ssv2", small, True), ("base-finetuned-ssv2", {}, True),
    ):  # fmt: skip
        found[f"MCG-NJU/videomae-{name}"] = (
            {"model_type": "videomae", **config, "use_mean_pooling": tuned},
            settings,
        )
    return found


def _aimv2() -> dict[str, Written]:
    found: dict[str, Written] = {}
    for size, width, inner in (("large", 1024, 2816), ("huge", 1536, 4096), ("1B", 2048, 5632), ("3B", 3072, 8192)):
        for side in (224, 336, 448):
            config = {"hidden_size": width, "intermediate_size": inner, "num_attention_heads": width // 128}
            found[f"apple/aimv2-{size}-patch14-{side}"] = (
                {"model_type": "aimv2_vision_model", **config, "image_size": side},
                {**_cropped(side, side), **_BICUBIC, **_CLIPS},
            )
    return found


def _hiera() -> dict[str, Written]:
    found: dict[str, Written] = {}
    for size, width, heads, depths in (
        ("tiny", 96, 1, [1, 2, 7, 2]), ("small", 96, 1, [1, 2, 11, 2]), ("base", 96, 1, [2, 3, 16, 3]),
        ("base-plus", 112, 2, [2, 3, 16, 3]), ("large", 144, 2, [2, 6, 36, 4]), ("huge", 256, 4, [2, 6, 36, 4]),
    ):  # fmt: skip
        config = {"embed_dim": width, "depths": depths, "num_heads": [heads * 2**stage for stage in range(4)]}
        for kind in ("", "-mae", "-in1k"):
            found[f"facebook/hiera-{size}-224{kind}-hf"] = (
                {"model_type": "hiera", **config}, {**_cropped(256, 224), **_BICUBIC, **_IMAGENET},
            )  # fmt: skip
    return found


def _of_clips() -> dict[str, Written]:
    """The first V-JEPA, by names like those of V-JEPA 2.1's; ViViT and TimeSformer."""
    found: dict[str, Written] = {}
    for name, side, config in (
        ("large_224", 224, _wide(_LARGE)), ("huge_224", 224, _wide(_HUGE)), ("huge_384", 384, _wide(_HUGE)),
    ):  # fmt: skip
        written = {"model_type": "vjepa1", **config, "image_size": side, "layer_norm_eps": 1e-6}
        found[f"vjepa1_vit_{name}"] = written, first_settings(side)
    halves = {**_cropped(256, 224), **_BILINEAR, **_HALVES, "rescale_factor": 1 / 127.5, "offset": True}
    found["google/vivit-b-16x2-kinetics400"] = {"model_type": "vivit"}, halves
    for name in ("k400", "k600", "ssv2"):
        settings = {**_cropped(224, 224), **_BILINEAR, "image_mean": [0.45] * 3, "image_std": [0.225] * 3}
        found[f"facebook/timesformer-base-finetuned-{name}"] = {"model_type": "timesformer"}, settings
    return found


def _deit() -> dict[str, Written]:
    sizes: dict[str, dict[str, Any]] = {
        "tiny": {"hidden_size": 192, "num_attention_heads": 3}, "small": _SMALL, "base": {},
    }  # fmt: skip
    settings = {**_cropped(256, 224), **_BICUBIC, **_IMAGENET}
    return {
        f"facebook/deit-{size}-distilled-patch16-224": ({"model_type": "deit", **_wide(config)}, settings)
        for size, config in sizes.items()
    }


def _metaclip2() -> dict[str, Written]:
    vision = {**_wide(_HUGE), "patch_size": 14, "hidden_act": "quick_gelu"}
    return {
        "facebook/metaclip-2-worldwide-huge-quickgelu": (
            {"model_type": "metaclip_2", "vision_config": vision}, {**_cropped(224, 224), **_BICUBIC, **_CLIPS},
        )
    }  # fmt: skip


PUBLIC: Mapping[str, Written] = {
    **_dinov2(), **_dinov3(), **_siglip(), **_clip(), **_metaclip2(), **_aimv2(), **_of_vit_kind(), **_deit(),
    **_hiera(), **_of_clips(),
}  # fmt: skip
