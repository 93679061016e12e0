"""Families of encoders that transformers has: how each is called, and where its blocks, norm and patch tokens are.

A family is one record here; configurations of public checkpoints, for twins without a network, are in ``public``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from worldprobe.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

Call = Callable[["Tensor", Any], dict[str, Any]]


def _plain(pixels: Tensor, config: Any) -> dict[str, Any]:
    return {"pixel_values": pixels}


def _interpolated(pixels: Tensor, config: Any) -> dict[str, Any]:
    """With position codes brought to the picture's size; at the checkpoint's own size they stay as they are."""
    return {"pixel_values": pixels, "interpolate_pos_encoding": True}


def _unmasked(pixels: Tensor, config: Any) -> dict[str, Any]:
    """MAE's: it sorts patches by this noise and drops the last ones, of which ``mask_ratio`` leaves none."""
    import torch

    count = pixels.shape[-2] // config.patch_size * (pixels.shape[-1] // config.patch_size)
    order = torch.arange(count, device=pixels.device, dtype=torch.float32).expand(len(pixels), -1)
    return {**_interpolated(pixels, config), "noise": order}


def _in_patches(pixels: Tensor, config: Any) -> dict[str, Any]:
    """SigLIP 2's: pictures cut into rows of numbers, colours last, with the grid's size beside them."""
    import torch

    patch = config.patch_size
    rows, columns = pixels.shape[-2] // patch, pixels.shape[-1] // patch
    cells = pixels.reshape(len(pixels), 3, rows, patch, columns, patch).permute(0, 2, 4, 3, 5, 1)
    shapes = torch.tensor([[rows, columns]]).expand(len(pixels), -1)  # read as numbers, on the CPU
    # Without a mask: there is nothing beside the patches.
    return {
        "pixel_values": cells.flatten(1, 2).flatten(2), "pixel_attention_mask": None, "spatial_shapes": shapes
    }  # fmt: skip


def _time_last(tokens: Tensor, time: int, model: Any) -> Tensor:
    """TimeSformer's tokens [n, places x t, d] in the order of everyone else's, [n, t x places, d]."""
    return tokens.reshape(len(tokens), -1, time, tokens.shape[-1]).transpose(1, 2).flatten(1, 2)


def _as_they_are(tokens: Tensor, time: int, model: Any) -> Tensor:
    return tokens


def _hidden_size(config: Any) -> int:
    return int(config.hidden_size)


def _sides(config: Any) -> tuple[int, int]:
    """Frames and px of a side that one patch token covers.

    Raises:
        ConfigError: patches that are no squares.
    """
    tubelet = getattr(config, "tubelet_size", 1)
    patch: Any = getattr(config, "patch_size", None)
    if isinstance(tubelet, list | tuple):  # ViViT's has all three
        tubelet, *patch = tubelet
    if isinstance(patch, list | tuple):
        if len(set(patch)) != 1:
            raise ConfigError(f"patches of {patch} px are no squares, which is not read")
        patch = patch[0]
    return int(tubelet), int(patch)


def _no_tokens(config: Any) -> int:
    return 0


def _class_token(config: Any) -> int:
    return 1


def _class_and_registers(config: Any) -> int:
    return 1 + int(config.num_register_tokens)


