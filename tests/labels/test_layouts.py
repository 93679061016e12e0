"""Detectors' layouts are told by more than shape: what real networks answer is read right, or refused by name."""

import numpy as np
import pytest
from tests.builders.known_detectors import (
    OBJECTS,
    STRIDES,
    end_to_end,
    in_pieces,
    nanodet,
    rtdetr,
    save,
    yolov5,
    yolov8,
    yolox,
)

from worldprobe.errors import LabelError
from worldprobe.labels.detectors.onnx import OnnxDetector

THREE = {"names": "{0: 'cup', 1: 'hand', 2: 'box'}"}


def check(detector, *, size=320, classes=80):
    """The three objects come back, of a frame of the input's own size, and nothing else."""
    boxes, kinds, found = detector.detect(np.zeros((size, size, 3), np.uint8))
    order = np.argsort(-found)
    np.testing.assert_allclose(boxes[order], [box for box, _, _ in OBJECTS], atol=0.5)
    assert kinds[order].tolist() == [kind % classes for _, kind, _ in OBJECTS]
    np.testing.assert_allclose(found[order], [score for _, _, score in OBJECTS], atol=0.01)


FAMILIES = {
    "yolox": yolox,
    "yolox-decoded": lambda classes=80, size=320: yolox(classes, size, decoded=True),
    "yolov6": lambda classes=80, size=320: yolox(classes, size, decoded=True, objectness=False),
    "yolov8": yolov8,
    "yolov8-turned": lambda classes=80, size=320: yolov8(classes, size).transpose(0, 2, 1),
    "yolov5": yolov5,
    "nanodet": nanodet,
    "nanodet-plus": lambda classes=80, size=320: nanodet(classes, size, plus=True),
    "rtdetr": rtdetr,
}


@pytest.mark.parametrize(("key", "size"), [*((key, 320) for key in FAMILIES), ("nanodet", 416), ("yolox", 416)])
def test_cocos_families_are_told_apart_without_metadata(tmp_path, key, size):
    raw = FAMILIES[key](80, size)
    detector = OnnxDetector(save(tmp_path / "d.onnx", {"output": raw}, shape=(1, 3, size, size)))
    assert detector.layout.key == key
    assert detector.classes[:2] == ("person", "bicycle")
    check(detector, size=size)


@pytest.mark.parametrize("key", FAMILIES)
def test_other_classes_are_told_by_their_names(tmp_path, key):
    detector = OnnxDetector(save(tmp_path / "d.onnx", {"output": FAMILIES[key](3)}, metadata=THREE))
    assert detector.layout.key == key
    assert detector.classes == ("cup", "hand", "box")
    check(detector, classes=3)


def test_nanodet_m_is_no_yolox_of_107_classes(tmp_path):
    raw = nanodet()
    assert raw.shape == (1, 2100, 112)
    detector = OnnxDetector(save(tmp_path / "nanodet_m_320.onnx", {"output": raw}))
    assert detector.layout.name == "NanoDet"
    assert len(detector.classes) == 80
    check(detector)
    # BGR less its mean over its deviation, in the middle of black bars, as it was trained.
    placed = detector.layout.place(np.full((100, 200, 3), (10, 20, 30), np.uint8), (320, 320))
    blue, green, red = placed.blob[0, :, 160, 160]
    np.testing.assert_allclose(
        [blue, green, red], [(30 - 103.53) / 57.375, (20 - 116.28) / 57.12, (10 - 123.675) / 58.395], rtol=1e-5
    )
    np.testing.assert_allclose(placed.blob[0, :, 10, 160], [-103.53 / 57.375, -116.28 / 57.12, -123.675 / 58.395])
    assert (placed.scale, placed.offset) == ((1.6, 1.6), (0.0, 80.0))


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("classes", [80, 3, 32])
def test_nanodet_in_six_outputs(tmp_path, classes, interleaved):
    outputs = in_pieces(nanodet(classes), classes, interleaved=interleaved)
    if interleaved and classes == 32:
        outputs = in_pieces(nanodet(classes), classes)  # widths are then the same: only the order tells
    detector = OnnxDetector(save(tmp_path / "d.onnx", outputs))
    assert (detector.layout.name, len(detector.classes)) == ("NanoDet", classes)
    check(detector, classes=classes)


