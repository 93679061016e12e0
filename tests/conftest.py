import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer.main
import typer.testing
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
# How long an example takes says more of the machine than of the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
# A file goes to one worker whole: one of minutes that begins last would be waited for by idle ones.
LONG = (
    "test_cli.py", "test_original.py", "test_trust.py", "test_modal.py", "test_predict.py", "test_wheel.py",
    "test_examples.py", "test_killed.py", "test_damage.py", "test_decode.py", "test_probing.py", "test_vision.py",
    "test_pets_onnx.py", "test_features.py", "test_redrawn.py", "test_object_storage.py", "test_readouts.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a test makes must neither be found by the next run of the tests nor lie in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORLDPROBE_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("WORLDPROBE_PROGRESS", "off")  # what stderr says must not depend on how long a stage takes
        yield


@pytest.fixture(scope="session", autouse=True)
def one_parser() -> Iterator[None]:
    """Typer builds every command anew at each call, in 25 ms; a process of its own does so once."""
    with pytest.MonkeyPatch.context() as patch:
        built = cache(typer.main.get_command)
        patch.setattr(typer.main, "get_command", built)
        patch.setattr(typer.testing, "_get_command", built)
        yield


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real clips and labels; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("WORLDPROBE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: set WORLDPROBE_DATA to the folder that holds it")
    return folder
