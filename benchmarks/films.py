"""The films and models that some benchmarks read: of the folder that WORLDPROBE_DATA names."""

from __future__ import annotations

import os
import sys
from pathlib import Path

DATA = Path(os.environ.get("WORLDPROBE_DATA", "../shared/data"))


def require(*paths: Path) -> None:
    """End a benchmark whose files are not all here, and say which: `make bench` goes on with the others."""
    if absent := [path for path in paths if not path.exists()]:
        print(f"{Path(sys.argv[0]).stem}: left out, {absent[0]} is not here (WORLDPROBE_DATA)")
        sys.exit()
