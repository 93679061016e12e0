"""What a probe sees of a tap."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.config import FEATURES
from worldprobe.errors import ProbeError

# Kinds that say how the embedding changes: they need the one before.
CHANGES = ("delta", "z+delta")
CELLS = 4


def pooled(values: NDArray[np.float16], kind: str) -> NDArray[Any]:
    """What one clip's tokens give before time comes in, one row a tubelet.

    Args:
        values: tokens [t', h', w', d], or [t', d] when the store holds them pooled.
        kind: ``grid``, tokens pooled to 4 x 4 cells with their position kept, gives [t', 16 d]; ``tokens``, all of
            them as they are, gives float16 [t', h' w', d]; the others, the mean over space, [t', d], which of class
            tokens (``cls``), one a tubelet, is these themselves.

    Raises:
        ProbeError: an unknown kind, or ``grid`` or ``tokens`` of pooled values.
    """
    if kind not in FEATURES:
        raise ProbeError(f"no features {kind!r}: this version has {', '.join(FEATURES)}")
    if kind in ("grid", "tokens") and values.ndim == 2:
        raise ProbeError(
            f"features {kind!r} need tokens, but the store holds them pooled over space. "
            "Run `worldprobe encode ... --pool none`, or probe with --features z."
        )
    assert kind != "cls" or values.shape[1:-1] in ((), (1, 1)), "class tokens are a series of their own"
    if kind == "tokens":
        return values.reshape(len(values), -1, values.shape[-1])
    tokens = values.astype(np.float32)
    if kind != "grid":
        return tokens if tokens.ndim == 2 else tokens.mean(axis=(1, 2))
    rows = [part.mean(axis=1) for part in np.array_split(tokens, min(CELLS, tokens.shape[1]), axis=1)]
    cells = [[part.mean(axis=1) for part in np.array_split(row, min(CELLS, row.shape[1]), axis=1)] for row in rows]
    return np.concatenate([cell for row in cells for cell in row], axis=-1)


def changed(now: NDArray[np.float32], before: NDArray[np.float32], kind: str) -> NDArray[np.float32]:
    """``delta``: now less before; ``z+delta``: now beside the difference; else now. [n, d] or [n, 2 d]."""
    if kind not in CHANGES:
        return now
    return now - before if kind == "delta" else np.concatenate([now, now - before], axis=1)


def flat(values: NDArray[np.float16]) -> NDArray[np.float32]:
    """All tokens of a tubelet side by side, [t', h' w' d]: for floors, whose tokens are few."""
    return values.reshape(len(values), -1).astype(np.float32)
