"""An encoder of transformers', picture by picture or clip by clip: its own forward, with taps at its blocks."""

from __future__ import annotations

import copy
import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from worldprobe.encoders.device import device_of, dtype_of, precision_of
from worldprobe.encoders.known import ELSEWHERE
from worldprobe.encoders.lanes import side_by_side
from worldprobe.encoders.pixels import Pixels
from worldprobe.encoders.transfer import to_device, to_host
from worldprobe.encoders.vision.families import Family
from worldprobe.errors import ConfigError
from worldprobe.geometry import TokenGrid, View
from worldprobe.records import Clip

if TYPE_CHECKING:
    from torch import Tensor

Status = Literal["trained", "untrained", "floor"]
VERSION = 1  # of what is made of a checkpoint's outputs


class Tower:
    """An image or video encoder of transformers' (``families.FAMILIES``).

    Every tap goes through the final norm, as V-JEPA 2's do; where there is none it is the block's output. Patch
    tokens are the grid; class and register tokens are left out, or the class token is all there is (``cls``).
    """

    def __init__(
        self,
        model: Any,
        family: Family,
        pixels: Pixels,
        *,
        name: str,
        revision: str,
        status: Status,
        cls: bool = False,
        device: str = "auto",
        precision: str = "auto",
        origin: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.name, self.status, self.pixels, self.cls = name, status, pixels, cls
        self.twin = None if name.startswith("random:") else f"random:{name}"
        self.device = device_of("cpu" if device == ELSEWHERE else device)
        self.precision = precision_of(precision, "cuda" if device == ELSEWHERE else self.device)
        config = model.config
        self.tubelet, self.patch = sides(config)
        self.frames = int(config.num_frames) if family.clips else None
        self.width = int(config.hidden_size)
        self.forward = _Forward(model, family, pixels, device=self.device, precision=self.precision, cls=cls)
        self.blocks = self.forward.count
        self.parameters = sum(p.numel() for p in model.parameters())
        known = f"{revision} {pixels} {'cls' if cls else 'patches'} {self.precision} {VERSION}"
        self.revision = hashlib.sha256(known.encode()).hexdigest()
        self.origin = {**origin, "precision": self.precision, "pixels": str(pixels)}

    def view(self, width: int, height: int) -> View:
        """What the network sees of a frame of this size in px."""
        return self.pixels.view(width, height)

    def preprocess(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Source frames uint8 [n, h, w, 3] to uint8 [n, 3, h', w']."""
        return self.pixels.frames(frames)

    def grid(self, frames: int) -> TokenGrid:
        """The token grid of a clip of ``frames`` frames.

        Raises:
            ConfigError: a number that a network of clips does not take.
        """
        if frames < 1 or (self.frames and frames != self.frames):
            raise ConfigError(
                f"{self.name} takes clips of {self.frames or 'one or more'} frames, got {frames}: use --frames "
                f"{self.frames or 1}."
            )
        width, height = self.pixels.size
        if self.cls:
            return TokenGrid(frames // self.tubelet, 1, 1, self.tubelet, max(width, height))
        return TokenGrid(
            frames // self.tubelet, height // self.patch, width // self.patch, self.tubelet, self.patch
        )

    def flop(self, frames: int) -> float:
        """Operations of a clip's matrix products, multiplications and additions counted apart."""
        self.grid(frames)
        width, height = self.pixels.size
        clip = (frames, 3, height, width)
        return self.forward.flop(clip) if self.frames else frames * self.forward.flop(clip[1:])

    def encode(self, clips: Sequence[Clip], *, blocks: Sequence[int]) -> dict[int, NDArray[np.float16]]:
        """Tokens at each block's output, float16 [b, t', h', w', d], all blocks in one pass.

        Raises:
            ConfigError: clips of another size or number of frames, or a block that there is not.
        """
        if outside := [block for block in blocks if not 0 <= block < self.blocks]:
            raise ConfigError(f"{self.name} has blocks 0 to {self.blocks - 1}, asked for {outside}")
        pixels = np.stack([clip.pixels for clip in clips])
        width, height = self.pixels.size
        if pixels.shape[-2:] != (height, width):
            raise ConfigError(
                f"{self.name} takes {width} x {height} px, got {pixels.shape[-1]} x {pixels.shape[-2]}: pass "
                "frames through preprocess() first."
            )
        grid = self.grid(pixels.shape[1])
        batch = pixels if self.frames else pixels.reshape(-1, *pixels.shape[2:])
        outputs = side_by_side(self.forward, to_device(batch, self.device), set(blocks))
        shape = (len(clips), grid.time, grid.height, grid.width, self.width)
        return to_host({block: tokens.reshape(shape) for block, tokens in outputs.items()})


class _Enough(Exception):
    """The last block that was wanted is through."""


@dataclass  # without slots, which all threads would share
class _Pass(threading.local):
    """What one thread's pass wants, and what it has got."""

    last: int = -1
    blocks: set[int] = field(default_factory=set)
    taken: dict[int, Any] = field(default_factory=dict)


class _Forward:
    """The model's own forward, stopped after the last block that is wanted."""

    def __init__(
        self, model: Any, family: Family, pixels: Pixels, *, device: str, precision: str, cls: bool
    ) -> None:
        self._model, self._family, self._pixels, self._cls = model, family, pixels, cls
        self.dtype = dtype_of(precision)
        model.to(device, self.dtype).eval()
        self._blocks = model.get_submodule(family.blocks)
        self._norm = getattr(model, family.norm, None) if family.norm else None
        self._first = family.first(model.config)
        self.count = len(self._blocks)
        self._pass = _Pass()
        self._flop: dict[tuple[int, ...], float] = {}
        self._counting = threading.Lock()
        for index, block in enumerate(self._blocks):
            block.register_forward_hook(self._hook(index))

    def __call__(self, pixels: Tensor, blocks: set[int]) -> dict[int, Tensor]:
        """uint8 [n, (t,) 3, h, w] to tokens [n, N, D] at each block asked for."""
        import torch

        with torch.inference_mode():
            found = self._run(self._model, pixels, blocks)
            time = pixels.shape[1] if self._family.clips else 1
            return {block: self._tokens(found[block], time) for block in blocks}

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

    def _run(self, model: Any, pixels: Tensor, blocks: set[int]) -> dict[int, Tensor]:
        """What the blocks give, before the norm."""
        now = self._pass
        now.last, now.blocks, now.taken = max(blocks), blocks, {}
        try:
            values = self._pixels.numbers(pixels).to(self.dtype)
            model(**self._family.call(values, model.config))
        except _Enough:
            pass
        found, now.taken = now.taken, {}
        return found

    def _tokens(self, hidden: Tensor, time: int) -> Tensor:
        normed = hidden if self._norm is None else self._norm(hidden)
        return normed[:, :1] if self._cls else self._family.order(normed[:, self._first :], time)

    def _hook(self, index: int) -> Any:
        now = self._pass

        def taken(module: Any, inputs: Any, output: Any) -> None:
            if index in now.blocks:
                now.taken[index] = output[0] if isinstance(output, tuple) else output
            if index == now.last:
                raise _Enough

        return taken


def sides(config: Any) -> tuple[int, int]:
    """Frames and px of a side that one patch token covers.

    Raises:
        ConfigError: patches that are no squares.
    """
    tubelet = getattr(config, "tubelet_size", 1)
    patch: Any = getattr(config, "patch_size", None)
    if isinstance(tubelet, list | tuple):  # ViViT's has all three
        tubelet, *patch = tubelet
    if isinstance(patch, list | tuple):
        if len(set(patch)) != 1:
            raise ConfigError(f"patches of {patch} px are no squares, which is not read")
        patch = patch[0]
    return int(tubelet), int(patch)
