"""Detectors whose answer is known: raw outputs as real networks give them, with objects put in, as ONNX files.

What is no object is noise like a network's: scores near 0, offsets and sizes that scatter, logits of both signs.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STRIDES = (8, 16, 32)
# Corners in px of a 320 x 320 input, class, score.
OBJECTS = (((40, 60, 120, 220), 0, 0.9), ((180, 100, 300, 180), 2, 0.8), ((20, 240, 60, 300), 1, 0.6))


def save(path: Path, outputs: dict, *, shape=(1, 3, 320, 320), metadata=None, kind=np.float32, also=()) -> str:
    """An ONNX file that takes a picture and answers ``outputs``, whatever it shows."""
    kinds = {np.float32: TensorProto.FLOAT, np.float16: TensorProto.FLOAT16, np.uint8: TensorProto.UINT8}
    inputs = [helper.make_tensor_value_info("images", kinds[kind], list(shape))]
    inputs += [helper.make_tensor_value_info(name, TensorProto.INT64, size) for name, size in also]
    found, nodes = [], []
    for name, raw in outputs.items():
        raw = raw if raw.dtype == np.int64 else raw.astype(np.float16 if kind == np.float16 else np.float32)
        found.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(raw.dtype), raw.shape))
        nodes.append(helper.make_node("Constant", [], [name], value=numpy_helper.from_array(raw)))
    made = helper.make_model(
        helper.make_graph(nodes, "detector", inputs, found), opset_imports=[helper.make_opsetid("", 17)]
    )
    made.ir_version = 10
    if metadata:
        helper.set_model_props(made, metadata)
    onnx.save(made, path)
    return str(path)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def grid(size, strides=STRIDES):
    """Column, row and stride of each cell, float [n, 3]."""
    cells = [(x, y, s) for s in strides for y in range(-(-size // s)) for x in range(-(-size // s))]
    return np.array(cells, dtype=float)


def _cell_of(cells, box):
    """The cell of stride 16 or 32 that holds a box's middle: those that detectors answer in."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    stride = 32 if max(box[2] - box[0], box[3] - box[1]) > 100 else 16
    (index,) = np.flatnonzero((cells == (x // stride, y // stride, stride)).all(axis=1))
    return int(index)


def _centre(box):
    return np.array([box[0] + box[2], box[1] + box[3]]) / 2, np.array([box[2] - box[0], box[3] - box[1]], float)


def scores(rng, n, classes):
    return sigmoid(rng.normal(-6, 1, (n, classes)))


def put(values, index, kind, score):
    values[index] = 0.01
    values[index, kind] = score


def yolox(classes=80, size=320, *, decoded=False, seed=0, objectness=True):
    rng, cells = np.random.default_rng(seed), grid(size)
    n = len(cells)
    xy, log = rng.normal(0.5, 0.4, (n, 2)), rng.normal(0.5, 0.7, (n, 2))
    held = sigmoid(rng.normal(-6, 1, n)) if objectness else np.ones(n)
    kinds = sigmoid(rng.normal(-3, 1, (n, classes))) if objectness else scores(rng, n, classes)
    for box, kind, score in OBJECTS:
        index, (centre, extent) = _cell_of(cells, box), _centre(box)
        xy[index] = centre / cells[index, 2] - cells[index, :2]
        log[index] = np.log(extent / cells[index, 2])
        held[index] = 0.95 if objectness else 1
        put(kinds, index, kind % classes, score / held[index])
    if decoded:
        xy, log = (xy + cells[:, :2]) * cells[:, 2:], np.exp(log) * cells[:, 2:]
    return np.concatenate([xy, log, held[:, None], kinds], axis=1)[None]


def yolov8(classes=80, size=320, *, seed=0):
    raw = yolox(classes, size, decoded=True, seed=seed, objectness=False)[0]
    return np.delete(raw, 4, axis=1).T[None]


def yolov5(classes=80, size=320, *, seed=0):
    """Three anchors a cell, of which the second holds what is there."""
    raw = [yolox(classes, size, decoded=True, seed=seed + i) for i in range(3)]
    for other in (raw[0], raw[2]):
        other[0, :, 4] = np.minimum(other[0, :, 4], 0.02)
    return np.concatenate(raw, axis=1)


def nanodet(classes=80, size=320, *, plus=False, bins=8, seed=0, logits=False):
    strides = (*STRIDES, 64) if plus else STRIDES
    rng, cells = np.random.default_rng(seed), grid(size, strides)
    kinds, sides = scores(rng, len(cells), classes), rng.normal(0, 2, (len(cells), 4, bins))
    for box, kind, score in OBJECTS:
        index = _cell_of(cells, box)
        middle = (cells[index, :2] + (0 if plus else 0.5)) * cells[index, 2]
        away = np.array([*(middle - box[:2]), *(box[2:] - middle)]) / cells[index, 2]
        sides[index] = -30
        for side, far in enumerate(away):
            low = int(min(far, bins - 2))
            sides[index, side, low] = np.log(max(1 - (far - low), 1e-12))
            sides[index, side, low + 1] = np.log(max(far - low, 1e-12))
        put(kinds, index, kind % classes, score)
    if logits:
        kinds = np.log(kinds / (1 - kinds))
    return np.concatenate([kinds, sides.reshape(len(cells), -1)], axis=1)[None]


def in_pieces(raw, classes, size=320, strides=STRIDES, *, interleaved=False):
    """NanoDet's outputs of a head in pieces, by the names that it gives them."""
    ends = np.cumsum([(-(-size // s)) ** 2 for s in strides])[:-1]
    parts = np.split(raw, ends, axis=1)
    kinds = {f"cls_pred_stride_{s}": part[..., :classes] for s, part in zip(strides, parts, strict=True)}
    sides = {f"dis_pred_stride_{s}": part[..., classes:] for s, part in zip(strides, parts, strict=True)}
    if not interleaved:
        return kinds | sides
    return {k: v for pair in zip(kinds.items(), sides.items(), strict=True) for k, v in pair}


def end_to_end(size=320, rows=300):
    raw = np.zeros((1, rows, 6))
    for i, (box, kind, score) in enumerate(OBJECTS):
        raw[0, i] = [*box, score, kind]
    return raw


def rtdetr(classes=80, size=320, *, seed=0, rows=300):
    rng = np.random.default_rng(seed)
    boxes = np.concatenate([rng.uniform(0.1, 0.9, (rows, 2)), rng.uniform(0.02, 0.5, (rows, 2))], axis=1)
    kinds = scores(rng, rows, classes)
    for i, (box, kind, score) in enumerate(OBJECTS):
        boxes[i] = np.concatenate(_centre(box)) / size
        put(kinds, i, kind % classes, score)
    return np.concatenate([boxes, kinds], axis=1)[None]
