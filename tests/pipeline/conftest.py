import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from worldprobe.video.rendered.scenes import render_scenes, scene_paths, truth_path


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int, int, Path], list[Path]]:
    """``render_scenes``, of which each scene is rendered once for all tests: they get copies of their own."""
    base = tmp_path_factory.getbasetemp()
    once = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "rendered"

    def render(count: int, seed: int, folder: Path) -> list[Path]:
        for path, copy in zip(render_scenes(count, seed, once), scene_paths(count, seed, folder), strict=True):
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(truth_path(path), truth_path(copy))
            shutil.copy(path, copy)
        return scene_paths(count, seed, folder)

    return render
