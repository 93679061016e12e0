"""Small checkpoints of every family of image and video encoders that is read, with weights in which errors show."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import save_file

from worldprobe.encoders.vision.families import FAMILIES

SIDE, PATCH, FRAMES = 32, 8, 4
_SHAPE = {
    "hidden_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "image_size": SIDE,
    "patch_size": PATCH,
}
_MLP = {"intermediate_size": 64}
_CLIPS = {"num_frames": FRAMES}
_TEXT = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
         "vocab_size": 50, "bos_token_id": 1, "eos_token_id": 2}  # fmt: skip
# The class whose checkpoint it is, and its config's, where that is of more than pictures.
_WHOLE = {
    "clip": ("CLIPModel", "CLIPConfig"),
    "siglip": ("SiglipModel", "SiglipConfig"),
    "siglip2": ("Siglip2Model", "Siglip2Config"),
    "videomae": ("VideoMAEForPreTraining", "VideoMAEConfig"),
    "vit_mae": ("ViTMAEForPreTraining", "ViTMAEConfig"),
    "dinov2": ("Dinov2ForImageClassification", "Dinov2Config"),
    "vit": ("ViTForImageClassification", "ViTConfig"),
    "metaclip_2": ("MetaClip2Model", "MetaClip2Config"),
    "hiera": ("HieraForImageClassification", "HieraConfig"),
}
_OF_FAMILY: dict[str, dict[str, Any]] = {
    "dinov2": {},
    "dinov2_with_registers": {"num_register_tokens": 4},
    "dinov3_vit": {**_MLP, "num_register_tokens": 4},
    "siglip2_vision_model": {**_MLP, "image_size": None, "num_patches": (SIDE // PATCH) ** 2},
    "siglip2": {**_MLP, "image_size": None, "num_patches": (SIDE // PATCH) ** 2},
    "videomae": {
        **_MLP, **_CLIPS, "use_mean_pooling": False, "decoder_num_attention_heads": 2, "decoder_hidden_size": 48,
        "decoder_num_hidden_layers": 1, "decoder_intermediate_size": 32,
    },
    "hiera": {
        "hidden_size": None, "num_hidden_layers": None, "num_attention_heads": None, "embed_dim": 12,
        "depths": [1, 2, 3], "num_heads": [1, 2, 4], "masked_unit_size": [4, 4], "num_query_pool": 2,
        "masked_unit_attention": [True, True, False], "image_size": [SIDE, SIDE], "patch_size": [3, 3],
        "patch_stride": [2, 2], "patch_padding": [1, 1], "decoder_hidden_size": 16, "decoder_depth": 1,
        "decoder_num_heads": 1,
    },
    "vjepa1": {**_MLP, **_CLIPS},
    "vivit": {**_MLP, **_CLIPS, "patch_size": None, "tubelet_size": (2, PATCH, PATCH)},
    "timesformer": {**_MLP, **_CLIPS},
}  # fmt: skip


def settings_of(kind: str) -> dict[str, Any]:
    """A processor's settings that squash to the checkpoint's size."""
    known: dict[str, Any] = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4], "resample": 3}
    if kind.startswith("siglip2"):
        return {**known, "max_num_patches": (SIDE // PATCH) ** 2}
    return {**known, "size": {"height": SIDE, "width": SIDE}}


def config_of(kind: str, **changed: Any) -> Any:
    """A config of a family, of its pictures' part where it has several."""
    given = {**_SHAPE, **_OF_FAMILY.get(kind, _MLP), **changed}
    return getattr(transformers, FAMILIES[kind].config)(**{k: v for k, v in given.items() if v is not None})


def written(kind: str, folder: Path, **changed: Any) -> Any:
    """Write a checkpoint as its library does, heads and texts with it; the model as it was written."""
    family, config = FAMILIES[kind], config_of(kind, **changed)
    model, whole = _WHOLE.get(kind, (family.model, family.config))
    if family.part:
        config = getattr(transformers, whole)(text_config=_TEXT, vision_config=config.to_dict())
    torch.manual_seed(3)
    module, _, own = model.rpartition(":")
    made = getattr(import_module(module or "transformers"), own)(config).eval()
    stir(made)
    if module:
        save_file(made.state_dict(), folder / "model.safetensors")
        (folder / "config.json").write_text(json.dumps({**config.to_dict(), "model_type": kind}))
    else:
        made.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(settings_of(kind)))
    return made


def stir(model: torch.nn.Module) -> None:
    """Weights so strong that attention is uneven, and no bias or scale that is all zeros or ones."""
    with torch.no_grad():
        for value in model.parameters():
            if value.requires_grad:
                value.add_(torch.randn(value.shape) * (0.1 if value.ndim == 1 else 0.2))
