"""Ultralytics for real, in a process of its own: it needs torchvision, for which a stand-in is put in its way."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from worldprobe.errors import LabelError
from worldprobe.labels.detectors import yolo
from worldprobe.labels.load import load_labeller
from worldprobe.video.rendered.scenes import render_scenes

ROOT = Path(__file__).resolve().parents[2]
# Of torchvision Ultralytics needs the version, and non-maximum suppression.
_STAND_IN = """
import torch
from types import SimpleNamespace
from worldprobe.labels.boxes import nms as greedy

def nms(boxes, scores, threshold):
    kept = greedy(boxes.double().numpy(), scores.double().numpy(), threshold=threshold)
    return torch.from_numpy(kept)

ops = SimpleNamespace(nms=nms)
"""
# Weights are made in the labeller's own process, as it opened the library: to import it takes seconds.
# Untrained scores are all but 0; the bias of the class scores lifts some above the threshold.
_MAKE = """
import sys
from pathlib import Path
import torch
from worldprobe.errors import LabelError
from worldprobe.labels.load import load_labeller

film, folder = Path(sys.argv[1]), Path(sys.argv[2])
try:
    load_labeller("yolo:" + str(folder / "run" / "absent.pt"), folder=folder / "run")
except LabelError:
    from ultralytics import YOLO
torch.manual_seed(0)
model = YOLO("yolov8n.yaml", task="detect")
for branch in model.model.model[-1].cv3:
    branch[-1].weight.data *= 20
    branch[-1].bias.data += 11
model.save(str(folder / "random.pt"))
"""
_LABEL = """
import json
import numpy as np
from worldprobe.pipeline.label.label import label
from worldprobe.video.read import open_video

torch.manual_seed(0)
detector = load_labeller("yolo:" + str(folder / "random.pt"), confidence=0.4, every=3, folder=folder / "run")
labels = label([film], labeller=detector)
with open_video(film) as video:
    frames = dict(video.frames([3]))
plain = YOLO(str(folder / "random.pt")).predict(frames[3][..., ::-1].copy(), conf=0.4, verbose=False)[0].boxes
kept = plain.xyxy.double().numpy().clip(0, np.array([frames[3].shape[1], frames[3].shape[0]] * 2))
kept = kept[((kept[:, 2:] - kept[:, :2]) > 0).all(1)]
rows = labels.table.filter(labels.table["frame"] == 3)
print(json.dumps({
    "frames": sorted(set(labels.table["frame"])), "plain": sorted(kept[:, 0].tolist()),
    "left": sorted((rows["x"] - rows["w"] / 2).to_list()), "classes": sorted(set(labels.table["class"])),
    "notes": labels.notes, "source": labels.table["source"][0],
    "written": [p.name for p in (folder / "run").rglob("*")],
}))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, object], Path]:
    if importlib.util.find_spec("ultralytics") is None:
        pytest.skip("Ultralytics (AGPL-3.0) is not installed: `make yolo` installs it for this test")
    folder = tmp_path_factory.mktemp("yolo")
    stand_in = folder / "stand-in"
    (stand_in / "torchvision").mkdir(parents=True)
    (stand_in / "torchvision" / "__init__.py").write_text(_STAND_IN)
    (stand_in / "torchvision-0.28.0.dist-info").mkdir()
    (stand_in / "torchvision-0.28.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: torchvision\nVersion: 0.28.0\n"
    )
    film = render_scenes(1, 4, folder)[0]
    home = folder / "home"
    home.mkdir()
    environment = {
        **os.environ, "PYTHONPATH": f"{stand_in}{os.pathsep}{ROOT / 'src'}", "HOME": str(home),
        "WORLDPROBE_CACHE": str(folder / "cache"), "YOLO_OFFLINE": "true",
    }  # fmt: skip

    done = subprocess.run(
        [sys.executable, "-c", _MAKE + _LABEL, str(film), str(folder)],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    return found, home


def test_boxes_are_those_of_ultralytics_itself(made: tuple[dict[str, object], Path]) -> None:
    found, _ = made
    assert found["plain"], "the weights made for this test find nothing"
    assert found["left"] == pytest.approx(found["plain"], abs=1e-3)
    assert set(found["frames"]) <= {0, 3, 6, 9, 12, 15}
    assert str(found["source"]).startswith("yolo:")


def test_the_licence_is_said_and_nothing_is_written_in_the_users_home(made: tuple[dict[str, object], Path]) -> None:
    found, home = made
    assert yolo.LICENCE in found["notes"]
    assert "settings.json" in found["written"]
    assert [path.name for path in home.rglob("*")] == []


def test_without_ultralytics_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "ultralytics", None)
    for name in ("YOLO_CONFIG_DIR", "YOLO_AUTOINSTALL", "YOLO_OFFLINE"):
        monkeypatch.setenv(name, str(tmp_path))
    with pytest.raises(LabelError, match=r"Ultralytics \(AGPL-3.0\).*worldprobe\[yolo\].*onnx:FILE"):
        load_labeller("yolo:yolov8n.pt", folder=tmp_path)
    with pytest.raises(LabelError, match="yolo: which weights"):
        load_labeller("yolo")
    with pytest.raises(LabelError, match="confidence has to lie between 0 and 1"):
        load_labeller("yolo:yolov8n.pt", confidence=1.5)
