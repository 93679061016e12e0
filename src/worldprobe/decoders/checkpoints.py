"""A training's state in one safetensors file: no pickle, and never half of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from worldprobe.errors import DecoderError
from worldprobe.io.files import replacing


def write(path: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write tensors with facts (as JSON can hold them), whole or not at all."""
    from safetensors.torch import save_file

    ready = {name: one.detach().cpu().contiguous().clone() for name, one in tensors.items()}
    with replacing(path) as temporary:
        save_file(ready, temporary, metadata={"facts": json.dumps(facts)})


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What ``write`` wrote. Raises DecoderError for anything else."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {})["facts"])
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise DecoderError(f"{path} is not a checkpoint of a decoder: {error}. Delete it to train anew.") from error
