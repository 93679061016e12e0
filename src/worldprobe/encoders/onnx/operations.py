"""How many operations an ONNX graph takes for one of its tensors: counted from the shapes of what meets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

from worldprobe.encoders.onnx.graph import Graph, Node

Shapes = Mapping[str, Sequence[int]]
# Of layers that are not counted; whatever has a domain of its own is not known here either.
_UNCOUNTED = (
    "Attention", "If", "Loop", "Scan", "LSTM", "GRU", "RNN", "DeformConv", "ConvInteger", "MatMulInteger",
    "QLinearConv", "QLinearMatMul",
)  # fmt: skip


def needed(graph: Graph, tensor: str) -> list[Node]:
    """The nodes that a tensor comes of, the first ones last."""
    maker = {name: node for node in graph.nodes for name in node.outputs}
    found: dict[int, Node] = {}
    waiting = [tensor]
    while waiting:
        node = maker.get(waiting.pop())
        if node is not None and id(node) not in found:
            found[id(node)] = node
            waiting += node.inputs
    return list(found.values())


def flop(nodes: Sequence[Node], shapes: Shapes) -> float | None:
    """Operations of the nodes' products, multiplications and additions apart; None where one is not counted.

    Args:
        shapes: of every tensor that goes into a node or comes out of it.
    """
    total = 0
    for node in nodes:
        found = _products(node, shapes)
        if found is None:
            return None
        total += found
    return 2.0 * total


def _products(node: Node, shapes: Shapes) -> int | None:
    """Multiplications of one node; 0 of those that only add, move or change single values."""
    if node.domain not in ("", "ai.onnx") or node.kind in _UNCOUNTED:
        return None
    if node.kind not in ("Conv", "ConvTranspose", "MatMul", "Gemm", "Einsum"):
        return 0
    try:
        given, made = [shapes[name] for name in node.inputs if name], shapes[node.outputs[0]]
    except KeyError:  # whole numbers, or what the runtime leaves out
        return None
    if node.kind == "Conv":
        return prod(made) * prod(given[1][1:])
    if node.kind == "ConvTranspose":
        return prod(given[0]) * prod(given[1][1:])
    if node.kind == "MatMul":
        return prod(made) * given[0][-1]
    if node.kind == "Gemm":
        return prod(made) * (prod(given[0]) // made[0])
    return _of_einsum(node.equation, given)


def _of_einsum(equation: str, given: Sequence[Sequence[int]]) -> int | None:
    """As many as there are ways to choose all indices; None of more than two factors, or with "..."."""
    terms = equation.replace(" ", "").partition("->")[0].split(",")
    if len(terms) > 2 or "." in equation:
        return None
    if len(terms) == 1:
        return 0
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, given, strict=True):
        sizes |= zip(term, shape, strict=True)
    return prod(sizes.values())
