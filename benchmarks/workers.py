"""What the command's own process pays for each item that an executor's workers do, in processor seconds.

Prints for Ray: handing out a part of 32 clips and taking what became of it; and for predictions of ViT-L's size (16
frames of 256 x 256, a context and a horizon of 4 tubelets): the bytes that a window takes in the store, reading it
from there, and scoring it beside the baselines that are not fitted (those that are come once a run on top). These
bound how many workers one command keeps busy, whatever they are. One last line of JSON holds the same.
"""

from __future__ import annotations

import io
import json
import tempfile
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np

from worldprobe.pipeline.encode.workers import CLIPS_PER_PART, Part, PartOutcome
from worldprobe.pipeline.predict.forecast import forecast
from worldprobe.pipeline.predict.windows import Batch, Window
from worldprobe.records import ClipSpec, TokenGrid, VideoRef
from worldprobe.store import Store

PARTS, WINDOWS, AT_ONCE = 400, 12, 2
CONTEXT = HORIZON = 4
GRID = TokenGrid(8, 16, 16, 2, 16)
WIDTH = 1024


def video(number: int) -> VideoRef:
    return VideoRef(f"{number:064x}", f"/films/film-{number}.mp4", 1280, 720, 100_000, 25.0)


class Nothing:
    """A worker's work that takes no time."""

    def __call__(self, part: Part) -> PartOutcome:
        return PartOutcome(len(part.positions), (), {})


def items() -> float:
    """Processor seconds of this process for a part."""
    from worldprobe.execute.ray import Ray

    specs = tuple(ClipSpec(video(0), 96 * clip, 16, 6) for clip in range(CLIPS_PER_PART))
    parts = [Part("/films/film-0.mp4", specs, (0,), tuple(range(CLIPS_PER_PART)), ("a/b/c",)) for _ in range(PARTS)]
    executor = Ray("2")
    try:
        for outcome in executor.map(Nothing(), parts[:20]):  # what starts once
            outcome.get()
        started = time.process_time()
        for outcome in executor.map(Nothing(), parts):
            outcome.get()
        return (time.process_time() - started) / PARTS
    finally:
        executor.close()


def batches(store: Store, windows: int, spent: list[float]) -> Iterator[Batch]:
    """Windows of films of 4 each, with noise for tokens, out of the store; ``spent`` gets what reading takes."""
    for start in range(0, windows, AT_ONCE):
        some = [
            Window(ClipSpec(video(n // 4), 8 * (n % 4), 16, 1), n // 4, n // 4, float(n % 4), 0.0, 0.6, n % 4 == 0)
            for n in range(start, start + AT_ONCE)
        ]
        began = time.process_time()
        with np.load(io.BytesIO(store.kept("predictions/benchmark/0.npz") or b"")) as arrays:
            pixels, *tokens = (arrays[name] for name in arrays.files)
        spent.append(time.process_time() - began)
        yield Batch(some, pixels, tuple(tokens))


def scoring() -> tuple[int, float, float]:
    """Bytes of a window, processor seconds to read one, and to score one."""
    draw = np.random.default_rng(0)

    def noise(tubelets: int) -> Any:
        return draw.standard_normal((AT_ONCE, tubelets, GRID.height * GRID.width, WIDTH), dtype=np.float32)

    pixels = draw.integers(0, 256, (AT_ONCE, 16, 3, 256, 256), dtype=np.uint8)
    content = io.BytesIO()
    np.savez(content, pixels, noise(CONTEXT), noise(CONTEXT + HORIZON), noise(HORIZON), noise(HORIZON))
    predictor: Any = SimpleNamespace(encoder=SimpleNamespace(grid=lambda frames: GRID, name="ViT-L"), tubelet=2)
    read, place = list[float](), "worldprobe.pipeline.predict.forecast"
    once = patch.multiple(place, _leaks=lambda *_: {}, _fitted=lambda *_: [])
    with tempfile.TemporaryDirectory() as folder, once:
        store = Store(folder)
        store.keep("predictions/benchmark/0.npz", content.getvalue())
        at: dict[str, Any] = {"context": CONTEXT, "horizon": HORIZON, "mode": "joint", "seed": 0}
        started = time.process_time()
        forecast(batches(store, WINDOWS, read), predictor, **at)
        each = (time.process_time() - started - sum(read)) / WINDOWS
    return len(content.getvalue()) // AT_ONCE, float(np.median(read)) / AT_ONCE, each


def main() -> None:
    part = items()
    print(f"a part of {CLIPS_PER_PART} clips through Ray: {1000 * part:.2f} ms", flush=True)
    size, read, score = scoring()
    print(f"a window of ViT-L in the store: {size / 1e6:.1f} MB, read in {read:.3f} s, scored in {score:.2f} s")
    print(json.dumps({"window_bytes": size, "read": read, "score": score, "part": part}))


if __name__ == "__main__":
    main()
