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
    if rows and not any(row.task == "approach" for row in rows):
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
    own = _own_films(summary.experiment)
    films = shlex.join(own) if own and len(own) <= _MOST_NAMED else "film.mp4"
    if own == []:
        found.append(("demo film.mp4 --out runs/film", "a film of yours, or a folder of them"))
    elif own and any(0 < row.n_groups < FEW_GROUPS for row in summary.rows):
        found.append(
            (f"demo {films} MORE-FILMS --out {folder}", f"more films: {FEW_GROUPS} groups and more make sure")
        )
    if summary.encoder.name == SHIPPED:
        other = shlex.quote(f"{run}-vitl") if own else "runs/film-vitl"
        found.append((f"demo {films} --encoder {PUBLIC} --out {other}", "a public checkpoint"))
    return [*found, (f"export {folder} --latex", "the tables, for a paper")]


def _own_films(experiment: str) -> list[str] | None:
    """A run's videos as they were named; none where all are of this package's own making, None where not known."""
    videos = [str(video) for video in tomllib.loads(experiment).get("videos", [])] if experiment else []
    rendered = all(video.startswith(("scenes:", "robots:")) for video in videos)
    return None if not videos else [] if rendered else videos
