"""V-JEPA 2's encoder, and 2.1's, as one pass over transformers' weights: the same figures, in less time.

What differs from transformers' modules: RoPE's angles are computed once, exactly, instead of six times a block in
the activations' dtype; queries, keys and values are one product; patches go through a matrix product instead of a
convolution, as the bytes that they are; biases, GELU and sums are part of their products where oneDNN has that.

Shapes: B clips, N tokens, H heads, K head width, D = H K, C = K / 2.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import lru_cache, partial
from itertools import product
from typing import TYPE_CHECKING, Any

from worldprobe.encoders.preprocess import MEAN, STD
from worldprobe.errors import out_of_memory

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# Of the order of operations, by precision: another one rounds otherwise.
VERSIONS = {"fp32": 4, "fp16": 3, "bf16": 4}
_CACHED = 2**18  # float32 values that stay in a core's cache
_CENTRE = 128.0  # a byte less this is exact in bfloat16, as the byte itself is; and its products are smaller
_SCORES = 2**19  # of queries and keys in bfloat16 that stay in a core's cache
_WORTH_FUSING = 2**20  # values of queries and keys: with fewer, a compiler takes longer than it saves
_PRETRAINED = {14: 252, 16: 256}  # px of V-JEPA 2.1's pretraining, by its patch
Product = Callable[..., "Tensor"]


class Forward:
    """The encoder's blocks, each tap through the final layer norm, or through its own where V-JEPA 2.1 has one.

    Args:
        encoder: ``vjepa2.Encoder`` or ``vjepa21.Encoder``, or transformers' own. Its weights are taken over: it is
            of no use afterwards.
        device, dtype: where and in what to compute.
    """

    def __init__(self, encoder: Any, *, device: str, dtype: torch.dtype) -> None:
        import torch

        config = encoder.config
        self.heads = int(config.num_attention_heads)
        self.width = int(config.hidden_size)
        self.tubelet, self.patch = int(config.tubelet_size), int(config.patch_size)
        self.side = int(config.crop_size) // self.patch
        self._scale = scale_of(self.side, self.patch) if is_21(config) else None
        # By the frames that a token covers, and with what is added to every token of such an input.
        self._patches = {}
        for frames, (convolution, added) in _embeddings(encoder, self.tubelet).items():
            weight, bias = _on_bytes(convolution)
            self._patches[frames] = (weight.to(device, dtype), (bias + added).to(device, dtype))
        encoder.to(device, dtype).eval()
        self.dtype, self.device = dtype, torch.device(device)
        ways = _products(dtype, self.device.type, str(config.hidden_act))
        attend = _attention(dtype, self.device.type)
        self._blocks = [_Block(layer, self.heads, attend, *ways) for layer in encoder.layer]
        self._norms, self._norm = _norms(encoder)

    def __call__(self, pixels: Tensor, blocks: set[int]) -> dict[int, Tensor]:
        """uint8 [B, t, 3, h, w] to tokens [B, N, D] at each block asked for, stopping after the last one."""
        import torch

        outputs = {}
        tubelet = 1 if pixels.shape[1] == 1 else self.tubelet
        with torch.inference_mode():
            hidden = self._blocks[0].plain(self._unfolded(pixels, tubelet), *self._patches[tubelet])
            tables = rotations(hidden.shape[1], self.side, self.width // self.heads, self.device, self._scale)
            for index in range(max(blocks) + 1):
                hidden = self._blocks[index](hidden, tables)
                if index in blocks:
                    outputs[index] = self._norms.get(index, self._norm)(hidden)
        return outputs

    @property
    def norms(self) -> dict[str, str]:
        """What each tap goes through, in words: blocks that have a norm of their own, and all others."""
        last = max(self._norms, default=len(self._blocks) - 1)
        own = {str(block): "its own norm" for block in sorted(self._norms)}
        return {**own, "others": f"the norm of block {last}"}

    def flop(self, tokens: int, *, tubelet: int | None = None) -> float:
        """Operations of the matrix products that a clip of N tokens takes, multiplications and additions apart.

        Args:
            tubelet: frames that a token covers, where these are not the model's own: 1 of a picture.
        """
        weights = int(self._patches[tubelet or self.tubelet][0].numel())
        for block in self._blocks:
            weights += block.qkv.numel() + sum(int(p.weight.numel()) for p in (block.out, block.up, block.down))
        return 2.0 * tokens * weights + 4.0 * tokens**2 * self.width * len(self._blocks)

    def _unfolded(self, pixels: Tensor, tubelet: int) -> Tensor:
        """Tubelets as rows, centred: [B, N, 3 x tubelet x patch x patch], tokens in order of time, row, column."""
        clips, frames = pixels.shape[:2]
        cells = pixels.reshape(clips, frames // tubelet, tubelet, 3, self.side, self.patch, self.side, -1)
        # [B, t', tubelet, 3, rows, patch, columns, patch]
        rows = cells.permute(0, 1, 4, 6, 3, 2, 5, 7).flatten(4).flatten(1, 3)
        return rows.to(self.dtype).sub_(_CENTRE)


class _Block:
    """One transformer block: attention with rotated queries and keys, then the MLP, each added to what came in."""

    def __init__(
        self, layer: Any, heads: int, attend: Product, plain: Product, activated: Product, added: Product
    ) -> None:
        import torch

        attention = layer.attention
        self.heads, self.attend = heads, attend
        self.plain, self.activated, self.added = plain, activated, added
        parts = (attention.query, attention.key, attention.value)
        # A product of queries and keys is the same in any order of a head's dimensions, if it is the same for both:
        # even ones first makes the pairs that RoPE turns into two halves, which lie together in memory.
        order = _evens_first(attention.query.weight.shape[0] // heads, heads, attention.query.weight.device)
        joined = [part.weight[order] if part is not attention.value else part.weight for part in parts]
        self.qkv = torch.cat(joined).detach()
        self.qkv_bias = None
        if attention.query.bias is not None:
            biases = [part.bias[order] if part is not attention.value else part.bias for part in parts]
            self.qkv_bias = torch.cat(biases).detach()
        for part in parts:
            part.weight = part.bias = None  # held once, not twice
        self.norm1, self.norm2 = layer.norm1, layer.norm2
        self.out, self.up, self.down = attention.proj, layer.mlp.fc1, layer.mlp.fc2

    def __call__(self, hidden: Tensor, tables: tuple[Tensor, Tensor]) -> Tensor:
        """[B, N, D] to the same shape."""
        joined = self.plain(self.norm1(hidden), self.qkv, self.qkv_bias)
        parts = joined.view(*joined.shape[:2], 3 * self.heads, -1)
        query, key = turned(parts[:, :, : 2 * self.heads], *tables).chunk(2, dim=1)
        # Attention reads heads whose rows lie together faster.
        value = parts[:, :, 2 * self.heads :].transpose(1, 2).contiguous()
        found = self.attend(query, key, value).transpose(1, 2).flatten(2)
        hidden = self.added(self.out, found, hidden)
        return self.added(self.down, self.activated(self.up, self.norm2(hidden)), hidden)


def attended(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """``softmax(query key^T / sqrt(K)) value`` of bfloat16 [B, H, N, K], by products of some queries at a time.

    Where a processor multiplies in bfloat16 without tiles, torch's fused attention takes half as long again. Scores
    are rounded to bfloat16, as queries, keys and weights are; the softmax adds in float32.
    """
    import torch

    count = query.shape[2]
    step = max(64, _SCORES // count)
    scaled, found = query * query.shape[-1] ** -0.5, torch.empty_like(query)
    scores = query.new_empty((2, min(step, count), count))
    for clip, head in product(range(query.shape[0]), range(query.shape[1])):
        keys, values = key[clip, head].T, value[clip, head]
        for start in range(0, count, step):
            rows = slice(start, min(start + step, count))
            of, weights = scores[:, : rows.stop - start]
            torch.mm(scaled[clip, head, rows], keys, out=of)
            torch.softmax(of, -1, out=weights)
            torch.mm(weights, values, out=found[clip, head, rows])
    return found


def turned(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Queries and keys [B, N, 2H, K], evens first, turned by their token's angles; tables float32 [N, 1, K].

    In float32 whatever the activations are: rounding the angles to bfloat16 costs more than the rest of a block
    does. On a CPU a few tokens at a time, which stay in its cache between the steps.

    Returns:
        [B, 2H, N, K], each head's rows together.
    """
    import torch

    if x.is_cuda and x.numel() >= _WORTH_FUSING:
        return _fused()(x, cosine, sine)
    count, half = x.shape[1], x.shape[-1] // 2
    turned = torch.empty((x.shape[0], x.shape[2], count, x.shape[3]), dtype=x.dtype, device=x.device)
    step = max(1, _CACHED // x[:, 0].numel()) if x.device.type == "cpu" else count
    for start in range(0, count, step):
        rows = slice(start, start + step)
        part = x[:, rows].float()
        found = part * cosine[rows]
        found[..., :half].addcmul_(part[..., half:], sine[rows, :, :half])
        found[..., half:].addcmul_(part[..., :half], sine[rows, :, half:])
        turned[:, :, rows] = found.transpose(1, 2)
    return turned


def rotated(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """As ``turned``, without a step that a compiler could not make one kernel of."""
    import torch

    half, part = x.shape[-1] // 2, x.float()
    evens, odds = part[..., :half], part[..., half:]
    first = evens * cosine[..., :half] + odds * sine[..., :half]
    second = odds * cosine[..., half:] + evens * sine[..., half:]
    return torch.cat((first, second), -1).to(x.dtype).transpose(1, 2).contiguous()


@lru_cache(maxsize=1)
def _fused() -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """``rotated`` as one kernel of a GPU; as it is where torch's compiler cannot make one.

    Six passes over queries and keys in float32 take a third of a block's time on a GPU, one pass next to nothing.
    """
    import torch

    compiled: Any = None
    broken = False

    def run(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        nonlocal compiled, broken
        if not broken:
            try:
                compiled = compiled or torch.compile(rotated, dynamic=True)
                return compiled(x, cosine, sine)  # type: ignore[no-any-return]
            # No Triton, no C compiler or no Python.h beside it, no place for its files, a Python that is too new:
            # the compiler, and what it starts, each have their own errors for it.
            except Exception as error:
                if out_of_memory(error):  # a smaller batch may mend it
                    raise
                broken = True
                cause = getattr(error, "inner_exception", error)
                why = (str(cause).strip() or type(cause).__name__).splitlines()[0]
                warnings.warn(
                    f"torch's compiler makes no kernel here ({why}): going on without it, somewhat slower.",
                    stacklevel=2,
                )
        return rotated(x, cosine, sine)

    return run


@lru_cache(maxsize=8)
def rotations(
    tokens: int, side: int, head: int, device: torch.device, scale: float | None = None
) -> tuple[Tensor, Tensor]:
    """Cosines and signed sines, float32 [N, 1, K], of the angles by which a head's dimensions turn, evens first.

    Without a ``scale`` they are V-JEPA 2's, with one V-JEPA 2.1's, whose rows and columns are multiplied by it.
    """
    import torch

    places = places_of(torch.arange(tokens, device=device), side, scale=1.0 if scale is None else scale)
    found = angles(places, head, interleaved=scale is not None)
    order = _evens_first(head, 1, device)
    cosine, sine = found.cos()[:, order], found.sin()[:, order]
    sine[:, : head // 2] *= -1
    return cosine[:, None].float(), sine[:, None].float()


def angles(places: tuple[Tensor, Tensor, Tensor], head: int, *, interleaved: bool) -> Tensor:
    """Angles by which a head's dimensions turn at places (time, row, column) of shape [...]: float64 [..., K].

    A third of the head turns with time, one with the row, one with the column (each rounded down to even; what is
    left does not turn). Dimensions 2i and 2i + 1 are turned as a pair: by the same frequency where these are
    interleaved; V-JEPA 2 tiles them along each third, so that the two of a pair differ, and its weights expect it.
    """
    import torch

    part, device = 2 * ((head // 3) // 2), places[0].device
    rates = 10000.0 ** -(torch.arange(part // 2, device=device, dtype=torch.float64) / (part / 2))
    found = torch.zeros((*places[0].shape, head), device=device, dtype=torch.float64)
    for number, place in enumerate(places):
        turns = place[..., None] * rates
        both = turns.repeat_interleave(2, -1) if interleaved else torch.cat((turns, turns), -1)
        found[..., number * part : (number + 1) * part] = both
    return found


def places_of(index: Tensor, side: int, *, scale: float) -> tuple[Tensor, Tensor, Tensor]:
    """Time, row and column of tokens by their index, int64 [...]; rows and columns times ``scale``, float64."""
    return index // side**2, (index // side % side).double() * scale, (index % side).double() * scale


def scale_of(side: int, patch: int) -> float:
    """What V-JEPA 2.1 multiplies rows and columns by: its ``side`` spans the grid that it was pretrained on."""
    return ((_PRETRAINED[patch] // patch) - 1) / (side - 1)


def is_21(config: Any) -> bool:
    """Whether a configuration, as ``layouts.read_config`` gives it, is V-JEPA 2.1's."""
    return bool(getattr(config, "hierarchical_layers", None))


def takes_actions(config: Any) -> bool:
    """Whether a checkpoint's predictor is V-JEPA 2-AC's."""
    return bool(getattr(config, "action_dim", None))


def _embeddings(encoder: Any, tubelet: int) -> dict[int, tuple[Any, Tensor | float]]:
    """By frames that a token covers: the convolution, and what is added to every token."""
    parts = encoder.embeddings
    if not is_21(encoder.config):
        return {tubelet: (parts.patch_embeddings.proj, 0.0)}
    added = (parts.video_mod_embed, parts.img_mod_embed)
    of_video, of_image = (one.detach().double().flatten() for one in added)
    return {tubelet: (parts.patch_embeddings.proj, of_video), 1: (parts.patch_embeddings_img.proj, of_image)}


def _norms(encoder: Any) -> tuple[dict[int, Any], Any]:
    """The norms that blocks have of their own, by block, and that of all others: the last one."""
    if not is_21(encoder.config):
        return {}, encoder.layernorm
    levels = encoder.config.hierarchical_layers
    own = {int(levels[int(level)]): norm for level, norm in encoder.norms_block.items()}
    return own, own[levels[-1]]


def _evens_first(head: int, heads: int, device: torch.device) -> Tensor:
    """Positions of all heads' dimensions, in each head the even ones first: int64 [heads x head]."""
    import torch

    one = torch.cat((torch.arange(0, head, 2), torch.arange(1, head, 2)))
    return (torch.arange(heads)[:, None] * head + one).flatten().to(device)


def _on_bytes(convolution: Any) -> tuple[Tensor, Tensor]:
    """What does to bytes less 128 what the convolution does to normalised pixels: float64 [D, n] and [D]."""
    weight = convolution.weight.detach().double()
    mean, std = (255.0 * weight.new_tensor(x)[:, None, None, None] for x in (MEAN, STD))
    scaled = weight / std
    bias = convolution.bias.detach().double() + (scaled * (_CENTRE - mean)).flatten(1).sum(1)
    return scaled.flatten(1), bias


def _attention(dtype: torch.dtype, device: str) -> Product:
    """Of (query, key, value) [B, H, N, K]."""
    import torch
    from torch.nn import functional

    if device == "cpu" and dtype == torch.bfloat16 and _has_bf16_products():
        tiles = getattr(torch.cpu, "_is_amx_tile_supported", None)
        if tiles is not None and not tiles():
            return attended
    return functional.scaled_dot_product_attention


def _has_bf16_products() -> bool:
    """Whether oneDNN multiplies in bfloat16 on this machine's processor."""
    import torch

    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def activation_of(name: str) -> Callable[[Tensor], Tensor]:
    """An activation by transformers' name for it; those that released models have without importing transformers'
    own, which takes as long as importing torch. Raises KeyError for one that there is not."""
    from torch.nn import functional

    if name in ("gelu", "gelu_new"):
        return partial(functional.gelu, approximate="none" if name == "gelu" else "tanh")
    from transformers.activations import ACT2FN

    found: Callable[[Tensor], Tensor] = ACT2FN[name]
    return found


def _products(dtype: torch.dtype, device: str, activation: str) -> tuple[Product, Product, Product]:
    """Of (x, weight, bias); with its activation, of (layer, x); with a sum, of (layer, x, what is added)."""
    import torch
    from torch.nn import functional

    # oneDNN goes on with the product's float32 sums; torch has it for its own compiler, so it may be absent, and
    # has no such product for a processor without AVX-512. Of AMD's, MKL leaves AVX-512 unused in float32.
    fused = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    if fused is not None and not _has_bf16_products():
        fused = None
    if device == "cpu" and dtype in (torch.float32, torch.bfloat16) and activation == "gelu" and fused is not None:
        return (
            lambda x, weight, bias: fused(x, weight, bias, "none", [], ""),
            lambda layer, x: fused(x, layer.weight, layer.bias, "gelu", [], "none"),
            lambda layer, x, other: fused.binary(x, other, layer.weight, layer.bias, "add"),
        )
    act = activation_of(activation)
    return functional.linear, lambda layer, x: act(layer(x)), lambda layer, x, other: layer(x).add_(other)
