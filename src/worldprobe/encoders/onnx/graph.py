"""An ONNX file's graph: the names of its inner tensors, some of them as outputs, and its weights anew."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldprobe.encoders.onnx.wire import Field, fields, message, numbers
from worldprobe.errors import RegistryError
from worldprobe.io.lfs import lfs_pointer

# Numbers of fields and types in onnx.proto.
_GRAPH = 7
_NODE, _INITIALIZER, _OUTPUT = 1, 5, 12
_NODE_INPUT, _NODE_OUTPUT, _NODE_KIND, _NODE_ATTRIBUTE, _NODE_DOMAIN, _VALUE_NAME = 1, 2, 4, 5, 7, 1
_ATTRIBUTE_NAME, _ATTRIBUTE_TEXT = 1, 4
_DIMS, _TYPE, _FLOATS, _NAME, _RAW, _ELSEWHERE = 1, 2, 4, 8, 9, 13
_BFLOAT16 = 16
_FLOATS_OF = {1: "<f4", 10: "<f2", 11: "<f8"}
_ITEM = {1: 4, 10: 2, 11: 8, _BFLOAT16: 2}  # bytes a number
_FEW_BITS = {2: "uint8", 3: "int8", 17: "fp8", 18: "fp8", 19: "fp8", 20: "fp8", 21: "uint4", 22: "int4"}


@dataclass(frozen=True, slots=True)
class _Weight:
    name: str
    shape: tuple[int, ...]
    kind: int
    start: int
    end: int
    file: str  # where its numbers are, if not here


@dataclass(frozen=True, slots=True)
class Node:
    """One layer: its kind, tensors that go in ("" for one left out) and come out, and an Einsum's equation."""

    kind: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    equation: str = ""


class Graph:
    """A file's bytes, looked into.

    Attributes:
        names: of the tensors that its nodes give, in their order.
        outputs: those that it gives to whoever runs it.
        parameters: how many numbers its weights have.
        files: in which all of it lies, itself first.
    """

    def __init__(self, path: Path) -> None:
        """Read it.

        Raises:
            RegistryError: no ONNX, or weights in numbers of few bits.
        """
        self.path = path
        self._bytes = path.read_bytes()
        try:
            self.names = tuple(self._texts(_NODE, _NODE_OUTPUT))
            self.outputs = tuple(self._texts(_OUTPUT, _VALUE_NAME))
            self._weights = tuple(self._found_weights())
        except (ValueError, IndexError, UnicodeDecodeError) as error:
            raise RegistryError(lfs_pointer(path) or f"{path} is no ONNX model: {error}") from error
        if not self.names:
            raise RegistryError(f"{path} is no ONNX model: it has no nodes")
        if few := next((one for one in self._weights if one.kind in _FEW_BITS and len(one.shape) > 1), None):
            raise RegistryError(
                f"{path} is quantised ({few.name} is of type {_FEW_BITS[few.kind]}): export it in float32"
            )
        beside = dict.fromkeys(one.file for one in self._weights if one.file)
        self.files = (path, *(path.parent / name for name in beside))
        if lost := next((one for one in self.files if not one.is_file()), None):
            raise RegistryError(f"{path} needs {lost}, which holds weights of it and is not there")
        self.parameters = sum(int(np.prod(one.shape)) for one in self._weights if one.kind in _ITEM)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Its layers, in their order."""
        buffer = memoryview(self._bytes)
        return tuple(_node(buffer, found) for found in self._graph(_NODE))

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of its weights, by their names."""
        return {one.name: one.shape for one in self._weights}

    def with_outputs(self, names: Sequence[str]) -> bytes:
        """The file with these inner tensors as outputs, after its own.

        A message that follows a message of its kind is merged with it, and what is a list in both is joined: so a
        graph of nothing but outputs, behind the file, adds them to the file's graph.
        """
        added = b"".join(message(_OUTPUT, message(_VALUE_NAME, name.encode())) for name in names)
        return self._bytes + message(_GRAPH, added)

    def untrained(self, *, seed: int) -> Graph:
        """The same network with fresh weights: normal ones, of the deviation that keeps activations' size.

        That of convolutions is He's, that of matrices Glorot's; numbers of other shapes get a random order, which
        keeps their distribution. Biases and scales, of one axis, stay as they are.

        Raises:
            RegistryError: the weights lie in another file, or there are none.
        """
        weights = [one for one in self._weights if one.kind in _ITEM and len(one.shape) > 1]
        if not weights or any(one.file for one in weights):
            where = "lie in a file of their own" if weights else "are not written as such"
            raise RegistryError(f"{self.path} has no untrained twin: its weights {where}")
        dice = np.random.default_rng(seed)
        changed = bytearray(self._bytes)
        for one in weights:
            whole: NDArray[np.uint8] = np.frombuffer(changed, np.uint8, one.end - one.start, one.start)
            _renew(whole, one, dice)
        twin = copy.copy(self)
        twin._bytes = bytes(changed)
        return twin

    def _graph(self, number: int) -> Iterator[Field]:
        """The graph's fields of a number."""
        buffer = memoryview(self._bytes)
        for graph in fields(buffer, 0, len(buffer)):
            if graph.number == _GRAPH:
                yield from (one for one in fields(buffer, graph.start, graph.end) if one.number == number)

    def _texts(self, part: int, number: int) -> Iterator[str]:
        """Texts in the fields of this number of each of the graph's parts of a kind."""
        buffer = memoryview(self._bytes)
        for found in self._graph(part):
            for one in fields(buffer, found.start, found.end):
                if one.number == number and one.end > one.start:
                    yield str(buffer[one.start : one.end], "utf-8")

    def _found_weights(self) -> Iterator[_Weight]:
        buffer = memoryview(self._bytes)
        for tensor in self._graph(_INITIALIZER):
            shape: list[int] = []
            name, kind, start, end, file = "", 0, 0, 0, ""
            for one in fields(buffer, tensor.start, tensor.end):
                if one.number == _DIMS:
                    shape += numbers(buffer, one)
                elif one.number == _TYPE:
                    kind = one.value
                elif one.number == _NAME:
                    name = str(buffer[one.start : one.end], "utf-8")
                elif one.number in (_RAW, _FLOATS):
                    start, end = one.start, one.end
                elif one.number == _ELSEWHERE:
                    key, value = self._pair(one)
                    file = value if key == "location" else file
            yield _Weight(name, tuple(shape), kind, start, end, file)

    def _pair(self, entry: Field) -> tuple[str, str]:
        """A key and its value."""
        buffer = memoryview(self._bytes)
        found = {
            one.number: str(buffer[one.start : one.end], "utf-8") for one in fields(buffer, entry.start, entry.end)
        }
        return found.get(1, ""), found.get(2, "")


