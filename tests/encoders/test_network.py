"""What encoders tell of their networks: operations as torch counts them, or from ONNX's shapes; parameters."""

import math
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from tests.builders.vision_checkpoints import FRAMES, SIDE, written
from torch.utils.flop_counter import FlopCounterMode

from worldprobe.encoders.load import load_encoder
from worldprobe.encoders.network import flop_of, network_of
from worldprobe.encoders.onnx.graph import Graph, Node
from worldprobe.encoders.onnx.operations import flop, needed
from worldprobe.encoders.vision.families import FAMILIES
from worldprobe.errors import EncoderError


def fused(query, key, value, *_, out_shape=None, **__):
    """Of attention that torch's counter does not see into on a CPU."""
    clips, heads, tokens, width = query
    return 2 * clips * heads * tokens * key[2] * (width + value[3])


def product(rows, *_, out_shape=None, **__):
    """Of oneDNN's products, which it does not know either."""
    return 2 * math.prod(rows) * out_shape[-1]


def counted(forward, pixels, block):
    known = {
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: fused,
        torch.ops.mkldnn._linear_pointwise: product,
    }
    with FlopCounterMode(display=False, custom_mapping=known) as found:
        forward(pixels, {block})
    return found.get_total_flops()


@pytest.mark.parametrize("kind", FAMILIES)
def test_operations_of_a_clip_are_those_of_its_real_forward(kind, tmp_path):
    written(kind, tmp_path)
    encoder = load_encoder(str(tmp_path), device="cpu", precision="fp32")
    shape = (1, FRAMES, 3, SIDE, SIDE) if FAMILIES[kind].clips else (FRAMES, 3, SIDE, SIDE)
    pixels = torch.zeros(shape, dtype=torch.uint8)
    before = encoder.forward(pixels, {2})[2]
    assert encoder.flop(FRAMES) == counted(encoder.forward, pixels, 2) > 1e6
    assert (encoder.forward(pixels, {2})[2] == before).all()  # nothing of the network was touched


@pytest.mark.parametrize(("name", "frames"), [("vjepa2-tiny", 16), ("random:vjepa2-tiny", 4)])
def test_vjepa2s_operations_are_those_of_its_real_forward(name, frames):
    encoder = load_encoder(name, device="cpu", precision="fp32")
    pixels = torch.zeros((1, frames, 3, encoder.crop, encoder.crop), dtype=torch.uint8)
    assert encoder.flop(frames) == counted(encoder.forward, pixels, encoder.blocks - 1)


def test_the_operations_of_large_networks_are_counted_without_computing():
    tower = load_encoder("random:facebook/vit-mae-base")
    # Twice the 17.5 G multiplications of ViT-B/16 that papers give.
    assert tower.flop(2) / 2 == pytest.approx(35.1e9, rel=0.01)


def test_what_is_known_of_networks_goes_through_what_is_wrapped_round_them():
    plain, wrapped = load_encoder("vjepa2-tiny"), load_encoder("squashed:vjepa2-tiny")
    known = network_of(plain, 16)
    assert known == network_of(wrapped, 16)
    assert (known["parameters"], known["flop"]) == (plain.parameters, plain.flop(16))
    assert known["mean"] == pytest.approx([0.485, 0.456, 0.406])
    assert network_of(load_encoder("pixels"), 16) == {"parameters": 0}


def test_a_third_partys_count_that_fails_names_the_encoder():
    class Broken(SimpleNamespace):
        def flop(self, frames):
            raise KeyError("depth")

    with pytest.raises(EncoderError, match="the encoder mine failed in flop"):
        flop_of(Broken(name="mine"), 16)


def saved(folder, nodes, constants, shape=(1, 3, 8, 8)):
    given = [helper.make_tensor_value_info("picture", TensorProto.FLOAT, shape)]
    result = [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)]
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "small", given, result, tensors)
    path = folder / "small.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def test_onnx_operations_are_counted_up_to_the_tensor_and_no_further(tmp_path):
    dice = np.random.default_rng(0)

    def random(*shape):
        return dice.standard_normal(shape).astype(np.float32)

    constants = {
        "kernel": random(6, 3, 2, 2), "grouped": random(6, 2, 1, 1), "matrix": random(6, 5),
        "up": random(6, 4, 2, 2), "rows": np.array([1, 16, 6]), "gemm": random(7, 16), "flat": np.array([6, 16]),
    }  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["picture", "kernel"], ["first"], strides=[2, 2]),  # [1, 6, 4, 4]
        helper.make_node("Conv", ["first", "grouped"], ["second"], group=3),  # [1, 6, 4, 4]
        helper.make_node("Reshape", ["second", "rows"], ["tokens"]),
        helper.make_node("MatMul", ["tokens", "matrix"], ["product"]),  # [1, 16, 5]
        helper.make_node("Einsum", ["product", "product"], ["scores"], equation="bnd,bmd->bnm"),  # [1, 16, 16]
        helper.make_node("ConvTranspose", ["second", "up"], ["larger"], strides=[2, 2]),  # [1, 4, 8, 8]
        helper.make_node("Reshape", ["second", "flat"], ["matrices"]),
        helper.make_node("Gemm", ["matrices", "gemm"], ["out"], transB=1),  # [6, 7]
    ]
    graph = Graph(saved(tmp_path, nodes, constants))
    assert [node.kind for node in graph.nodes] == [node.op_type for node in nodes]
    first, second = 96 * 12, 96 * 2
    wanted = {
        "first": first, "second": first + second, "product": first + second + 80 * 6,
        "scores": first + second + 80 * 6 + 16 * 16 * 5, "larger": first + second + 96 * 16,
        "out": first + second + 42 * 16,
    }  # fmt: skip
    # By a library of its own.
    inferred = onnx.shape_inference.infer_shapes(onnx.load(graph.path))
    known = (*inferred.graph.value_info, *inferred.graph.output)
    shapes = {one.name: [side.dim_value for side in one.type.tensor_type.shape.dim] for one in known}
    for tensor, products in wanted.items():
        shaped = {"picture": (1, 3, 8, 8), "out": (6, 7), **{k: v for k, v in shapes.items() if v}, **graph.shapes}
        assert flop(needed(graph, tensor), shaped) == 2 * products, tensor
    encoder = load_encoder(f"onnx:{graph.path}#second?pixels=unit")
    assert encoder.flop(3) == 3 * 2 * wanted["second"]


@pytest.mark.parametrize("node", [
    Node("Conv", "com.microsoft", ("a", "b"), ("c",)), Node("LSTM", "", ("a", "b"), ("c",)),
    Node("Einsum", "", ("a", "b"), ("c",), "...a,ab->...b"), Node("MatMul", "", ("a", "lost"), ("c",)),
])  # fmt: skip
def test_layers_that_are_not_known_are_not_guessed(node):
    assert flop([node], {"a": (2, 3), "b": (3, 4), "c": (2, 4)}) is None
