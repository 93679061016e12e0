"""What the folders of several runs say of how they were made, and where they do not agree."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from worldprobe.errors import CompareError
from worldprobe.findings.comparison import Differing
from worldprobe.findings.run_files import read_provenance

# Keys of an experiment that say what a target is.
_OF_TARGETS = ("labeller", "confidence", "every", "tracker", "camera", "classes", "subject", "protocol")
# Videos are compared by content; where they lay does not matter.
_OMITTED = ("videos",)


def differing(folders: Sequence[Path]) -> tuple[Differing, ...]:
    """Keys of ``experiment.toml`` and versions in ``provenance.json`` that are not the same in all runs.

    Raises CompareError where a file is damaged; one that is not there says nothing.
    """
    return tuple(
        Differing(name=name, values=values)
        for name, *found in _facts([_written(folder) for folder in folders])
        if name not in _OMITTED and len(set(values := tuple(found))) > 1
    )


def why_targets_differ(folders: Sequence[Path]) -> str:
    """A sentence that names what the experiments ask otherwise of labels; empty where they ask the same."""
    found = [
        f"{one.name} ({' and '.join(one.values)})"
        for one in differing(folders)
        if one.name.partition(".")[0] in _OF_TARGETS
    ]
    return f" The experiments differ in {', '.join(found)}." if found else ""


def _facts(tables: Sequence[Mapping[str, Any]], within: str = "") -> Iterator[tuple[str, ...]]:
    """Each key that any of the tables has, and its value in each; of a table that all have, the keys of that one.

    Args:
        within: what tables these are in, with a full stop after each.
    """
    for key in dict.fromkeys(key for one in tables for key in one):
        values = [one.get(key) for one in tables]
        if all(isinstance(one, dict) for one in values):
            yield from _facts([one or {} for one in values], f"{within}{key}.")
        else:
            yield f"{within}{key}", *("–" if one is None else in_words(one) for one in values)


def _written(folder: Path) -> dict[str, Any]:
    """An experiment and the versions of its provenance, by key."""
    path = folder / "experiment.toml"
    written: dict[str, Any] = {}
    if path.exists():
        try:
            written = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise CompareError(f"{path} is damaged: {error}. Run the stage that writes it again.") from error
    versions = read_provenance(folder / "provenance.json").get("versions") or {}
    return {**written, **versions}


def in_words(value: Any) -> str:
    """A value of an experiment file as a person would write it: lists by comma, tables as ``key = value``."""
    if isinstance(value, dict):
        return ", ".join(f"{key} = {_within(one)}" for key, one in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(in_words, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _within(value: Any) -> str:
    text = in_words(value)
    return f"({text})" if isinstance(value, dict) or (isinstance(value, list) and len(value) > 1) else text
