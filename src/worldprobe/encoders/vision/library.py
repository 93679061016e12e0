"""The forward of a model of transformers', with taps at its blocks."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from worldprobe.encoders.device import dtype_of
from worldprobe.encoders.pixels import Pixels
from worldprobe.encoders.vision.families import Family

if TYPE_CHECKING:
    from torch import Tensor


class _Enough(Exception):
    """The last block that was wanted is through."""


@dataclass  # without slots, which all threads would share
class _Pass(threading.local):
    """What one thread's pass wants, and what it has got."""

    last: int = -1
    blocks: set[int] = field(default_factory=set)
    taken: dict[int, Any] = field(default_factory=dict)


class LibraryForward:
    """The model's own forward, stopped after the last block that is wanted."""

    def __init__(
        self, model: Any, family: Family, pixels: Pixels, *, device: str, precision: str, cls: bool
    ) -> None:
        self._model, self._family, self._pixels, self._cls = model, family, pixels, cls
        self.device, self.precision = device, precision
        self.dtype = dtype_of(precision)
        model.to(device, self.dtype).eval()
        self.width = family.width(model.config)
        self.tubelet, self.patch = family.sides(model.config)
        self.frames = int(model.config.num_frames) if family.clips else None
        self.parameters = sum(p.numel() for p in model.parameters())
        self._blocks = model.get_submodule(family.blocks)
        self._norm = getattr(model, family.norm, None) if family.norm else None
        self._first = family.first(model.config)
        self.count = len(self._blocks)
        self._pass = _Pass()
        for index, block in enumerate(self._blocks):
            block.register_forward_hook(self._hook(index))

    def __call__(self, pixels: Tensor, blocks: set[int]) -> dict[int, Tensor]:
        """uint8 [n, (t,) 3, h, w] to tokens [n, N, D] at each block asked for."""
        import torch

        now = self._pass
        now.last, now.blocks, now.taken = max(blocks), blocks, {}
        with torch.inference_mode():
            try:
                values = self._pixels.numbers(pixels).to(self.dtype)
                self._model(**self._family.call(values, self._model.config))
            except _Enough:
                pass
            found, now.taken = now.taken, {}
            time = pixels.shape[1] if self._family.clips else 1
            return {block: self._tokens(found[block], time) for block in blocks}

    def flop(self, cells: int) -> float:
        """Operations of the matrix products of one picture or clip of so many patches."""
        from torch import nn

        if self._family.staged:
            return self._counted()
        tokens = cells + self._first
        weights = sum(int(one.weight.numel()) for one in self._blocks.modules() if isinstance(one, nn.Linear))
        embedding = sum(
            int(one.weight.numel()) for one in self._model.modules() if isinstance(one, nn.Conv2d | nn.Conv3d)
        )
        attention = 4.0 * tokens**2 * self.width * self.count
        return 2.0 * (tokens * weights + cells * embedding) + attention

    def _counted(self) -> float:
        """The same of a network of stages, up to its own: counted, as shapes change on the way."""
        import torch
        from torch.utils.flop_counter import FlopCounterMode

        def stop(*_: Any) -> None:
            raise _Enough

        width, height = self._pixels.size
        with torch.device("meta"), torch.random.fork_rng(devices=[]):
            model = type(self._model)(self._model.config, **self._family.made).eval()
            picture = torch.empty(1, 3, height, width)
        model.get_submodule(self._family.blocks)[-1].register_forward_hook(stop)
        with FlopCounterMode(display=False) as counter, suppress(_Enough):
            model(**self._family.call(picture, model.config))
        return float(counter.get_total_flops())

    def _tokens(self, hidden: Tensor, time: int) -> Tensor:
        normed = hidden if self._norm is None else self._norm(hidden)
        return normed[:, :1] if self._cls else self._family.order(normed[:, self._first :], time, self._model)

    def _hook(self, index: int) -> Any:
        now = self._pass

        def taken(module: Any, inputs: Any, output: Any) -> None:
            if index in now.blocks:
                now.taken[index] = output[0] if isinstance(output, tuple) else output
            if index == now.last:
                raise _Enough

        return taken
