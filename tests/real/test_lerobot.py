"""A real robot's episodes, written as a LeRobot dataset, through the whole pipeline."""

from pathlib import Path

import numpy as np
import pytest
from tests.builders.checks import some
from tests.builders.lerobot_format import write_dataset

from worldprobe.encoders.load import load_encoder
from worldprobe.labels.robots.lerobot import LeRobot, videos
from worldprobe.pipeline.encode.encode import encode
from worldprobe.pipeline.label.label import label
from worldprobe.pipeline.probe.plan import Plan
from worldprobe.pipeline.probe.probe import probe
from worldprobe.store import Store


@pytest.mark.parametrize("version", ["v3.0", "v2.1"])
def test_bridge_episodes_are_probed_for_state_and_action(version: str, data: Path, tmp_path: Path) -> None:
    bridge = np.load(data / "labels" / "bridge_25x10_64px.npz")
    root = write_dataset(
        tmp_path / "bridge", bridge["frames"], bridge["state"], bridge["action"], fps=5, version=version
    )
    paths = list(videos(root))
    store = Store(str(tmp_path / "embeddings.zarr"))
    encode(paths, encoder=load_encoder("pixels"), store=store, blocks=[0], frames=10)
    labels = label(paths, labeller=LeRobot())
    assert len(labels.table) == 250
    by_episode = labels.table.sort("object", "frame")["state.gripper"].to_numpy().reshape(25, 10)
    np.testing.assert_allclose(by_episode, bridge["state"][:, :, 6])
    plan = Plan(
        encoder="pixels", tasks=("state", "action"), features=("grid",), controls=("majority", "gaussian"),
        split="grouped",
    )  # fmt: skip
    probed = probe(store, labels, plan)
    real = [r for r in probed.results if r.control == "none" and r.split == "grouped"]
    assert len(real) == 14
    assert {r.n_groups for r in real} == {25}
    assert probed.kept == 250
    noise = [r for r in probed.results if r.control == "gaussian"]
    assert len(noise) == 14
    known = [r for r in noise if r.low is not None]
    assert len(known) > 7
    assert all(r.low <= 0 for r in some(known))
