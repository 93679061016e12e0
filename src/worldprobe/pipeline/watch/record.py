"""What a watch has measured, in its folder: ``watch.jsonl``, a line a checkpoint, and the settings of all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from worldprobe.errors import ConfigError, WorldprobeError
from worldprobe.findings.run_files import read_json
from worldprobe.findings.watched import Checkpoint, ordered
from worldprobe.io.files import write_whole
from worldprobe.pipeline.differences import in_words
from worldprobe.results import first_problem

LINES, SETTINGS = "watch.jsonl", "watch.json"


class Record:
    """The lines of a folder's ``watch.jsonl``, by revision: what was measured once is known by its content.

    Args:
        settings: what was asked; the lines of others would not compare.

    Raises:
        ConfigError: the folder holds a watch of other settings.
        WorldprobeError: its files are damaged.
    """

    def __init__(self, out: Path, settings: Mapping[str, Any]) -> None:
        self.out = out
        self.twin: Checkpoint | None = None
        self._by_revision: dict[str, Checkpoint] = {}
        before = read_json(out / SETTINGS)
        if changed := [key for key in settings if before and before.get(key) != settings[key]]:
            listed = "; ".join(
                f"{key} = {in_words(before.get(key))} (now {in_words(settings[key])})" for key in changed
            )
            raise ConfigError(
                f"{out} holds a watch of other settings: {listed}. What it measured would not compare: give "
                "another folder (--out), or delete this one."
            )
        for number, line in enumerate(_lines(out / LINES), start=1):
            try:
                self._take(Checkpoint.model_validate_json(line))
            except ValidationError as error:
                raise WorldprobeError(
                    f"{out / LINES} line {number} is damaged: {first_problem(error)}. Delete it; what it told is "
                    "measured again."
                ) from error
        self._settings = dict(settings)

    def claim(self) -> None:
        """Write down what was asked, which whoever comes later has to ask too."""
        write_whole(self.out / SETTINGS, json.dumps(self._settings, indent=1).encode())

    @property
    def checkpoints(self) -> list[Checkpoint]:
        """In order."""
        return ordered(self._by_revision.values())

    def knows(self, name: str, files: str) -> bool:
        """Whether a checkpoint of this name with these files was measured."""
        return any(
            (one.name, one.files) == (name, files) or one.also.get(name) == files
            for one in self._by_revision.values()
        )

    def of(self, revision: str) -> Checkpoint | None:
        """The line of a checkpoint by its content."""
        return self._by_revision.get(revision)

    def put(self, *lines: Checkpoint) -> None:
        """Add lines, or replace those of the same content, and write all."""
        for line in lines:
            self._take(line)
        every = [*([self.twin] if self.twin else []), *self.checkpoints]
        write_whole(self.out / LINES, "".join(one.model_dump_json() + "\n" for one in every).encode())

    def _take(self, line: Checkpoint) -> None:
        if line.kind == "twin":
            self.twin = line
        else:
            self._by_revision[line.revision] = line


def _lines(path: Path) -> Sequence[str]:
    try:
        return path.read_bytes().decode("utf-8").split("\n")[:-1]
    except FileNotFoundError:
        return ()
    except UnicodeDecodeError as error:
        raise WorldprobeError(f"{path} is damaged: {error}. Delete it; what it told is measured again.") from error
