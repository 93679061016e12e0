"""A surveillance film read by a network that was really trained: a detector's features, above every control."""

from pathlib import Path

import pytest

from worldprobe.encoders.load import load_encoder
from worldprobe.labels.load import load_labeller
from worldprobe.pipeline.encode.encode import encode
from worldprobe.pipeline.label.label import label
from worldprobe.pipeline.probe.answers import Probed
from worldprobe.pipeline.probe.plan import Plan
from worldprobe.pipeline.probe.probe import probe
from worldprobe.store import Store

CONTROLS = ("random-init", "pixels", "gaussian", "shuffled", "nuisance", "majority")


@pytest.fixture(scope="module")
def probed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Probed:
    film = data / "videos" / "pets09_s2l1.avi"
    store = Store(str(tmp_path_factory.mktemp("pets") / "embeddings.zarr"))
    # Of the three maps that the detector's head reads, the one of 16 px.
    name = f"onnx:{data / 'detectors' / 'yolox_nano_416.onnx'}#986?pixels=bytes&colours=bgr&fit=letterbox"
    for one in (name, f"random:{name}", "pixels"):
        # People walk on for seconds: every fourth frame says as much.
        encode([film], encoder=load_encoder(one), store=store, blocks=[0], frames=4, stride=4)
    labels = label([film], labeller=load_labeller(f"mot:{data / 'labels' / 'pets09_s2l1_mot.txt'}"))
    tasks, features = ("xy", "size"), ("z", "grid")
    plan = Plan(encoder=name, tasks=tasks, features=features, controls=CONTROLS, split="blocked")
    return probe(store, labels, plan)


def test_a_trained_detectors_features_hold_places_above_every_control(probed: Probed) -> None:
    verdicts = {(r.task, r.features): r.verdict for r in probed.evidence if r.kind == "verdict"}
    assert verdicts["xy", "z"] == verdicts["xy", "grid"] == "above every control"
