"""The forward of a model of transformers', with taps at its blocks."""

from __future__ import annotations

import copy
import threading
from typing import TYPE_CHECKING, Any

from worldprobe.encoders.device import dtype_of
from worldprobe.encoders.pixels import Pixels
from worldprobe.encoders.vision.families import Family
from worldprobe.encoders.vision.hooks import Blocks

if TYPE_CHECKING:
    from torch import Tensor


class LibraryForward:
    """The model's own forward, stopped after the last block that is wanted."""

    def __init__(self, model: Any, family: Family, pixels: Pixels, *, device: str, precision: str) -> None:
        self._model, self._family, self._pixels = model, family, pixels
        self.device, self.precision = device, precision
        self.dtype = dtype_of(precision)
        model.to(device, self.dtype).eval()
        self.width = family.width(model.config)
        self.tubelet, self.patch = family.sides(model.config)
        self.frames = int(model.config.num_frames) if family.clips else None
        self.parameters = sum(p.numel() for p in model.parameters())
        self._norm = getattr(model, family.norm, None) if family.norm else None
        self._first = family.first(model.config)
        self.no_class = family.no_class_token(model.config)
        self._blocks = Blocks(model.get_submodule(family.blocks))
        self.count = self._blocks.count
        self._flop: dict[tuple[int, ...], float] = {}
        self._counting = threading.Lock()

    def __call__(self, pixels: Tensor, blocks: set[int], *, classes: bool = False) -> dict[int, Tensor]:
        """uint8 [n, (t,) 3, h, w] to tokens [n, N, D] at each block asked for, as ``tower.Taps`` says."""
        import torch

        with torch.inference_mode():
            found = self._run(self._model, pixels, blocks)
            time = pixels.shape[1] if self._family.clips else 1
            return {block: self._tokens(found[block], time, classes) for block in blocks}

    def flop(self, shape: tuple[int, ...]) -> float:
        """Operations of the matrix products of one picture or clip [(t,) 3, h, w], as torch counts them."""
        import torch
        from torch.utils.flop_counter import FlopCounterMode

        with self._counting:  # several videos are looked at side by side
            if shape not in self._flop:
                # Of shapes alone: nothing is computed, whatever the network's size.
                pixels = torch.empty((1, *shape), dtype=torch.uint8, device="meta")
                with FlopCounterMode(display=False) as counted, torch.inference_mode():
                    self._run(self._bare(), pixels, {self.count - 1})
                self._flop[shape] = float(counted.get_total_flops())
        return self._flop[shape]

    def _bare(self) -> Any:
        """The model with its hooks, and weights of the same shapes that hold nothing."""
        import torch

        weights = (*self._model.parameters(), *self._model.buffers())
        return copy.deepcopy(self._model, {id(one): torch.empty_like(one, device="meta") for one in weights})

    def _run(self, model: Any, pixels: Tensor, blocks: set[int]) -> dict[int, Any]:
        """What the blocks give, before the norm."""
        values = self._pixels.numbers(pixels).to(self.dtype)
        given = self._family.call(values, model.config)
        _, found = self._blocks.outputs(lambda: model(**given), blocks)
        return found

    def _tokens(self, hidden: Tensor, time: int, classes: bool) -> Tensor:
        import torch

        normed = hidden if self._norm is None else self._norm(hidden)
        patches = self._family.order(normed[:, self._first :], time, self._model)
        return torch.cat((normed[:, :1], patches), 1) if classes else patches
