"""What a model of timm gives, and how its tokens are taken: sequences, and maps with channels first or last."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from worldprobe.encoders.device import dtype_of
from worldprobe.encoders.pixels import Pixels
from worldprobe.encoders.vision.hooks import Blocks
from worldprobe.encoders.vision.spec import Spec
from worldprobe.errors import RegistryError

if TYPE_CHECKING:
    from torch import Tensor

_NO_CLASS = "it has no class token"
Layout = Literal["tokens", "channels first", "channels last"]


@dataclass(frozen=True, slots=True)
class Shapes:
    """What a model gives.

    Attributes:
        layout: tokens [n, N, d], or a map [n, d, h, w] or [n, h, w, d].
        first: how many tokens come before the patches'.
        patch: px of a cell's side.
        width: dimensions of a token.
        taps: how many blocks have this grid; 1 of a network whose blocks have others, and of a stage.
        flop: operations of the matrix products of a picture.
        with_class: whether the first token is a class token.
    """

    layout: Layout
    first: int
    patch: int
    width: int
    taps: int
    flop: float
    with_class: bool


def shapes_of(model: Any, pixels: Pixels, spec: Spec, *, name: str) -> Shapes:
    """Work it out with a model on torch's ``meta`` device, where nothing is computed.

    Raises:
        RegistryError: a stage or token that it does not have, or an output that is no grid of square cells.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    width, height = pixels.size
    cell = _reduction(model, spec.stage)
    if cell and (width % cell or height % cell):
        fitting = "x".join(str(-(-side // cell) * cell) for side in (width, height))
        raise RegistryError(f"{name}: cells of {cell} px do not fit {width} x {height} px: try ?size={fitting}")
    first = int(getattr(model, "num_prefix_tokens", 0) or 0)
    blocks = Blocks(_blocks_of(model))
    with torch.no_grad(), torch.device("meta"), FlopCounterMode(display=False) as counter:
        picture = torch.empty(1, 3, height, width)
        try:
            given, taken = blocks.outputs(
                lambda: model.forward_features(picture), set(range(blocks.count)), whole=True
            )
        # Of hundreds of networks each fails in its own way.
        except Exception as error:
            why = str(error).strip().splitlines() or [type(error).__name__]
            raise RegistryError(f"{name} does not run at {width} x {height} px: {why[0]}") from error
    shape = tuple(getattr(given, "shape", ()))
    alike = len(shape) == 3 and blocks.count > 1 and all(_shape(one) == shape for one in taken.values())
    if spec.stage is not None:
        if alike:
            raise RegistryError(f"{name}: it has no stages: its blocks, all of one grid, are --blocks")
        with torch.no_grad(), torch.device("meta"), FlopCounterMode(display=False) as counter:
            shape = _shape(_at_stage(model, picture, spec.stage, name=name))
    layout: Layout = "tokens" if len(shape) == 3 else "channels first"
    if len(shape) == 4 and spec.stage is None and shape[-1] == model.num_features != shape[1]:
        layout = "channels last"
    with_class = layout == "tokens" and getattr(model, "cls_token", None) is not None
    if spec.cls and not with_class:
        raise RegistryError(f"{name}: {_NO_CLASS}")
    rows, columns, deep = _grid(shape, layout, first, height / width)
    if not rows or height % rows or width % columns or height // rows != width // columns:
        raise RegistryError(
            f"{name} gives {list(shape)} for {width} x {height} px, which is no grid of square cells of whole px"
        )
    return Shapes(
        layout, first if layout == "tokens" else 0, height // rows, deep, blocks.count if alike else 1,
        float(counter.get_total_flops()), with_class,
    )  # fmt: skip


class TimmForward:
    """A model's ``forward_features``, or one of its blocks or stages, as tokens."""

    tubelet = 1
    frames: int | None = None

    def __init__(
        self, model: Any, shapes: Shapes, pixels: Pixels, spec: Spec, *, device: str, precision: str
    ) -> None:
        self._model, self._shapes, self._pixels, self._spec = model, shapes, pixels, spec
        self.device, self.precision, self.dtype = device, precision, dtype_of(precision)
        model.to(device, self.dtype).eval()
        self.patch, self.width, self.count = shapes.patch, shapes.width, shapes.taps
        self.no_class = "" if shapes.with_class else _NO_CLASS
        self.parameters = sum(p.numel() for p in model.parameters())
        self._blocks = Blocks(_blocks_of(model) if shapes.taps > 1 else ())

    def __call__(self, pixels: Tensor, blocks: set[int], *, classes: bool = False) -> dict[int, Tensor]:
        """uint8 [n, 3, h, w] to tokens [n, N, D] at each block asked for, as ``tower.Taps`` says."""
        import torch

        with torch.inference_mode():
            values = self._pixels.numbers(pixels).to(self.dtype)
            if self._spec.stage is not None:
                return {0: self._tokens(_at_stage(self._model, values, self._spec.stage, name=""))}
            last = self.count - 1
            given, found = self._blocks.outputs(
                lambda: self._model.forward_features(values), blocks - {last}, whole=last in blocks
            )
            taken = {block: self._tokens(self._model.norm(hidden), classes) for block, hidden in found.items()}
            return {**taken, last: self._tokens(given, classes)} if last in blocks else taken

    def flop(self, shape: tuple[int, ...]) -> float:
        """Operations of the matrix products of one picture."""
        return self._shapes.flop

    def _tokens(self, given: Tensor, classes: bool = False) -> Tensor:
        """[n, N, d] of what the model gives, row by row."""
        import torch

        if self._shapes.layout == "channels first":
            return given.flatten(2).transpose(1, 2)
        if self._shapes.layout == "channels last":
            return given.flatten(1, 2)
        patches = given[:, self._shapes.first :]
        return torch.cat((given[:, :1], patches), 1) if classes else patches


def _blocks_of(model: Any) -> Any:
    """Blocks whose outputs can go through the final norm; none where there is none."""
    from torch import nn

    blocks = getattr(model, "blocks", None)
    whole = isinstance(getattr(model, "norm", None), nn.Module)
    return blocks if whole and isinstance(blocks, nn.ModuleList | nn.Sequential) else ()


def _at_stage(model: Any, pictures: Tensor, stage: int, *, name: str) -> Any:
    """The map [n, d, h, w] of a stage. Raises RegistryError where there is none."""
    count = len(getattr(model, "feature_info", ())) if hasattr(model, "forward_intermediates") else 0
    if stage >= count:
        there = f"stages 0 to {count - 1}" if count else "no stages that can be read"
        raise RegistryError(f"{name}: it has {there}, asked for {stage}")
    (found,) = model.forward_intermediates(pictures, indices=[stage], intermediates_only=True, stop_early=True)
    return found


def _reduction(model: Any, stage: int | None) -> int:
    """Px of a cell's side as timm names it, of a stage or the last; 0 where it does not."""
    stages = list(getattr(model, "feature_info", ()))
    at = len(stages) - 1 if stage is None else stage
    return int(stages[at].get("reduction", 0)) if 0 <= at < len(stages) else 0


def _shape(given: Any) -> tuple[int, ...]:
    one = given[0] if isinstance(given, tuple) else given
    return tuple(getattr(one, "shape", ()))


def _grid(shape: tuple[int, ...], layout: Layout, first: int, ratio: float) -> tuple[int, int, int]:
    """Rows, columns and dimensions of an output for pictures whose height is ``ratio`` of their width; or zeros."""
    if len(shape) == 4:
        return (shape[1], shape[2], shape[3]) if layout == "channels last" else (shape[2], shape[3], shape[1])
    if len(shape) != 3:
        return 0, 0, 0
    rows = round(math.sqrt((shape[1] - first) * ratio))
    columns = (shape[1] - first) // rows if rows else 0
    return (rows, columns, shape[2]) if rows * columns == shape[1] - first else (0, 0, 0)
