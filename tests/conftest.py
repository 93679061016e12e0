import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real clips and labels; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("WORLDPROBE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: set WORLDPROBE_DATA to the folder that holds it")
    return folder
