"""Several blocks read as one: each token of each is layer-normed, then they are added up or set side by side.

Without weights: the mean of a token's values is taken away, and they are divided by their spread, so that a block
whose tokens are longer says no more than another. It is done on tokens as the store holds them, so the outcome is
the same whether the encoder gives them or the store does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import ConfigError
from worldprobe.records import Block, Reduction

if TYPE_CHECKING:
    from torch import Tensor

Tokens = NDArray[np.float16]


def blocks_within(blocks: Sequence[Block]) -> list[int]:
    """The blocks that an encoder is asked for: these, and those that are read as one; increasing."""
    return sorted({one for block in blocks for one in ([block] if isinstance(block, int) else block.blocks)})


def tokens_at(block: Block, tokens: Mapping[int, Tokens]) -> Tokens:
    """Tokens at a block, out of those of ``blocks_within``; raises as ``reduced``."""
    return tokens[block] if isinstance(block, int) else reduced(block, tokens)


def reduced(reduction: Reduction, tokens: Mapping[int, Tokens]) -> Tokens:
    """Tokens of several blocks, float16 [..., d] each, as one: [..., d] of a sum, [..., k d] of a join.

    Raises:
        ConfigError: a sum of blocks of several widths, or blocks on several grids.
    """
    parts = [tokens[block] for block in reduction.blocks]
    alike = slice(None) if reduction.kind == "sum" else slice(-1)
    if len({part.shape[alike] for part in parts}) > 1:
        shapes = ", ".join(f"{block}: {part.shape}" for block, part in zip(reduction.blocks, parts, strict=True))
        instead = "" if len({part.shape[:-1] for part in parts}) > 1 else " They can be joined."
        raise ConfigError(f"{reduction} is of blocks whose tokens differ in shape ({shapes}).{instead}")
    return _sum(parts) if reduction.kind == "sum" else _join(parts)


def _sum(parts: Sequence[Tokens]) -> Tokens:
    import torch

    total = _normed(parts[0])
    for part in parts[1:]:
        total += _normed(part)
    found: Tokens = total.to(torch.float16).numpy()
    return found


def _join(parts: Sequence[Tokens]) -> Tokens:
    import torch

    found: Tokens = torch.cat([_normed(part).to(torch.float16) for part in parts], -1).numpy()
    return found


def _normed(tokens: Tokens) -> Tensor:
    """Layer norm without weights, in float32."""
    import torch
    from torch.nn.functional import layer_norm

    values = torch.from_numpy(tokens.astype(np.float32))
    return layer_norm(values, values.shape[-1:])
