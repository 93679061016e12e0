"""Weights that are numbers in a file and no network: of few bits, without their scales; and NaN or infinite."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from worldprobe.errors import RegistryError

if TYPE_CHECKING:
    from torch import Tensor

# As safetensors names them; whole numbers are indices that transformers writes beside the weights.
_READ = ("F64", "F32", "F16", "BF16", "I64", "I32", "BOOL")


def refuse_quantized(folder: Path, *, name: str, apart: Callable[[str], bool] = lambda key: False) -> None:
    """Raises RegistryError for weights of a folder's safetensors in fp8, int8 and the like.

    Args:
        apart: whether a weight, by its key, is of nothing that is read.
    """
    from safetensors import SafetensorError, safe_open

    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="pt") as file:
                kinds = {key: file.get_slice(key).get_dtype() for key in file.keys()}  # noqa: SIM118 (no dict)
        except (OSError, SafetensorError):
            continue  # whoever loads it says why
        for key, kind in kinds.items():
            if kind not in _READ and not apart(key):
                raise RegistryError(
                    f"{name}: {key} is {kind}, and quantised weights are not read. "
                    "Use the checkpoint in fp32, fp16 or bf16."
                )


def refuse_broken(weights: Iterable[tuple[str, Tensor]], *, name: str) -> None:
    """Raises RegistryError for weights that hold NaN or infinity, as a training that diverged leaves them.

    A network of them answers NaN for every video, or, where a norm hides them, something that looks like features.
    """
    import torch

    # A sum is not finite where one of its numbers is not, and is quick. That of huge ones may overflow.
    broken = [
        key
        for key, one in weights
        if one.is_floating_point() and not one.sum(dtype=torch.float32).isfinite() and not one.isfinite().all()
    ]
    if broken:
        raise RegistryError(
            f"{name}: {len(broken)} weights hold NaN or infinity, such as {broken[0]}. The training that wrote "
            "them diverged, or the file is damaged: use an earlier checkpoint, or fetch it again."
        )
