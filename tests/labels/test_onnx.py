"""Detectors' layouts: boxes put into a raw output come back where they were, and files that are no detectors."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from worldprobe.errors import LabelError
from worldprobe.labels.detectors.grid_layouts import NanoDet, Yolov8, Yolox
from worldprobe.labels.detectors.onnx import OnnxDetector
from worldprobe.labels.detectors.recognise import LAYOUTS

SIZE = (64, 96)  # width and height
NAMES = {0: "cup", 1: "hand", 2: "box"}


def model(path: Path, raw: np.ndarray, *, names: dict[int, str] | None = None, outputs: int = 1) -> str:
    """An ONNX file that takes an image and answers ``raw``, whatever it shows."""
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIZE[1], SIZE[0]])
    found = [helper.make_tensor_value_info(f"output{i}", TensorProto.FLOAT, raw.shape) for i in range(outputs)]
    constant = numpy_helper.from_array(raw.astype(np.float32))
    nodes = [helper.make_node("Constant", [], [f"output{i}"], value=constant) for i in range(outputs)]
    graph = helper.make_graph(nodes, "detector", [image], found)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 10
    if names:
        helper.set_model_props(made, {"names": str(names)})
    onnx.save(made, path)
    return str(path)


def yolox() -> np.ndarray:
    raw = np.zeros((1, 8 * 12 + 4 * 6 + 2 * 3, 5 + 3))
    raw[0, 2 * 8 + 3] = [0.5, 0.25, np.log(2), np.log(1), 0.9, 0.1, 0.8, 0.2]  # stride 8, row 2, column 3
    raw[0, 96 + 24 + 3] = [0, 0, 0, np.log(0.5), 0.8, 0, 0, 0.7]  # stride 32, row 1, column 1
    raw[0, -1] = [0, 0, 0, 0, 0.6, 0.5, 0.5, 0.5]  # 0.6 x 0.5 is below the confidence
    return raw


def yolov8() -> np.ndarray:
    raw = np.zeros((1, 4 + 3, 8 * 12 + 4 * 6 + 2 * 3))
    raw[0, :, 5] = [28, 18, 16, 8, 0.1, 0.72, 0.2]
    raw[0, :, 100] = [32, 32, 32, 16, 0, 0, 0.56]
    raw[0, :, 7] = [10, 10, 5, 5, 0.3, 0.3, 0.3]
    return raw


def nanodet() -> np.ndarray:
    raw = np.zeros((1, 8 * 12 + 4 * 6 + 2 * 3 + 2, 3 + 32))
    for cell, scores, sides in ((2 * 8 + 4, (0.1, 0.72, 0.2), (1.5, 0.25, 0.5, 0.75)),):  # at (32, 16)
        raw[0, cell, :3] = scores
        logits = np.full((4, 8), -40.0)
        for side, bins in enumerate(sides):
            low = int(bins)
            logits[side, low], logits[side, low + 1] = np.log(max(1 - (bins - low), 1e-9)), np.log(bins - low)
        raw[0, cell, 3:] = logits.ravel()
    raw[0, 100, :3] = 0.2
    return raw


TWO = [[28 - 8, 18 - 4, 28 + 8, 18 + 4], [16, 24, 48, 40]]


@pytest.mark.parametrize(
    ("raw", "layout", "boxes", "classes", "scores"),
    [
        (yolox(), Yolox, TWO, [1, 2], [0.72, 0.56]),
        (yolov8(), Yolov8, TWO, [1, 2], [0.72, 0.56]),
        (nanodet(), NanoDet, [[20, 14, 36, 22]], [1], [0.72]),
    ],
    ids=["yolox", "yolov8", "nanodet"],
)
def test_each_layout_is_told_by_its_output_and_gives_its_boxes(tmp_path, raw, layout, boxes, classes, scores):
    detector = OnnxDetector(model(tmp_path / "detector.onnx", raw, names=NAMES))
    assert isinstance(detector.layout, layout)
    assert detector.classes == ("cup", "hand", "box")
    # A frame of the model's own size: px of the input are px of the frame.
    found, kinds, confidence = detector.detect(np.zeros((SIZE[1], SIZE[0], 3), np.uint8))
    np.testing.assert_allclose(found, boxes, atol=1e-4)
    assert kinds.tolist() == classes
    np.testing.assert_allclose(confidence, scores, rtol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
@pytest.mark.parametrize("frame", [(100, 200), (300, 90), (96, 64), (37, 53)])
def test_a_box_put_in_with_its_frame_comes_back_in_the_frames_own_px(layout, frame):
    height, width = frame
    corner = np.array([0.25 * width, 0.4 * height, 0.75 * width, 0.9 * height])
    picture = np.zeros((height, width, 3), np.uint8)
    picture[int(corner[1]) : int(corner[3]), int(corner[0]) : int(corner[2])] = 255
    placed = layout.place(picture, SIZE)
    assert placed.blob.shape == (1, 3, SIZE[1], SIZE[0])
    bright = placed.blob[0].min(axis=0) > (placed.blob.max() + placed.blob.min()) / 2
    rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
    seen = np.array([[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]], dtype=float)
    # Within two px of the input, and one of the frame, of where it was put.
    tolerance = 1 + 2 / min(placed.scale)
    assert np.abs(placed.to_source(seen)[0] - corner).max() <= tolerance


def test_classes_without_names_are_cocos_where_there_are_eighty(tmp_path):
    detector = OnnxDetector(model(tmp_path / "detector.onnx", np.zeros((1, 126, 85))))
    assert detector.classes[0] == "person"
    assert OnnxDetector(model(tmp_path / "other.onnx", np.zeros((1, 126, 7)))).classes == ("class 0", "class 1")


def test_an_unknown_layout_names_the_known_ones_and_what_was_found(tmp_path):
    with pytest.raises(LabelError, match=r"output0 \[1, 7, 9\].*64 x 96.*YOLOX \[1, 126.*YOLOv8.*NanoDet"):
        OnnxDetector(model(tmp_path / "detector.onnx", np.zeros((1, 7, 9))))
    with pytest.raises(LabelError, match="output1"):
        OnnxDetector(model(tmp_path / "detector.onnx", yolox(), outputs=2))


@pytest.mark.parametrize("content", [None, b"", b"not a model" * 50])
def test_a_file_that_is_no_model_is_one_clear_error(tmp_path, content):
    path = tmp_path / "detector.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LabelError, match=r"detector\.onnx"):
        OnnxDetector(str(path))


def test_a_pointer_of_git_lfs_is_told_as_what_it_is(tmp_path):
    path = tmp_path / "detector.onnx"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 12345\n")
    with pytest.raises(LabelError, match=r"detector\.onnx is a Git LFS pointer, not the file: run `git lfs pull`"):
        OnnxDetector(str(path))


def test_thresholds_out_of_range_are_refused():
    with pytest.raises(LabelError, match="confidence has to lie between 0 and 1, got 35"):
        OnnxDetector("any.onnx", confidence=35)