def test_nanodet_plus_in_eight_outputs(tmp_path):
    outputs = in_pieces(nanodet(plus=True), 80, strides=(*STRIDES, 64))
    detector = OnnxDetector(save(tmp_path / "d.onnx", outputs))
    assert detector.layout.name == "NanoDet-Plus"
    check(detector)


@pytest.mark.parametrize("made", [{"bins": 11}, {"logits": True}, {"bins": 11, "plus": True}], ids=str)
def test_nanodet_with_more_bins_or_with_logits(tmp_path, made):
    detector = OnnxDetector(save(tmp_path / "d.onnx", {"output": nanodet(**made)}))
    assert len(detector.classes) == 80
    check(detector)


def test_lists_of_objects(tmp_path):
    detector = OnnxDetector(save(tmp_path / "v10.onnx", {"output0": end_to_end()}, metadata=THREE))
    assert (detector.layout.key, detector.classes) == ("end-to-end", ("cup", "hand", "box"))
    check(detector)
    (raw,) = end_to_end()
    outputs = {"labels": raw[None, :, 5].astype(np.int64), "boxes": raw[None, :, :4], "scores": raw[None, :, 4]}
    path = save(tmp_path / "d.onnx", outputs, also=[("orig_target_sizes", (1, 2))])
    detector = OnnxDetector(path + "?names=coco")
    assert (detector.layout.key, detector.classes[0]) == ("detr", "person")
    check(detector)


def test_what_two_families_read_plausibly_is_asked_for(tmp_path):
    # Three classes with objectness, or four without: boxes are the same, and no value tells.
    path = save(tmp_path / "d.onnx", {"output": yolox(3, decoded=True)})
    with pytest.raises(
        LabelError, match=r"YOLOX with decoded boxes with 3 classes or YOLOv8.* with 4 classes"
    ) as said:
        OnnxDetector(path)
    assert f"onnx:{path}?layout=yolox-decoded or onnx:{path}?layout=yolov8-turned" in str(said.value)
    for asked in ("?layout=yolox-decoded", "?names=cup,hand,box", "?names=cup,hand,box&layout=yolox-decoded"):
        detector = OnnxDetector(path + asked)
        assert detector.layout.key == "yolox-decoded"
        check(detector, classes=3)


def poses():
    points = np.random.default_rng(0).uniform(0, 320, (1, 51, 2100))
    return np.concatenate([yolov8(1), points], axis=1)


def turned_boxes():
    angle = np.random.default_rng(0).uniform(-0.7, 2.3, (1, 1, 2100))
    return np.concatenate([yolov8(15), angle], axis=1)