def _node(buffer: memoryview, found: Field) -> Node:
    texts: dict[int, list[str]] = {}
    equation = ""
    for one in fields(buffer, found.start, found.end):
        if one.number in (_NODE_INPUT, _NODE_OUTPUT, _NODE_KIND, _NODE_DOMAIN):
            texts.setdefault(one.number, []).append(str(buffer[one.start : one.end], "utf-8"))
        elif one.number == _NODE_ATTRIBUTE:
            parts = {part.number: part for part in fields(buffer, one.start, one.end)}
            name, text = parts.get(_ATTRIBUTE_NAME), parts.get(_ATTRIBUTE_TEXT)
            if name and text and str(buffer[name.start : name.end], "utf-8") == "equation":
                equation = str(buffer[text.start : text.end], "utf-8")
    (kind,), (domain,) = texts.get(_NODE_KIND, [""]), texts.get(_NODE_DOMAIN, [""])
    return Node(kind, domain, tuple(texts.get(_NODE_INPUT, ())), tuple(texts.get(_NODE_OUTPUT, ())), equation)


def _renew(raw: NDArray[np.uint8], one: _Weight, dice: np.random.Generator) -> None:
    """Write fresh numbers over a weight's bytes."""
    if len(one.shape) == 3:
        items = raw.reshape(-1, _ITEM[one.kind])
        items[:] = items[dice.permutation(len(items))]
        return
    deviation = np.sqrt(2 / (sum(one.shape) if len(one.shape) == 2 else np.prod(one.shape[1:])))
    values = dice.standard_normal(len(raw) // _ITEM[one.kind], dtype=np.float32) * np.float32(deviation)
    if one.kind == _BFLOAT16:  # the first half of a float32
        raw[:] = (values.view(np.uint32) >> 16).astype("<u2").view(np.uint8)
    else:
        raw[:] = values.astype(_FLOATS_OF[one.kind]).view(np.uint8)
