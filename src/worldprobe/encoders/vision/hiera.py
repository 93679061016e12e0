"""Hiera (Ryali et al. 2023): its grid halves from stage to stage, and windows' tokens lie together in memory.

A series has one grid, so an encoder is the model at one of its stages, whose blocks are the taps.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from worldprobe.encoders.vision.families import Family
from worldprobe.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor


def at_stage(family: Family, config: Any, stage: int | None) -> Family:
    """Hiera at a stage; None is the last one.

    Raises:
        ConfigError: there is no such stage, or its cells are no squares.
    """
    count = len(config.depths)
    stage = count - 1 if stage is None else stage
    if stage >= count:
        raise ConfigError(f"it has stages 0 to {count - 1}, asked for {stage}")
    halved = min(stage, config.num_query_pool)
    sides = {first * by**halved for first, by in zip(config.patch_stride, config.query_stride, strict=True)}
    if len(sides) != 1:
        raise ConfigError(f"cells of {sorted(sides)} px are no squares, which is not read")
    return replace(
        family,
        blocks=f"encoder.stages.{stage}.layers",
        width=lambda config: int(config.embed_dim * config.embed_dim_multiplier**stage),
        sides=lambda config: (1, int(*sides)),
        order=partial(_in_rows, stage=stage),
    )


def _in_rows(tokens: Tensor, time: int, model: Any, *, stage: int) -> Tensor:
    """Tokens [n, N, d] of a stage, row by row."""
    found: Tensor = model.encoder.reroll(tokens, stage_idx=stage).flatten(1, 2)
    return found