def _hiera(family: Family, config: Any, stage: int | None) -> Family:
    from worldprobe.encoders.vision import hiera

    return hiera.at_stage(family, config, stage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A kind of encoder.

    Attributes:
        title: as people call it.
        config, model: transformers' classes; a model of our own as "module:class".
        blocks, norm: where the model has its blocks and its final norm; "" where it has none.
        part: where the config of a model of pictures and text has that of pictures.
        first: how many tokens come before the patches': class and register tokens.
        call: the model's arguments for a batch of pictures [n, 3, h, w], or of clips [n, t, 3, h, w].
        order: patch tokens in the order time, row, column; of the tokens, the frames and the model.
        width, sides: of a token: its dimensions; the frames and px of a side that it covers.
        staged: the family at one of its stages (None: the last), whose grids differ; raises ConfigError.
        clips: whether it takes clips, not single pictures; then of ``num_frames`` frames alone.
        sizes: whether its position code goes with pictures of other sizes than the checkpoint's.
        square: what a size of one number means in its processor's settings: both sides, or the short one.
        set: what of its config is set otherwise: no part is made or run that gives no tokens.
        made: arguments of the model, to the same end.
        apart: how the names of weights begin that are of other parts, which a checkpoint may have.
    """

    title: str
    config: str
    model: str
    blocks: str
    norm: str
    part: str = ""
    first: Callable[[Any], int] = _class_token
    call: Call = _interpolated
    order: Callable[[Tensor, int, Any], Tensor] = _as_they_are
    width: Callable[[Any], int] = _hidden_size
    sides: Callable[[Any], tuple[int, int]] = _sides
    staged: Callable[[Family, Any, int | None], Family] | None = None
    clips: bool = False
    sizes: bool = True
    square: bool = True
    set: Mapping[str, Any] = field(default_factory=dict)
    made: Mapping[str, Any] = field(default_factory=dict)
    apart: tuple[str, ...] = ()

    def no_class_token(self, config: Any) -> str:
        """Why there is no class token of each moment; empty where there is."""
        if not self.first(config):
            return f"a {self.title} has no class token"
        if self.clips:
            return f"the class token of a {self.title} is one for the whole clip, and no moment's"
        return ""


_TEXT = ("text_model.", "text_projection.", "visual_projection.", "logit_scale", "logit_bias")
_HEADS = ("classifier.", "pooler.", "decoder.", "lm_head.")
_UNPOOLED: Mapping[str, Any] = {"add_pooling_layer": False}
_HEADLESS: Mapping[str, Any] = {"vision_use_head": False}
_CLIP = Family(
    title="CLIP", config="CLIPVisionConfig", model="CLIPVisionModel", blocks="encoder.layers",
    norm="post_layernorm", square=False, apart=(*_TEXT, *_HEADS),
)  # fmt: skip
_SIGLIP = Family(
    title="SigLIP", config="SiglipVisionConfig", model="SiglipVisionModel", blocks="encoder.layers",
    norm="post_layernorm", first=_no_tokens, set=_HEADLESS, apart=(*_TEXT, *_HEADS, "head.", "vision_model.head."),
)  # fmt: skip
_METACLIP2 = replace(_CLIP, title="MetaCLIP 2", config="MetaClip2VisionConfig", model="MetaClip2VisionModel")
_SIGLIP2 = Family(
    title="SigLIP 2", config="Siglip2VisionConfig", model="Siglip2VisionModel", blocks="encoder.layers",
    norm="post_layernorm", first=_no_tokens, call=_in_patches, set=_HEADLESS, apart=_SIGLIP.apart,
)  # fmt: skip


# By the ``model_type`` of a checkpoint's config.
FAMILIES: Mapping[str, Family] = {
    "dinov2": Family(
        title="DINOv2", config="Dinov2Config", model="Dinov2Model", blocks="encoder.layer", norm="layernorm",
        call=_plain, square=False, apart=_HEADS,
    ),
    "dinov2_with_registers": Family(
        title="DINOv2 with registers", config="Dinov2WithRegistersConfig", model="Dinov2WithRegistersModel",
        blocks="encoder.layer", norm="layernorm", first=_class_and_registers, call=_plain, square=False,
        apart=_HEADS,
    ),
    "dinov3_vit": Family(
        title="DINOv3", config="DINOv3ViTConfig", model="DINOv3ViTModel", blocks="model.layer", norm="norm",
        first=_class_and_registers, call=_plain, apart=_HEADS,
    ),
    "clip_vision_model": _CLIP,
    "clip": replace(_CLIP, part="vision_config"),
    "metaclip_2_vision_model": _METACLIP2,
    "metaclip_2": replace(_METACLIP2, part="vision_config"),
    "siglip_vision_model": _SIGLIP,
    "siglip": replace(_SIGLIP, part="vision_config"),
    "siglip2_vision_model": _SIGLIP2,
    "siglip2": replace(_SIGLIP2, part="vision_config"),
    "aimv2_vision_model": Family(
        title="AIMv2", config="Aimv2VisionConfig", model="Aimv2VisionModel", blocks="encoder.layers",
        norm="rms_norm", first=_no_tokens, call=_plain, sizes=False, square=False, set={"use_head": False},
        apart=(*_HEADS, "head."),
    ),
    "ijepa": Family(
        title="I-JEPA", config="IJepaConfig", model="IJepaModel", blocks="layers", norm="layernorm",
        first=_no_tokens, made=_UNPOOLED, apart=_HEADS,
    ),
    "vit_mae": Family(
        title="MAE", config="ViTMAEConfig", model="ViTMAEModel", blocks="layers", norm="layernorm",
        call=_unmasked, set={"mask_ratio": 0.0}, apart=_HEADS,
    ),
    "vit": Family(
        title="ViT", config="ViTConfig", model="ViTModel", blocks="layers", norm="layernorm", made=_UNPOOLED,
        apart=_HEADS,
    ),
    "deit": Family(
        title="DeiT", config="DeiTConfig", model="DeiTModel", blocks="layers", norm="layernorm",
        first=lambda config: 2, square=False, made=_UNPOOLED, apart=(*_HEADS, "cls_classifier.", "distillation_c"),
    ),
    "hiera": Family(
        title="Hiera", config="HieraConfig", model="HieraModel", blocks="", norm="", first=_no_tokens, call=_plain,
        sizes=False, staged=_hiera, made=_UNPOOLED,
        apart=(*_HEADS, "hiera.pooler.", "encoder_norm.", "multiscale_fusion."),
    ),
    "vjepa1": Family(
        title="V-JEPA 1", config="VideoMAEConfig", model="worldprobe.encoders.vision.vjepa1:VJEPA1",
        blocks="blocks", norm="norm", first=_no_tokens, call=_plain, clips=True, sizes=False, square=False,
    ),
    "videomae": Family(
        title="VideoMAE", config="VideoMAEConfig", model="VideoMAEModel", blocks="encoder.layer", norm="layernorm",
        first=_no_tokens, call=_plain, clips=True, sizes=False, square=False,
        apart=(*_HEADS, "encoder_to_decoder.", "mask_token", "position_embeddings", "fc_norm.", "head."),
    ),
    "vivit": Family(
        title="ViViT", config="VivitConfig", model="VivitModel", blocks="layers", norm="layernorm",
        call=_plain, clips=True, sizes=False, square=False, made=_UNPOOLED, apart=_HEADS,
    ),
    "timesformer": Family(
        title="TimeSformer", config="TimesformerConfig", model="TimesformerModel", blocks="encoder.layer",
        norm="layernorm", call=_plain, order=_time_last, clips=True, sizes=False, square=False, apart=_HEADS,
    ),
}  # fmt: skip


def titles() -> str:
    """The families' names, as an error lists them."""
    return ", ".join(dict.fromkeys(family.title for family in FAMILIES.values()))
