import subprocess
import sys

HEAVY = {"av", "numpy", "polars", "pydantic", "scipy", "sklearn", "torch", "transformers", "zarr"}


def test_commands_begin_without_what_only_some_of_them_need():
    code = "import sys, worldprobe.cli; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "worldprobe" in loaded
    assert not HEAVY & set(loaded)
