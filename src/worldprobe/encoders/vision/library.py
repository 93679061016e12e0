"""The forward of a model of transformers', with taps at its blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from worldprobe.encoders.device import dtype_of
from worldprobe.encoders.pixels import Pixels
from worldprobe.encoders.vision.families import Family
from worldprobe.encoders.vision.hooks import Blocks

if TYPE_CHECKING:
    from torch import Tensor


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
        self._layers = model.get_submodule(family.blocks)
        self._norm = getattr(model, family.norm, None) if family.norm else None
        self._first = family.first(model.config)
        self._blocks = Blocks(self._layers)
        self.count = self._blocks.count

    def __call__(self, pixels: Tensor, blocks: set[int]) -> dict[int, Tensor]:
        """uint8 [n, (t,) 3, h, w] to tokens [n, N, D] at each block asked for."""
        import torch

        with torch.inference_mode():
            values = self._pixels.numbers(pixels).to(self.dtype)
            given = self._family.call(values, self._model.config)
            _, found = self._blocks.outputs(lambda: self._model(**given), blocks)
            time = pixels.shape[1] if self._family.clips else 1
            return {block: self._tokens(found[block], time) for block in blocks}

    def flop(self, cells: int) -> float:
        """Operations of the matrix products of one picture or clip of so many patches."""
        from torch import nn

        if self._family.staged:
            return self._counted()
        tokens = cells + self._first
        weights = sum(int(one.weight.numel()) for one in self._layers.modules() if isinstance(one, nn.Linear))
        embedding = sum(
            int(one.weight.numel()) for one in self._model.modules() if isinstance(one, nn.Conv2d | nn.Conv3d)
        )
        attention = 4.0 * tokens**2 * self.width * self.count
        return 2.0 * (tokens * weights + cells * embedding) + attention

    def _counted(self) -> float:
        """The same of a network of stages, up to its own: counted, as shapes change on the way."""
        import torch
        from torch.utils.flop_counter import FlopCounterMode

        width, height = self._pixels.size
        with torch.device("meta"), torch.random.fork_rng(devices=[]):
            model = type(self._model)(self._model.config, **self._family.made).eval()
            picture = torch.empty(1, 3, height, width)
        blocks = Blocks(model.get_submodule(self._family.blocks))
        with FlopCounterMode(display=False) as counter:
            blocks.outputs(lambda: model(**self._family.call(picture, model.config)), {blocks.count - 1})
        return float(counter.get_total_flops())

    def _tokens(self, hidden: Tensor, time: int) -> Tensor:
        normed = hidden if self._norm is None else self._norm(hidden)
        return normed[:, :1] if self._cls else self._family.order(normed[:, self._first :], time, self._model)
