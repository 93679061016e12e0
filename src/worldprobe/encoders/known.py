"""Configurations of the V-JEPA 2 models that are known by name, so that no network is needed for a twin."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

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


def names() -> tuple[str, ...]:
    """The models whose configuration is known, the tiny one first."""
    return (TINY, *_KNOWN)


def require_place(name: str) -> None:
    """Raises RegistryError for a name that is no folder's and cannot be the hub's: nobody is asked for it."""
    place = name if Path(name).is_dir() else name.partition("?")[0]  # options may follow
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
    return VJEPA2Config(**_KNOWN[name]) if name in _KNOWN else None


# A device that is not of this machine: an encoder for it is loaded here only to be described, in its precision.
ELSEWHERE = "elsewhere"
