"""Decoding of YOLOX's output, and files that are no detectors."""

import numpy as np
import pytest

from worldprobe.errors import LabelError
from worldprobe.labels.onnx import OnnxDetector, decode, letterbox


def test_one_cell_on_each_stride_decodes_to_its_box():
    raw = np.zeros((8 * 8 + 4 * 4 + 2 * 2, 5 + 3), dtype=np.float32)
    raw[2 * 8 + 3] = [0.5, 0.25, np.log(2), np.log(1), 0.9, 0.1, 0.8, 0.2]  # stride 8, row 2, column 3
    raw[64 + 16 + 3] = [0, 0, 0, np.log(0.5), 0.8, 0, 0, 0.7]  # stride 32, row 1, column 1
    raw[70] = [0, 0, 0, 0, 0.6, 0.5, 0.5, 0.5]  # 0.6 x 0.5 is below the confidence
    boxes, classes, scores = decode(raw, size=(64, 64), confidence=0.35)
    np.testing.assert_allclose(boxes, [[28 - 8, 18 - 4, 28 + 8, 18 + 4], [16, 24, 48, 40]])
    assert classes.tolist() == [1, 2]
    np.testing.assert_allclose(scores, [0.72, 0.56], rtol=1e-6)


def test_a_letterbox_scales_into_the_top_left_and_pads_with_grey():
    padded, scale = letterbox(np.full((100, 200, 3), 7, np.uint8), size=(416, 416))
    assert (padded.shape, scale) == ((416, 416, 3), 2.08)
    assert (padded[:208] == 7).all()
    assert (padded[208:] == 114).all()


@pytest.mark.parametrize("content", [None, b"", b"not a model" * 50])
def test_a_file_that_is_no_model_is_one_clear_error(tmp_path, content):
    path = tmp_path / "detector.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LabelError, match=r"detector\.onnx"):
        OnnxDetector(str(path))


def test_thresholds_out_of_range_are_refused():
    with pytest.raises(LabelError, match="confidence has to lie between 0 and 1, got 35"):
        OnnxDetector("any.onnx", confidence=35)
