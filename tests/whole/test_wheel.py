"""What is published: a wheel that runs the demo from an empty folder, and the same bytes whoever builds it."""

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from worldprobe.video.write import write_video

REPOSITORY = Path(__file__).resolve().parents[2]
PIP = (sys.executable, "-m", "pip")


WHEEL_BYTES = 15_000_000


def build(sources, dist, **environment):
    """Build wheel and sdist; returns both."""
    command = (sys.executable, "-m", "hatchling", "build", "--directory", str(dist))
    subprocess.run(
        command, cwd=sources, env={**os.environ, **environment}, check=True, capture_output=True, timeout=900
    )
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    return wheel, sdist


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    return build(REPOSITORY, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def installed(dist, tmp_path_factory):
    """A folder that holds the wheel's content and nothing else."""
    target = tmp_path_factory.mktemp("site")
    install = (*PIP, "install", "--quiet", "--no-deps", "--no-index", "--target", str(target), str(dist[0]))
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


def test_the_published_sources_give_the_same_bytes_elsewhere_and_later(dist, tmp_path):
    wheel, sdist = dist
    with tarfile.open(sdist) as held:
        held.extractall(tmp_path, filter="data")
    (sources,) = tmp_path.iterdir()
    for path in sources.rglob("*"):  # as somebody else has them: private, and of another day
        os.utime(path, (10**9, 10**9))
        path.chmod(0o700 if path.is_dir() else 0o600)
    again = build(sources, tmp_path / "dist", TZ="Asia/Tokyo")
    assert [path.name for path in again] == [wheel.name, sdist.name]
    assert [path.read_bytes() for path in again] == [wheel.read_bytes(), sdist.read_bytes()]


def test_the_wheel_is_small_and_is_of_the_version_that_is_cited_and_described(dist):
    from worldprobe import __version__

    assert dist[0].stat().st_size < WHEEL_BYTES
    assert dist[0].name.startswith(f"worldprobe-{__version__}-")
    cited = (REPOSITORY / "CITATION.cff").read_text()
    latest = re.search(r"^## (\d\S*) \((\S+)\)$", (REPOSITORY / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert latest is not None
    assert latest.groups() == (__version__, re.search(r"^date-released: (\S+)$", cited, flags=re.MULTILINE)[1])
    assert f"\nversion: {__version__}\n" in cited