@pytest.mark.parametrize(
    ("outputs", "metadata", "words"),
    [
        ({"output0": poses()}, None, r"taken for YOLOv8/v11 with 52 classes, its scores go from 0 to 3\d\d"),
        ({"output0": poses()}, {"task": "pose"}, "made for the task pose.*Only detectors of boxes"),
        ({"output0": turned_boxes()}, None, "taken for YOLOv8/v11 with 16 classes, its scores go from -0.[67]"),
        ({"output0": turned_boxes()}, {"task": "obb"}, "made for the task obb"),
        ({"output0": yolov8()}, THREE, "with 80 classes, it does not have the 3 that its metadata names"),
        ({"output0": yolov8(112), "output1": np.zeros((1, 32, 80, 80))}, None, "models of masks"),
        ({f"p{s}": np.zeros((1, 3, 320 // s, 320 // s, 85)) for s in STRIDES}, None, "maps of a detector's head"),
        ({"boxes": np.zeros((1, 2100, 4)), "scores": np.zeros((1, 2100, 80))}, None, "hf:HUB_ID"),
        ({"output0": np.zeros((1, 1200, 13))}, None, r"no known layout\. Known: YOLOX \[1, 2100, 5 \+ classes\]"),
    ],
)  # fmt: skip
def test_what_is_no_detector_of_a_known_layout_is_refused_by_name(tmp_path, outputs, metadata, words):
    with pytest.raises(LabelError, match=words):
        OnnxDetector(save(tmp_path / "d.onnx", outputs, metadata=metadata))


def test_logits_of_a_head_that_is_not_decoded_are_refused(tmp_path):
    raw = np.random.default_rng(0).normal(-2, 4, (1, 64 + 80, 2100))
    with pytest.raises(LabelError, match="fits no layout: taken for YOLOv8/v11 with 140 classes, its scores"):
        OnnxDetector(save(tmp_path / "d.onnx", {"output0": raw}))


def test_boxes_that_are_implausible_are_refused_whatever_the_shape(tmp_path):
    alike, everywhere, outside = yolov8(3), yolov8(3), yolov8(3)
    alike[0, 2:4] = 16
    alike[0, 5, ::50] = np.linspace(0.4, 0.9, 42)
    everywhere[0, 5] = np.linspace(0.4, 0.9, 2100)
    outside[0, :2] += 5000
    for raw, words in ((alike, "all of 16 x 16 px"), (everywhere, "2100 of its 2100 cells"), (outside, "outside")):
        path = save(tmp_path / "d.onnx", {"output0": raw}, metadata=THREE)
        with pytest.raises(LabelError, match=f"taken for YOLOv8/v11 with 3 classes, .*{words}"):
            OnnxDetector(path)
        assert OnnxDetector(path + "?layout=yolov8").layout.key == "yolov8"  # the user knows better


def test_half_precision_open_batches_and_open_sizes(tmp_path):
    raw = {"output0": yolov8()}
    check(OnnxDetector(save(tmp_path / "half.onnx", {"output0": yolov8()}, kind=np.float16)))
    check(OnnxDetector(save(tmp_path / "batch.onnx", raw, shape=("batch", 3, 320, 320))))
    path = save(tmp_path / "open.onnx", raw, shape=("batch", 3, "height", "width"))
    with pytest.raises(LabelError, match=r"leaves its size open: say it, onnx:.*open\.onnx\?size=640"):
        OnnxDetector(path)
    check(OnnxDetector(path + "?size=320"))
    check(OnnxDetector(path + "?layout=yolov8&size=320x320"))
    check(
        OnnxDetector(save(tmp_path / "said.onnx", raw, shape=("b", 3, "h", "w"), metadata={"imgsz": "[320, 320]"}))
    )


@pytest.mark.parametrize(
    ("shape", "kind", "words"),
    [
        ((8, 3, 320, 320), np.float32, "one picture at a time"),
        ((1, 320, 320, 3), np.float32, "channels first"),
        ((1, 3, 300, 300), np.float32, "300 x 300 px; known are sides that are multiples of 32"),
        ((1, 3, 320, 320), np.uint8, r"tensor\(uint8\); known are float32 and float16"),
        ((1, 3), np.float32, "known is one picture"),
    ],
)
def test_inputs_that_are_not_known_are_refused(tmp_path, shape, kind, words):
    with pytest.raises(LabelError, match=words):
        OnnxDetector(save(tmp_path / "d.onnx", {"output0": yolov8()}, shape=shape, kind=kind))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("?layout=yolo", "no layout 'yolo'; there are yolox, yolox-decoded, yolov8"),
        ("?layout=yolox", r"not that layout\. It is YOLOX \[1, 2100, 5 \+ classes\]"),
        ("?layuot=yolox", r"takes no option 'layuot': after '\?' there may be layout"),
        ("?layout=yolov8&layout=yolov8", "takes 'layout' twice"),
        ("?size=big", "size=big is no size"),
        ("?size=640", "takes 320 x 320 px, not 640 x 640"),
        ("?names=cup,hand", "does not have the 2 that its metadata names"),
    ],
)
def test_options_that_are_none_are_one_clear_error(tmp_path, asked, words):
    path = save(tmp_path / "d.onnx", {"output0": yolov8()})
    with pytest.raises(LabelError, match=words):
        OnnxDetector(path + asked)


def test_a_file_with_a_question_mark_in_its_name_is_that_file(tmp_path):
    check(OnnxDetector(save(tmp_path / "really?layout=yolox", {"output0": yolov8()})))
