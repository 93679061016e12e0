"""`worldprobe probe` as a whole on a store of many clips: one task, dry and in earnest, a process each.

Made-up embeddings of `pixels`, 8 wide, pooled over space, from which a label's place can be read; one label a clip.

    python -m benchmarks.probing [--films 1000] [--clips 100] [--controls ...] [--evidence ...] [--keep FOLDER]

With --films 100000 --clips 1 it is films of one clip each. Prints seconds of processors and by the clock, and peak
memory; and one last line of JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from benchmarks.large import FRAMES, series_of

from worldprobe.labels.table import write_labels
from worldprobe.records import Labels
from worldprobe.store import Store

_RUN = "import resource; from worldprobe.cli import app; app({arguments!r}, standalone_mode=False); \
used = resource.getrusage(resource.RUSAGE_SELF); print(used.ru_maxrss, used.ru_utime + used.ru_stime)"


def fill(folder: Path, films: int, clips: int) -> Path:
    """A store and a table of labels; returns the table's place."""
    store, rng, parts = Store(str(folder / "store")), np.random.default_rng(0), list[dict[str, Any]]()
    for number in range(films):
        one = series_of(number, clips)
        store.create(one, [0], width=8)
        for clip, spec in enumerate(one.specs):
            x, y = rng.uniform(20, 100, 2)
            values = rng.normal(size=(8, 8))
            values[:, :2] += x / 20, y / 20
            store.write(one, 0, clip, values.astype(np.float16))
            parts.append({"video": one.video.id, "frame": spec.start + FRAMES // 2, "x": x, "y": y})
    columns = pl.DataFrame(parts).with_columns(
        (pl.col("frame") / 30).alias("pts_seconds"), pl.lit(0, pl.Int64).alias("object"),
        pl.lit("ball").alias("class"), pl.lit(10.0).alias("w"), pl.lit(10.0).alias("h"),
        pl.lit(1.0).alias("confidence"), pl.lit("truth").alias("source"),
        pl.lit(0.0).alias("vx"), pl.lit(0.0).alias("vy"),
    )  # fmt: skip
    write_labels(Labels(columns), folder / "labels.parquet")
    return folder / "labels.parquet"


def timed(*arguments: str) -> dict[str, float]:
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _RUN.format(arguments=list(arguments))], capture_output=True, text=True, check=True
    )
    kilobytes, seconds = done.stdout.split()[-2:]
    clock = time.perf_counter() - started
    return {"processor_s": round(float(seconds), 1), "clock_s": round(clock, 1), "peak_mb": int(kilobytes) // 1024}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=1000)
    parser.add_argument("--clips", type=int, default=100)
    parser.add_argument("--controls", default="majority,nuisance,shuffled,gaussian")
    parser.add_argument("--evidence", default="code,learning,unlabelled")
    parser.add_argument("--keep", type=Path, help="where the store is made, or lies already")
    given = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as name:
        place = given.keep or Path(name)
        table = place / "labels.parquet"
        if not table.exists():
            place.mkdir(parents=True, exist_ok=True)
            started = time.process_time()
            fill(place, given.films, given.clips)
            print(
                f"{given.films * given.clips:,} clips written: {time.process_time() - started:.1f} s of a processor"
            )
        known = hashlib.sha256(str(time.time_ns()).encode()).hexdigest()[:8]
        asked = (
            "probe", "--store", str(place / "store"), "--labels", str(table), "--encoder", "pixels",
            "--tasks", "xy", "--features", "z", "--controls", given.controls, "--evidence", given.evidence,
            "--out", str(Path(name) / known), "--json",
        )  # fmt: skip
        for what, more in (("dry run", ["--dry-run"]), ("probe", [])):
            found[what] = timed(*asked, *more)
            print(f"{what:8} {found[what]}", flush=True)
    print(json.dumps({"films": given.films, "clips": given.films * given.clips, **found}))


if __name__ == "__main__":
    main()
