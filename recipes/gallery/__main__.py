"""Make the gallery: ``python -m recipes.gallery`` runs what is missing and writes every page anew.

``python -m recipes.gallery pets`` makes one run alone. A run that is there is not repeated unless its command, its
experiment file or ``--again`` says so; one that was stopped goes on where it was. Pages are always written anew.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

from recipes.gallery.index import INDEX, read_gallery, write_findings, write_index
from recipes.gallery.pages import ROOT, GalleryError, check_sizes, data_folder, export
from recipes.gallery.runs import CHECKPOINTS, RUNS, Run
from recipes.gallery.training import train

from worldprobe.errors import WorldprobeError
from worldprobe.findings.wording import count
from worldprobe.io.files import write_whole

DONE = "gallery.json"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.gallery", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(run.name for run in RUNS)}; all")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "gallery", help="where runs are and are made")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="whose gallery/ and findings.md to write")
    parser.add_argument(
        "--pages-only", action="store_true", help="make no run, write pages of those that are there"
    )
    parser.add_argument("--again", action="store_true", help="make the named runs even if they are there")
    asked = parser.parse_args()
    try:
        make(asked.names, asked.runs, asked.docs, pages_only=asked.pages_only, again=asked.again)
    except (GalleryError, WorldprobeError) as error:
        sys.exit(f"gallery: {error}")


def make(names: list[str], runs: Path, docs: Path, *, pages_only: bool = False, again: bool = False) -> None:
    """Make the runs that are missing, then their pages, the index and the findings.

    A run whose data is not here is left out, and its pages stay as they are. Raises GalleryError.
    """
    known = {run.name: run for run in RUNS}
    if strange := [name for name in names if name not in known]:
        raise GalleryError(f"no run is called {', '.join(strange)}: there are {', '.join(known)}")
    for run in [known[name] for name in names] or RUNS:
        if not pages_only and (again or not is_done(run, runs)):
            if lacking := [name for name in run.needs if not (data_folder() / name).exists()]:
                _say(f"{run.name}: left out, {data_folder()} has no {lacking[0]} (WORLDPROBE_DATA); its pages stay")
                continue
            carry_out(run, runs)
        if not is_done(run, runs):
            _say(f"{run.name}: not there; its pages stay")
        else:
            folder = export(run, runs, docs / "gallery")
            _say(f"{run.name}: {sum(path.stat().st_size for path in folder.iterdir()):,} bytes in {folder}")
    gallery = read_gallery(docs / "gallery")
    write_whole(docs / "gallery" / INDEX, write_index(gallery).encode())
    _say(f"{check_sizes(docs / 'gallery'):,} bytes in all")
    write_whole(docs / "findings.md", write_findings(gallery).encode())


def is_done(run: Run, runs: Path) -> bool:
    """Whether a run was carried out to its end, by the command and the experiment file that it has now."""
    path = runs / run.name / DONE
    return path.exists() and json.loads(path.read_text(encoding="utf-8")) == record(run)


def record(run: Run) -> dict[str, str]:
    """What a run is made by: of another command or another experiment file it is another run."""
    file = hashlib.sha256((ROOT / run.file).read_bytes()).hexdigest() if run.file else ""
    return {"command": " ".join(run.command), "file": file}


def carry_out(run: Run, runs: Path) -> None:
    """Run a command of worldprobe to its end; stopped, the same goes on where it was.

    Raises:
        GalleryError: it failed, or left something out.
    """
    runs.mkdir(parents=True, exist_ok=True)
    if CHECKPOINTS in run.command:
        train(runs / "training")
    words = [word.format(out=runs / run.name, runs=runs) for word in run.command]
    _say(f"{run.name}: worldprobe {' '.join(words)} (about {count(run.minutes, 'minute')} on two cores)")
    done = subprocess.run(
        [sys.executable, "-m", "worldprobe", *words],
        cwd=ROOT, env={**os.environ, "WORLDPROBE_DATA": str(data_folder())}, check=False,
    )  # fmt: skip
    if done.returncode:
        raise GalleryError(f"{run.name} ended with {done.returncode}: see above; the same command goes on")
    write_whole(runs / run.name / DONE, json.dumps(record(run)).encode())


def _say(line: str) -> None:
    sys.stderr.write(f"gallery: {line}\n")


if __name__ == "__main__":
    main()
