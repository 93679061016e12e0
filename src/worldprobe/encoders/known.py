"""Configurations of V-JEPA 2, 2-AC and 2.1 that are known by name, so that no network is needed for a twin."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from worldprobe.errors import RegistryError
from worldprobe.io import hub
from worldprobe.plugins import registry

if TYPE_CHECKING:
    from transformers import VJEPA2Config

TINY = "vjepa2-tiny"
TINY_FOLDER = Path(__file__).parent / "weights" / TINY

# Differences from transformers' VJEPA2Config, whose defaults are facebook/vjepa2-vitl-fpc64-256.
_KNOWN: dict[str, dict[str, int | float]] = {
    "facebook/vjepa2-vitl-fpc64-256": {},
    "facebook/vjepa2-vith-fpc64-256": {"hidden_size": 1280, "num_hidden_layers": 32},
    "facebook/vjepa2-vitg-fpc64-256": {
        "hidden_size": 1408,
        "num_hidden_layers": 40,
        "num_attention_heads": 22,
        "mlp_ratio": 48 / 11,
    },
    "facebook/vjepa2-vitg-fpc64-384": {
        "hidden_size": 1408,
        "num_hidden_layers": 40,
        "num_attention_heads": 22,
        "mlp_ratio": 48 / 11,
        "crop_size": 384,
    },
}

# V-JEPA 2.1, by the names of the authors' torch.hub: the file that each is published as, and its configuration.
_OF_L: dict[str, Any] = {"n_output_distillation": 1, "pred_return_all_tokens": True, "pred_teacher_embed_dim": 1664}
_OF_G: dict[str, Any] = {"pred_num_hidden_layers": 24, "pred_return_all_tokens": True}
_KNOWN_21: dict[str, tuple[str, dict[str, Any]]] = {
    "vjepa2_1_vit_base_384": (
        "vjepa2_1_vitb_dist_vitG_384.pt",
        {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, **_OF_L},
    ),
    "vjepa2_1_vit_large_384": ("vjepa2_1_vitl_dist_vitG_384.pt", _OF_L),
    "vjepa2_1_vit_giant_384": (
        "vjepa2_1_vitg_384.pt",
        {"hidden_size": 1408, "num_hidden_layers": 40, "num_attention_heads": 22, "mlp_ratio": 48 / 11, **_OF_G},
    ),
    "vjepa2_1_vit_gigantic_384": (
        "vjepa2_1_vitG_384.pt",
        {"hidden_size": 1664, "num_hidden_layers": 48, "num_attention_heads": 26, "mlp_ratio": 64 / 13, **_OF_G},
    ),
}
# V-JEPA 2-AC: the encoder g at 256 px, and a predictor that takes actions.
_AC = "vjepa2_ac_vit_giant"
_KNOWN_AC = {
    **_KNOWN["facebook/vjepa2-vitg-fpc64-256"], "pred_hidden_size": 1024, "pred_num_hidden_layers": 24,
    "pred_num_attention_heads": 16, "action_dim": 7,
}  # fmt: skip
_OFFICIAL = "https://dl.fbaipublicfiles.com/"
# By the names of ``vision.public``: the first V-JEPA's files.
_FIRST = {
    "vjepa1_vit_large_224": "jepa/vitl16/vitl16.pth.tar",
    "vjepa1_vit_huge_224": "jepa/vith16/vith16.pth.tar",
    "vjepa1_vit_huge_384": "jepa/vith16-384/vith16-384.pth.tar",
}
_FILES = {
    **{name: f"vjepa2/{file}" for name, (file, _) in _KNOWN_21.items()}, **_FIRST, _AC: "vjepa2/vjepa2-ac-vitg.pt"
}  # fmt: skip


def names() -> tuple[str, ...]:
    """The models whose configuration is known, the tiny one first."""
    return (TINY, *_KNOWN, _AC, *_KNOWN_21)


def require_place(name: str) -> None:
    """Raises RegistryError for a name that is no folder's and cannot be the hub's: nobody is asked for it."""
    place = name if Path(name).exists() else name.partition("?")[0]  # options may follow
    if name in _FILES and not Path(name).is_dir():
        file = _FILES[name].rpartition("/")[2]
        raise RegistryError(
            f"{name} is published as one file, which is converted once: fetch {_OFFICIAL}{_FILES[name]}, run "
            f"`worldprobe convert {file} {name}`, and that folder is found by this name. random:{name} needs "
            "neither."
        )
    if Path(name).is_file():
        if Path(name).suffix == ".safetensors" and Path(name).with_name("config.json").is_file():
            raise RegistryError(f"{name} is a file, and an encoder is a folder: name {Path(name).parent}")
        raise RegistryError(
            f"{name} is a file, and an encoder is a folder or a hub id. Of weights by the names of V-JEPA's "
            f"authors `worldprobe convert {name} OUT` makes a folder; others need their config.json beside them."
        )
    if not Path(place).is_dir() and not hub.is_id(place):
        raise RegistryError(f"no encoder {name!r}: no known name, no folder, no hub id (OWNER/NAME){instead(name)}")


def instead(name: str) -> str:
    """The end of a sentence on an encoder that there is none of: what may have been meant."""
    near = registry.near("encoders", name, others=names())
    return f"{near} `worldprobe list encoders` shows what there is."


def config_of(name: str) -> VJEPA2Config | None:
    """The configuration of a known model; None for any other name."""
    from transformers import VJEPA2Config

    if name == TINY:
        config: VJEPA2Config = VJEPA2Config.from_pretrained(TINY_FOLDER)
        return config
    if name in _KNOWN_21:
        from worldprobe.encoders.layouts import read_config

        return read_config({"model_type": "vjepa21", **_KNOWN_21[name][1]}, name=name)
    written = _KNOWN_AC if name == _AC else _KNOWN.get(name)
    return None if written is None else VJEPA2Config(**written)


# A device that is not of this machine: an encoder for it is loaded here only to be described, in its precision.
ELSEWHERE = "elsewhere"
