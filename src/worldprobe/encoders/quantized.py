"""Weights in numbers of few bits: without their scales they are other numbers, and a network of them is another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from worldprobe.errors import RegistryError

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
