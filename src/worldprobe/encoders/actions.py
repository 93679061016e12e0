"""V-JEPA 2-AC's predictor out of a checkpoint, strictly; and untrained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from worldprobe.encoders import checkpoint, layouts
from worldprobe.encoders.forward import takes_actions
from worldprobe.encoders.quantized import refuse_broken
from worldprobe.errors import RegistryError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import VJEPA2Config


def load_predictor(source: str, config: VJEPA2Config, *, name: str) -> Any:
    """The predictor at a hub id or folder, in fp32 on the CPU: ``networks.vjepa2_ac.Predictor``.

    Raises:
        RegistryError: the checkpoint holds none, or one that does not fit.
    """
    import torch

    from worldprobe.encoders.networks import vjepa2_ac

    _require(config, name)
    weights = layouts.read_part(checkpoint.weights_folder(source), "predictor", name=name)
    checkpoint.require_whole(weights, shapes(config), config, name=name, part="predictor")
    refuse_broken(weights.items(), name=name)
    with torch.device("meta"):
        predictor = vjepa2_ac.Predictor(config)
    predictor.load_state_dict({key.removeprefix("predictor."): one for key, one in weights.items()}, assign=True)
    return predictor.float()


def fresh_predictor(config: VJEPA2Config, *, seed: int, name: str) -> Any:
    """One with random weights, the same for the same seed.

    Raises:
        RegistryError: the checkpoint's predictor takes no actions.
    """
    import torch

    from worldprobe.encoders.networks import vjepa2_ac

    _require(config, name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return vjepa2_ac.fresh(config)


def shapes(config: VJEPA2Config) -> dict[str, Tensor]:
    """Its weights by their names in a folder, on torch's ``meta`` device."""
    import torch

    from worldprobe.encoders.networks import vjepa2_ac

    with torch.device("meta"):
        return {f"predictor.{key}": one for key, one in vjepa2_ac.Predictor(config).state_dict().items()}


def _require(config: VJEPA2Config, name: str) -> None:
    if not takes_actions(config):
        raise RegistryError(
            f"{name} has no predictor that takes actions: of V-JEPA 2 it is V-JEPA 2-AC's (vjepa2-ac-vitg.pt, of "
            "which `worldprobe convert` makes a folder)"
        )
