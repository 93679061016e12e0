"""An encoder of a library, picture by picture or clip by clip: its own forward, with taps at its blocks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from worldprobe.encoders.device import precision_of
from worldprobe.encoders.known import ELSEWHERE
from worldprobe.encoders.lanes import side_by_side
from worldprobe.encoders.pixels import Pixels
from worldprobe.encoders.transfer import to_device, to_host
from worldprobe.encoders.vision.spec import class_name
from worldprobe.errors import ConfigError
from worldprobe.execute.devices import device_for
from worldprobe.geometry import TokenGrid, View
from worldprobe.records import Clip

if TYPE_CHECKING:
    from torch import Tensor

Status = Literal["trained", "untrained", "floor"]
VERSION = 1  # of what is made of a checkpoint's outputs


class Taps(Protocol):
    """A network as a tower runs it: pixels to patch tokens, and class tokens, at the blocks wanted.

    Attributes:
        frames: a clip's, where no other number of them is taken; None for a network of single pictures.
        tubelet, patch: frames, and px of a side, that a token covers.
        width: dimensions of a token.
        count: blocks.
        no_class: why there is no class token; empty where there is.
    """

    no_class: str
    device: str
    precision: str
    frames: int | None
    tubelet: int
    patch: int
    width: int
    count: int
    parameters: int

    def __call__(self, pixels: Tensor, blocks: set[int], *, classes: bool = False) -> dict[int, Tensor]:
        """uint8 [n, (t,) 3, h, w] to tokens [n, N, D] at each block asked for.

        They are the patches', row by row; with ``classes`` the class token stands before them.
        """
        ...

    def flop(self, shape: tuple[int, ...]) -> float:
        """Operations of the matrix products of one picture or clip [(t,) 3, h, w]."""
        ...


def computed(device: str, precision: str) -> tuple[str, str]:
    """Where and in what is computed, by what a user wanted; as ``device_for`` and ``precision_of`` say."""
    here = device_for("cpu" if device == ELSEWHERE else device)
    return here, precision_of(precision, "cuda" if device == ELSEWHERE else here)


class Tower:
    """An image or video encoder of transformers' (``families.FAMILIES``) or timm's.

    Every tap goes through the final norm, as V-JEPA 2's do; where there is none it is the block's output. Patch
    tokens are the grid; class and register tokens are left out, or the class token is all there is (``cls``).

    Attributes:
        classes: the encoder of the class tokens of the same network, ``NAME?tokens=cls``; None where there is none.
        no_class: why not.
    """

    def __init__(
        self,
        forward: Taps,
        pixels: Pixels,
        *,
        name: str,
        revision: str,
        status: Status,
        cls: bool = False,
        origin: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.name, self.status, self.pixels, self.cls = name, status, pixels, cls
        self.twin = None if name.startswith("random:") else f"random:{name}"
        self.forward, self.device, self.precision = forward, forward.device, forward.precision
        self.tubelet, self.patch, self.frames = forward.tubelet, forward.patch, forward.frames
        self.width, self.blocks, self.parameters = forward.width, forward.count, forward.parameters
        known = f"{revision} {pixels} {'cls' if cls else 'patches'} {self.precision} {VERSION}"
        self.revision = hashlib.sha256(known.encode()).hexdigest()
        self.origin = {**origin, "precision": self.precision, "pixels": str(pixels)}
        self.no_class = "it is a class token already, which z reads" if cls else forward.no_class
        self.classes: Tower | None = None
        if not self.no_class:
            self.classes = Tower(
                forward, pixels, name=class_name(name), revision=revision, status=status, cls=True, origin=origin
            )

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
        outputs = self._outputs(clips, blocks, classes=self.cls)
        return self._stored(outputs, slice(1) if self.cls else slice(None), self.grid(clips[0].pixels.shape[0]))

    def encode_with_classes(
        self, clips: Sequence[Clip], *, blocks: Sequence[int]
    ) -> tuple[dict[int, NDArray[np.float16]], dict[int, NDArray[np.float16]]]:
        """Patch tokens, and class tokens as ``classes`` gives them, of one pass; raises as ``encode``."""
        assert self.classes is not None, self.no_class
        outputs, frames = self._outputs(clips, blocks, classes=True), clips[0].pixels.shape[0]
        return (
            self._stored(outputs, slice(1, None), self.grid(frames)),
            self._stored(outputs, slice(1), self.classes.grid(frames)),
        )

    def _outputs(self, clips: Sequence[Clip], blocks: Sequence[int], *, classes: bool) -> dict[int, Tensor]:
        """Tokens [n, N, D] at each block, of pictures one after another or of clips."""
        if outside := [block for block in blocks if not 0 <= block < self.blocks]:
            raise ConfigError(f"{self.name} has blocks 0 to {self.blocks - 1}, asked for {outside}")
        pixels = np.stack([clip.pixels for clip in clips])
        width, height = self.pixels.size
        if pixels.shape[-2:] != (height, width):
            raise ConfigError(
                f"{self.name} takes {width} x {height} px, got {pixels.shape[-1]} x {pixels.shape[-2]}: pass "
                "frames through preprocess() first."
            )
        self.grid(pixels.shape[1])
        batch = pixels if self.frames else pixels.reshape(-1, *pixels.shape[2:])
        return side_by_side(partial(self.forward, classes=classes), to_device(batch, self.device), set(blocks))

    def _stored(
        self, outputs: Mapping[int, Tensor], which: slice, grid: TokenGrid
    ) -> dict[int, NDArray[np.float16]]:
        """Those tokens on their grid, float16 [b, t', h', w', d]."""
        shape = (-1, grid.time, grid.height, grid.width, self.width)
        return to_host({block: tokens[:, which].reshape(shape) for block, tokens in outputs.items()})
