"""The whole stage of probing a robot's 14 dimensions, together and a dimension at a time, in one run.

A LeRobot dataset of 12 episodes of 60 frames is written, encoded by vjepa2-tiny and its controls, and probed as
`worldprobe demo lerobot:FOLDER` does: scores, leak, controls, effects that would have shown, code lengths, learning
curves, features without labels, verdicts, `answers.parquet`.

    python -m benchmarks.robot [--repeats 1]

Prints seconds of processors and by the clock, medians of the repeats on both sides in turn, their ratio, and how
far their scores differ at most; one last line of JSON. Fails where they differ by more than 1e-9.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from tests.builders.lerobot_format import write_dataset

from worldprobe.config import Experiment, make_experiment
from worldprobe.labels.robots.lerobot import videos
from worldprobe.labels.table import read_tables
from worldprobe.pipeline.ledger import Ledger
from worldprobe.pipeline.probe.plan import plan_of
from worldprobe.pipeline.probe.questions import dimensions
from worldprobe.pipeline.probe.stage import probe_into
from worldprobe.pipeline.run import run
from worldprobe.store import Store

EPISODES, STEPS, DIMENSIONS, SIDE, RATE = 12, 60, 7, 96, 30
SAME = 1e-9


def robot(into: Path) -> Path:
    """A square goes where the first two dimensions of the state say, on noise; the action is the state's change."""
    rng = np.random.default_rng(0)
    turns, paces = (rng.uniform(*ends, (EPISODES, 1, DIMENSIONS)) for ends in ((0, 2 * np.pi), (0.05, 0.2)))
    state = np.sin(turns + paces * np.arange(STEPS)[None, :, None]).astype(np.float32)
    frames = np.broadcast_to(
        rng.integers(0, 120, (EPISODES, 1, SIDE, SIDE, 3), np.uint8), (EPISODES, STEPS, SIDE, SIDE, 3)
    ).copy()
    for episode, step in np.ndindex(EPISODES, STEPS):
        x, y = (40 + 36 * state[episode, step, :2]).astype(int)
        frames[episode, step, y : y + 16, x : x + 16] = (230, 60, 40)
    return write_dataset(into, frames, state, np.roll(state, -1, axis=1) - state, fps=RATE)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=1)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = f"lerobot:{robot(folder / 'robot')}"
        asked = {"videos": [source], "labeller": "lerobot", "tasks": ["state", "action"], "split": "grouped"}
        experiment = make_experiment(asked)
        first = experiment.model_copy(update={"evidence": [], "features": ["z", "grid"]})
        run(first, list(videos(folder / "robot")), folder / "run")
        return compare(experiment, folder, repeats)


def compare(experiment: Experiment, folder: Path, repeats: int) -> int:
    """Print what the stage takes both ways."""
    labels, store = read_tables([folder / "run" / "labels.parquet"]), Store(str(folder / "run" / "embeddings.zarr"))
    plan = plan_of(experiment, encoder="vjepa2-tiny")

    def scores(tasks: tuple[str, ...]) -> dict[tuple[str, ...], float]:
        probed = probe_into(folder / "out", store, labels, replace(plan, tasks=tasks), Ledger())
        assert probed.moments is not None
        if not tasks_of:
            tasks_of.extend(dimensions(tasks, probed.moments))
        return {
            (one.task, one.features, one.control, one.split): one.score
            for one in probed.results
            if one.score is not None
        }

    tasks_of: list[str] = []
    together = scores(plan.tasks)  # reads what is read once
    times: dict[str, list[tuple[float, float]]] = {"together": [], "a dimension at a time": []}
    alone: dict[tuple[str, ...], float] = {}
    for _ in range(repeats):
        for way, sets in (("together", [plan.tasks]), ("a dimension at a time", [(one,) for one in tasks_of])):
            begun = time.process_time(), time.perf_counter()
            found = [scores(tasks) for tasks in sets]
            times[way].append((time.process_time() - begun[0], time.perf_counter() - begun[1]))
        alone = {key: score for one in found for key, score in one.items()}
    medians = {way: [statistics.median(each) for each in zip(*some, strict=True)] for way, some in times.items()}
    for way, (processors, clock) in medians.items():
        print(f"{way:24} {processors:7.2f} s of processors, {clock:7.2f} s by the clock")
    ratio = medians["a dimension at a time"][0] / medians["together"][0]
    off = max(abs(score - alone[key]) for key, score in together.items()) if set(alone) == set(together) else np.inf
    print(f"{len(tasks_of)} dimensions together {ratio:.1f} times; scores differ by {off:.1e}")
    print(json.dumps({"seconds": medians, "ratio": ratio, "difference": float(off)}))
    return 0 if off <= SAME else 1


if __name__ == "__main__":
    sys.exit(main())
