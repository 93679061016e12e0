"""The attentive probe's network, for several configurations at once.

One block as in I-JEPA's and V-JEPA's evaluations (Bardes et al. 2024, "Revisiting Feature Prediction", appendix
on attentive probing): a learned query attends to the normalised tokens, then a residual MLP, then a linear layer.

Shapes: N clips, T tokens, D width, C configurations, H heads, K head width (D = H K), F hidden, O outputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Parameters = dict[str, "Tensor"]
_EPSILON = 1e-6
# The published deviation of the initial weights is for this width; narrower models keep the same scale of outputs.
_INITIAL, _INITIAL_WIDTH = 0.02, 1024
_HIDDEN = 4


def heads_for(width: int) -> int:
    """As many heads, up to 16, as divide the width into heads of at least 16; else one."""
    fitting = [heads for heads in range(1, 17) if width % heads == 0 and width // heads >= 16]
    return max(fitting, default=1)


def initial(
    width: int, configurations: int, constant: NDArray[np.float64], generator: torch.Generator
) -> Parameters:
    """The same start for every configuration, which gives the constant [O]: each float32 [C, ...]."""
    import torch

    deviation = _INITIAL * (_INITIAL_WIDTH / width) ** 0.5

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).clamp(-2, 2).mul(deviation)

    one = {
        "query": normal(width),
        "query.weight": normal(width, width), "query.bias": torch.zeros(width),
        "key.weight": normal(width, width),
        "value.weight": normal(width, width), "value.bias": torch.zeros(width),
        "out.weight": normal(width, width), "out.bias": torch.zeros(width),
        "norm1.scale": torch.ones(width), "norm1.bias": torch.zeros(width),
        "norm2.scale": torch.ones(width), "norm2.bias": torch.zeros(width),
        "up.weight": normal(width, _HIDDEN * width), "up.bias": torch.zeros(_HIDDEN * width),
        "down.weight": normal(_HIDDEN * width, width), "down.bias": torch.zeros(width),
        "head.weight": torch.zeros(width, len(constant)), "head.bias": torch.from_numpy(constant).float(),
    }  # fmt: skip
    return {name: value.expand(configurations, *value.shape).clone() for name, value in one.items()}


def forward(p: Parameters, tokens_NTD: Tensor, heads: int) -> Tensor:
    """Outputs [C, N, O] of every configuration on the same tokens."""
    import torch
    from torch.nn import functional

    pooled_CND = p["query"][:, None] + attend(p, normalized(tokens_NTD), heads)
    between = normalized(pooled_CND) * p["norm2.scale"][:, None] + p["norm2.bias"][:, None]
    hidden = functional.gelu(torch.baddbmm(p["up.bias"][:, None], between, p["up.weight"]))
    pooled_CND = pooled_CND + torch.baddbmm(p["down.bias"][:, None], hidden, p["down.weight"])
    return torch.baddbmm(p["head.bias"][:, None], pooled_CND, p["head.weight"])


def attend(p: Parameters, x_NTD: Tensor, heads: int) -> Tensor:
    """What the query finds in tokens that are normalised, but neither scaled nor shifted yet: [C, N, D].

    Keys and values of single tokens are never made. The query goes through the key's weights instead, which
    leaves one product of the tokens with all heads of all configurations; and the tokens are averaged before
    they go through the value's weights. A key's bias would be the same for all tokens, and the softmax would
    cancel it.
    """
    import torch

    configurations, width = p["query"].shape
    query_CD = torch.einsum("cd,cde->ce", p["query"], p["query.weight"]) + p["query.bias"]
    query_CHK = query_CD.view(configurations, heads, -1)
    key_CDHK = p["key.weight"].view(configurations, width, heads, -1)
    query_CHD = torch.einsum("chk,cdhk->chd", query_CHK, key_CDHK) * p["norm1.scale"][:, None]
    query_CHD = query_CHD / np.sqrt(width // heads)
    scores_NGT = torch.matmul(query_CHD.reshape(-1, width), x_NTD.transpose(1, 2))
    mean_NGD = torch.bmm(scores_NGT.softmax(dim=2), x_NTD)
    mean_CNHD = mean_NGD.view(-1, configurations, heads, width).transpose(0, 1)
    mean_CNHD = mean_CNHD * p["norm1.scale"][:, None, None] + p["norm1.bias"][:, None, None]
    value_CDHK = p["value.weight"].view(configurations, width, heads, -1)
    found_CND = torch.einsum("cnhd,cdhk->cnhk", mean_CNHD, value_CDHK).flatten(2) + p["value.bias"][:, None]
    return torch.baddbmm(p["out.bias"][:, None], found_CND, p["out.weight"])


def normalized(x: Tensor) -> Tensor:
    """Layer normalisation along the last axis, without scale and shift."""
    from torch.nn import functional

    return functional.layer_norm(x, x.shape[-1:], eps=_EPSILON)
