"""Arrays that a run keeps for its figures, and the facts that stand beside them, as safetensors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import WorldprobeError
from worldprobe.io.files import replacing

Arrays = dict[str, NDArray[Any]]


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> None:
    """Write arrays by name, and facts that JSON can hold, whole or not at all. Raises WriteError."""
    from safetensors.numpy import save_file

    with replacing(path) as temporary:
        save_file(
            {name: np.ascontiguousarray(array) for name, array in arrays.items()},
            temporary,
            metadata={name: json.dumps(fact) for name, fact in facts.items()},
        )


def read_arrays(path: Path, *, stage: str) -> tuple[Arrays, dict[str, Any]]:
    """Read arrays and facts, each by name. Raises WorldprobeError where damaged, naming the stage to run again."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            facts = {name: json.loads(fact) for name, fact in (file.metadata() or {}).items()}
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118 - it is no mapping
    except (OSError, SafetensorError, ValueError) as error:
        raise damaged(path, error, stage=stage) from error


def require_arrays(folder: Path, name: str = "*.safetensors", *, stage: str) -> None:
    """Check that files of a folder hold what their heads say, of which the arrays are not read.

    Raises:
        WorldprobeError: one is damaged; names the stage to run again.
    """
    from safetensors import SafetensorError, safe_open

    for path in sorted(folder.glob(name)):
        try:
            with safe_open(path, framework="numpy"):
                pass
        except (OSError, SafetensorError) as error:
            raise damaged(path, error, stage=stage) from error


def damaged(path: Path, error: Exception, *, stage: str) -> WorldprobeError:
    """Say that a file is not what a stage writes, and which stage."""
    return WorldprobeError(f"{path} is damaged: {error}. Run `worldprobe {stage}` again.")
