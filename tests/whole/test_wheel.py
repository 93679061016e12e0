"""The wheel holds weights and templates: installed elsewhere, it runs the demo from an empty folder."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from worldprobe.video.write import write_video

REPOSITORY = Path(__file__).resolve().parents[2]
PIP = (sys.executable, "-m", "pip")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder that holds the wheel's content and nothing else."""
    dist, target = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("site")
    build = (*PIP, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(dist), str(REPOSITORY))
    subprocess.run(build, check=True, timeout=900)
    (wheel,) = dist.glob("*.whl")
    install = (*PIP, "install", "--quiet", "--no-deps", "--no-index", "--target", str(target), str(wheel))
    subprocess.run(install, check=True, timeout=900)
    return target


def run(installed, folder, *arguments):
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=folder, timeout=900,
        env={**os.environ, "PYTHONPATH": str(installed), "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip


def square(frames):
    """A square that wanders over a still, textured ground."""
    ground = np.random.default_rng(0).integers(60, 120, (96, 128, 3), dtype=np.uint8)
    for t in range(frames):
        picture = ground.copy()
        x, y = int(50 + 40 * np.sin(t / 9)), int(36 + 26 * np.cos(t / 13))
        picture[y : y + 20, x : x + 20] = (220, 180, 60)
        yield picture


def test_the_wheel_runs_the_demo_from_an_empty_folder(installed, tmp_path):
    """On a film: the demo of rendered scenes also trains decoders, which takes minutes."""
    found = run(installed, tmp_path, "-c", "import worldprobe; print(worldprobe.__file__)")
    assert found.stdout.startswith(str(installed)), found.stdout  # not the repository's own copy
    write_video(tmp_path / "film.mp4", square(160), rate=25)
    done = run(installed, tmp_path, "-m", "worldprobe", "demo", "film.mp4")
    assert done.returncode == 0, done.stderr
    assert "blocked split" in done.stdout
    assert (tmp_path / "runs" / "demo" / "report.html").stat().st_size > 100_000
    assert done.stderr == ""
    # The demo encoded with the wheel's own weights; what draws scenes is there as well.
    scenes = run(
        installed, tmp_path, "-m", "worldprobe", "encode", "scenes:1", "--encoder", "pixels", "--store", "s"
    )
    assert scenes.returncode == 0, scenes.stderr


def test_the_wheel_holds_every_template(installed):
    own = REPOSITORY / "src" / "worldprobe" / "report" / "templates"
    names = {path.name for path in own.iterdir()}
    assert names == {path.name for path in (installed / "worldprobe" / "report" / "templates").iterdir()}
    assert (installed / "worldprobe" / "py.typed").exists()
