"""Tokens as decoders take them."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from worldprobe.records import DecoderShape

_EPSILON = 1e-6


def grid_of(tokens: Tensor, shape: DecoderShape) -> Tensor:
    """Tokens float32 [n, h', w', d] as channels [n, d, h', w'], each part layer-normed over its width.

    The norm has no parameters: V-JEPA 2's predictor works in the space that it leads to (Assran et al. 2025),
    so what the encoder saw and what the predictor expects can go through the same decoder.
    """
    if shape.norm:
        parts = tokens.reshape(*tokens.shape[:-1], shape.parts, -1)
        tokens = functional.layer_norm(parts, parts.shape[-1:], eps=_EPSILON).flatten(-2)
    return tokens.permute(0, 3, 1, 2)
