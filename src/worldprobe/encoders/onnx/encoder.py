"""onnx:FILE#tensor: a network in an ONNX file, run frame by frame; one of its tensors becomes tokens."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from worldprobe.encoders.onnx import operations
from worldprobe.encoders.onnx.cells import Cells, cells_of
from worldprobe.encoders.onnx.graph import Graph
from worldprobe.encoders.onnx.options import Named, layout_in, named, pixels_of, size_in
from worldprobe.encoders.onnx.session import Session
from worldprobe.errors import ConfigError, RegistryError
from worldprobe.geometry import TokenGrid, View
from worldprobe.io.files import sha256
from worldprobe.records import Clip

_VERSION = 1  # of what is made of a tensor
_SHOWN = 12
TWIN_SEED = 1


class OnnxEncoder:
    """onnx:FILE#TENSOR: any network of pictures in an ONNX file; an inner tensor's cells are its tokens."""

    blocks = 1
    tubelet = 1

    def __init__(
        self, argument: str | None = None, *, device: str = "auto", precision: str = "auto", untrained: bool = False
    ) -> None:
        """Load it, and run it once.

        Args:
            argument: the file, a tensor in it and options, as ``options.named`` takes them apart.
            device: it runs on the CPU.
            precision: as it was exported, whatever is wanted.
            untrained: whether it gets fresh weights first.

        Raises:
            RegistryError: no such file or tensor, a tensor without cells, options that are missing or wrong.
            ConfigError: a GPU is wanted.
        """
        if device.startswith("cuda"):
            raise ConfigError("an ONNX file runs on the CPU here: leave --device out")
        wanted = named(argument or "")
        graph = Graph(wanted.path)
        if untrained:
            graph = graph.untrained(seed=TWIN_SEED)
        self.name = f"{'random:' if untrained else ''}onnx:{argument}"
        self.twin = None if untrained else f"random:{self.name}"
        self.status: Literal["trained", "untrained", "floor"] = "untrained" if untrained else "trained"
        self.device, self.parameters = "cpu", graph.parameters
        self._graph, self._tensor, self._flop = graph, wanted.tensor, cache(self._counted)
        size = size_in(wanted.options, path=wanted.path)
        if wanted.tensor not in graph.names:
            raise RegistryError(_which(wanted, graph, size))
        self._session = Session(graph, [wanted.tensor], size=size)
        self.precision = self._session.precision
        self.pixels = pixels_of(wanted.options, self._session.size, path=wanted.path)
        shape = self._session.shapes[wanted.tensor]
        cells = cells_of(shape, self._session.size, layout=layout_in(wanted.options, path=wanted.path))
        if isinstance(cells, str):
            raise RegistryError(f"onnx:{wanted.path}#{wanted.tensor} is of shape {list(shape)}, {cells}")
        self._cells: Cells = cells
        weights = {file.name: sha256(file) for file in graph.files}
        known = f"{weights} {self.status} {wanted.tensor} {self.pixels} {cells} {_VERSION}"
        self.revision = hashlib.sha256(known.encode()).hexdigest()
        self.origin = {"checkpoint": "file", "weights": weights, "pixels": str(self.pixels)}

    def view(self, width: int, height: int) -> View:
        """What the network sees of a frame of this size in px."""
        return self.pixels.view(width, height)

    def preprocess(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Source frames uint8 [n, h, w, 3] to uint8 [n, 3, h', w']."""
        return self.pixels.frames(frames)

    def grid(self, frames: int) -> TokenGrid:
        """A token for each frame and cell. Raises ConfigError for no frames."""
        if frames < 1:
            raise ConfigError(f"{self.name} takes one frame a clip or more, got {frames}. Use --frames 1.")
        return TokenGrid(frames, self._cells.rows, self._cells.columns, 1, self._cells.px)

    def flop(self, frames: int) -> float | None:
        """Operations of a clip's products, counted from shapes; None where a layer's are not known."""
        each = self._flop()
        return None if each is None else frames * each

    def _counted(self) -> float | None:
        """Of one picture: of the layers that the tensor comes of."""
        nodes = operations.needed(self._graph, self._tensor)
        names = [name for node in nodes for name in node.outputs if name]
        session = Session(self._graph, names, size=self._session.size)
        return operations.flop(nodes, {**session.inputs, **session.shapes, **self._graph.shapes})

    def encode(self, clips: Sequence[Clip], *, blocks: Sequence[int]) -> dict[int, NDArray[np.float16]]:
        """The tensor of each frame, float16 [b, t, h', w', d].

        Raises:
            ConfigError: another block than 0, or clips of another size.
            RegistryError: the network fails.
        """
        import torch

        if outside := [block for block in blocks if block]:
            raise ConfigError(f"{self.name} has block 0 alone, asked for {outside}")
        pixels = np.stack([clip.pixels for clip in clips])
        if (pixels.shape[-1], pixels.shape[-2]) != self.pixels.size:
            raise ConfigError(
                f"{self.name} takes {self.pixels.size[0]} x {self.pixels.size[1]} px, got {pixels.shape[-1]} x "
                f"{pixels.shape[-2]}: pass frames through preprocess() first."
            )
        numbers = self.pixels.numbers(torch.from_numpy(pixels.reshape(-1, *pixels.shape[2:]))).numpy()
        tokens = np.stack([self._cells.tokens(self._session.run(one[None])[0]) for one in numbers])
        found = tokens.reshape(*pixels.shape[:2], *tokens.shape[1:]).astype(np.float16)
        return dict.fromkeys(blocks, found)


def _which(wanted: Named, graph: Graph, size: tuple[int, int] | None) -> str:
    """A sentence on a tensor that there is not, with those that can be read."""
    session = Session(graph, graph.names, size=size)
    # Of those with the same shape the last one is what comes of the others.
    last = {
        shape: name
        for name, shape in session.shapes.items()
        if not isinstance(cells_of(shape, session.size, layout=""), str)
    }
    shown = [f"{name} {list(shape)}" for shape, name in list(last.items())[-_SHOWN:]]
    near = difflib.get_close_matches(wanted.tensor, graph.names, n=1) if wanted.tensor else []
    asked = f"has no tensor {wanted.tensor!r}" if wanted.tensor else "is a network: which of its tensors is wanted?"
    meant = f" Did you mean {near[0]!r}?" if near else ""
    first = next(reversed(last.values()), "NAME")
    return (
        f"onnx:{wanted.path} {asked}{meant} Name one, as in onnx:{wanted.path}#{first}; "
        f"the last of each shape that can be read, of {len(graph.names)} tensors: {'; '.join(shown) or 'none'}"
    )


def untrained(argument: str, *, device: str = "auto", precision: str = "auto") -> OnnxEncoder:
    """The untrained twin of ``onnx:ARGUMENT``: the same network with fresh weights."""
    return OnnxEncoder(argument, device=device, precision=precision, untrained=True)
