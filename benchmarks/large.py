"""Many clips and labels: a million labels to their tubelets, and a store of 100,000 clips opened.

Made-up series of `pixels`, 8 wide. What is stored is found by worldprobe's own reading of the descriptions, and, in
the same run, by zarr's opening of every array, which is how it was done before; clips are read by worldprobe and by
zarr in turn. Last a store of films of one clip each, where every clip costs the listing of three folders.

    python -m benchmarks.large [--films 1000] [--clips 100] [--labelled-films 100] [--objects 6] [--single 10000]

Prints seconds and one last line of JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import zarr

from worldprobe.geometry import TokenGrid, View
from worldprobe.pipeline.probe.moments import align
from worldprobe.records import ClipSpec, Labels, VideoRef
from worldprobe.series import Series
from worldprobe.store import Store, chunk

FRAMES = 16
ARRAY = "block0.out"


def series_of(number: int, clips: int) -> Series:
    """A film's clips, end to end."""
    known = hashlib.sha256(str(number).encode()).hexdigest()
    video = VideoRef(known, f"film{number}.mp4", 128, 128, clips * FRAMES, 30.0)
    specs = tuple(ClipSpec(video, FRAMES * clip, FRAMES, 1) for clip in range(clips))
    grid, view = TokenGrid(8, 8, 8, 2, 8), View((0.5, 0.5), (0.0, 0.0), (64, 64))
    return Series(video, specs, "pixels", "0" * 64, "trained", None, "native", "space", grid, view)


def labels_of(series: list[Series], objects: int) -> Labels:
    """Every object on every frame."""
    rng, parts = np.random.default_rng(0), []
    for one in series:
        frame = np.repeat(np.arange(one.video.frames), objects)
        columns: dict[str, Any] = {
            "video": [one.video.id] * len(frame), "frame": frame, "pts_seconds": frame / 30,
            "object": np.tile(np.arange(objects), one.video.frames), "class": "ball",
            "x": rng.uniform(20, 100, len(frame)), "y": rng.uniform(20, 100, len(frame)), "w": 10.0, "h": 10.0,
            "confidence": 1.0, "source": "truth", "vx": 1.0, "vy": 1.0,
        }  # fmt: skip
        parts.append(pl.DataFrame(columns))
    return Labels(pl.concat(parts))


def fill(folder: Path, films: int, clips: int) -> Store:
    """A store with all clips; one is written by it, the others are copies."""
    store, first = Store(str(folder)), series_of(0, clips)
    store.create(first, [0], width=8)
    store.write(first, 0, 0, np.zeros((8, 8), np.float16))
    description = json.loads((folder / first.path / ARRAY / "zarr.json").read_text())
    values = (folder / chunk(f"{first.path}/{ARRAY}", 0, pool="space")).read_bytes()
    for number in range(films):
        one = series_of(number, clips)
        array = f"{one.path}/{ARRAY}"
        (folder / array).mkdir(parents=True, exist_ok=True)
        (folder / array / "zarr.json").write_text(json.dumps({**description, "attributes": one.attributes()}))
        for clip in range(clips):
            (folder / chunk(array, clip, pool="space")).write_bytes(values)
    return Store(str(folder))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=1000)
    parser.add_argument("--clips", type=int, default=100)
    parser.add_argument("--labelled-films", type=int, default=100)
    parser.add_argument("--objects", type=int, default=6)
    parser.add_argument("--single", type=int, default=10_000)
    given = parser.parse_args()
    found: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        wall, own = time.perf_counter(), time.process_time()
        result = work()
        found[name] = time.perf_counter() - wall
        print(f"{name:44} {found[name]:7.2f} s, of the processor {time.process_time() - own:7.2f} s", flush=True)
        return result

    series = [series_of(number, given.clips) for number in range(given.labelled_films)]
    labels = labels_of(series, given.objects)
    clips = given.labelled_films * given.clips
    timed(f"align {len(labels.table):,} labels, {clips:,} clips", lambda: align(series, labels))
    with tempfile.TemporaryDirectory() as place:
        store = fill(Path(place) / "store", given.films, given.clips)
        total = f"{given.films * given.clips:,} clips"

        def all_found() -> list[Series]:
            return [one for video in store.videos() for one, _ in store.find(video, encoder="pixels")]

        stored = timed(f"find {total}", all_found)
        timed(f"resume: {total} that are all there", lambda: [store.pending(one, [0]) for one in stored])
        some = stored[: max(1, 2000 // given.clips)]
        count = sum(len(one.specs) for one in some)
        timed(
            f"read {count:,} clips",
            lambda: [embeddings.values for one in some for _, embeddings in store.read(one, 0)],
        )
        arrays = [zarr.open_array(Path(place) / "store" / one.path / ARRAY, mode="r") for one in some]
        timed(
            f"by zarr: read {count:,} clips",
            lambda: [array[at] for array in arrays for at in range(array.shape[0])],
        )
        paths = [Path(place) / "store" / one.path / ARRAY for one in stored]
        timed(
            f"by zarr: open the arrays of {total}",
            lambda: [zarr.open_array(path, mode="r").attrs for path in paths],
        )
    with tempfile.TemporaryDirectory() as place:
        store = fill(Path(place) / "store", given.single, 1)
        timed(f"find {given.single:,} films of one clip", all_found)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
