"""What a run leaves open, and what would answer it: from what was not measured, never from taste."""

from __future__ import annotations

import shlex
import tomllib
from pathlib import Path

from worldprobe.findings.facts import Summary
from worldprobe.findings.score import block_of
from worldprobe.findings.wording import property_name
from worldprobe.results import FEW_GROUPS

SHIPPED, PUBLIC = "vjepa2-tiny", "facebook/vjepa2-vitl-fpc64-256"
BOXED = ("xy", "size")
_MOST_NAMED = 3  # films in a command that is printed
MOVING = ("motion", "motion8", "velocity", "direction")


def suggest_next_steps(summary: Summary) -> tuple[str, ...]:
    """One sentence for each thing that the run did not look at, or not at enough of."""
    found: list[str] = []
    rows = summary.rows
    if few := sorted({row.n_groups for row in rows if 0 < row.n_groups < FEW_GROUPS}):
        found.append(f"More groups: {few[0]} make rough intervals; {FEW_GROUPS} and more make sound ones.")
    hungry = [
        f"{property_name(worth.task)} from {worth.label}".replace("`", "")
        for worth in (summary.evidence.rows if summary.evidence else ())
        if worth.curve and worth.curve.more_data_would_help == "yes"
    ]
    if hungry:
        found.append(f"More data: the learning curve still rises for {', '.join(hungry)}.")
    missing = dict.fromkeys(control for row in rows for control in row.main.missing)
    if missing:
        found.append(f"The controls that were not run: {', '.join(missing)} (`--controls all`).")
    if rows and len({block for row in rows if (block := block_of(row.tap)) is not None}) < 2:
        found.append("Other blocks: one was read, and a property may lie in another (`--blocks all`).")
    if any(row.task in MOVING for row in rows) and not any(row.features == "delta" for row in rows):
        found.append("Differences in time: motion may lie in them (`--features z,delta,z+delta`).")
    # What comes nearer is told from boxes: a robot's recorded states have none.
    if any(row.task in BOXED for row in rows) and not any(row.task == "approach" for row in rows):
        found.append("Approach, which grasping needs and which was not asked (`--tasks approach`).")
    if not summary.future and not summary.energy:
        found.append("The future: how well the predictor tells it (`worldprobe predict`, or the table [predict]).")
    if not summary.decoding:
        found.append("What the embedding holds, drawn by a decoder (`worldprobe decode`, or the table [decode]).")
    if summary.encoder.status != "trained":
        found.append("A trained checkpoint, since these weights are none (`--encoder facebook/vjepa2-...`).")
    return tuple(found)


def suggest_commands(summary: Summary, run: Path) -> list[tuple[str, str]]:
    """Commands that go on from a run, and what each is for: arguments of ``worldprobe``, as a shell takes them."""
    folder = shlex.quote(str(run))
    found = [(f"report {folder} --open", "the report, in the browser")]
    videos = _videos(summary.experiment)
    made, recorded = (_all(videos, kinds) for kinds in (("scenes:", "robots:"), ("lerobot:", "mcap:")))
    own = bool(videos) and not made
    named = shlex.join(videos) if own and (recorded or len(videos) <= _MOST_NAMED) else "film.mp4"
    if made:
        found.append(("demo film.mp4 --out runs/film", "a film of yours, or a folder of them"))
    elif recorded and not summary.future:
        future = f"predict {named} --context 2 --horizon 2 --out {_beside(run, 'future')}"
        found.append((future, "is the robot's future predicted?"))
    elif own and not recorded and any(0 < row.n_groups < FEW_GROUPS for row in summary.rows):
        more = f"more films: {FEW_GROUPS} groups and more make sure"
        # Into the same folder: what is there has to be among what is asked for, or it is refused.
        these = named if len(videos) <= _MOST_NAMED else "THESE-FILMS"
        found.append((f"demo {these} MORE-FILMS{_as_asked(summary.experiment)} --out {folder}", more))
    if summary.encoder.name == SHIPPED:
        # What comes with labels of its own may be shorter than clips usually are.
        frames = tomllib.loads(summary.experiment).get("frames", 16) if recorded else 16
        short = f" --frames {frames}" if frames != 16 else ""
        other = _beside(run, "vitl") if own else "runs/film-vitl"
        found.append((f"demo {named} --encoder {PUBLIC}{short} --out {other}", "a public checkpoint"))
    return [*found, (f"export {folder} --latex", "the tables, for a paper")]


def _videos(experiment: str) -> list[str]:
    """A run's videos as they were named."""
    return list(map(str, tomllib.loads(experiment).get("videos", []))) if experiment else []


def _as_asked(experiment: str) -> str:
    """Options of ``demo`` that make it ask what an experiment did, where they are not its own."""
    own = {"encoder": SHIPPED, "labeller": "moving", "frames": 16}
    asked = {name: value for name, value in tomllib.loads(experiment).items() if own.get(name, value) != value}
    return "".join(f" --{name} {shlex.quote(str(value))}" for name, value in asked.items())


def _all(videos: list[str], kinds: tuple[str, ...]) -> bool:
    """Whether there are videos, and all are of these kinds."""
    return bool(videos) and all(one.startswith(kinds) for one in videos)


def _beside(run: Path, ending: str) -> str:
    """A folder for what follows a run, beside that of the run."""
    return shlex.quote(str(run.with_name(f"{run.name}-{ending}")))
