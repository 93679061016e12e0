"""A network in an ONNX file as an encoder: inner tensors, pixels, its untrained twin, and what is refused."""

import json
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from worldprobe.encoders.load import load_encoder
from worldprobe.encoders.onnx.cells import cells_of
from worldprobe.encoders.onnx.graph import Graph
from worldprobe.errors import ConfigError, RegistryError
from worldprobe.testing import check_encoder

SIDE, PATCH, WIDTH = 32, 8, 6
GRID = SIDE // PATCH


def saved(folder, *, shape=(1, 3, SIDE, SIDE), kind=TensorProto.FLOAT, inputs=1, weights=None, elsewhere=False):
    """Patches by a convolution ``patches``, an activation ``active``, ``rows`` [1, n, d], and one number."""
    dice = np.random.default_rng(0)
    kernel = dice.standard_normal((WIDTH, 3, PATCH, PATCH)).astype(np.float32) / 16
    bias = dice.standard_normal(WIDTH).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["picture", "kernel", "bias"], ["patches"], strides=[PATCH, PATCH]),
        helper.make_node("Relu", ["patches"], ["active"]),
        helper.make_node("Transpose", ["active"], ["last"], perm=[0, 2, 3, 1]),
        helper.make_node("Reshape", ["last", "flat"], ["rows"]),
        helper.make_node("ReduceMean", ["rows"], ["score"], keepdims=0),
    ]
    constants = [numpy_helper.from_array(kernel, "kernel"), numpy_helper.from_array(bias, "bias")]
    constants.append(numpy_helper.from_array(np.array([1, -1, WIDTH]), "flat"))
    constants += [numpy_helper.from_array(value, name) for name, value in (weights or {}).items()]
    given = [helper.make_tensor_value_info("picture", kind, shape)]
    given += [helper.make_tensor_value_info("more", kind, shape)] * (inputs - 1)
    result = [helper.make_tensor_value_info("score", kind, [])]
    graph = helper.make_graph(nodes, "small", given, result, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path = folder / "small.onnx"
    onnx.save(model, path, save_as_external_data=elsewhere, size_threshold=100, convert_attribute=False)
    return path, kernel, bias


def clips_of(*shape, seed=0):
    dice = np.random.default_rng(seed)
    return [SimpleNamespace(pixels=one) for one in dice.integers(0, 256, shape, dtype=np.uint8)]


def expected(clips, kernel, bias, *, divide=255.0):
    frames = torch.from_numpy(np.stack([clip.pixels for clip in clips])).float().flatten(0, 1) / divide
    found = torch.nn.functional.conv2d(frames, torch.from_numpy(kernel), torch.from_numpy(bias), stride=PATCH)
    return found.permute(0, 2, 3, 1).reshape(len(clips), -1, GRID, GRID, WIDTH).numpy()


@pytest.mark.parametrize("tensor", ["patches", "active", "last", "rows"])
def test_an_inner_tensor_becomes_tokens(tmp_path, tensor):
    path, kernel, bias = saved(tmp_path)
    encoder = load_encoder(f"onnx:{path}#{tensor}?pixels=unit")
    clips = clips_of(2, 3, 3, SIDE, SIDE)
    wanted = expected(clips, kernel, bias)
    wanted = wanted if tensor == "patches" else np.maximum(wanted, 0)
    np.testing.assert_allclose(encoder.encode(clips, blocks=[0])[0], wanted, rtol=2e-3, atol=2e-3)
    grid = encoder.grid(3)
    assert (grid.time, grid.height, grid.width, grid.tubelet, grid.patch) == (3, GRID, GRID, 1, PATCH)
    assert encoder.parameters == kernel.size + bias.size
    check_encoder(encoder, frames=3)


def test_options_lie_beside_the_file_too_and_what_is_typed_goes_first(tmp_path):
    path, kernel, bias = saved(tmp_path)
    beside = {"pixels": "bytes", "colours": "bgr", "fit": "letterbox"}
    (tmp_path / "small.onnx.json").write_text(json.dumps(beside))
    clips = clips_of(1, 2, 3, SIDE, SIDE)
    turned = [SimpleNamespace(pixels=clip.pixels[:, ::-1]) for clip in clips]
    encoder = load_encoder(f"onnx:{path}#patches")
    wanted = expected(turned, kernel, bias, divide=1.0)
    np.testing.assert_allclose(encoder.encode(clips, blocks=[0])[0], wanted, rtol=2e-3, atol=0.05)
    assert encoder.view(64, 32).to_model(np.array([64.0, 32.0])).tolist() == [32, 16]
    frames = encoder.preprocess(np.zeros((1, 32, 64, 3), dtype=np.uint8))
    assert (frames[:, :, :16] == 0).all()
    assert (frames[:, :, 16:] == 114).all()
    unit = load_encoder(f"onnx:{path}#patches?pixels=unit&colours=rgb")
    np.testing.assert_allclose(unit.encode(clips, blocks=[0])[0], expected(clips, kernel, bias), atol=2e-3)
    assert unit.revision != encoder.revision


def test_the_twin_has_the_same_network_and_other_weights(tmp_path):
    path, kernel, bias = saved(tmp_path)
    encoder = load_encoder(f"onnx:{path}#patches?pixels=signed")
    twin, again = load_encoder(encoder.twin), load_encoder(encoder.twin)
    assert (twin.name, twin.status, twin.twin) == (encoder.twin, "untrained", None)
    assert twin.revision != encoder.revision
    clips = clips_of(1, 2, 3, SIDE, SIDE)
    real, other, same = (one.encode(clips, blocks=[0])[0].astype(np.float32) for one in (encoder, twin, again))
    np.testing.assert_array_equal(other, same)
    assert np.abs(real - other).mean() > 0.1
    fresh = onnx.load_from_string(Graph(path).untrained(seed=1).with_outputs([]))
    found = {one.name: numpy_helper.to_array(one) for one in fresh.graph.initializer}
    np.testing.assert_array_equal(found["bias"], bias)
    assert found["kernel"].std() == pytest.approx(np.sqrt(2 / kernel[0].size), rel=0.1)
    assert abs(np.corrcoef(found["kernel"].ravel(), kernel.ravel())[0, 1]) < 0.1
    check_encoder(twin, frames=2)


def test_names_are_listed_where_none_or_another_is_given(tmp_path):
    path, *_ = saved(tmp_path)
    with pytest.raises(
        RegistryError, match=r"which of its tensors.*#rows; .*active \[1, 6, 4, 4\].*rows \[1, 16, 6\]"
    ):
        load_encoder(f"onnx:{path}")
    with pytest.raises(RegistryError, match=r"has no tensor 'activ' Did you mean 'active'\?"):
        load_encoder(f"onnx:{path}#activ")


def test_added_outputs_are_those_of_the_library(tmp_path):
    path, *_ = saved(tmp_path)
    found = onnx.load_from_string(Graph(path).with_outputs(["active", "rows"]))
    assert [one.name for one in found.graph.output] == ["score", "active", "rows"]
    assert Graph(path).names == ("patches", "active", "last", "rows", "score")


@pytest.mark.parametrize(
    ("built", "name", "why"),
    [
        ({}, "#patches", "in which numbers does it take pixels.*small.onnx.json: pixels=imagenet"),
        ({}, "#patches?pixels=grey", "in which numbers"),
        ({}, "#patches?mean=1,2&std=1,1,1", "mean needs three numbers"),
        ({}, "#patches?mean=0,0,0&std=0,1,1", "std needs three numbers"),
        ({}, "#patches?pixels=unit&fit=round", "no fit or colours of that name"),
        ({}, "#patches?pixels=unit&layout=hw", "no layout 'hw'"),
        ({}, "#patches?pixel=unit", "takes no 'pixel=unit'"),
        ({}, "#patches?pixels=unit&size=64", r"takes 32 x 32 px, not \(64, 64\)"),
        ({}, "#score?pixels=unit", r"of shape \[\], read are \[1, c, h, w\]"),
        ({"shape": (1, 3, "h", "w")}, "#patches?pixels=unit", r"leaves its size open: say it, .*\?size=640x384"),
        ({"shape": (2, 3, 32, 32)}, "#patches?pixels=unit", r"read is one picture \[1, 3, h, w\]"),
        ({"inputs": 2}, "#patches?pixels=unit", "more .*; read is one picture"),
        ({"weights": {"few": np.zeros((2, 2), np.int8)}}, "#patches?pixels=unit", r"quantised \(few is of type"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_one_line(tmp_path, built, name, why):
    path, *_ = saved(tmp_path, **built)
    with pytest.raises(RegistryError, match=why) as found:
        load_encoder(f"onnx:{path}{name}")
    assert "\n" not in str(found.value)


def test_an_open_size_is_taken_from_the_options(tmp_path):
    path, *_ = saved(tmp_path, shape=("n", 3, "h", "w"))
    encoder = load_encoder(f"onnx:{path}#patches?pixels=unit&size=48x24")
    assert (encoder.grid(1).height, encoder.grid(1).width) == (3, 6)
    check_encoder(encoder, frames=2)


def test_weights_in_a_file_of_their_own_are_read_but_not_renewed(tmp_path):
    path, *_ = saved(tmp_path, elsewhere=True)
    encoder = load_encoder(f"onnx:{path}#patches?pixels=unit")
    check_encoder(encoder, frames=2)
    assert set(encoder.origin["weights"]) == {"small.onnx", *(one.name for one in Graph(path).files)}
    with pytest.raises(RegistryError, match="no untrained twin: its weights lie in a file of their own"):
        load_encoder(encoder.twin)


def test_what_is_no_network_is_refused(tmp_path):
    with pytest.raises(RegistryError, match="no ONNX file at nowhere"):
        load_encoder("onnx:nowhere.onnx#a")
    (tmp_path / "a.onnx").write_bytes(b"no model at all")
    with pytest.raises(RegistryError, match="is no ONNX model"):
        load_encoder(f"onnx:{tmp_path}/a.onnx#a")
    (tmp_path / "a.onnx").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 12345\n")
    with pytest.raises(RegistryError, match="is a Git LFS pointer"):
        load_encoder(f"onnx:{tmp_path}/a.onnx#a")
    path, *_ = saved(tmp_path)
    with pytest.raises(ConfigError, match="runs on the CPU"):
        load_encoder(f"onnx:{path}#patches?pixels=unit", device="cuda")
    encoder = load_encoder(f"onnx:{path}#patches?pixels=unit")
    with pytest.raises(ConfigError, match="has block 0 alone"):
        encoder.encode(clips_of(1, 1, 3, SIDE, SIDE), blocks=[1])
    with pytest.raises(ConfigError, match="takes 32 x 32 px, got 16 x 16"):
        encoder.encode(clips_of(1, 1, 3, 16, 16), blocks=[0])


@pytest.mark.parametrize(
    ("shape", "found"),
    [
        ((1, 17, 5), (4, 4, "tokens", 1)), ((1, 21, 5), (4, 4, "tokens", 5)), ((1, 4, 4, 9), (4, 4, "nhwc", 0)),
        ((1, 9, 4, 4), (4, 4, "nchw", 0)), ((1, 8, 8, 8), (8, 8, "nchw", 0)),
    ],
)  # fmt: skip
def test_a_grid_is_told_from_the_shape(shape, found):
    cells = cells_of(shape, (32, 32), layout="")
    assert (cells.rows, cells.columns, cells.kind, cells.before) == found
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    assert cells.tokens(values).shape == (cells.rows, cells.columns, cells.width)
    assert isinstance(cells_of((1, 7, 5), (32, 32), layout=""), str)


def test_a_real_detector_is_an_encoder(data):
    name = f"onnx:{data / 'detectors' / 'yolox_nano_416.onnx'}#986?pixels=bytes&colours=bgr&fit=letterbox"
    encoder = load_encoder(name)
    assert (encoder.grid(1).height, encoder.grid(1).patch, encoder.parameters) == (26, 16, 904_467)
    check_encoder(encoder, frames=2)
    check_encoder(load_encoder(encoder.twin), frames=2)
