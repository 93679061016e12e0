"""Detectors of transformers from local folders, with small random weights."""

import json

import numpy as np
import pytest
import torch
from transformers import (
    DFineConfig,
    DFineForObjectDetection,
    RTDetrResNetConfig,
    RTDetrV2Config,
    RTDetrV2ForObjectDetection,
    VJEPA2Config,
    VJEPA2Model,
    YolosConfig,
    YolosForObjectDetection,
)

from worldprobe.errors import LabelError
from worldprobe.labels.detectors.huggingface import HuggingFaceDetector
from worldprobe.video.read import open_video
from worldprobe.video.rendered.scenes import render_scenes

NAMES = {0: "cup", 1: "hand", 2: "box"}
_BACKBONE = RTDetrResNetConfig(
    embedding_size=8, hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1], layer_type="basic",
    out_features=["stage2", "stage3", "stage4"],
)  # fmt: skip
_DETR = {
    "backbone_config": _BACKBONE, "encoder_hidden_dim": 16, "d_model": 16, "encoder_in_channels": [8, 8, 8],
    "encoder_ffn_dim": 16, "encoder_attention_heads": 2, "decoder_attention_heads": 2, "decoder_ffn_dim": 16,
    "decoder_layers": 2, "decoder_in_channels": [16, 16, 16], "num_queries": 12, "num_denoising": 0,
    "feat_strides": [8, 16, 32], "id2label": NAMES,
}  # fmt: skip


def yolos(folder):
    config = YolosConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=[64, 64],
        num_detection_tokens=12, id2label=NAMES,
    )  # fmt: skip
    YolosForObjectDetection(config).save_pretrained(folder)
    return "YolosImageProcessor", {"size": {"shortest_edge": 64, "longest_edge": 96}}


def rtdetr(folder):
    RTDetrV2ForObjectDetection(RTDetrV2Config(**_DETR)).save_pretrained(folder)
    return "RTDetrImageProcessor", {"size": {"height": 64, "width": 64}}


def dfine(folder):
    DFineForObjectDetection(DFineConfig(**_DETR)).save_pretrained(folder)
    return "RTDetrImageProcessor", {"size": {"height": 64, "width": 64}}


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    return render_scenes(1, 4, tmp_path_factory.mktemp("scenes"))[0]


@pytest.mark.parametrize("make", [yolos, rtdetr, dfine])
def test_a_detector_in_a_local_folder_labels_every_frame_in_source_px(make, scene, tmp_path):
    torch.manual_seed(0)
    processor, options = make(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"image_processor_type": processor, **options}))
    detector = HuggingFaceDetector(str(tmp_path), confidence=0.05, every=2, device="cpu")
    with open_video(scene) as video:
        table = detector.label(video).table
        ref = video.ref
    assert set(table["frame"]) == set(range(0, 16, 2))
    assert set(table["class"]) <= set(NAMES.values())
    assert set(table["source"]) == {f"hf:{tmp_path}"}
    corners = [(table["x"] - table["w"] / 2).min(), (table["y"] - table["h"] / 2).min()]
    assert min(corners) >= -1e-6
    assert (table["x"] + table["w"] / 2).max() <= ref.width + 1e-6
    assert (table["y"] + table["h"] / 2).max() <= ref.height + 1e-6
    # Untrained boxes are a twentieth of the frame or more: 8 of its 160 px, not 3 of the input's 64.
    assert table["w"].max() > 7.9
    assert table["object"].min() >= 0
    assert ((table["confidence"] > 0.05) & (table["confidence"] <= 1)).all()
    assert np.isfinite(table.select("x", "y", "w", "h").to_numpy()).all()


def test_what_is_no_detector_is_one_clear_error(tmp_path):
    with pytest.raises(LabelError, match="hf: which detector"):
        HuggingFaceDetector()
    with pytest.raises(LabelError, match="confidence has to lie between 0 and 1, got 0"):
        HuggingFaceDetector("any", confidence=0)
    VJEPA2Model(VJEPA2Config(hidden_size=48, num_hidden_layers=1, num_attention_heads=2)).save_pretrained(tmp_path)
    with pytest.raises(LabelError, match="no detector of transformers"):
        HuggingFaceDetector(str(tmp_path))
