"""The wheel holds weights and templates: installed elsewhere, it encodes from an empty folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PIP = (sys.executable, "-m", "pip")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder that holds the wheel's content and nothing else."""
    dist, target = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("site")
    build = (*PIP, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(dist), str(REPOSITORY))
    subprocess.run(build, check=True, timeout=200)
    (wheel,) = dist.glob("*.whl")
    install = (*PIP, "install", "--quiet", "--no-deps", "--no-index", "--target", str(target), str(wheel))
    subprocess.run(install, check=True, timeout=200)
    return target


def run(installed, folder, *arguments):
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=folder, timeout=280,
        env={**os.environ, "PYTHONPATH": str(installed), "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip


def test_the_wheel_holds_the_shipped_weights_and_templates(installed, tmp_path):
    found = run(installed, tmp_path, "-c", "import worldprobe; print(worldprobe.__file__)")
    assert found.stdout.startswith(str(installed)), found.stdout  # not the repository's own copy
    done = run(installed, tmp_path, "-m", "worldprobe", "encode", "scenes:2", "--store", "s")
    assert done.returncode == 0, done.stderr
    for name in ("report.html.j2", "compare.html.j2"):
        assert (installed / "worldprobe" / "report" / "templates" / name).exists()
