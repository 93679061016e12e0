"""What people wait for, by an earlier version and by this one: whole commands, in turn, on one machine.

A revision of this repository is unpacked beside it and runs in this environment; its shipped model is replaced by
this one's, so that both do the same work. A rate is the difference between two jobs, many items and few, so that
starting up is in none; what it counts:

- start: ``worldprobe --help``.
- rendered: ``label scenes:N --labeller truth``, of which nearly all is rendering.
- read: ``encode FOLDER --encoder pixels``, films of 16 frames.
- encoded: ``encode scenes:N`` once the scenes are there.
- robot: ``demo`` on a LeRobot dataset of 12 episodes of 60 frames, 7 dimensions of state and 7 of action.
- demo: the demo on rendered scenes. Later versions answer more there, so that its times are of unequal work.

    python -m benchmarks.versions REVISION [--part encoded] [--repeats 3]

Prints a table of medians, by the clock and of processors, and one last line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from benchmarks.robot import robot

from worldprobe.encoders.known import TINY_FOLDER
from worldprobe.video.rendered import scenes

ROOT = Path(__file__).resolve().parents[1]
# Of scenes so many that both numbers are drawn by processes.
FEW, MANY = {"rendered": 210, "read": 20, "encoded": 10}, {"rendered": 510, "read": 2020, "encoded": 210}
Cost = tuple[float, float]  # seconds by the clock, seconds of processors


@dataclass(frozen=True)
class Version:
    """A version's sources, and the folder that its commands cache in."""

    name: str
    source: Path
    cache: Path

    def cost(self, *words: str) -> Cost:
        """What a command costs, children and all; its output is shown where it fails.

        Raises:
            RuntimeError: it fails.
        """
        settings = {"PYTHONPATH": str(self.source), "WORLDPROBE_CACHE": str(self.cache)}
        before, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "worldprobe", *words], cwd=self.cache, env=os.environ | settings, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        clock, after = time.perf_counter() - clock, resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            raise RuntimeError(f"{self.name}: worldprobe {' '.join(words)}\n{done.stdout}")
        return clock, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def unpack(revision: str, folder: Path) -> Version:
    """The sources of a revision, with this version's model where they hold one."""
    (folder / "then").mkdir()
    archive = subprocess.run(["git", "archive", revision], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    subprocess.run(["tar", "--extract", "--directory", str(folder / "then")], input=archive, check=True)
    model = folder / "then" / TINY_FOLDER.relative_to(ROOT)
    if model.is_dir():
        shutil.copytree(TINY_FOLDER, model, dirs_exist_ok=True)
    # Its plug-ins, of which those installed here may have moved since.
    project = tomllib.loads((folder / "then" / "pyproject.toml").read_text())["project"]
    metadata = folder / "then" / "src" / "worldprobe-0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: worldprobe\nVersion: 0\n")
    groups = {"console_scripts": project.get("scripts", {}), **project.get("entry-points", {})}
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {at}\n" for name, at in of.items()) for group, of in groups.items()
    ]
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    (folder / "cache-then").mkdir()
    return Version(revision, folder / "then" / "src", folder / "cache-then")


def films(into: Path, many: int, few: int) -> tuple[Path, Path]:
    """Two folders of short films."""
    distinct = scenes.render_scenes(100, 20_000, into / "distinct", workers=None)
    folders = into / "many", into / "few"
    for folder, count in zip(folders, (many, few), strict=True):
        folder.mkdir()
        for number in range(count):
            film = folder / f"film-{number:05d}.mp4"
            shutil.copyfile(distinct[number % len(distinct)], film)
            with film.open(
                "ab"
            ) as file:  # an empty box of MP4: the same film with other bytes, so that none is known
                file.write(b"\x00\x00\x00\x10free" + number.to_bytes(8, "big"))
    return folders


def jobs(folder: Path) -> dict[str, tuple[Callable[[Version], Cost], int]]:
    """What is measured: a job's cost by a version, and how many items it is of."""
    made: dict[str, Path] = {}

    def emptied(version: Version, name: str) -> str:
        shutil.rmtree(version.cache / name, ignore_errors=True)
        return str(version.cache / name)

    def difference(part: str, job: Callable[[Version, int], Cost]) -> tuple[Callable[[Version], Cost], int]:
        def cost(version: Version) -> Cost:
            few, many = job(version, FEW[part]), job(version, MANY[part])
            return many[0] - few[0], many[1] - few[1]

        return cost, MANY[part] - FEW[part]

    def rendered(version: Version, count: int) -> Cost:
        emptied(version, "scenes")
        table = str(version.cache / "labels.parquet")
        return version.cost("label", f"scenes:{count}", "--labeller", "truth", "--out", table)

    def read(version: Version, count: int) -> Cost:
        if "films" not in made:
            made["films"] = folder / "films"
            films(made["films"], MANY["read"], FEW["read"])
        here = made["films"] / ("many" if count == MANY["read"] else "few")
        return version.cost("encode", str(here), "--encoder", "pixels", "--store", emptied(version, "store"))

    def encoded(version: Version, count: int) -> Cost:
        return version.cost("encode", f"scenes:{count}@7", "--store", emptied(version, "store"))

    def of_robot(version: Version) -> Cost:
        if "robot" not in made:
            made["robot"] = robot(folder / "robot")
        return version.cost("demo", f"lerobot:{made['robot']}", "--out", emptied(version, "run"))

    def demo(version: Version) -> Cost:
        return version.cost("demo", "--out", emptied(version, "run"))

    return {
        "start": (lambda version: version.cost("--help"), 1),
        "rendered": difference("rendered", rendered),
        "read": difference("read", read),
        "encoded": difference("encoded", encoded),
        "robot": (of_robot, 1),
        "demo": (demo, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revision", help="an earlier commit or tag")
    parser.add_argument("--part", action="append", help="only these; by default all but demo")
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "cache-now").mkdir()
        sides = unpack(asked.revision, folder), Version("now", ROOT / "src", folder / "cache-now")
        known = jobs(folder)
        print(f"{'':10}{'items':>6}{'':>16}{'then':>10}{'now':>10}  times")
        for part in asked.part or [part for part in known if part != "demo"]:
            job, count = known[part]
            for version in sides:
                if part == "encoded":
                    job(version)  # its scenes are rendered
            costs = [[job(version) for version in sides] for _ in range(asked.repeats)]
            then, now = np.median(np.array(costs), axis=0) / count  # each [2]: clock, processors
            ratios = [statistics.median(one[0][which] / one[1][which] for one in costs) for which in (0, 1)]
            for which, unit in enumerate(("by the clock", "of processors")):
                print(
                    f"{part:10}{count:6} {unit:>15}{1e3 * then[which]:8.1f}ms{1e3 * now[which]:8.1f}ms"
                    f"  {ratios[which]:5.2f}",
                    flush=True,
                )
            found[part] = {"items": count, "then": then.tolist(), "now": now.tolist(), "ratios": ratios}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
